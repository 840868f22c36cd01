"""One scene of a dataset, predicted frame by frame."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.model import BaseModel
from torch import Tensor
from torch.utils.data import Subset
from tqdm import tqdm

from ssl_bev.apis.inference import inference
from ssl_bev.datasets.bev_dataset import BEVDataset
from ssl_bev.structures import BEVDataSample


def scene_samples(dataset: BEVDataset, scene: str | None = None) -> list[int]:
    """The samples of a scene, in order of time.

    Args:
        dataset: has `scene_tokens`.
        scene: its name or token; None: the first one.

    Raises:
        ValueError: the dataset has no such scene.
    """
    first: dict[str, int] = {}
    tokens = dataset.scene_tokens
    for i, token in enumerate(tokens):
        first.setdefault(token, i)
    names = {token: dataset.get_data_info(i)['frames'][-1].get('scene_name') or token for token, i in first.items()}
    wanted = [token for token in first if scene in (None, token, names[token])]
    if not wanted:
        raise ValueError(f'there is no scene {scene!r}; there are {", ".join(names.values())}')
    return [i for i, token in enumerate(tokens) if token == wanted[0]]


def predict_scene(
    model: BaseModel,
    dataset: BEVDataset,
    scene: str | None = None,
    online: bool = False,
    limit: int | None = None,
    show_progress: bool = True,
) -> Iterator[tuple[Tensor, BEVDataSample]]:
    """Predict the frames of a scene, see `inference`.

    Args:
        model: in evaluation mode.
        dataset: of the scene.
        scene: name or token; None: the first one.
        online: carry the history from frame to frame.
        limit: the first frames only.
        show_progress: whether to draw a progress bar.

    Raises:
        ValueError: no such scene, or a limit below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f'limit must be at least 1, got {limit}')
    chosen = scene_samples(dataset, scene)[:limit]
    predictions = inference(model, Subset(dataset, chosen), online)
    yield from tqdm(predictions, 'predict', len(chosen), unit='frame', disable=not show_progress)
