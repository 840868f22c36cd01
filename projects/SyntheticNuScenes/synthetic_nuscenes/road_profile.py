"""The cross-section of a road: which lanes and lines lie how far from its centre line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Mixed as in real maps, whose names for the paint say how many lines and of which kind.
_LANE_PAINT = (['SINGLE_DASHED_WHITE', 'DOUBLE_DASHED_WHITE', 'SINGLE_SOLID_WHITE'], [0.7, 0.18, 0.12])
_CENTRE_PAINT = (
    ['DOUBLE_SOLID_WHITE', 'SINGLE_SOLID_WHITE', 'DOUBLE_DASHED_WHITE', 'SINGLE_DASHED_WHITE', 'NIL'],
    [0.4, 0.2, 0.12, 0.2, 0.08],
)
_NARROW_CENTRE_PAINT = (['SINGLE_DASHED_WHITE', 'SINGLE_SOLID_WHITE', 'NIL'], [0.55, 0.35, 0.1])


@dataclass(frozen=True)
class RoadProfile:
    """A cross-section, seen in the direction of the road's line; traffic keeps to the left.

    Convention: lateral positions are metres to the left of the centre line.

    Args:
        forward: Lanes in the line's direction, on its left.
        backward: Lanes against it; 0 in a one-way road.
        lane_width: Width of every lane.
        shoulder: Tarmac between the outermost lane and the kerb.
        centre_paint: Paint between the two directions.
        lane_paint: Paint between lanes of one direction.
        walkways: Width of the walkway on the left and on the right; 0 where there is none.
    """

    forward: int
    backward: int
    lane_width: float
    shoulder: float
    centre_paint: str
    lane_paint: str
    walkways: tuple[float, float]

    @property
    def half_width(self) -> float:
        """From the centre line to either kerb."""
        return (self.forward + self.backward) * self.lane_width / 2 + self.shoulder

    @property
    def is_one_way(self) -> bool:
        """Whether all lanes run in the line's direction."""
        return self.backward == 0

    def boundary(self, index: int) -> float:
        """Return the lateral position of the boundary left of lane ``index``, counted from the left kerb."""
        return self.half_width - self.shoulder - index * self.lane_width

    def lanes(self, direction: int) -> list[tuple[float, float]]:
        """Return (left, right) lateral positions of the lanes of a direction (1 or -1), outermost first."""
        count = self.forward + self.backward
        indices = range(self.forward) if direction > 0 else reversed(range(self.forward, count))
        return [(self.boundary(i), self.boundary(i + 1)) for i in indices]

    def lane_dividers(self) -> list[float]:
        """Return the lateral positions between lanes of one direction."""
        inner = set(range(1, self.forward + self.backward)) - {self.forward}
        return [self.boundary(i) for i in sorted(inner)]

    def road_divider(self) -> float | None:
        """Return the lateral position between the directions, if there are two."""
        return None if self.is_one_way else self.boundary(self.forward)


def draw_profile(rng: np.random.Generator) -> RoadProfile:
    """Draw a plausible cross-section."""
    forward, backward = [(1, 1), (2, 2), (2, 1), (1, 2), (3, 3), (3, 2), (2, 0), (3, 0)][
        rng.choice(8, p=[0.2, 0.32, 0.09, 0.09, 0.07, 0.07, 0.1, 0.06])
    ]
    centre = _NARROW_CENTRE_PAINT if forward + backward == 2 else _CENTRE_PAINT
    walkways = np.where(rng.random(2) < 0.15, 0.0, rng.uniform(1.6, 4.0, 2))
    return RoadProfile(
        forward=forward,
        backward=backward,
        lane_width=round(float(rng.uniform(3.0, 3.7)), 2),
        shoulder=round(float(rng.uniform(0.25, 0.8)), 2),
        centre_paint=str(rng.choice(centre[0], p=centre[1])),
        lane_paint=str(rng.choice(_LANE_PAINT[0], p=_LANE_PAINT[1])),
        walkways=(round(float(walkways[0]), 2), round(float(walkways[1]), 2)),
    )
