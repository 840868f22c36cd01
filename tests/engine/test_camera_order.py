"""Cameras keep their places from training to validation, and from a checkpoint to whatever reads it."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
from engine_toy import ToyDataset, dataloader, run
from mmdet3d.registry import DATASETS

from ssl_bev.datasets import BEVDataset
from ssl_bev.engine import CameraOrderHook

FOUR = ['front', 'right', 'left', 'back']


def runner(**names: list[str]) -> SimpleNamespace:
    datasets = {part: SimpleNamespace(metainfo={'camera_names': found}) for part, found in names.items()}
    return SimpleNamespace(**{f'{part}_dataloader': SimpleNamespace(dataset=one) for part, one in datasets.items()})


@pytest.mark.parametrize('names', [FOUR, FOUR[:3], [*FOUR, 'roof'], ['a', 'b'], []], ids=str)
def test_other_cameras_are_no_error_in_the_same_places(names: list[str]) -> None:
    run, hook = runner(train=FOUR, val=names), CameraOrderHook()
    hook.before_train_epoch(run)
    hook.before_val_epoch(run)


@pytest.mark.parametrize('names', [[*FOUR[::-1]], FOUR[1:], ['roof', *FOUR]], ids=str)
def test_other_places_are(names: list[str]) -> None:
    run, hook = runner(train=FOUR, val=names), CameraOrderHook()
    hook.before_train_epoch(run)
    with pytest.raises(ValueError, match=r'is number \d in the data for training, .*; give this dataset camera_names='):
        hook.before_val_epoch(run)
    checkpoint = {'meta': {'dataset_meta': {'camera_names': FOUR}}}
    hook.after_load_checkpoint(None, checkpoint)
    with pytest.raises(ValueError, match=r'is number \d in the checkpoint, '):
        hook.before_test_epoch(runner(test=names))


def test_other_checkpoints_and_datasets_are_not_compared() -> None:
    hook = CameraOrderHook()
    hook.after_load_checkpoint(None, {'state_dict': {}})
    hook.before_train_epoch(SimpleNamespace(train_dataloader=SimpleNamespace(dataset=object())))
    hook.before_test_epoch(runner(test=FOUR))


@DATASETS.register_module()
class ToyCameras(ToyDataset):
    def __init__(self, names: list[str], **arguments) -> None:
        super().__init__(**arguments)
        self.metainfo['camera_names'] = list(names)


def test_in_a_run(tmp_path: Path) -> None:
    """The checkpoint says what it was trained with; another run starts from it."""
    hooks = [dict(type='CameraOrderHook'), dict(type='RecordHook')]
    options = dict(custom_hooks=hooks, train_cfg=dict(by_epoch=True, max_epochs=1), param_scheduler=None)
    options['default_hooks'] = dict(checkpoint=dict(type='SafeCheckpointHook', interval=1))

    def train(name: str, names: list[str], **more) -> None:
        loader = dataloader()
        loader['dataset'].update(type='ToyCameras', names=names)
        run(tmp_path / name, [], name, train_dataloader=loader, **copy.deepcopy(options), **more)

    train('first', FOUR)
    with pytest.raises(ValueError, match=r'right is number 1 in the checkpoint, .* number 0 in the data for training'):
        train('second', FOUR[1:], load_from=str(tmp_path / 'first/epoch_1.pth'))


def test_datasets_say_their_cameras(tiny_data, tiny_root) -> None:
    def names(**arguments) -> list[str]:
        roots = dict(data_root=str(tiny_root), info_root=str(tiny_data))
        return BEVDataset('ssl_bev_infos_train.pkl', [], **roots, **arguments).metainfo['camera_names']

    assert names() == ['CAM_FRONT', 'CAM_BACK']
    assert names(camera_names=['CAM_BACK']) == ['CAM_BACK']
