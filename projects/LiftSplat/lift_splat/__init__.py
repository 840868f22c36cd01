from .lift_splat import LiftSplat

__all__ = ['LiftSplat']
