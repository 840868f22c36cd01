"""Mask2Former of the `transformers` library as a teacher."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from ssl_bev.command_line import find_device
from ssl_bev.files import sha256
from ssl_bev.files.text_files import read_manifest_file

from .class_maps import ClassMaps
from .decisions import by_queries
from .images import Scale
from .network_teacher import STRIDE, NetworkTeacher, content_size, missing_library
from .weight_files import weight_files

if TYPE_CHECKING:
    from transformers import Mask2FormerForUniversalSegmentation

CONFIG, PREPROCESSOR = 'config.json', 'preprocessor_config.json'
_SAFETENSORS = ['model.safetensors', 'model-*.safetensors', 'model.safetensors.index.json']
_PICKLES = ['pytorch_model.bin', 'pytorch_model-*.bin', 'pytorch_model.bin.index.json']
# Defaults of the image processor of the library.
_MEAN, _STD, _FACTOR = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1 / 255


class HuggingFaceTeacher(NetworkTeacher):
    """Mask2Former from a local folder or the hub.

    Only mean, standard deviation and rescaling of the image processor are used. Its resizing loses thin structures, and
    so does its post-processing, which reduces masks to 384x384.

    Args:
        model: a folder with config.json, preprocessor_config.json and weights, or a hub id.
        device: of torch.
        scale, autocast: see `build_teacher`.

    Raises:
        ModuleNotFoundError: `transformers` is not installed.
        FileNotFoundError: no such folder, nor a model of this name on the hub; or a file is missing.
        ValueError: another architecture, weights that do not fit the config, no class names.
    """

    def __init__(
        self, model: str | Path, device: str = 'cpu', scale: Scale = None, autocast: str | None = None
    ) -> None:
        try:
            import transformers
        except ModuleNotFoundError as error:
            raise missing_library('huggingface', 'huggingface', error) from error

        folder, name = _resolve(model)
        config = _read_json(folder / CONFIG)
        if config.get('model_type') != 'mask2former':
            raise ValueError(f'model {model}: model_type must be "mask2former", got {config.get("model_type")!r}')
        self._device = torch.device(find_device(device))
        super().__init__(name, sha256(weight_files(folder)), _class_names(config, name), self._device, scale, autocast)
        self.network = _load(transformers.Mask2FormerForUniversalSegmentation, folder).to(self._device)
        self._factor, self._offset = self._normalisation(_read_json(folder / PREPROCESSOR))

    def run_network(self, images: np.ndarray) -> ClassMaps:
        height, width = images.shape[1:3]
        rgb = torch.from_numpy(images).to(self._device).permute(0, 3, 1, 2).flip(1)
        pixels = torch.addcmul(self._offset, rgb.float(), self._factor)
        pixels = F.pad(pixels, (0, -width % STRIDE, 0, -height % STRIDE))
        outputs = self.network(pixel_values=pixels, output_auxiliary_logits=False)
        masks = outputs.masks_queries_logits.float()
        content = content_size(masks.shape[2:], pixels.shape[2:], (height, width))
        return ClassMaps(masks, content, by_queries(outputs.class_queries_logits.float()))

    def _normalisation(self, processor: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:  # (1, 3, 1, 1) each
        factor = processor.get('rescale_factor', _FACTOR) if processor.get('do_rescale', True) else 1.0
        mean, std = torch.zeros(3), torch.ones(3)
        if processor.get('do_normalize', True):
            mean, std = (torch.tensor(processor.get(k, v)) for k, v in (('image_mean', _MEAN), ('image_std', _STD)))
        return tuple((values.view(1, 3, 1, 1).to(self._device)) for values in (factor / std, -mean / std))


def _resolve(model: str | Path) -> tuple[Path, str]:
    """The local folder of a model, and its name."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder, folder.resolve().name
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(str(model), allow_patterns=[CONFIG, PREPROCESSOR, *_SAFETENSORS]))
        if not any(folder.glob('model*.safetensors')):
            folder = Path(snapshot_download(str(model), allow_patterns=[CONFIG, PREPROCESSOR, *_PICKLES]))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise FileNotFoundError(f'model {model} is neither a folder nor to be had from the hub: {reason}') from error
    return folder, str(model)


def _load(architecture: type, folder: Path) -> Mask2FormerForUniversalSegmentation:
    try:
        network, report = architecture.from_pretrained(folder, output_loading_info=True, local_files_only=True)
    except RuntimeError as error:
        raise ValueError(f'the weights in {folder} do not fit its {CONFIG}: {error}') from error
    missing = sorted(name for name in report['missing_keys'] if not name.startswith('criterion'))
    if missing:
        raise ValueError(
            f'the weights in {folder} lack {len(missing)} parameters that {CONFIG} asks for, such as {missing[0]}'
        )
    return network.float().eval()


def _class_names(config: dict[str, Any], name: str) -> list[str]:
    names = config.get('id2label') or {}
    ordered = [names.get(str(index)) for index in range(len(names))]
    if not ordered or None in ordered or any(re.fullmatch(r'LABEL_\d+', label) for label in ordered):
        raise ValueError(f'model {name}: id2label in {CONFIG} must name classes 0, 1, ...; got {str(names)[:100]}')
    return ordered


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist; a model folder needs {CONFIG} and {PREPROCESSOR}')
    return read_manifest_file(path, 'model file', 'download the model again', {})
