"""Inference frame by frame, as on a vehicle: the history is a value that the caller keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import BaseModel

from ssl_bev.datasets.windows import MAX_TIME_GAP
from ssl_bev.models.predictions import write_predictions
from ssl_bev.structures import BEVDataSample, CameraRig


@dataclass(frozen=True)
class OnlineState:
    """The state from one frame to the next, for B parallel streams.

    Args:
        encoder: the state of the BEV encoder.
        scene_tokens: the scene of each stream, '' where unknown.
        timestamps: of the frames, seconds.
    """

    encoder: Any
    scene_tokens: tuple[str, ...]
    timestamps: tuple[float, ...]


@torch.no_grad()
def predict_online(
    model: BaseModel,
    batch: Mapping,
    state: OnlineState | None = None,
    max_time_gap: float = MAX_TIME_GAP,
) -> tuple[list[BEVDataSample], OnlineState]:
    """Predict one frame from its images and the state of earlier frames.

    The result is that of a window of all frames since the start of the scene, at the cost of one frame. A stream
    restarts automatically if its scene changes, if time does not increase, or if more than `max_time_gap` has passed.
    The state is never changed in place: a frame may be predicted twice from the same state.

    Args:
        model: a `BEVSegmentor` in evaluation mode, from `init_model`.
        batch: one sample of a dataset, or a batch of a dataloader, whose samples are parallel streams; of a window, the
            last frame is used.
        state: of the previous frame; None: there is none.
        max_time_gap: seconds.

    Returns:
        The data samples with `pred_bev_seg`, and the state for the next frame.

    Raises:
        ValueError: a state with another number of streams.

    Example:
        >>> model, state = init_model(config, checkpoint), None
        >>> for frame in dataset:  # num_frames=1
        ...     (sample,), state = predict_online(model, frame, state)
    """
    data = model.data_preprocessor(batch, False)
    samples = data['data_samples']
    rig = CameraRig.from_data_samples(samples)
    scenes = tuple(sample.get('scene_token', '') for sample in samples)
    times = tuple(float(sample.timestamps[-1]) for sample in samples)
    past, goes_on = None, None
    if state is not None:
        if len(state.timestamps) != len(samples):
            raise ValueError(
                f'state is of {len(state.timestamps)} streams, batch has {len(samples)} samples; '
                'start with state=None when streams come or go'
            )
        continued = [
            scene == old_scene and 0 < time - old_time <= max_time_gap
            for scene, old_scene, time, old_time in zip(
                scenes, state.scene_tokens, times, state.timestamps, strict=True
            )
        ]
        past, goes_on = state.encoder, torch.tensor(continued, device=rig.bev2img.device)
    current = rig.num_frames - 1
    inputs = model.frame_inputs(data['inputs'], rig, current, state_valid=goes_on)
    bev, past = model.bev_encoder(inputs, rig.frame(current), past)
    samples = write_predictions(model.seg_head, model.seg_head(bev), samples)
    return samples, OnlineState(past, scenes, times)
