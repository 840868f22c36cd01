import numpy as np
import pytest

from ssl_bev.datasets.bev_label_files import read_label_manifest, write_label_manifest
from ssl_bev.geometry import BEVGrid

GRID = BEVGrid((-30, 30), (-15, 15), 0.15)


def test_manifest_round_trip(tmp_path):
    write_label_manifest(tmp_path, ['a', 'b'], GRID, 0.3, 'lidar', 'v1.0-mini')
    manifest = read_label_manifest(tmp_path)
    assert manifest['grid'] == GRID
    assert manifest['grid'].shape == (200, 400)
    assert (manifest['classes'], manifest['line_width'], manifest['bev_frame']) == (['a', 'b'], 0.3, 'lidar')


def test_broken_manifests(tmp_path):
    with pytest.raises(ValueError, match='a label file holds at most 16, got 17'):
        write_label_manifest(tmp_path, [str(i) for i in range(17)], GRID, 0.3, 'ego', 'v')
    assert not list(tmp_path.iterdir())
    path = tmp_path / 'manifest.json'
    path.write_text('nonsense')
    with pytest.raises(ValueError, match='is no JSON'):
        read_label_manifest(tmp_path)
    path.write_text('{"classes": ["a"]}')
    with pytest.raises(ValueError, match=r"must have the key 'x_range', got .'classes'.; make it with"):
        read_label_manifest(tmp_path)


def test_sixteenth_bit_survives(tmp_path):
    import cv2

    from ssl_bev.datasets.bev_label_files import write_label

    masks = np.zeros((16, 2, 3), bool)
    masks[0, 0, 0] = masks[15, 0, 0] = masks[15, 1, 2] = True
    write_label(tmp_path, 'token', masks)
    bits = cv2.imread(str(tmp_path / 'token.png'), cv2.IMREAD_UNCHANGED)
    assert bits.tolist() == [[0x8001, 0, 0], [0, 0, 0x8000]]
