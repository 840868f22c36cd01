"""The height of the ground: flat, or smooth slopes with bumps."""

from __future__ import annotations

import numpy as np

TERRAIN_KINDS = ('flat', 'hilly')


class Terrain:
    """A height field that is known everywhere, as a sum of waves.

    Args:
        kind: ``'flat'`` (height 0) or ``'hilly'`` (slopes of several per cent, bumps of a decimetre).
        seed: Chooses directions and phases of the waves.
    """

    def __init__(self, kind: str = 'flat', seed: int = 0) -> None:
        self.is_flat = kind == 'flat'
        rng = np.random.default_rng([7, seed])
        length = np.concatenate([rng.uniform(110, 260, 4), rng.uniform(14, 34, 5)])
        steepness = np.concatenate([rng.uniform(0.015, 0.028, 4), rng.uniform(0.004, 0.012, 5)])
        heading = rng.uniform(0, 2 * np.pi, 9)
        wave_number = 2 * np.pi / length
        self._waves = np.stack([np.cos(heading), np.sin(heading)]) * wave_number  # (2, 9)
        self._phases = rng.uniform(0, 2 * np.pi, 9)
        self._amplitudes = steepness / wave_number * (not self.is_flat)

    def height(self, xy: np.ndarray) -> np.ndarray:
        """Return the height (...) in metres at world positions ``xy`` (..., 2)."""
        xy = np.asarray(xy, dtype=np.float64)
        if self.is_flat:
            return np.zeros(xy.shape[:-1])
        return np.sin(xy @ self._waves + self._phases) @ self._amplitudes

    def gradient(self, xy: np.ndarray) -> np.ndarray:
        """Return the slope (..., 2), metres of height per metre along x and y, at ``xy`` (..., 2)."""
        xy = np.asarray(xy, dtype=np.float64)
        return (np.cos(xy @ self._waves + self._phases) * self._amplitudes) @ self._waves.T
