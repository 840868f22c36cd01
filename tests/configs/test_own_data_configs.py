"""The configs of one's own cameras train a step on a small drive, and evaluate it."""

from pathlib import Path

import numpy as np
import own_drive
import pytest
from mmdet3d.registry import DATASETS, METRICS, MODELS
from mmdet3d.utils import register_all_modules
from mmengine.dataset import pseudo_collate
from reduced_configs import reduced

from ssl_bev.preparation.own_data import LabelRaster, write_label_raster
from ssl_bev.pseudo_labels import PseudoLabelWriter
from ssl_bev.pseudo_labels.image_list import list_images
from ssl_bev.pseudo_labels.source_image import ImageRecord

CONFIGS = sorted((Path(__file__).resolve().parents[2] / 'configs' / 'own_data').glob('bevformer_*.py'))
SIZES = {'front': (90, 160), 'left': (80, 128), 'back': (120, 200)}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Two drives, one of them for validation, with pseudo-labels and BEV labels."""
    root = tmp_path_factory.mktemp('own')
    layers = np.zeros((2, 400, 400), np.uint8)
    layers[0, 180:230] = layers[1, 204:207] = 1
    write_label_raster(
        root / 'town.npz', LabelRaster(layers, ('drivable', 'marking'), frozenset(['marking']), -50, -50, 0.25)
    )
    lines = own_drive.drive(SIZES, count=3)
    lines.append({**lines[2], 'name': 'second', 'split': 'val'})
    lines += [own_drive.frame(index, SIZES, 'second') for index in range(2)]
    for line in lines:
        if line['type'] == 'scene':
            line['label_raster'] = 'town.npz'
        for image in line.get('images', {}).values():
            image['path'] = image['path'].replace('images/', f'images/{line["scene"]}/')
    own_drive.create(root, lines)
    with PseudoLabelWriter(
        root / 'pseudo_labels', 'teacher', '0' * 64, ['Road', 'Lane Marking - Dashed Line']
    ) as writer:
        for image in list_images(sorted(root.glob('*.pkl')), root):
            ids = np.zeros(image.size, np.uint8)
            ids[:, image.size[1] // 2 :][:, :6] = 1
            record = ImageRecord.of(image.source)
            writer.write(image.camera, image.label_stem, ids, np.full_like(ids, 255), record)
    return root


@pytest.mark.slow
@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_step_of_each_phase_and_an_evaluation(path, data):
    assert len(path.read_text().splitlines()) <= 30
    config = reduced(path, data)
    register_all_modules()
    model = MODELS.build(config.model)
    model.init_weights()
    for phase in config.custom_hooks[-1].phases:
        dataset = DATASETS.build(config[phase.get('train_dataloader', 'train_dataloader')].dataset)
        model.set_loss_weights(phase['losses'])
        batch = model.data_preprocessor(pseudo_collate([dataset[0], dataset[2]]), training=True)
        assert batch['inputs']['img'].shape[2] == len(SIZES)
        losses = model(**batch, mode='loss')
        sum(losses.values()).backward()
        assert {name for name, value in losses.items() if value > 0} == {f'loss_{name}' for name in phase['losses']}
    model.eval()
    val = DATASETS.build(config.val_dataloader.dataset)
    metric = METRICS.build(config.val_evaluator)
    metric.dataset_meta = val.metainfo
    batch = pseudo_collate([val[0]])
    metric.process(batch, [sample.to_dict() for sample in model.test_step(batch)])
    values = metric.evaluate(1)
    assert any(name.endswith('IoU_drivable') for name in values)
