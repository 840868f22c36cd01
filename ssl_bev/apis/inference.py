"""From a config and a checkpoint to BEV maps."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ssl_bev.engine import building, load_config, load_weights
from ssl_bev.engine.online import OnlineSteps
from ssl_bev.engine.pinned_memory import unpin_without_gpu
from ssl_bev.structures import BEVDataSample


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device = 'cpu',
) -> BaseModel:
    """Build the model of a config and load its weights, ready for inference.

    Args:
        config: path of a config file, or a config.
        checkpoint: file of the weights; every parameter must exist, with the shape in the model. None: the model
            keeps its initial weights.
        device: of the model.

    Returns:
        The model in evaluation mode, its config in `model.cfg`.

    Raises:
        FileNotFoundError: There is no such config or checkpoint.
        ValueError: The config cannot be read or names what does not exist, or the checkpoint cannot be read or does not
            fit; the error names parameters and shapes.
    """
    config = load_config(config)
    if checkpoint is not None and not Path(checkpoint).is_file():
        raise FileNotFoundError(f'no checkpoint at {checkpoint}')
    settings = copy.deepcopy(config.model)
    if 'data_preprocessor' in config:
        settings.setdefault('data_preprocessor', copy.deepcopy(config.data_preprocessor))
    with building(config):
        model = MODELS.build(settings)
    if checkpoint is not None:
        load_weights(model, checkpoint)
    model.cfg = config
    return model.to(device).eval()


def build_test_dataloader(
    config: Config,
    infos: str | Path | None = None,
    data_root: str | Path | None = None,
) -> DataLoader:
    """Build the test dataloader of the config, without worker processes, for its own or for other data.

    Args:
        config: needs `test_dataloader`.
        infos: info file that replaces that of the config. Its labels are expected in `label_dir` of the config beside
            it; without this folder the samples have no labels. Scene lists and label subsets of the config are dropped.
        data_root: folder that image paths are relative to. Default: that of the config; with `infos`, the folder of the
            info file if that of the config does not exist.

    Raises:
        FileNotFoundError: There is no such info file or folder.
        ValueError: The config has no `test_dataloader`, or it names what does not exist.
    """
    if 'test_dataloader' not in config:
        raise ValueError(f'config {config.filename} has no test_dataloader')
    settings = copy.deepcopy(config.test_dataloader)
    settings.update(num_workers=0, persistent_workers=False)
    settings.pop('prefetch_factor', None)
    dataset = settings.dataset
    if infos is not None:
        infos = Path(infos).resolve()
        if not infos.is_file():
            raise FileNotFoundError(f'no info file at {infos}; make one with tools/create_data.py')
        labels = infos.parent / dataset.get('label_dir', 'bev_labels')
        for choice in ('scene_list', 'label_scenes', 'label_fraction', 'label_seed', 'label_subset_file'):
            dataset.pop(choice, None)
        dataset.update(ann_file=infos.name, info_root=str(infos.parent), with_labels=labels.is_dir())
        dataset.update(labelled_only=False)
        if data_root is None and not (dataset.get('data_root') and Path(dataset.data_root).is_dir()):
            data_root = infos.parent
    if data_root is not None:
        if not Path(data_root).is_dir():
            raise FileNotFoundError(f'no data_root at {data_root}')
        if 'info_root' not in dataset:
            dataset['info_root'] = dataset.get('data_root', '')
        dataset['data_root'] = str(data_root)
    with building(config):
        return unpin_without_gpu(Runner.build_dataloader(settings))


def inference(
    model: BaseModel,
    data: Dataset | DataLoader | Iterable[dict],
    online: bool = False,
) -> Iterator[tuple[Tensor, BEVDataSample]]:
    """Predict the BEV map of each sample.

    Args:
        model: in evaluation mode, from `init_model`.
        data: a dataset, or a loader of its batches.
        online: carry the history from sample to sample, see `predict_online`, instead of encoding each whole window;
            the data must be in order of time.

    Yields:
        The images of the current frame (N, 3, H, W) uint8 BGR, as augmented by the pipeline (N = 0 without images), and
        the data sample on the CPU with `pred_bev_seg` (K, H, W) and the metainfo `pred_classes`, `x_range`, `y_range`,
        `cell_size`.
    """
    if isinstance(data, Dataset):
        data = DataLoader(data, batch_size=1, collate_fn=pseudo_collate)
    step = OnlineSteps(model) if online else model.test_step
    for batch in data:
        windows = batch['inputs'].get('img')
        images = [torch.zeros(0, 3, 1, 1)] * len(batch['data_samples']) if windows is None else [w[-1] for w in windows]
        with torch.no_grad():
            samples = step(batch)
        for frame_images, sample in zip(images, samples, strict=True):
            yield frame_images, sample.cpu()
