"""mmengine's CheckpointHook with complete files, and a resume that finds the last good one."""

from __future__ import annotations

import hashlib
from functools import partial
from io import BytesIO
from pathlib import Path

import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import is_main_process, master_only
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ssl_bev.checkpoints import find_last_good, load_checkpoint_file, with_safe_loading
from ssl_bev.files import write_bytes

from .saving import remove_leftovers, save_whole


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """Save so that a kill or a full disk at any time leaves a good checkpoint; load without running code.

    Checkpoints are renamed when they are on disk; then `last_checkpoint` names them; then older ones are removed
    (mmengine removes them first). With `resume=True` and no `load_from`, a run continues from the last good checkpoint
    of its work directory, and warns about damaged ones. All files, also that of `load_from`, are read by torch's
    `weights_only` unpickler, which here also knows the log buffers of mmengine, but nothing that could run code. Other
    arguments are those of `CheckpointHook`.

    Raises:
        ValueError: a run is to be resumed and no checkpoint is whole.

    Example:
        >>> default_hooks = dict(checkpoint=dict(type='SafeCheckpointHook', interval=1, max_keep_ckpts=2))
    """

    def before_run(self, runner: Runner) -> None:
        """Choose the checkpoint and its loader, before mmengine does."""
        if runner._resume and runner._load_from is None:
            checkpoint, faults = find_last_good(runner.work_dir)
            for fault in faults:
                runner.logger.warning(f'{fault}; resuming from {checkpoint}')
            runner._load_from, runner._resume = checkpoint and str(checkpoint), checkpoint is not None
        runner._load_from = with_safe_loading(runner._load_from)

    def before_train(self, runner: Runner) -> None:
        """Find the folder, and remove partial files of killed runs."""
        super().before_train(runner)
        if self._is_local() and is_main_process():
            remove_leftovers(self.out_dir)
            remove_leftovers(runner.work_dir)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        if not self._is_local():
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        outdated = self._keep(runner, step) if self.max_keep_ckpts > 0 else []
        self.last_ckpt = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        save_whole(
            runner,
            self.out_dir,
            self.filename_tmpl.format(step),
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            **self.args,
        )
        for old in outdated if is_main_process() else ():
            (Path(self.out_dir) / self.filename_tmpl.format(old)).unlink(missing_ok=True)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if not (self.save_best and self._is_local()):
            super()._save_best_checkpoint(runner, metrics)
            return
        one = len(self.key_indicators) == 1
        before = {'': self.best_ckpt_path} if one else dict(self.best_ckpt_path_dict)
        self._set_best(dict.fromkeys(before))  # so that it is not removed before the new one is written
        runner.save_checkpoint = partial(save_whole, runner, note=False)
        try:
            super()._save_best_checkpoint(runner, metrics)
        finally:
            del runner.save_checkpoint
        after = {'': self.best_ckpt_path} if one else dict(self.best_ckpt_path_dict)
        self._set_best({key: path or before[key] for key, path in after.items()})
        for key, path in before.items():
            if path and after[key] not in (None, path) and is_main_process():
                Path(path).unlink(missing_ok=True)

    def _set_best(self, paths: dict[str, str | None]) -> None:
        if '' in paths:
            self.best_ckpt_path = paths['']
        else:
            self.best_ckpt_path_dict = paths

    @master_only
    def _publish_model(self, runner: Runner, ckpt_path: str) -> None:
        content, file = load_checkpoint_file(ckpt_path, 'cpu'), BytesIO()
        torch.save({key: value for key, value in content.items() if key in self.published_keys}, file)
        name = f'{Path(ckpt_path).stem}-{hashlib.sha256(file.getvalue()).hexdigest()[:8]}.pth'
        write_bytes(Path(ckpt_path).with_name(name), file.getvalue())
        runner.logger.info(f'{ckpt_path} is published as {name}')

    def _keep(self, runner: Runner, step: int) -> list[int]:
        """Record the kept checkpoints, and return those that are no longer kept."""
        before = [kept for kept in self.keep_ckpt_ids if kept != step]
        self.keep_ckpt_ids.clear()
        self.keep_ckpt_ids.extend([*before, step])  # holds the last `max_keep_ckpts`
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return [kept for kept in before if kept not in self.keep_ckpt_ids]

    def _is_local(self) -> bool:
        return isinstance(self.file_backend, LocalBackend)
