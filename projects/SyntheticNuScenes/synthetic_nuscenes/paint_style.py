"""The paint style of a town, and the wear of each marking."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from .paint_canvas import WHITE, YELLOW, Paint


def token_rng(seed: int, *parts: object) -> np.random.Generator:
    """Return a generator that depends on ``seed`` and ``parts`` alone, not on the order of calls."""
    return np.random.default_rng([seed & 0x7FFFFFFF, zlib.crc32('/'.join(map(str, parts)).encode())])


@dataclass(frozen=True)
class TownStyle:
    """Customs of a town.

    Args:
        dash: Metres of paint in a dashed line.
        gap: Metres between dashes.
        line_width: Metres.
        centre_is_yellow: Colour of road dividers.
        edge_is_yellow: Colour of edge lines.
        kerb_is_striped: Black and white kerbs, as in Singapore.
        crossing: ``'zebra'``, ``'ladder'`` or ``'lines'``.
    """

    dash: float
    gap: float
    line_width: float
    centre_is_yellow: bool
    edge_is_yellow: bool
    kerb_is_striped: bool
    crossing: str

    @classmethod
    def draw(cls, seed: int) -> TownStyle:
        """Draw the customs of the town that belongs to ``seed``."""
        rng = np.random.default_rng([11, seed & 0x7FFFFFFF])
        dash, gap = [(2.0, 4.0), (3.0, 4.5), (3.0, 6.0), (1.5, 1.5), (2.0, 2.0)][rng.integers(5)]
        return cls(
            dash=dash,
            gap=gap,
            line_width=float(rng.uniform(0.12, 0.17)),
            centre_is_yellow=bool(rng.random() < 0.45),
            edge_is_yellow=bool(rng.random() < 0.3),
            kerb_is_striped=bool(rng.random() < 0.4),
            crossing=str(rng.choice(['zebra', 'zebra', 'ladder', 'lines'])),
        )

    def line_paint(self, *, dashed: bool, yellow: bool) -> Paint:
        """Return the paint of a line."""
        name = 'Lane Marking - Dashed Line' if dashed else 'Lane Marking - Straight Line'
        return Paint(name, YELLOW if yellow else WHITE)


@dataclass(frozen=True)
class Wear:
    """Wear along one marking: a strength, varied smoothly, and stretches where the paint is gone.

    Args:
        strength: Mean strength, 0..1.
        knots: (K,) factors at every 4 m.
        gone: (G, 2) metres along the line that have no paint left.
    """

    strength: float
    knots: np.ndarray
    gone: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, length: float) -> Wear:
        """Draw the wear of a marking ``length`` metres long; about one in ten is nearly gone."""
        roll = rng.random()
        strength = (
            rng.uniform(0.08, 0.3) if roll < 0.1 else rng.uniform(0.4, 0.7) if roll < 0.4 else rng.uniform(0.75, 1)
        )
        count = rng.poisson(length / 45.0)
        starts = rng.uniform(0, max(length, 1e-3), count)
        gone = np.stack([starts, starts + rng.uniform(1.0, 7.0, count)], 1)
        return cls(float(strength), rng.uniform(0.6, 1.1, int(length / 4) + 2), gone)

    def at(self, distance: float) -> float:
        """Return the strength of the paint ``distance`` metres along the marking."""
        if np.any((self.gone[:, 0] <= distance) & (distance < self.gone[:, 1])):
            return 0.0
        return self.strength * float(np.interp(distance / 4, np.arange(len(self.knots)), self.knots))


NEW = Wear(1.0, np.ones(2), np.zeros((0, 2)))  # paint without wear
LABEL_THRESHOLD = 0.2  # paint fainter than this isn't seen, so it isn't labelled
