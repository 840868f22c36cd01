"""What is written comes back, whatever it is."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from ssl_bev.checkpoints import load_checkpoint_file
from ssl_bev.datasets.accumulated_target_files import read_target, write_target
from ssl_bev.datasets.bev_label_files import read_label, read_label_manifest, write_label, write_label_manifest
from ssl_bev.datasets.label_subsets import read_scene_list, write_scene_list
from ssl_bev.datasets.road_files import RoadReader, start_folder, write_road
from ssl_bev.files import read_ids, read_plain_pickle
from ssl_bev.geometry import BEVGrid
from ssl_bev.preparation.own_data.label_raster import LabelRaster
from ssl_bev.preparation.own_data.label_raster_files import read_label_raster, write_label_raster
from ssl_bev.pseudo_labels import PseudoLabelReader, PseudoLabelWriter
from ssl_bev.pseudo_labels.source_image import ImageRecord, SourceImage

GRID = BEVGrid((-2.0, 2.0), (-1.0, 1.0), 0.5)
shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))
printable = st.text(st.characters(categories=['L', 'N', 'S']), min_size=1, max_size=8)
finite = st.floats(allow_nan=False, allow_infinity=False)
numbers = arrays.arrays(st.sampled_from([np.float32, np.float64, np.uint8, np.int64]), arrays.array_shapes(max_side=4))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text() | st.binary() | numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=8,
)


def same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes() and one.shape == other.shape
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@given(content=plain, protocol=st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_plain_pickles(tmp_path: Path, content: object, protocol: int) -> None:
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(content, protocol=protocol))
    assert same(content, read_plain_pickle(tmp_path / 'a.pkl', 'file', 'restore it'))


@given(
    labels=arrays.arrays(np.uint8, (3, *GRID.shape), elements=st.sampled_from([0, 1, 255])), has_unknown=st.booleans()
)
def test_bev_labels(tmp_path: Path, labels: np.ndarray, has_unknown: bool) -> None:
    labels = labels if has_unknown else labels % 2
    write_label_manifest(tmp_path, ['a', 'b', 'c'], GRID, None, 'lidar', 'v', has_unknown=has_unknown)
    write_label(tmp_path, 'token', labels)
    manifest = read_label_manifest(tmp_path)
    assert manifest['grid'] == GRID
    np.testing.assert_array_equal(read_label(tmp_path, 'token', manifest), labels)


@given(
    values=arrays.arrays(np.float32, (2, 2, *GRID.shape), elements=st.floats(0, 1, width=32)),
)
def test_accumulated_targets(tmp_path: Path, values: np.ndarray) -> None:
    write_target(tmp_path, 'token', *values)
    back = np.stack(read_target(tmp_path, 'token', values.shape[1:]))
    assert np.abs(back / 255 - values).max() <= 0.5001 / 255


@given(
    heights=arrays.arrays(np.float32, GRID.shape, elements=st.floats(-5, 5, width=32)),
    road2ego=arrays.arrays(np.float64, (4, 4), elements=finite),
)
def test_roads(tmp_path: Path, heights: np.ndarray, road2ego: np.ndarray) -> None:
    start_folder(tmp_path, {'x_range': GRID.x_range, 'y_range': GRID.y_range, 'cell_size': GRID.cell_size})
    write_road(tmp_path, 'token', road2ego, heights)
    road = RoadReader(tmp_path)({'token': 'token'})['road']
    assert same(heights, road['heights']) and same(road2ego, road['road2ego']) and road['grid'] == GRID


@given(scenes=st.lists(printable, min_size=1), comment=printable)
def test_scene_lists(tmp_path: Path, scenes: list[str], comment: str) -> None:
    scenes = [scene.replace('#', '-') for scene in scenes]
    write_scene_list(tmp_path / 'scenes.txt', scenes, comment)
    assert read_scene_list(tmp_path / 'scenes.txt') == scenes


@given(
    layers=arrays.arrays(np.uint8, (2, 3, 4), elements=st.sampled_from([0, 1, 255])),
    place=st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), st.floats(1e-3, 100)),
)
def test_label_rasters(tmp_path: Path, layers: np.ndarray, place: tuple) -> None:
    raster = LabelRaster(layers, ('road', 'paint'), frozenset({'paint'}), *place)
    write_label_raster(tmp_path / 'town.npz', raster)
    back = read_label_raster(tmp_path / 'town.npz')
    assert same(back.layers, layers) and back[1:] == raster[1:]


@given(
    ids=arrays.arrays(np.uint8, shapes, elements=st.sampled_from([0, 1, 2, 255])),
    seed=st.integers(0, 9),
    path=printable,
)
def test_pseudo_labels(tmp_path: Path, ids: np.ndarray, seed: int, path: str) -> None:
    """With the record of their image, by which they are found."""
    confidence = np.random.default_rng(seed).integers(0, 256, ids.shape, np.uint8)
    record = ImageRecord(f'{path}/a.jpg', ('frame', path), 7)
    with PseudoLabelWriter(tmp_path, 'teacher', 'hash', ['a', 'b', 'c']) as writer:
        writer.write('CAM', 'a', ids, confidence, record)
        assert writer.record('CAM', 'a') == record
    found = PseudoLabelReader(tmp_path).read('CAM', 'a', 'frame', SourceImage(record.path, record.tokens))
    np.testing.assert_array_equal(found, (ids, confidence))


def grey_png(ids: np.ndarray, bits: int) -> bytes:
    """A PNG of so many bits a pixel, which no library here writes."""

    def block(kind: bytes, content: bytes) -> bytes:
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))

    header = struct.pack('>IIBBBBB', *ids.shape[::-1], bits, 0, 0, 0, 0)
    digits = np.unpackbits(ids[..., None].astype('>u2').view(np.uint8), axis=-1)[..., 16 - bits :]
    rows = np.packbits(digits.reshape(len(ids), -1), axis=1)
    content = zlib.compress(b''.join(b'\0' + row.tobytes() for row in rows))
    return b'\x89PNG\r\n\x1a\n' + block(b'IHDR', header) + block(b'IDAT', content) + block(b'IEND', b'')


@given(bits=st.sampled_from([1, 2, 4, 8, 16]), data=st.data(), with_palette=st.booleans())
def test_ids_of_any_depth(tmp_path: Path, bits: int, data: st.DataObject, with_palette: bool) -> None:
    ids = data.draw(arrays.arrays(np.uint8, shapes, elements=st.integers(0, 2 ** min(bits, 8) - 1)))
    content = grey_png(ids, bits)
    if with_palette:
        stream, picture = io.BytesIO(), Image.fromarray(ids, 'P')
        picture.putpalette([128, 64, 32] * 256)
        picture.save(stream, 'PNG')
        content = stream.getvalue()
    (tmp_path / 'a.png').write_bytes(content)
    assert same(ids, read_ids(tmp_path / 'a.png'))


@given(weights=st.dictionaries(printable, numbers, max_size=3), note=st.dictionaries(st.text(), finite | st.text()))
def test_checkpoints(tmp_path: Path, weights: dict, note: dict) -> None:
    content = {'meta': note, 'state_dict': {name: torch.from_numpy(value) for name, value in weights.items()}}
    torch.save(content, tmp_path / 'a.pth')
    back = load_checkpoint_file(tmp_path / 'a.pth')
    assert back['meta'] == note
    assert same(weights, {name: value.numpy() for name, value in back['state_dict'].items()})
