"""Evaluation that carries the history along gives the figures of the windows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import BaseMetric
from mmengine.runner import Runner
from mmengine.runner import TestLoop as WindowLoop
from test_bevformer_over_time import PIPELINE, make_model

from ssl_bev.datasets import BEVDataset
from ssl_bev.engine import OnlineTestLoop, OnlineValLoop, SceneContiguousSampler
from ssl_bev.evaluation import BEVIoUMetric


class Predictions(BaseMetric):
    """token -> (K, H, W)"""

    def process(self, data_batch: dict, data_samples: list[dict]) -> None:
        assert len(data_batch['data_samples']) == len(data_samples)
        self.results += [(sample['sample_token'], sample['pred_bev_seg']) for sample in data_samples]

    def compute_metrics(self, results: list) -> dict:
        return dict(results)


def with_truth(packed: dict) -> dict:
    """The packed sample with a random truth and cloud, the same for a frame in each window."""
    sample = packed['data_samples']
    generator = torch.Generator().manual_seed(sum(map(ord, sample.sample_token)))
    sample.gt_bev_seg = torch.randint(0, 2, (2, 16, 24), generator=generator, dtype=torch.uint8)
    sample.set_metainfo(dict(bev_classes=('road', 'line')))
    packed['inputs']['points'] = [torch.rand(3, 4, generator=generator)] * len(sample.timestamps)
    return packed


@pytest.fixture(scope='module')
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    model = make_model()
    runner = Runner(model, str(tmp_path_factory.mktemp('runner')), experiment_name='online', log_level='ERROR')
    runner._hooks.clear()
    return runner


@pytest.fixture
def evaluate(runner: Runner, tiny_data: Path, tiny_root: Path):
    """A function: loop, frames of a window, ... -> (figures, number of images that the backbone saw)."""

    def run(loop: type, num_frames: int, sampler: type = SceneContiguousSampler, dataset: dict | None = None, **more):
        frames = BEVDataset(
            str(tiny_data / 'ssl_bev_infos_train.pkl'), [*PIPELINE, with_truth], str(tiny_root), info_root='',
            num_frames=num_frames, with_labels=False, **(dataset or {}),
        )  # fmt: skip
        loader = dict(dataset=frames, sampler=dict(type=sampler), batch_size=2, num_workers=0)
        metrics = [BEVIoUMetric(('road', 'line')), Predictions(prefix='map')]
        seen = []
        hook = runner.model.img_backbone.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
        try:
            runner._val_loop = runner._test_loop = loop(runner, loader, metrics, **more)
            figures = runner._test_loop.run()
        finally:
            hook.remove()
        return figures, sum(seen)

    return run


def assert_equal(figures: dict, expected: dict) -> None:
    assert figures.keys() == expected.keys() and len(figures) > 6 + 6
    for name, value in expected.items():
        torch.testing.assert_close(
            figures[name], value, atol=1e-5 if name.startswith('map') else 0, rtol=0, equal_nan=True
        )


@pytest.mark.parametrize('loop', [OnlineValLoop, OnlineTestLoop])
def test_figures_are_those_of_the_windows(evaluate, loop: type) -> None:
    """Two frames of scenes of three, so that the history must end where the windows' does."""
    expected, images = evaluate(WindowLoop, 2)
    figures, fewer = evaluate(loop, 2)
    assert_equal(figures, expected)
    assert (images, fewer) == (2 * fewer, 6 * 2)  # two scenes of three frames of two cameras


def test_whole_scenes_are_windows_as_long_as_a_scene(evaluate) -> None:
    expected, _ = evaluate(WindowLoop, 3)
    shorter, _ = evaluate(WindowLoop, 2)
    figures, images = evaluate(OnlineTestLoop, 2, whole_scenes=True)
    assert_equal(figures, expected)
    assert images == 6 * 2
    assert figures['bev/mIoU'] != shorter['bev/mIoU']


def test_single_frames_are_evaluated_as_ever(evaluate) -> None:
    expected, _ = evaluate(WindowLoop, 1, DefaultSampler)
    assert_equal(evaluate(OnlineTestLoop, 1, DefaultSampler)[0], expected)


def test_each_sample_of_a_batch_keeps_its_points(evaluate, runner: Runner) -> None:
    clouds = []
    hook = runner.model.bev_encoder.register_forward_pre_hook(lambda _, inputs: clouds.extend(inputs[0].points))
    try:
        evaluate(OnlineTestLoop, 2, whole_scenes=True)
    finally:
        hook.remove()
    for cloud, sample in zip(clouds, runner.test_loop.dataloader.dataset, strict=True):
        assert torch.equal(cloud, *sample['inputs']['points'])


def test_processes_have_whole_scenes(evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = evaluate(WindowLoop, 2)
    maps = {}
    for rank in range(2):
        monkeypatch.setattr('ssl_bev.engine.scene_sampler.get_dist_info', lambda rank=rank: (rank, 2))
        figures, images = evaluate(OnlineTestLoop, 2)
        assert images == 3 * 2
        maps |= {name: value for name, value in figures.items() if name.startswith('map')}
    assert len(maps) == 6
    for name, value in maps.items():
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=0)


def test_the_model_steps_as_ever_afterwards(evaluate, runner: Runner) -> None:
    evaluate(OnlineTestLoop, 2)
    assert not {'val_step', 'test_step'} & vars(runner.model).keys()


def test_what_cannot_carry_a_history_is_refused(evaluate, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"sampler is DefaultSampler; use sampler=dict\(type='SceneContiguousSampler'"):
        evaluate(OnlineTestLoop, 2, DefaultSampler)
    for settings in (dict(frame_stride=2), dict(sample_interval=2)):
        with pytest.raises(ValueError, match=r'the history of a sample is not the samples before it; set frame_stride'):
            evaluate(OnlineTestLoop, 2, dataset=settings)
    monkeypatch.setattr(runner, 'model', torch.nn.Linear(1, 1))
    runner.model.img_backbone = runner.model
    with pytest.raises(ValueError, match='needs a BEVDataset and a BEVSegmentor; Linear has no frame_inputs'):
        evaluate(OnlineTestLoop, 2)
