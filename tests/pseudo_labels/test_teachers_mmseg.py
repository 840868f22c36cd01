import re
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.logging import HistoryBuffer
from mmengine.registry import DefaultScope
from teacher_oracles import assert_labels, decide_by_queries, decide_by_softmax, label_pixels
from tiny_segmentors import CLASSES, HEADS, write_checkpoint, write_config

from ssl_bev.pseudo_labels.teachers import Teacher, build_teacher

SIZE = 30, 50


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config and a checkpoint for each head."""
    path = tmp_path_factory.mktemp('mmseg')
    with DefaultScope.overwrite_default_scope('mmseg'):
        for head in HEADS:
            names = CLASSES[:2] if head == 'binary' else CLASSES
            write_checkpoint(write_config(path, head), dict(dataset_meta=dict(classes=names)))
    return path


def teacher_of(folder: Path, head: str, **options: object) -> Teacher:
    return build_teacher('mmseg', config=folder / f'{head}.py', checkpoint=folder / f'{head}.pth', **options)


def random_image(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def naive_labels(teacher: Teacher, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By a loop over the pixels, from what the head gives at its own resolution."""
    model = teacher.model
    height, width = image.shape[:2]
    padded = np.zeros((1, 3, -(-height // 32) * 32, -(-width // 32) * 32), np.float32)
    mean, std = np.array([120.0, 110, 100]), np.array([60.0, 58, 57])
    padded[0, :, :height, :width] = ((image[..., ::-1] - mean) / std).transpose(2, 0, 1)
    features = model.extract_feat(torch.from_numpy(padded))
    if not hasattr(model.decode_head, 'query_embed'):
        logits = model.decode_head(features)[0].double().numpy()
        return label_pixels(logits, (8, 8), image.shape[:2], decide_by_softmax)
    from mmseg.structures import SegDataSample

    size = padded.shape[2:]
    samples = [SegDataSample(metainfo=dict(img_shape=size, batch_input_shape=size))]
    class_logits, masks = (layers[-1][0].double().numpy() for layers in model.decode_head(features, samples))
    return label_pixels(masks, (4, 4), image.shape[:2], decide_by_queries(class_logits))


@pytest.mark.parametrize('head', ['mask2former', 'maskformer', 'fcn'])
@torch.no_grad()
def test_labels_and_confidence_equal_a_loop_over_pixels(folder: Path, head: str) -> None:
    teacher = teacher_of(folder, head)
    image = random_image(0, *SIZE)
    assert_labels(teacher.predict([image])[0], naive_labels(teacher, image))


@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_labels_agree_with_the_library(folder: Path, tmp_path: Path, head: str, mode: str) -> None:
    from mmseg.apis import inference_model, init_model

    model = Config.fromfile(folder / f'{head}.py').model
    model.test_cfg = dict(mode=mode, crop_size=(32, 32), stride=(16, 16))
    model.data_preprocessor.test_cfg = None  # padding and sliding do not go together there
    config, checkpoint = write_config(tmp_path, head, model=model), folder / f'{head}.pth'
    image = random_image(1, 32, 64)
    ((ids, confidence),) = build_teacher('mmseg', config=config, checkpoint=checkpoint).predict([image])
    with DefaultScope.overwrite_default_scope('mmseg'):
        sample = inference_model(init_model(str(config), str(checkpoint), device='cpu'), image)
    scores, expected = sample.seg_logits.data.double(), sample.pred_sem_seg.data[0].numpy()
    if head == 'binary':
        probability = torch.where(scores[0] > 0.5, scores[0], 1 - scores[0])
    elif head == 'fcn':
        probability = scores.softmax(0).amax(0)
    else:
        probability = scores.amax(0) / scores.sum(0)
    assert_labels((ids, confidence), (expected, probability.numpy()))


@pytest.mark.parametrize('head', HEADS)
def test_a_batch_equals_single_images_and_takes_one_pass_a_size(folder: Path, head: str) -> None:
    teacher = teacher_of(folder, head)
    batches = []
    teacher.model.backbone.register_forward_pre_hook(lambda module, args: batches.append(len(args[0])))
    images = [random_image(2, *SIZE), random_image(3, 40, 36), random_image(4, *SIZE)]
    together = teacher.predict(images)
    assert sorted(batches) == [1, 2]
    for image, (ids, confidence) in zip(images, together, strict=True):
        ((single_ids, single_confidence),) = teacher.predict([image])
        assert ids.shape == image.shape[:2]
        assert np.mean(ids != single_ids) < 0.01  # ties, by rounding
        np.testing.assert_allclose(confidence.astype(int), single_confidence.astype(int), atol=1)
    assert teacher.predict([]) == []


def test_name_hash_and_classes(folder: Path) -> None:
    teacher = teacher_of(folder, 'fcn')
    assert (teacher.name, teacher.class_names) == ('fcn', list(CLASSES))
    assert teacher.sha256 == sha256((folder / 'fcn.pth').read_bytes()).hexdigest()


def test_the_default_scope_stays_what_it_was(folder: Path) -> None:
    DefaultScope.get_instance('before', scope_name='mmengine')
    teacher_of(folder, 'fcn').predict([random_image(0, *SIZE)])
    assert DefaultScope.get_current_instance().scope_name == 'mmengine'
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        teacher_of(folder, 'mask2former').predict([random_image(0, *SIZE)])
        assert DefaultScope.get_current_instance().scope_name == 'mmdet3d'


_KEEP = dict(type='Resize', scale=(128, 40), keep_ratio=True)


@pytest.mark.parametrize(
    ('resize', 'scale', 'seen'),
    [
        (None, None, (32, 64)),
        (_KEEP, None, (64, 96)),  # (40, 66.7), padded
        (_KEEP, 1.0, (32, 64)),
        (dict(type='Resize', scale_factor=2.0, keep_ratio=True), None, (64, 128)),
        (dict(type='mmseg.Resize', scale=(128, 40), keep_ratio=False), 2.0, (64, 128)),
    ],
)
def test_the_network_sees_what_scale_or_config_says(
    folder: Path, tmp_path: Path, resize: dict | None, scale: float | None, seen: tuple[int, int]
) -> None:
    pipeline = [dict(type='LoadImageFromFile'), *([resize] if resize else []), dict(type='PackSegInputs')]
    config = write_config(tmp_path, 'mask2former', test_pipeline=pipeline)
    teacher = build_teacher('mmseg', config=config, checkpoint=folder / 'mask2former.pth', scale=scale)
    shapes = []
    teacher.model.backbone.register_forward_pre_hook(lambda module, args: shapes.append(tuple(args[0].shape[2:])))
    ((ids, confidence),) = teacher.predict([random_image(5, *SIZE)])
    assert shapes == [seen]
    assert ids.shape == confidence.shape == SIZE


def test_a_resize_that_squeezes_is_refused(folder: Path, tmp_path: Path) -> None:
    pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64)), dict(type='PackSegInputs')]
    config = write_config(tmp_path, 'fcn', test_pipeline=pipeline)
    with pytest.raises(ValueError, match='does not keep the aspect of images'):
        build_teacher('mmseg', config=config, checkpoint=folder / 'fcn.pth')


class TestCheckpoints:
    @pytest.fixture
    def content(self, folder: Path) -> Iterator[dict]:
        return torch.load(folder / 'fcn.pth', weights_only=True)

    def build(self, tmp_path: Path, content: dict, **changes: object) -> Teacher:
        torch.save(content, tmp_path / 'a.pth')
        return build_teacher('mmseg', config=write_config(tmp_path, 'fcn', **changes), checkpoint=tmp_path / 'a.pth')

    def test_old_ones_with_log_buffers_and_numpy(self, tmp_path: Path, content: dict) -> None:
        content['meta'] = dict(CLASSES=CLASSES, PALETTE=[[0, 0, 0]] * 3, score=np.float64(0.5))
        content['message_hub'] = dict(loss=HistoryBuffer([1.0], [1]))
        assert self.build(tmp_path, content).class_names == list(CLASSES)

    def test_class_names_of_the_config(self, tmp_path: Path, content: dict) -> None:
        content['meta'] = {}
        names = ['a', 'b', 'c']
        dataset = dict(type='BaseSegDataset', metainfo=dict(classes=names))
        assert self.build(tmp_path, content, test_dataloader=dict(dataset=dataset)).class_names == names
        with pytest.raises(ValueError, match=r'neither the checkpoint .* names the classes'):
            self.build(tmp_path, content, test_dataloader=dict(dataset=dict(type='BaseSegDataset')))
        cityscapes = dict(dataset=dict(type='CityscapesDataset'))
        with pytest.raises(ValueError, match=r'names 19 classes, the head of .* has 3'):
            self.build(tmp_path, content, test_dataloader=cityscapes)

    def test_weights_of_another_model(self, tmp_path: Path, content: dict) -> None:
        weights = content['state_dict']
        extra = {'auxiliary_head.conv_seg.weight': torch.zeros(3, 8, 1, 1)}
        self.build(tmp_path, dict(content, state_dict=weights | extra))
        missing = {name: weight for name, weight in weights.items() if not name.startswith('decode_head')}
        with pytest.raises(ValueError, match=r'a\.pth lacks \d+ weights of its config, such as decode_head'):
            self.build(tmp_path, dict(content, state_dict=missing))
        other = weights | {'decode_head.conv_seg.weight': torch.zeros(4, 8, 1, 1)}
        with pytest.raises(ValueError, match=r'a\.pth does not fit its config'):
            self.build(tmp_path, dict(content, state_dict=other))

    def test_code_in_a_checkpoint_is_not_run(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r'a\.pth is refused'):
            self.build(tmp_path, dict(state_dict={}, meta=print))


def test_what_is_no_model(folder: Path, tmp_path: Path) -> None:
    checkpoint = folder / 'fcn.pth'
    with pytest.raises(FileNotFoundError, match=r'config .*none\.py does not exist'):
        build_teacher('mmseg', config=tmp_path / 'none.py', checkpoint=checkpoint)
    with pytest.raises(FileNotFoundError, match=r'checkpoint .*none\.pth does not exist'):
        build_teacher('mmseg', config=folder / 'fcn.py', checkpoint=tmp_path / 'none.pth')
    (tmp_path / 'empty.py').write_text('')
    with pytest.raises(ValueError, match=r'empty\.py has no model'):
        build_teacher('mmseg', config=tmp_path / 'empty.py', checkpoint=checkpoint)
    unnormalised = Config.fromfile(folder / 'fcn.py').model
    del unnormalised.data_preprocessor
    with pytest.raises(ValueError, match='needs a data_preprocessor of type SegDataPreProcessor'):
        build_teacher('mmseg', config=write_config(tmp_path, 'fcn', model=unnormalised), checkpoint=checkpoint)


def test_without_the_library(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'mmseg.apis', None)
    with pytest.raises(ModuleNotFoundError, match=re.escape("pip install 'ssl_bev[teacher]'")):
        teacher_of(folder, 'fcn')


@pytest.mark.parametrize('head', HEADS)
def test_bfloat16_computes_nearly_the_same(folder: Path, head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, '_is_mkldnn_bf16_supported', lambda: True)
    image = random_image(5, *SIZE)
    teacher = teacher_of(folder, head, autocast='bfloat16')
    dtypes = set()
    teacher.model.backbone.register_forward_hook(lambda module, args, out: dtypes.update(x.dtype for x in out))
    (_, quick), (_, exact) = (teacher.predict([image])[0], teacher_of(folder, head).predict([image])[0])
    assert dtypes == {torch.bfloat16}
    assert np.abs(quick.astype(int) - exact.astype(int)).mean() < 5  # of 255


@pytest.mark.parametrize('autocast', ['bfloat16', 'float16'])
def test_a_cpu_that_would_emulate_it_stays_in_float32(
    folder: Path, autocast: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ('_is_mkldnn_bf16_supported', '_is_mkldnn_fp16_supported'):
        monkeypatch.setattr(torch.ops.mkldnn, name, lambda: False, raising=False)  # torch 2.1 has only the first
    image = random_image(5, *SIZE)
    teacher = teacher_of(folder, 'fcn', autocast=autocast)
    assert f'does not know {autocast}' in caplog.text
    for got, expected in zip(teacher.predict([image])[0], teacher_of(folder, 'fcn').predict([image])[0], strict=True):
        np.testing.assert_array_equal(got, expected)


def test_an_autocast_that_is_none(folder: Path) -> None:
    with pytest.raises(ValueError, match="autocast must be one of bfloat16, float16 or None, got 'half'"):
        teacher_of(folder, 'fcn', autocast='half')
