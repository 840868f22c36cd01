"""What a config needs before training: stages that are read from it, and that know what of them is done."""

from .plan import plan_stages
from .stage import Stage

__all__ = ['Stage', 'plan_stages']
