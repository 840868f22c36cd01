"""Whatever happens while a checkpoint is written, the run goes on from the last good one, and says so."""

from __future__ import annotations

import copy
import os
import resource
import signal
from pathlib import Path

import pytest
import torch
from engine_toy import make_runner, run, two_phases
from mmengine.fileio import LocalBackend
from mmengine.hooks import Hook
from processes import exit_codes, start
from test_exact_resume import assert_same_run
from test_preemption import VALIDATION

from ssl_bev.checkpoints import find_last_good, load_checkpoint_file
from ssl_bev.engine import SafeCheckpointHook, saving

HOOKS = dict(checkpoint=dict(type='SafeCheckpointHook', interval=1, max_keep_ckpts=1))


@pytest.fixture(scope='module')
def straight(tmp_path_factory: pytest.TempPathFactory):
    return run(tmp_path_factory.mktemp('straight'), two_phases(), 'straight')


def killed_in_the_middle_of_writing(rank: int, folder: Path) -> None:
    whole = LocalBackend.put

    def put(self, content: bytes, path: str) -> None:
        if 'epoch_3' in Path(path).name:
            Path(path).write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        whole(self, content, path)

    LocalBackend.put = put
    run(folder, two_phases(), 'killed', default_hooks=copy.deepcopy(HOOKS))


def killed_before_the_note(rank: int, folder: Path) -> None:
    note = saving.write_text

    def write_text(path: Path, text: str) -> None:
        if 'epoch_3' in text:
            os.kill(os.getpid(), signal.SIGKILL)
        note(path, text)

    saving.write_text = write_text
    run(folder, two_phases(), 'killed', default_hooks=copy.deepcopy(HOOKS))


@pytest.mark.parametrize('death', [killed_in_the_middle_of_writing, killed_before_the_note])
def test_kill_9_during_a_save(straight, tmp_path: Path, death) -> None:
    """With `max_keep_ckpts=1`: mmengine removes the old checkpoint before it writes the new one."""
    assert exit_codes(start(death, tmp_path)) == [-signal.SIGKILL]
    assert (tmp_path / 'epoch_2.pth').exists()
    assert len(list(tmp_path.glob('.*.tmp'))) == (death is killed_in_the_middle_of_writing)
    resumed = run(tmp_path, two_phases(), 'again', resume=True, default_hooks=copy.deepcopy(HOOKS))
    assert_same_run(resumed, straight, 8)
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_5.pth']
    assert not list(tmp_path.glob('.*'))


class SmallDiskHook(Hook):
    """From the 3rd epoch on no file may be longer than this."""

    priority = 'HIGH'

    def after_train_epoch(self, runner) -> None:
        if runner.epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))


def full_disk(rank: int, folder: Path) -> None:
    runner = make_runner(folder, two_phases(), 'full', default_hooks=copy.deepcopy(HOOKS))
    runner.register_hook(SmallDiskHook())
    try:
        runner.train()
    except OSError as error:
        os.write(2, str(error).encode())
        os._exit(7)


def test_a_full_disk(straight, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    assert exit_codes(start(full_disk, tmp_path)) == [7]
    assert f'cannot write {tmp_path / "epoch_3.pth"} (File too large); what was there before is unchanged' in (
        capfd.readouterr().err
    )
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['epoch_2.pth']
    assert not list(tmp_path.glob('.*'))
    assert_same_run(run(tmp_path, two_phases(), 'again', resume=True), straight, 8)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    weight = load_checkpoint_file(file)['state_dict']['encoder.0.weight']
    content[content.index(weight.numpy().tobytes())] ^= 1
    file.write_bytes(content)


def empty(file: Path) -> None:
    file.write_bytes(b'')


@pytest.mark.parametrize('damage', [truncate, flip, empty, Path.unlink])
def test_the_newest_checkpoint_is_damaged(straight, tmp_path: Path, damage) -> None:
    run(tmp_path, two_phases(), 'damaged')
    damage(tmp_path / 'epoch_5.pth')
    runner = make_runner(tmp_path, two_phases(), f'damaged_{damage.__name__}', resume=True, log_level='WARNING')
    said = []
    runner.logger.warning = lambda text, *more: said.append(text)
    runner.train()
    assert any('epoch_5.pth' in text and text.endswith(f'resuming from {tmp_path / "epoch_4.pth"}') for text in said)
    expected = dict(straight[0].model.named_parameters())
    assert all(torch.equal(expected[name], mine) for name, mine in runner.model.named_parameters())


def test_which_checkpoint_is_the_last_good_one(tmp_path: Path) -> None:
    assert find_last_good(tmp_path) == (None, [])
    run(tmp_path, two_phases(), 'candidates')
    truncate(tmp_path / 'epoch_4.pth')
    assert find_last_good(tmp_path) == (tmp_path / 'epoch_5.pth', [])
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/epoch_2.pth')  # the folder was moved, or someone goes back
    assert find_last_good(tmp_path) == (tmp_path / 'epoch_2.pth', [])
    (tmp_path / 'last_checkpoint').write_text('')
    truncate(tmp_path / 'epoch_5.pth')
    torch.save(dict(state_dict={}), tmp_path / 'weights.pth')
    found, faults = find_last_good(tmp_path)
    assert found == tmp_path / 'epoch_3.pth'
    assert faults[0].endswith('last_checkpoint is empty')
    assert all(f'epoch_{i}.pth is damaged or truncated' in fault for i, fault in zip((4, 5), faults[1:3], strict=True))
    assert 'weights.pth holds no meta and no message_hub' in faults[3]
    for file in tmp_path.glob('epoch_*.pth'):
        file.write_bytes(b'')
    with pytest.raises(ValueError, match=r'no checkpoint in .* can be resumed from: .*epoch_1\.pth is .*start anew'):
        find_last_good(tmp_path)


def test_the_best_checkpoint_is_replaced_when_the_better_one_is_there(tmp_path: Path) -> None:
    hooks = copy.deepcopy(HOOKS)
    hooks['checkpoint'].update(save_best='bev/mIoU', rule='greater', published_keys=['state_dict'])
    seen = []

    class ListHook(Hook):
        priority = 'VERY_HIGH'

        def before_save_checkpoint(self, runner, checkpoint):
            seen.append(sorted(path.name for path in tmp_path.glob('best*')))

    phases = [dict(name='a', epochs=3)]
    more = dict(VALIDATION, train_cfg=dict(by_epoch=True, max_epochs=3, val_interval=1), default_hooks=hooks)
    runner = make_runner(tmp_path, phases, 'best', **copy.deepcopy(more))
    values = iter([0.1, 0.3, 0.2])
    runner.register_hook(ListHook())
    hook = next(hook for hook in runner.hooks if isinstance(hook, SafeCheckpointHook))
    judge = hook.after_val_epoch
    hook.after_val_epoch = lambda runner, metrics: judge(runner, {'bev/mIoU': next(values)})
    runner.train()
    assert ['best_bev_mIoU_epoch_1.pth'] in seen  # while the second is written
    assert [path.name for path in tmp_path.glob('best*') if '-' not in path.name] == ['best_bev_mIoU_epoch_2.pth']
    published = sorted(path.name.split('-')[0] for path in tmp_path.glob('*-*.pth'))
    assert published == ['best_bev_mIoU_epoch_2', 'epoch_3']
    assert not list(tmp_path.glob('.*'))
