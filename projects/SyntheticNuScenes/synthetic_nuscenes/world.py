"""The surroundings of one scene, ready for rendering."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .backdrop import Backdrop
from .ground import Ground
from .height_field import HeightField
from .map_layers import Bounds, MapLayers
from .terrain import Terrain


@dataclass
class World:
    """The static world around one scene.

    Args:
        ground: Colour and classes of the ground.
        heights: Its shape.
        backdrop: The background.
        sun_azimuth: Direction towards the sun, radians counter-clockwise from world x.
        seed: The seed that everything was drawn from.
    """

    ground: Ground
    heights: HeightField
    backdrop: Backdrop
    sun_azimuth: float
    seed: int

    @classmethod
    def from_map_expansion(
        cls,
        map_json: dict[str, Any] | str | Path,
        *,
        seed: int,
        terrain: Terrain | None = None,
        bounds: Bounds | None = None,
        resolution: float = 0.05,
        distractors: bool = True,
        worn: bool = True,
    ) -> World:
        """Build the world from a nuScenes map expansion (version 1.3) and nothing else.

        Args:
            map_json: Content of a map expansion, or its path.
            seed: Chooses wear, patches, arrows and the like; the same seed and map give the same world.
            terrain: Shape of the ground; None is flat.
            bounds: (x0, y0, x1, y1) in metres to prepare; None takes the whole map. 60 m around the ego path do.
            resolution: Edge of the finest ground cell in metres.
            distractors: Whether to add paint that is not in the map (edge lines, arrows, words, hatching).
            worn: Whether paint is worn.

        Raises:
            FileNotFoundError: If ``map_json`` is a path without a file.
            ValueError: If it is no map expansion of version 1.3, or the bounds are empty.
        """
        if bounds is not None and not (bounds[0] < bounds[2] and bounds[1] < bounds[3]):
            raise ValueError(f'bounds must be (x0, y0, x1, y1) with x0 < x1 and y0 < y1, got {bounds}')
        layers = MapLayers(map_json, bounds)
        return cls(
            ground=Ground(layers, seed, resolution, distractors=distractors, worn=worn),
            heights=HeightField(terrain or Terrain(), layers.bounds),
            backdrop=Backdrop(seed),
            sun_azimuth=float(np.random.default_rng([5, seed & 0x7FFFFFFF]).uniform(0, 2 * np.pi)),
            seed=seed,
        )
