"""The surroundings of one scene, ready for rendering."""

from __future__ import annotations

import numpy as np

from .backdrop import Backdrop
from .ground import Ground
from .height_field import HeightField
from .map_expansion import MapContent
from .map_layers import Bounds, MapLayers
from .terrain import Terrain


class World:
    """The static world around one scene, from a nuScenes map expansion (version 1.3) and nothing else.

    Its parts are the colour and classes of the ground, its shape (``heights``), the background, and the direction
    towards the sun (``sun_azimuth``), radians counter-clockwise from world x.

    Args:
        content: The map expansion.
        seed: Chooses wear, patches, arrows and the like; the same seed and map give the same world.
        bounds: (x0, y0, x1, y1) in metres to prepare; None takes the whole map. 60 m around the ego path do.
        terrain: Shape of the ground; None is flat.
        distractors: Whether to add paint that is not in the map (edge lines, arrows, words, hatching).
        worn: Whether paint is worn.
    """

    def __init__(
        self,
        content: MapContent,
        seed: int,
        bounds: Bounds | None = None,
        terrain: Terrain | None = None,
        *,
        distractors: bool = True,
        worn: bool = True,
    ) -> None:
        layers = MapLayers(content, bounds)
        self.ground = Ground(layers, seed, distractors=distractors, worn=worn)
        self.heights = HeightField(terrain or Terrain(), layers.bounds)
        self.backdrop = Backdrop(seed)
        self.sun_azimuth = float(np.random.default_rng([5, seed & 0x7FFFFFFF]).uniform(0, 2 * np.pi))
        self.seed = seed
