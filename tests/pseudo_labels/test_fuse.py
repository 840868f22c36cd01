"""Two teachers as one: the rule pixel by pixel, and the folder."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from ssl_bev.pseudo_labels import LabelMap, PseudoLabelReader, PseudoLabelWriter, read_manifest
from ssl_bev.pseudo_labels.fuse import fuse_pseudo_labels
from ssl_bev.pseudo_labels.fusion import Fusion
from ssl_bev.pseudo_labels.source_image import ImageRecord

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'fuse_pseudo_labels.py'
NAMES = ['Curb', 'Road', 'Sidewalk', 'Lane Marking - General', 'Sky', 'Car', 'Bike Lane']
ROAD_CLASSES = ['background', 'road', 'curb', 'mark']
CITY_CLASSES = ['road', 'sidewalk', 'car', 'sky', 'building']


@pytest.mark.parametrize(
    ('road', 'other', 'expected'),
    [
        # (class, confidence) of the road teacher, of the other, and what is taken
        (('Road', 0.5), ('Road', 0.9), ('Road', 0.5)),
        (('Lane Marking - General', 0.4), ('Road', 0.9), ('Lane Marking - General', 0.4)),
        (('Road', 0.4), ('Sidewalk', 0.9), ('Road', 0.4)),
        (('Curb', 0.4), ('Bike Lane', 0.9), ('Curb', 0.4)),
        (('Road', 0.4), (None, 0), ('Road', 0.4)),
        (('Road', 0.6), ('Car', 0.5), ('Car', 0.5)),
        (('Road', 0.8), ('Sky', 0.9), ('Sky', 0.9)),
        (('Road', 0.8), ('Car', 0.7), ('Road', 0.8)),
        (('Lane Marking - General', 0.8), ('Car', 0.8), ('Car', 0.8)),
        ((None, 0.9), ('Car', 0.2), ('Car', 0.2)),
        ((None, 0.9), ('Sidewalk', 0.3), ('Sidewalk', 0.3)),
        ((None, 0.9), ('Bike Lane', 0.3), ('Bike Lane', 0.3)),
        ((None, 0.9), ('Road', 0.99), (None, 0)),
        ((None, 0.9), (None, 0.9), (None, 0)),
    ],
)
def test_the_rule(road: tuple, other: tuple, expected: tuple) -> None:
    def pixel(label: tuple) -> tuple[np.ndarray, np.ndarray]:
        ids = 255 if label[0] is None else NAMES.index(label[0])
        return np.full((1, 1), ids, np.uint8), np.full((1, 1), round(255 * label[1]), np.uint8)

    ids, confidence = Fusion(NAMES, firm=0.7)(pixel(road), pixel(other))
    assert (ids.dtype, confidence.dtype) == (np.uint8, np.uint8)
    assert (ids, confidence) == pixel(expected)


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r'firm must be in \[0, 1\], got 70'):
        Fusion(NAMES, firm=70)
    with pytest.raises(ValueError, match=r"class_names \['road'\] are no classes of mapillary_v1"):
        Fusion(['road'])


def write(root: Path, name: str, class_names: list[str], labels: dict[str, list], checksum: int = 7) -> Path:
    with PseudoLabelWriter(root, name, name[0] * 64, class_names, settings={'scale': 0.5}) as writer:
        for stem, ids in labels.items():
            record = ImageRecord(f'samples/CAM_FRONT/{stem}.jpg', ('token',), checksum)
            writer.write('CAM_FRONT', stem, np.array(ids, np.uint8), np.full(np.shape(ids), 200, np.uint8), record)
    return root


@pytest.fixture
def road(tmp_path: Path) -> Path:
    return write(tmp_path / 'road', 'road', ROAD_CLASSES, {'a': [[0, 1, 2, 3, 1]], 'b': [[0, 0, 0, 1, 0]]})


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return write(tmp_path / 'city', 'city', CITY_CLASSES, {'a': [[0, 0, 1, 0, 2]], 'b': [[1, 3, 255, 4, 2]]})


TABLES = dict(road_names='road_segmentation_adas_to_mapillary_v1', other_names='cityscapes_to_mapillary_v1')


def test_folder(road: Path, city: Path, tmp_path: Path) -> None:
    fused = fuse_pseudo_labels(road, city, tmp_path / 'out', **TABLES, show_progress=False)
    assert fused == (2, 0, pytest.approx(0.2))
    manifest = read_manifest(tmp_path / 'out' / 'manifest.json')
    # In Mapillary's order, and only what the two can give: a label map must see that nobody knows crossings.
    assert manifest['class_names'] == ['Curb', 'Road', 'Sidewalk', 'Building', 'Lane Marking - General', 'Sky', 'Car']
    reader = PseudoLabelReader(tmp_path / 'out')
    ids, confidence = reader.read('CAM_FRONT', 'a')
    assert ids.tolist() == [[255, 1, 0, 4, 6]]
    assert confidence.tolist() == [[0, 200, 200, 200, 200]]
    assert reader.read('CAM_FRONT', 'b')[0].tolist() == [[2, 5, 255, 3, 6]]
    rule = manifest['settings']['fusion']
    assert (manifest['teacher']['name'], rule['firm'], manifest['label_count']) == ('road+city', 0.7, 2)
    assert rule['road']['teacher'] == {'name': 'road', 'sha256': 'r' * 64}
    assert rule['other']['settings'] == {'scale': 0.5}
    assert rule['road']['class_names']['background'] is None
    assert rule['other']['class_names']['car'] == 'Car'
    with pytest.raises(ValueError, match="'crosswalk' is missing from the teacher"):
        LabelMap.load('mapillary_v1').table(manifest['class_names'], ['crosswalk'])


def test_it_goes_on_and_keeps_its_folder_apart(road: Path, city: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    fuse_pseudo_labels(road, city, out, **TABLES, show_progress=False)
    (out / 'labels' / 'CAM_FRONT' / 'a.png').unlink()
    assert fuse_pseudo_labels(road, city, out, **TABLES, show_progress=False)[:2] == (1, 1)
    (out / 'confidence' / 'CAM_FRONT' / 'a.png').write_bytes(b'')  # as a crash of the machine may leave it
    assert fuse_pseudo_labels(road, city, out, **TABLES, show_progress=False)[:2] == (1, 1)
    with pytest.raises(ValueError, match='holds pseudo-labels with another teacher'):
        fuse_pseudo_labels(road, city, out, 0.8, **TABLES, show_progress=False)
    with pytest.raises(ValueError, match='out must be a folder of its own'):
        fuse_pseudo_labels(road, city, road / '.', **TABLES)


def test_folders_that_do_not_belong_together(road: Path, city: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"reduction mapillary_v2_to_v1: unknown class 'background'"):
        fuse_pseudo_labels(road, city, tmp_path / 'out')
    less = write(tmp_path / 'less', 'city', CITY_CLASSES, {'a': [[0] * 5]})
    with pytest.raises(ValueError, match=r'less lacks labels of 1 images that .*road has, such as CAM_FRONT/b; label'):
        fuse_pseudo_labels(road, less, tmp_path / 'out', **TABLES)
    with pytest.raises(FileNotFoundError, match='manifest not found'):
        fuse_pseudo_labels(road, tmp_path / 'none', tmp_path / 'out', **TABLES)
    labels = {'a': [[0] * 5], 'b': [[0] * 5]}
    foreign = write(tmp_path / 'foreign', 'city', CITY_CLASSES, labels, checksum=8)
    with pytest.raises(ValueError, match=r'labels samples/CAM_FRONT/a\.jpg, which is another image'):
        fuse_pseudo_labels(road, foreign, tmp_path / 'out', **TABLES, show_progress=False)
    small = write(tmp_path / 'small', 'city', CITY_CLASSES, {'a': [[0]], 'b': [[0]]})
    with pytest.raises(ValueError, match=r'CAM_FRONT/a: .*road has labels of \(1, 5\) .*small of \(1, 1\)'):
        fuse_pseudo_labels(road, small, tmp_path / 'out', **TABLES, show_progress=False)


def test_tool(
    road: Path, city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    tables = [text for name, table in TABLES.items() for text in (f'--{name.replace("_", "-")}', table)]
    command = [TOOL, road, city, '--out', tmp_path / 'out', '--quiet']
    monkeypatch.setattr(sys, 'argv', list(map(str, [*command, *tables])))
    runpy.run_path(str(TOOL), run_name='__main__')
    assert capsys.readouterr().out == (
        f'{tmp_path / "out"}: 2 images fused, 0 were fused before\n20.0 % of the pixels fused now are ignored\n'
    )
    monkeypatch.setattr(sys, 'argv', list(map(str, command)))
    with pytest.raises(SystemExit, match='error: reduction mapillary_v2_to_v1: unknown class'):
        runpy.run_path(str(TOOL), run_name='__main__')
