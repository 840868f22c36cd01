"""The samples of a dataset as a few arrays, which are fast to make and need little shared memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class SampleTable(Sequence):
    """A list of samples, each a dict that is made when it is requested.

    Args:
        windows: positions of each sample's frames, oldest first, (S, T).
        frame_valid: which of them are true history, (S, T) bool.
        labelled: which samples are labelled, (S,) bool.
        scenes: index of the scene of each sample, (S,).
        scene_tokens: of all scenes.
    """

    windows: np.ndarray
    frame_valid: np.ndarray
    labelled: np.ndarray
    scenes: np.ndarray
    scene_tokens: list[str]

    def take(self, which: slice | np.ndarray) -> SampleTable:
        """Some of the samples."""
        arrays = (self.windows, self.frame_valid, self.labelled, self.scenes)
        return SampleTable(*(array[which] for array in arrays), self.scene_tokens)

    @property
    def is_consecutive(self) -> bool:
        """Whether the frame before a sample's own, where it has one, is the own frame of the sample before."""
        if self.windows.shape[1] == 1:
            return True
        before = np.concatenate([[-1], self.windows[:-1, -1]])
        return bool((self.windows[:, -2] == before)[self.frame_valid[:, -2]].all())

    def last_frames(self) -> SampleTable:
        """The same samples without the frames before their own."""
        windows, valid = self.windows[:, -1:], self.frame_valid[:, -1:]
        return replace(self, windows=windows, frame_valid=valid)

    def __len__(self) -> int:
        return len(self.labelled)

    def __getitem__(self, index: int | slice) -> dict | SampleTable:
        if isinstance(index, slice):
            return self.take(index)
        return {
            'window': self.windows[index].tolist(),
            'frame_valid': self.frame_valid[index].tolist(),
            'labelled': bool(self.labelled[index]),
            'scene_token': self.scene_tokens[self.scenes[index]],
        }
