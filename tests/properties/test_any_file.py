"""Whatever a file holds: it is read, or the error is a ValueError or OSError that names the file."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
import yaml
from damage import any_bytes, any_record
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_nuscenes import crossroads_map

from ssl_bev.checkpoints import load_checkpoint_file
from ssl_bev.datasets.accumulated_target_files import read_target, read_target_manifest
from ssl_bev.datasets.bev_label_files import read_label, read_label_manifest, write_label_manifest
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.datasets.label_subsets import read_scene_list
from ssl_bev.datasets.lidar_files import read_lidar
from ssl_bev.datasets.road_files import RoadReader
from ssl_bev.files import read_ids, read_picture
from ssl_bev.files.pictures import picture_size
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.map_geometry import BASE_CLASSES, MapGeometry
from ssl_bev.preparation.own_data.label_raster_files import read_label_raster
from ssl_bev.preparation.own_data.read_drives import read_drives
from ssl_bev.preparation.table_files import read_table
from ssl_bev.pseudo_labels import LabelMap, PseudoLabelReader, list_images
from ssl_bev.pseudo_labels.label_map import reduction_table
from ssl_bev.pseudo_labels.teachers.weight_files import weight_files
from ssl_bev.visualization.curves import read_scalars

GRID = BEVGrid((-2.0, 2.0), (-1.0, 1.0), 0.5)
IDS = np.tile(np.array([[0], [1]], np.uint8), (4, 8))
MANIFEST = {'classes': ['a', 'b'], 'x_range': [-2, 2], 'y_range': [-1, 1], 'cell_size': 0.5, 'bev_frame': 'ego'}
LABEL_MANIFEST = {**MANIFEST, 'has_unknown': False}
PSEUDO = {'schema': 1, 'teacher': {'name': 't'}, 'class_names': ['a', 'b'], 'image_sizes': [[8, 8]]}
LABEL_MAP = {
    'class_names': ['road', 'sky'],
    'roles': {'ground': ['road'], 'hidden': ['sky']},
    'targets': {'drivable': {'positive': ['ground'], 'ignore': ['hidden']}},
    'movers': ['sky'],
    'unavailable': {'crosswalk': 'it has none'},
}
LENS = {'model': 'fisheye', 'coefficients': [0.1, 0, 0, 0], 'cam2img': np.eye(3).tolist(), 'height': 8, 'width': 8}
CAMERA = {'img_path': 'a.jpg', 'height': 8, 'width': 8, 'cam2img': np.eye(3).tolist(), 'lens': LENS}
FRAME = {'token': 't', 'timestamp': 1.0, 'images': {'CAM': CAMERA}, 'scene_token': 's', 'scene_name': 's'}
FRAME |= {'frame_index': 0, 'prev': '', 'next': ''}
INFOS = {'metainfo': {'version': 'v'}, 'data_list': [{**FRAME, 'sweeps': [{**FRAME, 'is_keyframe': False}]}]}
SIDECAR = {'picture': 'picture.png', 'x_min': 0, 'y_min': 0, 'resolution': 0.5, 'first_row': 'lowest_y'}
SIDECAR |= {'values': {'0': None, '1': ['road']}}
POSE = {'translation': [0, 0, 1], 'rotation_wxyz': [1, 0, 0, 0]}
LINES = [
    {'type': 'format', 'name': 'ssl_bev drives', 'version': 1, 'dataset': 'd', 'pixel_centers': 'half'},
    {
        'type': 'rig',
        'name': 'r',
        'cameras': {
            'front': {
                'width': 8,
                'height': 8,
                'intrinsics': {'fx': 8, 'fy': 8, 'cx': 4, 'cy': 4},
                'distortion': {'model': 'fisheye', 'coefficients': [0.01, 0, 0, 0]},
                'camera_to_vehicle': POSE,
            }
        },
        'lidar': {'lidar_to_vehicle': POSE, 'num_features': 4},
    },
    {'type': 'scene', 'name': 's', 'rig': 'r'},
    {
        'type': 'frame',
        'token': 't',
        'scene': 's',
        'timestamp': 1.0,
        'vehicle_to_world': POSE,
        'images': {'front': {'path': 'a.png', 'timestamp': 1.0}},
        'lidar': 'a.bin',
    },
]


def png(picture: np.ndarray) -> bytes:
    return cv2.imencode('.png', picture)[1].tobytes()


def palette() -> bytes:
    content, picture = io.BytesIO(), Image.fromarray(IDS, 'P')
    picture.putpalette([128, 64, 128, 255, 255, 255])
    picture.save(content, 'PNG')
    return content.getvalue()


def npz(**arrays: object) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def checkpoint() -> bytes:
    content = io.BytesIO()
    torch.save({'meta': {'iter': 1}, 'state_dict': {'a': torch.zeros(3)}, 'message_hub': {}}, content)
    return content.getvalue()


def jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    return cv2.imencode('.jpg', cv2.GaussianBlur(noise, (0, 0), 2))[1].tobytes()


def read_road(path: Path) -> object:
    (path.parent / 'manifest.json').write_text(json.dumps(MANIFEST))
    return RoadReader(path.parent)({'token': path.stem})


def read_bev_label(path: Path) -> object:
    write_label_manifest(path.parent, ['a', 'b'], GRID, 0.5, 'ego', 'v')
    return read_label(path.parent, path.stem, read_label_manifest(path.parent))


def read_sidecar(path: Path) -> object:
    (path.parent / 'picture.png').write_bytes(png(IDS))
    return read_label_raster(path)


def read_map(path: Path) -> object:
    geometry = MapGeometry.read(path)
    return [geometry.shapes(spec, 0.5) for spec in BASE_CLASSES]


def read_index(path: Path) -> object:
    (path.parent / 'part').touch()
    return weight_files(path.parent)


def json_lines(records: object) -> bytes:
    return '\n'.join(map(json.dumps, records if isinstance(records, list) else [records])).encode()


class Format(NamedTuple):
    """A kind of file: its name, a good one's content, how it is read, and how records become one."""

    name: str
    good: bytes
    read: Callable[[Path], object]
    dump: Callable[[object], bytes] | None = None
    records: object = None

    @classmethod
    def of(cls, name: str, records: object, read: Callable[[Path], object], dump: Callable[[object], bytes]) -> Format:
        return cls(name, dump(records), read, dump, records)


def as_json(content: object) -> bytes:
    return json.dumps(content).encode()


def as_yaml(content: object) -> bytes:
    return yaml.safe_dump(content).encode()


TARGETS = {'probability': np.zeros((2, 4, 8), np.uint8), 'weight': np.zeros((2, 4, 8), np.uint8)}
ARRAYS = {'layers': np.ones((1, 4, 4), np.uint8), 'classes': ['road'], 'x_min': 0.0, 'y_min': 0.0, 'resolution': 0.5}
FORMATS = {
    'info file': Format.of('infos.pkl', INFOS, lambda path: read_info_file(path, ['this test']), pickle.dumps),
    'images of an info file': Format.of('i.pkl', INFOS, lambda path: list_images([path], path.parent), pickle.dumps),
    'scene list': Format('scenes.txt', b'# a\nscene-1\nscene-2\n', read_scene_list),
    'BEV label manifest': Format.of(
        'manifest.json', LABEL_MANIFEST, lambda path: read_label_manifest(path.parent), as_json
    ),
    'BEV label': Format('token.png', png(np.zeros(GRID.shape, np.uint16)), read_bev_label),
    'target manifest': Format.of('manifest.json', MANIFEST, lambda path: read_target_manifest(path.parent), as_json),
    'target': Format('token.npz', npz(**TARGETS), lambda path: read_target(path.parent, 'token', (2, 4, 8))),
    'roads manifest': Format.of('manifest.json', MANIFEST, lambda path: RoadReader(path.parent), as_json),
    'road': Format('token.npz', npz(road2ego=np.eye(4), heights=np.zeros(GRID.shape)), read_road),
    'points .npz': Format('a.npz', npz(points=np.eye(3), intensity=np.zeros(3)), lambda path: read_lidar(path, 4)),
    'points': Format('a.bin', bytes(80), lambda path: read_lidar(path, 5)),
    'ids': Format('a.png', png(IDS), read_ids),
    'ids of 16 bits': Format('a.png', png(IDS.astype(np.uint16)), read_ids),
    'ids with a palette': Format('a.png', palette(), read_ids),
    'JPEG': Format('a.jpg', jpeg(), read_picture),
    'size of a picture': Format('a.png', png(IDS), picture_size),
    'pseudo-label manifest': Format.of(
        'manifest.json', PSEUDO, lambda path: PseudoLabelReader(path.parent), as_json
    ),
    'label map': Format.of('map.yaml', LABEL_MAP, LabelMap.load, as_yaml),
    'reduction': Format.of('r.yaml', {'names': {'a': 'b'}}, lambda path: reduction_table(['a'], ['b'], path), as_yaml),
    'drives': Format.of('drives.jsonl', LINES, lambda path: read_drives([path]), json_lines),
    'label raster .npz': Format('a.npz', npz(**ARRAYS), read_label_raster),
    'label raster .json': Format.of('a.json', SIDECAR, read_sidecar, as_json),
    'table': Format.of('log.json', [{'token': 'a', 'next': ''}], lambda path: read_table(path, ['next']), as_json),
    'map': Format.of('map.json', crossroads_map(), read_map, as_json),
    'index of weights': Format.of(
        'model.safetensors.index.json', {'weight_map': {'a.weight': 'part'}}, read_index, as_json
    ),
    'log of a run': Format.of('scalars.json', [{'loss': 1.5, 'iter': 1, 'time': 0.5}], read_scalars, json_lines),
    'checkpoint': Format('epoch_1.pth', checkpoint(), load_checkpoint_file),
}  # fmt: skip
each_format = pytest.mark.parametrize('kind', FORMATS.values(), ids=FORMATS.keys())
RECORDS = {name: kind for name, kind in FORMATS.items() if kind.dump}
each_record = pytest.mark.parametrize('kind', RECORDS.values(), ids=RECORDS.keys())


def read_or_named_error(kind: Format, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        kind.read(path)
    except (ValueError, OSError) as error:
        assert path.name in str(error), f'{error!r} does not name the file'


@each_format
def test_good(tmp_path: Path, kind: Format) -> None:
    (tmp_path / kind.name).write_bytes(kind.good)
    kind.read(tmp_path / kind.name)


@each_format
@given(data=st.data())
def test_any_bytes(tmp_path: Path, kind: Format, data: st.DataObject) -> None:
    read_or_named_error(kind, tmp_path / kind.name, data.draw(any_bytes(kind.good)))


@each_record
@given(data=st.data())
def test_any_record(tmp_path: Path, kind: Format, data: st.DataObject) -> None:
    read_or_named_error(kind, tmp_path / kind.name, kind.dump(data.draw(any_record(kind.records))))


def test_nested_too_deeply(tmp_path: Path) -> None:
    for kind in RECORDS.values():
        read_or_named_error(kind, tmp_path / kind.name, b'[' * 1_500)
