"""Inference frame by frame, as on a vehicle: the history is a value that the caller keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
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
        encoder: states of the BEV encoder, that of the longest history first; one, unless the history is limited.
        scene_tokens: the scene of each stream, '' where unknown.
        timestamps: of the frames, seconds.
    """

    encoder: tuple[Any, ...]
    scene_tokens: tuple[str, ...]
    timestamps: tuple[float, ...]


@torch.no_grad()
def predict_online(
    model: BaseModel,
    batch: Mapping,
    state: OnlineState | None = None,
    max_time_gap: float = MAX_TIME_GAP,
    num_frames: int | None = None,
) -> tuple[list[BEVDataSample], OnlineState]:
    """Predict one frame from its images and the state of earlier frames.

    The result is that of a window of all frames since the start of the scene, at the cost of one frame. With
    `num_frames`, it is that of a window of as many frames: the backbone still gets each frame once, and the encoder as
    often as a window has frames. A stream restarts automatically if its scene changes, if time does not increase, or if
    more than `max_time_gap` has passed. The state is never changed in place: a frame may be predicted twice from the
    same state.

    Args:
        model: a `BEVSegmentor` in evaluation mode, from `init_model`.
        batch: one sample of a dataset, or a batch of a dataloader, whose samples are parallel streams; of a window, the
            last frame is used.
        state: of the previous frame; None: there is none.
        max_time_gap: seconds.
        num_frames: of a window; None: the history reaches back to where the scene began.

    Returns:
        The data samples with `pred_bev_seg`, and the state for the next frame.

    Raises:
        ValueError: a state with another number of streams, or a number of frames below 1.

    Example:
        >>> model, state = init_model(config, checkpoint), None
        >>> for frame in dataset:  # num_frames=1
        ...     (sample,), state = predict_online(model, frame, state)
    """
    if num_frames is not None and num_frames < 1:
        raise ValueError(f'num_frames must be at least 1 or None, got {num_frames}')
    data = model.data_preprocessor(batch, False)
    samples = data['data_samples']
    rig = CameraRig.from_data_samples(samples)
    scenes = tuple(sample.get('scene_token', '') for sample in samples)
    times = tuple(float(sample.timestamps[-1]) for sample in samples)
    past, goes_on = (), None
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
        if any(continued):
            past, goes_on = state.encoder, torch.tensor(continued, device=rig.bev2img.device)
    encoder, current = model.bev_encoder, rig.num_frames - 1
    inputs = model.frame_inputs(data['inputs'], rig, current, state_valid=goes_on)
    prepare = getattr(encoder, 'prepare_window', None)
    prepared = prepare and prepare(rig.frame(slice(current, None)), inputs.image_size)
    inputs = replace(inputs, prepared=prepared and prepared[0])
    begins = not past or (num_frames is not None and encoder.stateful)  # a history that a limit will need later
    encoded = [encoder(inputs, rig.frame(current), history) for history in (*past, *[None] * begins)]
    states = tuple(following for _, following in encoded)
    if num_frames is not None:
        states = states[max(len(states) + 1 - num_frames, 0) :]
    samples = write_predictions(model.seg_head, model.seg_head(encoded[0][0]), samples)
    return samples, OnlineState(states, scenes, times)


class OnlineSteps:
    """`val_step` and `test_step` of a model that remembers the samples before.

    Args:
        model, num_frames, max_time_gap: see `predict_online`.
    """

    def __init__(self, model: BaseModel, num_frames: int | None = None, max_time_gap: float = MAX_TIME_GAP) -> None:
        self.predict = partial(predict_online, model, num_frames=num_frames, max_time_gap=max_time_gap)
        self.state: OnlineState | None = None

    def __call__(self, batch: Mapping) -> list[BEVDataSample]:
        predicted = []
        for i, sample in enumerate(batch['data_samples']):
            inputs = {  # points are collated as clouds of each frame
                name: [clouds[i] for clouds in values] if name == 'points' else values[i]
                for name, values in batch['inputs'].items()
            }
            frame = dict(inputs=inputs, data_samples=sample)
            samples, self.state = self.predict(frame, self.state)
            predicted += samples
        return predicted
