import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_nuscenes import crossroads_map

from ssl_bev.datasets.calibration import frame_cameras, frame_poses
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.geometry import BEVGrid, ground_homography, pixel_grid, pixels_to_ground
from ssl_bev.preparation.label_agreement import label_iou
from ssl_bev.preparation.map_geometry import BASE_CLASSES, MapGeometry
from ssl_bev.preparation.map_registration import Correction, mutual_information, register_map
from ssl_bev.preparation.rasterize import MapRasterizer
from ssl_bev.preparation.register_labels import register_labels
from ssl_bev.pseudo_labels import PseudoLabelWriter

GRID = BEVGrid((-20, 20), (-10, 10), 0.25)
NAMES = ['Road', 'Lane Marking - General', 'Crosswalk - Plain', 'Sidewalk', 'Sky']


def world(xy):  # (..., 2) -> drivable, paint, crossing
    """A bent road, two lines along it and a crossing."""
    x, y = xy[..., 0], xy[..., 1] - 0.01 * xy[..., 0] ** 2
    road = np.abs(y + 1) < 6
    return np.stack([road, road & (np.minimum(np.abs(y), np.abs(y + 3.5)) < 0.25), road & (np.abs(x - 8) < 1.5)])


def moved_world(correction):
    """The map is the world moved back: corrected, it lies where the world is."""
    centers = GRID.with_cell_size(0.125).cell_centers(dtype=torch.float64).numpy()
    motion = correction.matrix()
    fine = world(centers @ motion[:2, :2].T + motion[:2, 2])
    return fine.reshape(3, 80, 2, 160, 2).mean((2, 4))


@pytest.mark.parametrize('truth', [(0.31, -0.22, 0.008), (-0.55, 0.4, -0.01), (0.0, 0.1, 0.0)])
def test_a_known_motion_is_found_through_noise_and_worn_paint(truth):
    generator = np.random.default_rng(0)
    evidence = world(GRID.cell_centers(dtype=torch.float64).numpy()).astype(float)
    patches = generator.random((3, 10, 20)).repeat(8, 1).repeat(8, 2)
    evidence[1] *= patches[1] > 0.4  # a good part of the paint is gone
    probability = np.clip(evidence + generator.normal(0, 0.3, evidence.shape), 0, 1)
    weight = (patches > 0.2) * generator.uniform(0.2, 2, evidence.shape)
    correction = Correction(truth[:2], truth[2], (0.0, 0.0))
    found = register_map(moved_world(correction), probability, weight, GRID)
    corners = np.array([(x, y, 1) for x in (-15, 15) for y in (-8, 8)])
    error = (corners @ (found.matrix() - correction.matrix()).T)[:, :2]
    assert np.hypot(*error.T).max() < 0.1
    assert found.gain > 0 or truth[0] == 0


def test_thin_paint_is_not_outvoted_by_road_edges():
    """Where the map's lines lie aside of paint and its road does not, lines decide."""
    evidence = world(GRID.cell_centers(dtype=torch.float64).numpy()).astype(float)
    masks = evidence.copy()
    masks[1] = moved_world(Correction((0.0, 0.4), 0.0, (0.0, 0.0)))[1]
    found = register_map(masks, evidence, np.ones_like(evidence), GRID)
    assert abs(found.offset[1] - 0.4) < 0.15


def test_without_information_the_map_stays():
    masks = np.ones((2, *GRID.shape))
    found = register_map(masks, np.random.default_rng(0).random(masks.shape), np.ones_like(masks), GRID)
    assert np.hypot(*found.offset) < 0.05 and abs(found.rotation) < 1e-3 and abs(found.gain) < 1e-6


def test_a_class_without_evidence_does_not_count():
    evidence = world(GRID.cell_centers(dtype=torch.float64).numpy()).astype(float)
    masks = moved_world(Correction((0.3, -0.2), 0.0, (0.0, 0.0)))
    weight = np.ones_like(evidence)
    weight[2] = 0
    found = register_map(masks, evidence, weight, GRID)
    assert found == register_map(masks[:2], evidence[:2], weight[:2], GRID)
    assert abs(found.offset[1] + 0.2) < 0.1


def test_mutual_information_by_hand():
    """A map that says all about an evenly split evidence tells log 2; one that says nothing tells 0; or in between:

    of four cells two are present. The map covers one of them: P(in, yes) = 1/4, P(out, yes) = 1/4, P(out, no) = 1/2.
    """
    bins = np.array([[0, 0, 1, 1], [1, 1, 0, 0]], np.float32)
    assert mutual_information(bins, np.array([1, 1, 0, 0], np.float32)) == pytest.approx(np.log(2))
    assert mutual_information(bins, np.array([1, 0, 1, 0], np.float32)) == pytest.approx(0)
    expected = (
        0.25 * np.log(0.25 / (0.25 * 0.5)) + 0.25 * np.log(0.25 / (0.75 * 0.5)) + 0.5 * np.log(0.5 / (0.75 * 0.5))
    )
    assert mutual_information(bins, np.array([1, 0, 0, 0], np.float32)) == pytest.approx(expected)


def test_bad_evidence():
    masks = np.zeros((1, *GRID.shape))
    with pytest.raises(ValueError, match='weight is 0 everywhere'):
        register_map(masks, masks, masks, GRID)
    with pytest.raises(ValueError, match=r'probability must be \(1, 80, 160\) on the grid \(80, 160\), got \(2, 80'):
        register_map(masks, np.zeros((2, *GRID.shape)), masks, GRID)


@pytest.fixture(scope='module', params=['crossings', 'paint alone'])
def offset_root(request, tiny_data, tmp_path_factory):
    """The crossroads map, published 0.4 m too far along x and 0.3 m along y, and what cameras see of the true one.

    To a teacher that does not know crossings, they are paint.
    """
    names = [name for name in NAMES if request.param == 'crossings' or 'Crosswalk' not in name]
    crossing = NAMES[2] if request.param == 'crossings' else NAMES[1]
    root = tmp_path_factory.mktemp('offset')
    true = crossroads_map()
    published = json.loads(json.dumps(true))
    for node in published['node']:
        node['x'], node['y'] = node['x'] + 0.4, node['y'] + 0.3
    folder = root / 'maps' / 'expansion'
    folder.mkdir(parents=True)
    (folder / 'singapore-onenorth.json').write_text(json.dumps(published))
    area = BEVGrid((40, 160), (60, 140), 0.125)
    drawn = MapRasterizer(MapGeometry(true), area, BASE_CLASSES, 0.5)(np.eye(4), np.eye(4))
    ids = np.full(area.shape, names.index('Sidewalk'), np.uint8)
    for mask, name in ((drawn[0], 'Road'), (drawn[3], crossing), (drawn[[1, 2, 4]].any(0), NAMES[1])):
        ids[mask] = names.index(name)
    size = (48, 96)
    pixels = pixel_grid(size, dtype=torch.float64).flatten(0, 1)
    with PseudoLabelWriter(root / 'pseudo_labels', 'painter', 'a' * 64, names) as writer:
        for split in ('train', 'val'):
            for frame in read_info_file(tiny_data / f'ssl_bev_infos_{split}.pkl')['data_list']:
                cam2img, ego2cam = frame_cameras(frame, list(frame['images']), 'ego')
                ego2global, road2ego = (torch.from_numpy(pose) for pose in frame_poses(frame, 'ego'))
                for n, (camera, image) in enumerate(frame['images'].items()):
                    homography = ground_homography(torch.from_numpy(cam2img[n] @ ego2cam[n]), road2ego)
                    xy, _, valid = pixels_to_ground(pixels, homography)
                    cells = area.xy_to_cell(xy @ ego2global[:2, :2].T + ego2global[:2, 3]).floor().long()
                    inside = (
                        valid & (cells >= 0).all(-1) & (cells[:, 0] < area.shape[1]) & (cells[:, 1] < area.shape[0])
                    )
                    label = np.full(len(pixels), names.index('Sky'), np.uint8)
                    label[inside.numpy()] = ids[cells[inside, 1], cells[inside, 0]]
                    writer.write(
                        camera, Path(image['img_path']).stem, label.reshape(size), np.full(size, 255, np.uint8)
                    )
    return root


def test_labels_of_an_offset_map_come_closer_to_the_truth(tiny_data, offset_root, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'registered'
    tool = Path(__file__).resolve().parents[2] / 'tools' / 'register_labels.py'
    infos = [tiny_data / f'ssl_bev_infos_{split}.pkl' for split in ('train', 'val')]
    command = [tool, '--infos', *infos, '--data-root', offset_root, '--pseudo-labels', offset_root / 'pseudo_labels']
    command += ['--label-map', 'mapillary_v1', '--out', out, '--truth', tiny_data / 'bev_labels', '--quiet']
    monkeypatch.setattr(sys, 'argv', [str(part) for part in command])
    runpy.run_path(str(tool), run_name='__main__')
    assert 'maps of 3 scenes' in (printed := capsys.readouterr().out)
    corrections = json.loads((out / 'corrections.json').read_text())
    for scene, correction in corrections.items():
        assert np.hypot(correction['offset'][0] + 0.4, correction['offset'][1] + 0.3) < 0.3, scene
    offset = tmp_path / 'offset_labels'
    offset.mkdir()
    (offset / 'manifest.json').write_text((out / 'manifest.json').read_text())
    draw = MapRasterizer(MapGeometry.read(next(offset_root.glob('maps/*/*.json'))), BEVGrid((-30, 30), (-15, 15), 0.25))
    for path in infos:
        for frame in read_info_file(path)['data_list']:
            masks = draw(*frame_poses(frame, 'ego'))
            bits = (masks * (1 << np.arange(5))[:, None, None]).sum(0).astype(np.uint16)
            cv2.imwrite(str(offset / f'{frame["token"]}.png'), bits)
    before, after = (label_iou(folder, tiny_data / 'bev_labels') for folder in (offset, out))
    assert all(f'{name} {100 * value:.1f}' in printed for name, value in after.items())
    for name in ('drivable_area', 'road_divider', 'ped_crossing', 'stop_line'):
        assert after[name] > 0.5 * (1 + before[name]), name
    with pytest.raises(SystemExit, match='out must not exist yet'):
        runpy.run_path(str(tool), run_name='__main__')


def test_a_failed_run_leaves_nothing(tiny_data, offset_root, tmp_path):
    labels = dict(root=str(offset_root / 'pseudo_labels'), label_map='mapillary_v1')
    with pytest.raises(FileNotFoundError, match=r'map expansion not found: .*drives of your own have none'):
        register_labels([tiny_data / 'ssl_bev_infos_train.pkl'], tmp_path, labels, tmp_path / 'out', GRID)
    with pytest.raises(ValueError, match='line_width must be positive'):
        register_labels(
            [tiny_data / 'ssl_bev_infos_train.pkl'], offset_root, labels, tmp_path / 'out', GRID, line_width=-1.0
        )
    assert not list(tmp_path.iterdir())
