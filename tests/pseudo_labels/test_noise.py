import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from ssl_bev.pseudo_labels import PseudoLabelReader, PseudoLabelWriter, read_manifest
from ssl_bev.pseudo_labels.degrade import degrade_pseudo_labels
from ssl_bev.pseudo_labels.noise import LEVELS, LabelNoise, NoiseLevel, smooth_field

NAMES = ['Road', 'Lane Marking - General', 'Lane Marking - Crosswalk', 'Sidewalk', 'Sky']
ROAD, MARKING, CROSSWALK, SIDEWALK, SKY = range(5)
SIZE = (96, 192)
CALM = NoiseLevel(0, 0, 0, 0, 0)


def street():
    """Sky above, a sidewalk on the left, a road with six lines and a crossing."""
    ids = np.full(SIZE, ROAD, np.uint8)
    ids[:24] = SKY
    ids[24:, :48] = SIDEWALK
    ids[24:, 60:180:20] = MARKING
    ids[24:, 61:180:20] = MARKING
    ids[70:80, 50:190] = CROSSWALK
    return ids


def degraded(level, name='CAM_FRONT/a', seed=0, names=NAMES):
    return LabelNoise(names, 'mapillary_v1', level, seed)(street(), np.full(SIZE, 200, np.uint8), name)


def changes(level):
    """How often each class became each other, over several images; rows are the clean class."""
    table = np.zeros((5, 5))
    for name in range(20):
        np.add.at(table, (street(), degraded(level, str(name))[0]), 1)
    return table / table.sum(1, keepdims=True)


def test_no_noise_changes_nothing():
    ids, confidence = degraded(CALM)
    np.testing.assert_array_equal(ids, street())
    assert (confidence == 200).all()


def test_each_kind_of_error_changes_what_it_says_and_as_much():
    stay = np.eye(5)
    dropped = changes(NoiseLevel(0, 0.3, 0, 0, 0))
    assert dropped[MARKING, ROAD] == pytest.approx(0.3, abs=0.08) and dropped[MARKING, MARKING] < 0.8
    np.testing.assert_array_equal(dropped[[ROAD, CROSSWALK, SIDEWALK, SKY]], stay[[ROAD, CROSSWALK, SIDEWALK, SKY]])
    swapped = changes(NoiseLevel(0, 0, 0, 0, 0.2))
    assert swapped[ROAD, SIDEWALK] == pytest.approx(0.2, abs=0.06)
    assert swapped[SIDEWALK, ROAD] == pytest.approx(0.2, abs=0.06)
    np.testing.assert_array_equal(swapped[[MARKING, CROSSWALK, SKY]], stay[[MARKING, CROSSWALK, SKY]])
    invented = changes(NoiseLevel(0, 0, 0.5, 0, 0))
    assert 0.005 < invented[ROAD, MARKING] < 0.1
    np.testing.assert_array_equal(invented[1:], stay[1:])
    confused = changes(NoiseLevel(0, 0, 0, 0.3, 0))
    assert confused[MARKING, CROSSWALK] == pytest.approx(0.3, abs=0.08)
    assert confused[CROSSWALK, MARKING] == pytest.approx(0.3, abs=0.08)
    np.testing.assert_array_equal(confused[[ROAD, SIDEWALK, SKY]], stay[[ROAD, SIDEWALK, SKY]])


def test_jitter_moves_edges_by_its_standard_deviation():
    """The sidewalk's edge is a column; 0.02 of 192 pixels is 3.84."""
    edges = []
    for name in range(40):
        ids = degraded(NoiseLevel(0.02, 0, 0, 0, 0), str(name))[0]
        edges += [(row == SIDEWALK).sum() - 48 for row in ids[40:68:14]]
    assert np.std(edges) == pytest.approx(3.84, rel=0.25) and abs(np.mean(edges)) < 1


def test_the_same_seed_and_image_give_the_same_and_others_do_not():
    first = degraded(LEVELS['L2'])
    for a, b in zip(first, degraded(LEVELS['L2']), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first[0] != degraded(LEVELS['L2'], name='CAM_FRONT/b')[0]).any()
    assert (first[0] != degraded(LEVELS['L2'], seed=1)[0]).any()


def test_errors_are_less_confident_but_not_separable():
    right, wrong = [], []
    for name in range(10):
        ids, confidence = degraded(LEVELS['L3'], str(name))
        right.append(confidence[ids == street()])
        wrong.append(confidence[ids != street()])
    right, wrong = np.concatenate(right), np.concatenate(wrong)
    assert np.mean(wrong) < np.mean(right) - 10
    assert np.mean(wrong > np.median(right)) > 0.1


def test_fields_have_unit_variance_everywhere_and_are_smooth():
    fields = np.stack([smooth_field(np.random.default_rng(seed), (40, 60), 8.0) for seed in range(400)])
    np.testing.assert_allclose(fields.std(0), 1, atol=0.2)
    near, far = ((fields[:, :, 30] * fields[:, :, 30 + lag]).mean() for lag in (1, 25))
    assert near > 0.97 and abs(far) < 0.1


def test_a_folder_its_manifest_and_its_iou(tmp_path, monkeypatch, capsys):
    with PseudoLabelWriter(tmp_path / 'clean', 'painter', 'a' * 64, NAMES, settings={'scale': 0.5}) as writer:
        for stem in 'abc':
            writer.write('CAM_FRONT', stem, street(), np.full(SIZE, 200, np.uint8))
    tool = Path(__file__).resolve().parents[2] / 'tools' / 'degrade_pseudo_labels.py'
    command = ['--pseudo-labels', tmp_path / 'clean', '--label-map', 'mapillary_v1', '--out', tmp_path / 'noisy']

    def run(*options):
        monkeypatch.setattr(sys, 'argv', [str(part) for part in (tool, *command, '--quiet', *options)])
        runpy.run_path(str(tool), run_name='__main__')
        return capsys.readouterr().out

    printed = run('--levels', 'L1', 'L3')
    manifest = read_manifest(tmp_path / 'noisy_L3' / 'manifest.json')
    assert manifest['teacher']['name'] == 'painter+noise-L3' and manifest['teacher']['sha256'] != 'a' * 64
    assert manifest['settings']['scale'] == 0.5 and manifest['settings']['noise']['dropped'] == LEVELS['L3'].dropped
    assert manifest['label_count'] == 3
    iou = {}
    for name in ('L1', 'L3'):
        noisy = np.stack([PseudoLabelReader(tmp_path / f'noisy_{name}').read('CAM_FRONT', stem)[0] for stem in 'abc'])
        labelled = street()[None] != SKY
        is_marking = np.broadcast_to(street() == MARKING, noisy.shape)
        counted = labelled & ~np.isin(street(), [CROSSWALK])  # ignored for markings, see the label map
        found = (noisy == MARKING) & counted
        iou[name] = (found & is_marking).sum() / (found | is_marking).sum()
        assert f'marking {100 * iou[name]:.1f}' in printed
    assert iou['L3'] < iou['L1'] - 0.1 and iou['L1'] < 0.99

    lost = tmp_path / 'noisy_L1' / 'labels' / 'CAM_FRONT' / 'b.png'
    before = lost.read_bytes()
    lost.unlink()
    assert run('--levels', 'L1') in printed  # the figures of all images, those written before included
    assert lost.read_bytes() == before
    with pytest.raises(SystemExit, match='holds pseudo-labels with another'):
        run('--levels', 'L1', '--seed', '7')


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match=r'dropped must be in \[0, 1\], got 1.5'):
        NoiseLevel(0, 1.5, 0, 0, 0)
    with pytest.raises(ValueError, match="no class of the kind 'off_road'"):
        degraded(CALM, names=NAMES[:3])
    arguments = dict(label_map='mapillary_v1', name='L1', level=LEVELS['L1'])
    with pytest.raises(ValueError, match='out must be another folder than root'):
        degrade_pseudo_labels(tmp_path, tmp_path, **arguments)
    PseudoLabelWriter(tmp_path / 'empty', 'painter', 'a' * 64, NAMES).close()
    with pytest.raises(ValueError, match='holds no pseudo-labels'):
        degrade_pseudo_labels(tmp_path / 'empty', tmp_path / 'out', **arguments)
    assert not (tmp_path / 'out').exists()
