"""Scalars and panels in mmengine's own backends: TensorBoard's events, read back."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import HOOKS
from mmengine.visualization import Visualizer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ssl_bev.engine import BEVVisualizationHook, load_config
from ssl_bev.structures import BEVDataSample
from ssl_bev.visualization import draw_sample

CONFIG = """
default_hooks = dict(visualization=dict(type='BEVVisualizationHook', num_samples=2))
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')])
"""


def predicted(i):
    """One camera 1.5 m above the road; the map is as probable as i tenths."""
    sample = BEVDataSample(
        metainfo=dict(
            sample_token=f'token{i}', camera_names=['front'], bev_frame='ego', pred_classes=['marking'],
            x_range=(-8.0, 8.0), y_range=(-4.0, 4.0), cell_size=1.0,
        )
    )  # fmt: skip
    sample.bev2img = torch.tensor([[[[40.0, -40, 0, 0], [10, 0, -40, 60], [1, 0, 0, 0], [0, 0, 0, 1]]]])
    sample.road2bev = torch.eye(4)[None]
    sample.pred_bev_seg = torch.full((1, 8, 16), i / 10)
    return sample


def batch(*numbers):
    images = [torch.full((1, 1, 3, 20, 80), 25 * i, dtype=torch.uint8) for i in numbers]
    return dict(inputs=dict(img=images)), [predicted(i) for i in numbers]


def test_scalars_and_panels_reach_tensorboard(tmp_path):
    (tmp_path / 'config.py').write_text(CONFIG)
    config = load_config(tmp_path / 'config.py')
    hook = HOOKS.build(config.default_hooks.visualization)
    visualizer = Visualizer(vis_backends=config.visualizer.vis_backends, save_dir=str(tmp_path / 'log'))
    runner = SimpleNamespace(rank=0, epoch=7, visualizer=visualizer)
    for _ in range(2):  # validations
        hook.before_val_epoch(runner)
        for numbers in ((1,), (2, 3), (4,)):
            hook.after_val_iter(runner, 0, *batch(*numbers))
    visualizer.add_scalars({'bev/mIoU': 0.5}, step=7)
    visualizer.close()
    (folder,) = {path.parent for path in tmp_path.rglob('events.out.tfevents*')}
    events = EventAccumulator(str(folder)).Reload()
    assert events.Tags()['images'] == ['val_0', 'val_1'] and [e.step for e in events.Images('val_0')] == [7, 7]
    (scalar,) = events.Scalars('bev/mIoU')
    assert (scalar.step, scalar.value) == (7, 0.5)
    data, (sample, _) = batch(2, 3)
    expected = draw_sample(data['inputs']['img'][0][-1], sample)
    shown = events.Images('val_1')[0]
    assert (shown.height, shown.width) == expected.shape[:2]
    files = sorted((tmp_path / 'log').rglob('*.png'))
    assert [file.name for file in files] == ['val_0_7.png', 'val_1_7.png']

    assert np.array_equal(cv2.imread(str(files[1])), expected)  # colours in their order


def drawn(inputs, sample):
    pictures = []
    visualizer = SimpleNamespace(add_image=lambda name, picture, step: pictures.append(picture))
    BEVVisualizationHook().after_val_iter(
        SimpleNamespace(rank=0, epoch=1, visualizer=visualizer), 0, dict(inputs=inputs), [sample]
    )
    (picture,) = pictures
    return picture[..., ::-1]


def test_images_of_a_detector_have_no_time():
    data, (sample,) = batch(2)
    (window,) = data['inputs']['img']
    assert np.array_equal(drawn(dict(img=[window[0]]), sample), draw_sample(window[0], sample))


def test_without_images_the_maps_are_drawn_alone():
    _, (sample,) = batch(2)
    panel = drawn(dict(points=[[torch.zeros(3, 4)]]), sample)
    assert np.array_equal(panel, draw_sample(torch.zeros(0, 3, 1, 1), sample))


def test_one_process_draws_and_the_number_is_checked(tmp_path):
    hook = BEVVisualizationHook()
    hook.before_val_epoch(None)
    hook.after_val_iter(SimpleNamespace(rank=1), 0, *batch(1))  # has no visualizer
    with pytest.raises(ValueError, match='num_samples must be at least 1, got 0'):
        BEVVisualizationHook(num_samples=0)
