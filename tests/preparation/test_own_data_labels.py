"""BEV labels from rasters of the ground."""

import json

import cv2
import numpy as np
import own_drive
import pytest

from ssl_bev.datasets import (
    LoadBEVMasks,
)
from ssl_bev.datasets.bev_label_files import read_label, read_label_manifest
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.checks import check_data
from ssl_bev.preparation.own_data import (
    LabelRaster,
    create_own_data,
    pose,
    read_label_raster,
    write_label_raster,
)

FRONT = {'front': (48, 64)}


GRID = BEVGrid((-4.0, 4.0), (-2.0, 2.0), 0.5)


def town():
    """Cells of 0.25 m: road at |y| < 1, unknown beyond x = 20, a line along y = 0.1, one cell wide."""
    layers = np.zeros((2, 40, 160), np.uint8)
    layers[0, 16:24] = 1
    layers[1, 20] = 1
    layers[:, :, 100:] = 255
    return LabelRaster(layers, ('drivable', 'marking'), frozenset(['marking']), -5.0, -5.0, 0.25)


@pytest.mark.parametrize('form', ['npz', 'lowest_y', 'highest_y'])
def test_labels_from_a_raster_of_the_world(tmp_path, form):
    lines = own_drive.drive(FRONT, count=14)
    raster = town()
    if form == 'npz':
        write_label_raster(tmp_path / 'town.npz', raster)
        lines[2]['label_raster'] = 'town.npz'
    else:
        values = np.where(raster.layers[0] == 255, 0, 1 + raster.layers[0] + raster.layers[1]).astype(np.uint8)
        cv2.imwrite(str(tmp_path / 'town.png'), values[::-1] if form == 'highest_y' else values)
        meanings = {'0': None, '1': [], '2': ['drivable'], '3': ['drivable', 'marking']}
        place = dict(x_min=-5, y_min=-5, resolution=0.25)
        content = dict(picture='town.png', first_row=form, lines=['marking'], values=meanings, **place)
        (tmp_path / 'town.json').write_text(json.dumps(content))
        lines[2]['label_raster'] = 'town.json'
    own_drive.create(tmp_path, lines, grid=GRID)
    manifest = read_label_manifest(tmp_path / 'bev_labels')
    assert manifest['classes'] == ['drivable', 'marking'] and manifest['has_unknown']
    first = read_label(tmp_path / 'bev_labels', 'drive-1', manifest)
    np.testing.assert_array_equal(first[0], np.repeat([[0], [0], [1], [1], [1], [1], [0], [0]], 16, 1))
    np.testing.assert_array_equal(first[1], np.repeat([[0], [0], [0], [0], [1], [0], [0], [0]], 16, 1))
    # At x = 18 the grid reaches to 22, and the raster knows up to 20.
    later = read_label(tmp_path / 'bev_labels', 'drive-9', manifest)
    assert (later[:, :, 12:] == 255).all() and (later[:, :, :12] != 255).all()
    sample = own_drive.dataset(tmp_path, [LoadBEVMasks()], with_labels=True)[9]
    np.testing.assert_array_equal(sample['gt_bev_seg'], later)
    report = check_data(
        tmp_path, [tmp_path / own_drive.INFOS], [tmp_path / 'bev_labels'], full=True, show_progress=False
    )
    assert report.is_good, str(report)


def test_labels_turn_with_the_vehicle(tmp_path):
    write_label_raster(tmp_path / 'town.npz', town())
    lines = own_drive.drive(FRONT, count=1)
    lines[2]['label_raster'] = 'town.npz'
    left = own_drive.vehicle(0.5)
    left[:2, :2] = [[0, -1], [1, 0]]  # it looks along the world's y
    lines[3]['vehicle_to_world'] = pose(left)
    own_drive.create(tmp_path, lines, grid=GRID)
    labels = read_label(tmp_path / 'bev_labels', 'drive-0', read_label_manifest(tmp_path / 'bev_labels'))
    assert np.flatnonzero(labels[0].all(0)).tolist() == [6, 7, 8, 9]
    assert np.flatnonzero(labels[1].all(0)).tolist() == [8]
    assert (labels == labels[:, :1]).all()


def test_a_raster_of_a_frame_goes_with_the_vehicle(tmp_path):
    """It is in the vehicle's frame, and goes before that of the scene; without any all is unknown."""
    write_label_raster(tmp_path / 'town.npz', town())
    lines = own_drive.drive(FRONT, count=3)
    lines[4]['label_raster'] = 'town.npz'
    own_drive.create(tmp_path, lines, grid=GRID)
    manifest = read_label_manifest(tmp_path / 'bev_labels')
    labels = [read_label(tmp_path / 'bev_labels', f'drive-{index}', manifest) for index in range(3)]
    assert (labels[0] == 255).all() and (labels[2] == 255).all()
    assert labels[1][0].sum() == 4 * 16


def test_rasters_of_other_classes(tmp_path):
    raster = town()
    write_label_raster(tmp_path / 'town.npz', raster)
    write_label_raster(tmp_path / 'other.npz', raster._replace(classes=('marking', 'drivable')))
    lines = own_drive.drive(FRONT, count=3)
    lines[2]['label_raster'], lines[5]['label_raster'] = 'town.npz', 'other.npz'
    with pytest.raises(ValueError, match=r"other.npz has the classes \['marking', 'drivable'\], .*town.npz has"):
        own_drive.create(tmp_path, lines)
    assert not (tmp_path / own_drive.INFOS).exists() and not (tmp_path / 'bev_labels').exists()
    own_drive.create(tmp_path, lines, infos_only=True)


def test_labels_alone_need_no_images(tmp_path):
    write_label_raster(tmp_path / 'town.npz', town())
    lines = own_drive.drive(FRONT)
    lines[2]['label_raster'] = 'town.npz'
    file = own_drive.write(tmp_path, lines, with_images=False)
    out = tmp_path / 'out'
    create_own_data(tmp_path, [file], out, labels_only=True, label_dir='fine', grid=GRID, show_progress=False)
    assert sorted(path.name for path in out.iterdir()) == ['fine']
    assert len(list((out / 'fine').glob('*.png'))) == 4


def test_raster_files_keep_everything(tmp_path):
    write_label_raster(tmp_path / 'town.npz', town())
    found = read_label_raster(tmp_path / 'town.npz')
    np.testing.assert_array_equal(found.layers, town().layers)
    assert found[1:] == town()[1:]
    assert not list(tmp_path.glob('.*'))
