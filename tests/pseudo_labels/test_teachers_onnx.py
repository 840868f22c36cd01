"""ONNX teachers: colours whose labels are known, through every layout and kind of output."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from tiny_onnx import CLASSES, WEIGHTS, write_network

from ssl_bev.files import sha256
from ssl_bev.pseudo_labels.teachers import Teacher, build_teacher
from ssl_bev.pseudo_labels.teachers.onnx_graph import class_values
from ssl_bev.pseudo_labels.teachers.onnx_settings import OnnxSettings

# Of a network without normalisation; `channels` 'bgr' makes blue class 0, green class 1, red class 2.
PLAIN = dict(channels='bgr', mean=[0, 0, 0], std=[1, 1, 1], values='logits')
COLOURS = np.eye(3, dtype=np.uint8) * 10


def picture(ids: np.ndarray) -> np.ndarray:  # (H, W) -> (H, W, 3)
    return COLOURS[ids]


@pytest.fixture
def ids() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, (6, 8)).astype(np.uint8)


def teacher_of(folder: Path, network: dict | None = None, classes: tuple = CLASSES, **settings: object) -> Teacher:
    options = {key: settings.pop(key) for key in ('device', 'scale', 'config') if key in settings}
    model = write_network(folder / 'net.onnx', **(network or {}))
    names = folder / 'classes.txt'
    names.write_text('\n'.join(classes))
    return build_teacher('onnx', model=model, classes=names, settings={**PLAIN, **settings}, **options)


@pytest.mark.parametrize('values', ['logits', 'probabilities', 'ids'])
@pytest.mark.parametrize(
    ('layout', 'output_layout'), [('nchw', None), ('nhwc', None), ('nchw', 'nhwc'), ('nhwc', 'nchw')]
)
def test_every_layout_and_output(
    tmp_path: Path, ids: np.ndarray, values: str, layout: str, output_layout: str | None
) -> None:
    network = dict(values=values, layout=layout, output_layout=output_layout)
    teacher = teacher_of(tmp_path, network, values=values, layout=layout, output_layout=output_layout)
    for found, confidence in teacher.predict([picture(ids), picture(ids[::-1])])[:1]:
        np.testing.assert_array_equal(found, ids)
        # softmax of (10, 0, 0); ids alone do not tell it
        expected = 255 if values == 'ids' else round(255 / (1 + 2 * math.exp(-10)))
        assert (confidence == expected).all()


def test_channels_mean_and_std(tmp_path: Path) -> None:
    """By hand: the pixel B, G, R = 51, 102, 153 is R, G, B = 0.6, 0.4, 0.2 of white."""
    image = np.full((2, 2, 3), (51, 102, 153), np.uint8)
    settings = dict(channels='rgb', max_value=1, mean=[0.5, 0.3, 0.1], std=[0.1, 0.05, 0.025])
    ((ids, confidence),) = teacher_of(tmp_path, **settings).predict([image])
    # logits (0.6 - 0.5) / 0.1, (0.4 - 0.3) / 0.05, (0.2 - 0.1) / 0.025 = 1, 2, 4
    share = math.exp(4) / (math.exp(1) + math.exp(2) + math.exp(4))
    assert ids.tolist() == [[2, 2]] * 2
    assert confidence.tolist() == [[round(255 * share)] * 2] * 2
    same = dict(channels='rgb', mean=[127.5, 76.5, 25.5], std=[25.5, 12.75, 6.375])
    np.testing.assert_array_equal(teacher_of(tmp_path, **same).predict([image])[0][1], confidence)
    swapped = teacher_of(tmp_path, **{**same, 'channels': 'bgr'}).predict([image])[0]
    # (51 - 127.5) / 25.5, (102 - 76.5) / 12.75, (153 - 25.5) / 6.375 = -3, 2, 20
    assert (swapped[0] == 2).all() and (swapped[1] == 255).all()


@pytest.mark.parametrize('dtype', [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8])
def test_types_of_the_input(tmp_path: Path, ids: np.ndarray, dtype: int) -> None:
    np.testing.assert_array_equal(teacher_of(tmp_path, dict(dtype=dtype)).predict([picture(ids)])[0][0], ids)


@pytest.mark.parametrize('values', ['logits', 'probabilities'])
def test_a_lone_channel_is_the_second_class(tmp_path: Path, values: str) -> None:
    network = dict(values=values, weights=WEIGHTS[:1], bias=[-6])
    teacher = teacher_of(tmp_path, network, classes=('no road', 'road'), values=values)
    ((ids, confidence),) = teacher.predict([np.array([[(10, 0, 0), (4, 0, 0)]], np.uint8)])
    assert ids.tolist() == [[1, 0]]
    assert confidence.tolist() == [[round(255 / (1 + math.exp(-4))), round(255 / (1 + math.exp(-2)))]]


@pytest.mark.parametrize('values', ['probabilities', 'ids'])
def test_a_fixed_batch_is_filled_up(tmp_path: Path, ids: np.ndarray, values: str) -> None:
    images = [picture(part) for part in (ids, ids[::-1], (ids + 1) % 3)]
    free = teacher_of(tmp_path, dict(values=values), values=values).predict(images)
    fixed = teacher_of(tmp_path, dict(values=values, batch=2), values=values).predict(images)
    np.testing.assert_array_equal(free, fixed)


def test_images_of_different_sizes(tmp_path: Path, ids: np.ndarray) -> None:
    labels = teacher_of(tmp_path).predict([picture(ids), picture(ids.T), picture(ids)])
    for (found, _), expected in zip(labels, (ids, ids.T, ids), strict=True):
        np.testing.assert_array_equal(found, expected)


def halves(height: int, width: int, column: int) -> np.ndarray:
    return (np.arange(width) >= column)[None].repeat(height, 0).astype(np.uint8)


@pytest.mark.parametrize('values', ['logits', 'ids'])
@pytest.mark.parametrize('resize', ['stretch', 'fit'])
@pytest.mark.parametrize('in_graph', [True, False])
def test_a_fixed_size(tmp_path: Path, values: str, resize: str, in_graph: bool) -> None:
    """An edge at column 20 of 40 x 20 stays there in a square of 16 pixels, whether squeezed or padded."""
    ids = halves(20, 40, 20)
    size = dict(size=(16, 16)) if in_graph else {}
    given = {} if in_graph else dict(input_size=[16, 16])
    teacher = teacher_of(tmp_path, dict(values=values, **size), values=values, resize=resize, **given)
    np.testing.assert_array_equal(teacher.predict([picture(ids)])[0][0], ids)


def test_fit_keeps_the_aspect_and_pads_with_the_mean(tmp_path: Path) -> None:
    """White pixels of 2 x 4 in a square of 4: what lies below is 0 once normalised, and in no label."""
    seen = {}
    teacher = teacher_of(tmp_path, dict(size=(4, 4)), mean=[100, 100, 100], resize='fit')
    run = teacher._session.run
    teacher._session = type('Spy', (), {'run': lambda self, names, feed: seen.update(feed) or run(names, feed)})()
    image = np.full((4, 8, 3), 110, np.uint8)
    teacher.predict([image])
    assert seen['image'][0, 0].tolist() == [[10] * 4] * 2 + [[0] * 4] * 2


def test_a_coarse_output_is_interpolated_at_image_size(tmp_path: Path) -> None:
    """Edges of 7 x 10 pixels, padded to 8 x 12 and averaged over 4 x 4: the middle one is still at its column."""
    ids = halves(7, 10, 4)
    ((found, _),) = teacher_of(tmp_path, dict(pool=4), size_divisor=4).predict([picture(ids)])
    np.testing.assert_array_equal(found, ids)


def test_size_divisor(tmp_path: Path) -> None:
    ids = halves(7, 10, 4)
    network = dict(pool=4, skip=True)
    np.testing.assert_array_equal(teacher_of(tmp_path, network, size_divisor=4).predict([picture(ids)])[0][0], ids)
    with pytest.raises(ValueError, match=r'cannot run the graph on \[1, 3, 7, 10\], give input_size or size_divisor'):
        teacher_of(tmp_path, network).predict([picture(ids)])


def test_scale_of_a_network_of_any_size(tmp_path: Path) -> None:
    ids = halves(8, 16, 8)
    np.testing.assert_array_equal(teacher_of(tmp_path, scale=0.5).predict([picture(ids)])[0][0], ids)
    with pytest.raises(ValueError, match=r'net.onnx always sees \(height, width\) = \(8, 16\), got scale 0.5'):
        teacher_of(tmp_path, dict(size=(8, 16)), scale=0.5)


def test_ignored_ids_stay_ignored(tmp_path: Path) -> None:
    network = dict(values='ids', weights=np.eye(256, 3), bias=[0] * 255 + [5])
    teacher = teacher_of(tmp_path, network, values='ids')
    ((ids, confidence),) = teacher.predict([np.array([[(10, 0, 0), (0, 0, 0)]], np.uint8)])
    assert (ids.tolist(), confidence.tolist()) == ([[0, 255]], [[255, 0]])


class TestSettingsAndFiles:
    def test_yaml_beside_the_model_and_changes(self, tmp_path: Path, ids: np.ndarray) -> None:
        (tmp_path / 'net.yaml').write_text('channels: rgb\nmean: [0, 0, 0]\nstd: [1, 1, 1]\nvalues: logits\n')
        model = write_network(tmp_path / 'net.onnx')
        (tmp_path / 'names.yaml').write_text('[road, curb, Lane Marking - General]')
        teacher = build_teacher('onnx', model=model, classes=tmp_path / 'names.yaml')
        np.testing.assert_array_equal(teacher.predict([picture(ids)])[0][0], 2 - ids)
        changed = build_teacher('onnx', model=model, classes=tmp_path / 'names.yaml', settings=dict(channels='bgr'))
        np.testing.assert_array_equal(changed.predict([picture(ids)])[0][0], ids)
        assert (teacher.name, teacher.sha256) == ('net', sha256([model]))
        assert teacher.class_names == ['road', 'curb', 'Lane Marking - General']
        assert teacher.settings['provider'] == 'CPUExecutionProvider'
        assert (teacher.settings['onnx']['channels'], changed.settings['onnx']['channels']) == ('rgb', 'bgr')

    def test_weights_beside_the_model_count(self, tmp_path: Path, ids: np.ndarray) -> None:
        hashes = []
        for factor in (1, -1):
            model = onnx.load(write_network(tmp_path / 'a.onnx', weights=WEIGHTS * factor))
            (tmp_path / 'net.onnx.data').unlink(missing_ok=True)
            onnx.save(
                model, tmp_path / 'net.onnx', save_as_external_data=True, location='net.onnx.data', size_threshold=0
            )
            (tmp_path / 'c.txt').write_text('\n'.join(CLASSES))
            teacher = build_teacher('onnx', model=tmp_path / 'net.onnx', classes=tmp_path / 'c.txt', settings=PLAIN)
            assert (teacher.predict([picture(ids)])[0][0] == ids).all() == (factor == 1)
            hashes.append(teacher.sha256)
        assert hashes[0] != hashes[1]

    @pytest.mark.parametrize(
        ('changes', 'match'),
        [
            (dict(channel='rgb'), "unknown key 'channel'; did you mean 'channels'"),
            (dict(channels='gbr'), "channels must be one of rgb, bgr, got 'gbr'"),
            (dict(values=None), 'values must be one of logits, probabilities, ids, got None'),
            (dict(max_value=True), 'max_value must be one of 255, 1, got True'),
            (dict(mean=[0, 0]), r'mean must be 3 numbers, got \[0, 0\]'),
            (dict(mean=[0, 0, float('nan')]), 'mean must be 3 numbers'),
            (dict(std=[1, 0, 1]), r'std must be positive, got \[1.0, 0.0, 1.0\]'),
            (dict(mean=[0.485, 0.456, 0.406]), 'meant for values of 0 ... 1: add max_value: 1'),
            (dict(mean=[104, 117, 123], max_value=1), 'mean must lie in 0 ... max_value = 1'),
            (dict(input_size=[8, 8.5]), 'input_size must be positive whole pixels, got 8.5'),
            (dict(size_divisor=0), 'size_divisor must be positive whole pixels, got 0'),
        ],
    )
    def test_wrong_settings(self, tmp_path: Path, changes: dict, match: str) -> None:
        with pytest.raises(ValueError, match=rf'net.yaml or the settings given beside it: .*{match}'):
            teacher_of(tmp_path, **changes)

    def test_missing_settings(self, tmp_path: Path) -> None:
        model = write_network(tmp_path / 'net.onnx')
        (tmp_path / 'c.txt').write_text('\n'.join(CLASSES))
        with pytest.raises(ValueError, match=r'net.yaml does not exist, so nothing says channels, mean, std, values'):
            build_teacher('onnx', model=model, classes=tmp_path / 'c.txt')
        (tmp_path / 'net.yaml').write_text('channels: rgb\nvalues: ids\n')
        with pytest.raises(ValueError, match=r'net.yaml lacks mean, std: write there'):
            build_teacher('onnx', model=model, classes=tmp_path / 'c.txt')
        (tmp_path / 'net.yaml').write_text('channels: [rgb\n')
        with pytest.raises(ValueError, match=r'net.yaml is no YAML'):
            build_teacher('onnx', model=model, classes=tmp_path / 'c.txt')

    @pytest.mark.parametrize(
        ('name', 'content', 'match'),
        [
            ('c.txt', '\n \n', 'names no class'),
            ('c.txt', 'road\nmark\nroad\n', r"names \['road'\] twice"),
            ('c.yaml', '[road, no, mark]', 'must hold a list of names'),
            ('c.yaml', 'road: 0', 'must hold a list of names'),
        ],
    )
    def test_wrong_classes(self, tmp_path: Path, name: str, content: str, match: str) -> None:
        (tmp_path / name).write_text(content)
        with pytest.raises(ValueError, match=match):
            build_teacher('onnx', model=write_network(tmp_path / 'net.onnx'), classes=tmp_path / name, settings=PLAIN)

    def test_missing_files(self, tmp_path: Path) -> None:
        model = write_network(tmp_path / 'net.onnx')
        for change in (dict(model='x.onnx'), dict(classes='x.txt'), dict(config='x.yaml')):
            files = dict(model=model, classes=tmp_path / 'c.txt', settings=PLAIN)
            (tmp_path / 'c.txt').write_text('\n'.join(CLASSES))
            with pytest.raises(FileNotFoundError, match=rf'{next(iter(change))} x\.\w+ does not exist'):
                build_teacher('onnx', **{**files, **change})

    def test_no_onnx_file(self, tmp_path: Path) -> None:
        (tmp_path / 'net.onnx').write_text('<html>not found</html>')
        (tmp_path / 'c.txt').write_text('road')
        with pytest.raises(ValueError, match=r'net.onnx: onnxruntime cannot open it'):
            build_teacher('onnx', model=tmp_path / 'net.onnx', classes=tmp_path / 'c.txt', settings=PLAIN)


@pytest.mark.parametrize(
    ('network', 'settings', 'match'),
    [
        ({}, dict(classes=('road', 'mark')), r"output 'labels' .* has 3 channels, but 2 classes are named"),
        (dict(layout='nhwc'), {}, 'it has any number of channels, an image has 3; did you mean layout nhwc'),
        (dict(size=(4, 4), layout='nhwc'), {}, 'it has 4 channels, an image has 3; did you mean layout nhwc?'),
        (
            dict(size=(4, 4)),
            dict(input_size=[4, 8]),
            r'takes \(height, width\) = \(4, 4\) alone, input_size is \(4, 8\)',
        ),
        (dict(size=(4, 'w')), {}, r'fixes one side alone, \(height, width\) = \(4, None\): give input_size'),
        (dict(size=(4, 4)), dict(size_divisor=4), r'is always \(height, width\) = \(4, 4\)'),
        ({}, dict(resize='fit'), 'takes any size, resize: fit needs an input_size'),
        (dict(extra_output=True), {}, r"has the outputs \['labels', 'copy'\]; say which one"),
        ({}, dict(output='label'), "has no output 'label'; did you mean 'labels'"),
        ({}, dict(input='images'), "has no input 'images'; did you mean 'image'"),
        (dict(extra_input=True), dict(input='image'), r"wants the inputs \['scale'\] too"),
        (dict(dtype=TensorProto.INT64), {}, r'is tensor\(int64\), must be one of tensor\(float\)'),
        (dict(dtype=TensorProto.UINT8), dict(std=[2, 2, 2]), 'takes images as they are: max_value 255, mean 0, std 1'),
        (dict(values='ids'), {}, r"'labels' of the graph has the shape .* it must have 4 axes"),
    ],
)
def test_graphs_that_are_not_as_the_settings_say(tmp_path: Path, network: dict, settings: dict, match: str) -> None:
    with pytest.raises(ValueError, match=rf'net\.onnx: .*{match}'):
        teacher_of(tmp_path, network, **settings)


def test_the_output_that_is_named(tmp_path: Path, ids: np.ndarray) -> None:
    teacher = teacher_of(tmp_path, dict(extra_output=True), output='labels')
    np.testing.assert_array_equal(teacher.predict([picture(ids)])[0][0], ids)


@pytest.mark.parametrize(
    ('network', 'settings', 'match'),
    [
        (dict(bias=[0, np.nan, 0]), {}, "output 'labels' holds values that are not finite"),
        ({}, dict(values='probabilities'), r'holds 0 ... 10, which are no probabilities: values: logits\?'),
        (dict(values='probabilities'), {}, 'with the sum 1 everywhere: values: probabilities, not logits'),
        (
            dict(values='ids'),
            dict(values='ids', classes=('road', 'curb')),
            r'holds \[2\], which are no ids of the 2 classes',
        ),
    ],
)
def test_outputs_that_are_not_as_the_settings_say(
    tmp_path: Path, ids: np.ndarray, network: dict, settings: dict, match: str
) -> None:
    teacher = teacher_of(tmp_path, network, **settings)
    with pytest.raises(ValueError, match=match):
        teacher.predict([picture(ids)])


@pytest.mark.parametrize(
    ('shape', 'values', 'match'),
    [
        ((2, 3, 4), 'logits', r'is \[2, 3, 4\] for 2 images, which is no map of logits'),
        ((2, 3, 4, 5), 'ids', r'is \[2, 3, 4, 5\] for 2 images, which is no map of ids'),
        ((1, 3, 4, 5), 'logits', r'is \[1, 3, 4, 5\] for 2 images'),
        ((2, 4, 4, 5), 'logits', 'has 4 channels, but 3 classes are named'),
    ],
)
def test_shapes_that_the_graph_did_not_tell(shape: tuple[int, ...], values: str, match: str) -> None:
    settings = OnnxSettings(**{**PLAIN, 'values': values})
    with pytest.raises(ValueError, match=f"output 'labels' {match}"):
        class_values(np.zeros(shape), 'labels', settings, 2, 3)


def test_ids_with_an_axis_of_one() -> None:
    settings = OnnxSettings(**{**PLAIN, 'values': 'ids'})
    found = class_values(np.full((2, 1, 4, 5), 2.0), 'labels', settings, 2, 3)
    assert (found.shape, found.dtype, found.max()) == ((2, 4, 5), np.uint8, 2)


class TestDevice:
    def test_unknown(self, tmp_path: Path) -> None:
        for device in ('gpu', 'cuda:x'):
            with pytest.raises(ValueError, match=f"device must be cpu, cuda or cuda:N, got '{device}'"):
                teacher_of(tmp_path, device=device)

    def test_without_its_provider(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
        with pytest.raises(ValueError, match="device 'cuda' needs CUDAExecutionProvider: pip install onnxruntime-gpu"):
            teacher_of(tmp_path, device='cuda')

    def test_no_silent_fall_back_to_the_cpu(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """onnxruntime-gpu without CUDA makes a session on the CPU, and only prints."""
        names = ['CUDAExecutionProvider', 'CPUExecutionProvider']
        asked = []
        session = onnxruntime.InferenceSession
        monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: names)

        def fall_back(path: str, options: object, providers: list) -> onnxruntime.InferenceSession:
            asked.extend(providers)
            return session(path, options, providers=providers[1:])

        monkeypatch.setattr(onnxruntime, 'InferenceSession', fall_back)
        with pytest.raises(ValueError, match=r"device 'cuda:1': onnxruntime could not start CUDAExecutionProvider"):
            teacher_of(tmp_path, device='cuda:1')
        assert asked == [('CUDAExecutionProvider', {'device_id': 1}), 'CPUExecutionProvider']


def test_without_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ModuleNotFoundError, match=r"kind 'onnx' needs onnxruntime.*pip install 'ssl_bev\[onnx\]'"):
        teacher_of(tmp_path)
