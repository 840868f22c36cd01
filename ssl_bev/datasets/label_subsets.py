"""Label subsets: whole scenes, drawn with a seed, nested (10 % is part of 25 % is part of 50 %), published as lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from ssl_bev.files import write_text
from ssl_bev.files.text_files import read_text


def draw_label_subset(scene_tokens: Iterable[str], fraction: float, seed: int = 0) -> list[str]:
    """The scenes whose labels may be used.

    Scenes are ranked by a hash of seed and token, so the subset does not depend on their order, on the platform or
    on the generator of a library, and a smaller fraction is part of a larger one.

    Args:
        scene_tokens: all scenes; repeated tokens count once.
        fraction: above 0, at most 1. At least one scene is drawn.
        seed: of the ranking.

    Raises:
        ValueError: a fraction outside (0, 1], or no scene.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f'label_fraction must be in (0, 1], got {fraction}')
    tokens = sorted(set(scene_tokens))
    if not tokens:
        raise ValueError('scene_tokens is empty: there is no scene to draw from')
    ranked = sorted(tokens, key=lambda token: hashlib.sha256(f'{seed}:{token}'.encode()).hexdigest())
    return ranked[: max(1, round(fraction * len(tokens)))]


def write_label_subset(path: str | Path, scene_tokens: Sequence[str], fraction: float, seed: int) -> None:
    """Publish a subset: one scene token per line, after a comment line with its settings."""
    write_scene_list(path, scene_tokens, f'{len(scene_tokens)} labelled scenes: fraction {fraction}, seed {seed}')


def write_scene_list(path: str | Path, scenes: Iterable[str], comment: str) -> None:
    """One scene a line below a comment line."""
    write_text(path, f'# {comment}\n' + ''.join(f'{scene}\n' for scene in scenes))


def write_label_subsets(
    out: str | Path, scene_tokens: Sequence[str], fractions: Sequence[float], seeds: Sequence[int]
) -> dict[Path, list[str]]:
    """Publish the subsets of several fractions and seeds as {out}/{percent}percent_seed{seed}.txt.

    Raises:
        ValueError: a fraction outside (0, 1], or no scene.
    """
    subsets = {}
    for seed in seeds:
        for fraction in fractions:
            subset = draw_label_subset(scene_tokens, fraction, seed)
            path = Path(out) / f'{100 * fraction:g}percent_seed{seed}.txt'
            write_label_subset(path, subset, fraction, seed)
            subsets[path] = subset
    return subsets


def read_scene_list(source: str | Path | Sequence[str]) -> list[str]:
    """Scene tokens or names from a list, or from a file with one per line (# starts a comment).

    Raises:
        FileNotFoundError: no such file.
        ValueError: an empty list, or a file that is no text.
    """
    if isinstance(source, (str, Path)):
        lines = (line.split('#')[0].strip() for line in read_text(source, 'scene list').splitlines())
        scenes = [line for line in lines if line]
    else:
        scenes = list(source)
    if not scenes:
        raise ValueError(f'scene list {source} is empty')
    return scenes
