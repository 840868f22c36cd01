"""A small synthetic world, written in the nuScenes format."""

from .generate import generate
from .scene_plan import Options
from .structures import Box, Camera
from .town import make_town

__all__ = ['Box', 'Camera', 'Options', 'generate', 'make_town']
