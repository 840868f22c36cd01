"""Targets that a config needs before training: stages read from the config, which know their progress."""

from .plan import plan_stages
from .stage import Stage

__all__ = ['Stage', 'plan_stages']
