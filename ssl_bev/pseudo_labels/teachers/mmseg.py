"""Any segmentation model of mmsegmentation as a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine import Config
from mmengine.registry import DefaultScope

from ssl_bev.checkpoints import load_checkpoint_file
from ssl_bev.command_line import find_device
from ssl_bev.files import sha256

from .class_maps import ClassMaps
from .decisions import Decision, by_logits, by_queries, by_scores, by_threshold
from .images import Scale
from .network_teacher import STRIDE, NetworkTeacher, content_size, missing_library

if TYPE_CHECKING:
    from mmseg.models import BaseSegmentor


class MMSegTeacher(NetworkTeacher):
    """A model of mmsegmentation, run as in its config.

    Args:
        config: a config file.
        checkpoint: its checkpoint, a local file, loaded without running code from it.
        device: of torch.
        scale: see `build_teacher`; None: Resize of the test pipeline, if there is one.
        autocast: see `build_teacher`.

    Raises:
        ModuleNotFoundError: mmsegmentation is not installed.
        FileNotFoundError: no such config or checkpoint.
        ValueError: no segmentation model, weights that do not fit it, no class names or a wrong number of them, or a
            Resize that does not keep the aspect ratio.
    """

    def __init__(
        self,
        config: str | Path,
        checkpoint: str | Path,
        device: str = 'cpu',
        scale: Scale = None,
        autocast: str | None = None,
    ) -> None:
        config, checkpoint = Path(config).expanduser(), Path(checkpoint).expanduser()
        if not config.is_file():
            raise FileNotFoundError(f'config {config} does not exist')
        content = load_checkpoint_file(checkpoint, map_location='cpu')
        where = torch.device(find_device(device))
        self.model = _build(config, where)
        _load_weights(self.model, content, checkpoint)
        head = self.model.decode_head
        self._head = head[-1] if isinstance(head, torch.nn.ModuleList) else head
        class_names = _class_names(content.get('meta', {}), self.model.cfg)
        if len(class_names) != self._head.num_classes:
            raise ValueError(
                f'{checkpoint} names {len(class_names)} classes, the head of {config} has {self._head.num_classes}'
            )
        scale = _test_scale(self.model.cfg) if scale is None else scale
        super().__init__(config.stem, sha256([checkpoint]), class_names, where, scale, autocast)
        self._has_queries, self._decide = _kind_of_head(self._head)
        whole = (self.model.test_cfg or {}).get('mode', 'whole') == 'whole'
        self._combines_queries = self._has_queries and whole
        preprocessor = self.model.data_preprocessor
        if self._has_queries and not preprocessor.test_cfg:
            preprocessor.test_cfg = dict(size_divisor=STRIDE)

    def run_network(self, images: np.ndarray) -> ClassMaps:
        from mmseg.structures import SegDataSample

        tensors = list(torch.from_numpy(images).permute(0, 3, 1, 2))
        data = dict(inputs=tensors, data_samples=[SegDataSample() for _ in tensors])
        inputs = self.model.data_preprocessor(data)['inputs']
        size = tuple(inputs.shape[2:])
        metas = [dict(ori_shape=size, img_shape=size, batch_input_shape=size) for _ in tensors]
        if self._combines_queries:
            samples = [SegDataSample(metainfo=meta) for meta in metas]
            class_logits, masks = (layers[-1] for layers in self._head(self.model.extract_feat(inputs), samples))
            content = content_size(masks.shape[2:], size, images.shape[1:3])
            return ClassMaps(masks.float(), content, by_queries(class_logits.float()))
        maps = self.model.inference(inputs, metas).float()
        return ClassMaps(maps, content_size(maps.shape[2:], size, images.shape[1:3]), self._decide)


def _build(path: Path, device: torch.device) -> BaseSegmentor:
    try:
        from mmseg.apis import init_model
        from mmseg.models import DepthEstimator, SegDataPreProcessor
    except ModuleNotFoundError as error:
        raise missing_library('mmseg', 'teacher', error) from error
    from mmengine.model import revert_sync_batchnorm

    config = Config.fromfile(path)
    if 'model' not in config:
        raise ValueError(f'config {path} has no model')
    # init_model makes mmseg the default scope of the whole process; the caller may have another one.
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = revert_sync_batchnorm(init_model(config, None, device='cpu')).to(device)
    if isinstance(model, DepthEstimator) or not hasattr(model, 'decode_head'):
        raise ValueError(f'config {path}: {type(model).__name__} is no semantic segmentation model of mmsegmentation')
    if not isinstance(model.data_preprocessor, SegDataPreProcessor):
        raise ValueError(
            f'config {path}: the model needs a data_preprocessor of type SegDataPreProcessor (mean, std, bgr_to_rgb), '
            f'got {type(model.data_preprocessor).__name__}'
        )
    return model


def _load_weights(model: BaseSegmentor, content: Mapping[str, Any], checkpoint: Path) -> None:
    weights = content.get('state_dict', content)
    try:
        missing = model.load_state_dict(weights, strict=False).missing_keys
    except RuntimeError as error:
        raise ValueError(f'checkpoint {checkpoint} does not fit its config: {error}') from error
    missing = [name for name in missing if not name.startswith('auxiliary_head')]  # only training uses it
    if missing:
        raise ValueError(
            f'checkpoint {checkpoint} lacks {len(missing)} weights of its config, such as {missing[0]}: '
            'config and checkpoint do not belong together'
        )


def _class_names(meta: Mapping[str, Any], config: Config) -> list[str]:
    """From the checkpoint (mmsegmentation 1.x, 0.x), else from the test data of the config."""
    from mmseg.registry import DATASETS

    dataset = config.get('test_dataloader', {}).get('dataset', {})
    dataset_class = DATASETS.get(dataset['type']) if 'type' in dataset else None
    for names in (
        (meta.get('dataset_meta') or {}).get('classes'),
        meta.get('CLASSES'),
        dataset.get('metainfo', {}).get('classes'),
        getattr(dataset_class, 'METAINFO', {}).get('classes'),
    ):
        if names:
            return list(names)
    raise ValueError(
        f'neither the checkpoint (meta.dataset_meta.classes) nor config {config.filename} '
        '(test_dataloader.dataset.metainfo.classes) names the classes; ids without names cannot be used'
    )


def _test_scale(config: Config) -> Scale:
    pipeline = config.get('test_pipeline') or config.get('test_dataloader', {}).get('dataset', {}).get('pipeline', ())
    resize = next((step for step in pipeline if str(step['type']).split('.')[-1] == 'Resize'), None)
    if resize is None:
        return None
    if resize.get('scale') is not None and resize.get('keep_ratio'):
        return tuple(resize['scale']) if isinstance(resize['scale'], list | tuple) else (resize['scale'],) * 2
    if isinstance(resize.get('scale_factor'), int | float):
        return resize['scale_factor']
    raise ValueError(f'config {config.filename} does not keep the aspect of images: {dict(resize)}; give a scale')


def _kind_of_head(head: torch.nn.Module) -> tuple[bool, Decision]:
    """Whether the head outputs queries, and the decision for the maps of `inference`."""
    from mmdet.models.dense_heads import MaskFormerHead  # the base of all four (Mask|Mask2)FormerHead
    from mmseg.models.decode_heads import SideAdapterCLIPHead

    if isinstance(head, MaskFormerHead):
        return True, by_scores
    if isinstance(head, SideAdapterCLIPHead):
        return False, by_scores
    if head.out_channels == 1:
        return False, by_threshold(head.threshold)
    return False, by_logits
