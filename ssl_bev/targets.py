"""Storage of targets: eight bits per class, with one value for unknown."""

from __future__ import annotations

from typing import TypeVar

IGNORE = 255  # not labelled: ignored everywhere
POSITIVE = 254  # of soft targets: 0 ... 254 is the fraction of the class, in 254ths

Array = TypeVar('Array')  # of numpy or torch


def known(target: Array) -> Array:
    """True where a target is labelled."""
    return target != IGNORE


def is_positive(target: Array) -> Array:
    """True where a soft target is labelled and its class covers the larger part."""
    return (target > POSITIVE / 2) & (target != IGNORE)
