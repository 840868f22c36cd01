"""How targets are stored: eight bits a class, with one value for what is not known."""

from __future__ import annotations

from typing import TypeVar

IGNORE = 255  # not labelled: counts nowhere
POSITIVE = 254  # of soft targets: 0 ... 254 is the share of the class in what a value stands for, in 254ths

Array = TypeVar('Array')  # of numpy or torch


def known(target: Array) -> Array:
    """True where a target is labelled."""
    return target != IGNORE


def is_positive(target: Array) -> Array:
    """True where a soft target is labelled and its class has the larger share."""
    return (target > POSITIVE / 2) & (target != IGNORE)
