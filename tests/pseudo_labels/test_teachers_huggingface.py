import json
import re
import shutil
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from teacher_oracles import assert_labels, decide_by_queries, label_pixels

from ssl_bev.pseudo_labels import LabelMap
from ssl_bev.pseudo_labels.teachers import Teacher, build_teacher

NAMES = LabelMap.load('mapillary_v1').class_names


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Mask2Former with the classes of Mapillary Vistas v1.2."""
    import transformers

    swin = transformers.SwinConfig(
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=['stage1', 'stage2', 'stage3', 'stage4'],
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=swin,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=5,
        id2label=dict(enumerate(NAMES)),
        label2id={name: index for index, name in enumerate(NAMES)},
    )
    torch.manual_seed(0)
    network = transformers.Mask2FormerForUniversalSegmentation(config)
    # Weights as they are made would give all queries and pixels the same.
    decoder = network.model.transformer_module
    torch.nn.init.normal_(decoder.queries_features.weight)
    torch.nn.init.normal_(network.class_predictor.weight)
    with torch.no_grad():
        masks = network.eval()(torch.randn(1, 3, 64, 96)).masks_queries_logits
        list(decoder.decoder.mask_predictor.mask_embedder.parameters())[-2].mul_(4 / masks.std())
    path = tmp_path_factory.mktemp('hub') / 'tiny-mask2former'
    network.save_pretrained(path)
    transformers.Mask2FormerImageProcessor().save_pretrained(path)
    return path


@pytest.fixture(scope='module')
def teacher(folder: Path) -> Teacher:
    return build_teacher('huggingface', model=folder)


@pytest.fixture
def outputs(teacher: Teacher) -> Iterator[list]:
    """(pixel values, output) of each forward pass."""
    seen = []
    hook = teacher.network.register_forward_hook(
        lambda module, args, kwargs, output: seen.append((kwargs['pixel_values'], output)), with_kwargs=True
    )
    yield seen
    hook.remove()


def random_image(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_name_hash_and_classes(folder: Path, teacher: Teacher) -> None:
    assert teacher.name == 'tiny-mask2former'
    assert teacher.sha256 == sha256((folder / 'model.safetensors').read_bytes()).hexdigest()
    table = LabelMap.load('mapillary_v1').table(teacher.class_names, ['drivable', 'marking', 'crosswalk'])
    assert table.shape == (65, 3)


def test_labels_and_confidence_equal_a_loop_over_pixels(teacher: Teacher, outputs: list) -> None:
    image = random_image(0, 30, 50)
    (labels,) = teacher.predict([image])
    (pixels, output), *more = outputs
    assert not more
    assert pixels.shape == (1, 3, 32, 64)  # padded, not resized
    decide = decide_by_queries(output.class_queries_logits[0].double().numpy())
    assert_labels(labels, label_pixels(output.masks_queries_logits[0].double().numpy(), (4, 4), (30, 50), decide))


def test_pixel_values_are_those_of_the_image_processor(teacher: Teacher, outputs: list, folder: Path) -> None:
    from transformers import Mask2FormerImageProcessor

    image = random_image(1, 30, 50)
    teacher.predict([image])
    processor = Mask2FormerImageProcessor.from_pretrained(folder, do_resize=False)
    expected = processor(image[..., ::-1].copy(), return_tensors='pt')['pixel_values']
    torch.testing.assert_close(outputs[0][0][..., :30, :50], expected, rtol=0, atol=1e-5)
    assert not outputs[0][0][..., 30:, :].any()
    assert not outputs[0][0][..., 50:].any()


def test_a_line_of_two_pixels_survives_at_image_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = build_teacher('huggingface', model=folder, scale=2.0)
    line = NAMES.index('Lane Marking - General')
    seen = []

    def forward(pixel_values: torch.Tensor, **_: object) -> SimpleNamespace:
        seen.append(tuple(pixel_values.shape))
        class_logits = torch.full((1, 2, len(NAMES) + 1), -20.0)
        class_logits[0, 0, NAMES.index('Road')] = class_logits[0, 1, line] = 20.0
        masks = torch.full((1, 2, pixel_values.shape[2] // 4, pixel_values.shape[3] // 4), -8.0)
        masks[0, 0] = 0.0
        masks[0, 1, :, 401] = masks[0, 1, 300] = 8.0  # one cell is 4 pixels of the network, 2 of the image
        return SimpleNamespace(class_queries_logits=class_logits, masks_queries_logits=masks)

    monkeypatch.setattr(teacher, 'network', forward)
    ((ids, confidence),) = teacher.predict([np.zeros((900, 1600, 3), np.uint8)])
    assert seen == [(1, 3, 1824, 3200)]
    expected = np.full((900, 1600), NAMES.index('Road'), np.uint8)
    expected[:, 802:804] = expected[600:602] = line
    np.testing.assert_array_equal(ids, expected)
    sure = 1 / (1 + np.exp(-4.0))  # a quarter of the way to the next cell, where the line's logit is -8
    assert confidence[100, 802] == round(255 * sure / (sure + 0.5))


def test_a_batch_equals_single_images_and_takes_one_pass_a_size(teacher: Teacher, outputs: list) -> None:
    images = [random_image(2, 30, 50), random_image(3, 40, 36), random_image(4, 30, 50)]
    together = teacher.predict(images)
    assert sorted(len(pixels) for pixels, _ in outputs) == [1, 2]
    for image, (ids, confidence) in zip(images, together, strict=True):
        ((single_ids, single_confidence),) = teacher.predict([image])
        assert ids.shape == image.shape[:2]
        assert np.mean(ids != single_ids) < 0.01  # ties, by rounding
        np.testing.assert_allclose(confidence.astype(int), single_confidence.astype(int), atol=1)
    assert teacher.predict([]) == []


@pytest.mark.parametrize(('scale', 'seen'), [(0.5, (32, 64)), ((96, 500), (64, 96)), (2, (128, 224))])
def test_labels_have_the_size_of_the_image_at_any_scale(folder: Path, scale: object, seen: tuple[int, int]) -> None:
    teacher = build_teacher('huggingface', model=folder, scale=scale)
    sizes = []
    teacher.network.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(tuple(kwargs['pixel_values'].shape[2:])), with_kwargs=True
    )
    ((ids, confidence),) = teacher.predict([random_image(5, 61, 101)])
    assert sizes == [seen]
    assert ids.shape == confidence.shape == (61, 101)


def test_split_weights_and_a_hub_id(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from transformers import Mask2FormerForUniversalSegmentation

    network = Mask2FormerForUniversalSegmentation.from_pretrained(folder)
    network.save_pretrained(tmp_path, max_shard_size='200KB')
    shutil.copy(folder / 'preprocessor_config.json', tmp_path)
    monkeypatch.setattr(huggingface_hub, 'snapshot_download', lambda model, allow_patterns: str(tmp_path))
    teacher = build_teacher('huggingface', model='someone/tiny-mask2former')
    assert teacher.name == 'someone/tiny-mask2former'
    parts = sorted(tmp_path.glob('model-*.safetensors'))
    assert len(parts) > 1
    assert teacher.sha256 == sha256(b''.join(part.read_bytes() for part in parts)).hexdigest()
    image = random_image(6, 30, 50)
    whole = build_teacher('huggingface', model=folder).predict([image])
    np.testing.assert_array_equal(teacher.predict([image])[0][0], whole[0][0])
    parts[0].unlink()
    with pytest.raises(FileNotFoundError, match='names weights that are not there'):
        build_teacher('huggingface', model='someone/tiny-mask2former')


def test_a_model_that_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(*args: object, **kwargs: object) -> None:
        raise huggingface_hub.utils.LocalEntryNotFoundError('no connection')

    monkeypatch.setattr(huggingface_hub, 'snapshot_download', offline)
    with pytest.raises(FileNotFoundError, match='model a/b is neither a folder nor to be had from the hub: no conn'):
        build_teacher('huggingface', model='a/b')


def test_without_the_library(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(ModuleNotFoundError, match=re.escape("pip install 'ssl_bev[huggingface]'")):
        build_teacher('huggingface', model=folder)


@pytest.mark.parametrize(
    ('changes', 'error', 'match'),
    [
        (dict(model_type='maskformer'), ValueError, 'model_type must be "mask2former", got \'maskformer\''),
        (dict(id2label={str(i): f'LABEL_{i}' for i in range(65)}), ValueError, 'id2label in config.json must name'),
        (dict(id2label={'1': 'Road'}), ValueError, 'id2label in config.json must name'),
        (dict(num_queries=7), ValueError, 'do not fit its config.json'),
        (dict(decoder_layers=4), ValueError, r'lack \d+ parameters that config.json asks for, such as model'),
        ('preprocessor_config.json', FileNotFoundError, 'preprocessor_config.json does not exist'),
        ('model.safetensors', FileNotFoundError, 'no weights in'),
    ],
)
def test_folders_that_are_no_teacher(
    folder: Path, tmp_path: Path, changes: dict | str, error: type[Exception], match: str
) -> None:
    copy = shutil.copytree(folder, tmp_path / 'copy')
    if isinstance(changes, str):
        (copy / changes).unlink()
    else:
        config = json.loads((copy / 'config.json').read_text())
        (copy / 'config.json').write_text(json.dumps(config | changes))
    with pytest.raises(error, match=match):
        build_teacher('huggingface', model=copy)


def test_a_device_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ValueError, match="device 'gpu' cannot be used"):
        build_teacher('huggingface', model=folder, device='gpu')
