"""The stage that trains a network to draw labels, and completes the maps of all frames with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from ssl_bev.apis.inference import init_model
from ssl_bev.datasets.accumulated_target_files import read_target_manifest, target_path
from ssl_bev.datasets.bev_label_files import MANIFEST as LABEL_MANIFEST
from ssl_bev.engine import building, load_config
from ssl_bev.engine.config_datasets import train_datasets
from ssl_bev.engine.launch import build_runner, prepare_run, run_and_close, use_checkpoint
from ssl_bev.engine.pinned_memory import unpin_without_gpu
from ssl_bev.files import sha256
from ssl_bev.files.manifest_folder import MANIFEST, ManifestFolder
from ssl_bev.files.text_files import read_json
from ssl_bev.preparation.complete_maps import complete_maps

from .config_values import info_root
from .stage import Stage

_NETWORK = ManifestFolder('completion networks', 'tools/prepare_targets.py')
# Parts of a config that a network depends on.
_KEYS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'randomness', 'load_from')
_MACHINE = ('num_workers', 'persistent_workers', 'pin_memory')


@dataclass(frozen=True)
class CompletionStage(Stage):
    """Maps of all frames by a `MapCompletion`, which is trained first.

    Args:
        config: of the `MapCompletion`.
        evidence: folder of the accumulated targets.
        dataset: values of the dataset that reads the maps, for the test dataset of the config.
    """

    config: Config | None = None
    evidence: str = ''
    dataset: Mapping | None = None
    name = 'completion'

    @property
    def network(self) -> Path:
        """Work directory of the training."""
        return self.out.with_name(f'{self.out.name}_network')

    @property
    def checkpoint(self) -> Path:
        """The last one of the training."""
        return self.network / f'epoch_{self.config.train_cfg.max_epochs}.pth'

    def path(self, token: str) -> Path:
        return target_path(self.out, token)

    def settings(self) -> dict:
        """Digests of the config and the data of the network, without paths of this machine."""
        found = {key: _digest(_without(self.config.get(key))) for key in _KEYS}
        found['evidence'] = _digest(read_json(Path(self.evidence) / MANIFEST, 'manifest of accumulated targets'))
        for dataset in train_datasets(self.config):
            found['labels'] = _digest(read_json(_label_dir(dataset) / LABEL_MANIFEST, 'BEV label manifest'))
        return found

    def check(self) -> None:
        if _NETWORK.check(self.network, self.settings()) and self.checkpoint.is_file() and self.out.exists():
            source = read_target_manifest(self.out).get('source')
            if source != self._source():
                raise ValueError(
                    f'{self.out} holds maps of another network, {source}, than {self.checkpoint}; delete it'
                )

    def run(self, workers: int = 1, device: str = 'cpu', show_progress: bool = True) -> None:
        self.check()
        _NETWORK.start(self.network, self.settings())
        if not self.checkpoint.is_file():
            self._train()
        model = init_model(self.config, self.checkpoint, device)
        config = load_config(self.config)
        config.test_dataloader.dataset.update(self.dataset)
        with building(config):
            loader = unpin_without_gpu(Runner.build_dataloader(config.test_dataloader))
        complete_maps(model, loader, self.out, self._source(), show_progress=show_progress)

    def _train(self) -> None:
        config = load_config(self.config)
        prepare_run(config, self.network)
        use_checkpoint(config, 'auto')
        run_and_close(build_runner(config, 'train'), 'train')

    def _source(self) -> dict[str, str]:
        return {'name': self.checkpoint.stem, 'sha256': sha256([self.checkpoint])}


def _label_dir(dataset: Mapping) -> Path:
    return Path(info_root(dataset)) / dataset.get('label_dir', 'bev_labels')


def _without(value: object) -> object:
    """A part of a config without folders and numbers of processes."""
    if isinstance(value, Mapping):
        places = ('data_root', 'info_root', *_MACHINE)
        kept = {key: _without(item) for key, item in value.items() if key not in places}
        return kept | {'root': Path(kept['root']).name} if 'root' in kept else kept
    return [_without(item) for item in value] if isinstance(value, (list, tuple)) else value


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]
