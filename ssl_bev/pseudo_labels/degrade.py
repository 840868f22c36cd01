"""A pseudo-label folder of a teacher made worse, and how far it is from the clean one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssl_bev.targets import IGNORE

from .label_map import LabelMap
from .layout import LABEL_FILE, labelled_images
from .noise import LabelNoise, NoiseLevel
from .reader import PseudoLabelReader
from .source_image import read_record
from .storage import MANIFEST, PseudoLabelWriter, read_manifest


def degrade_pseudo_labels(
    root: str | Path,
    out: str | Path,
    label_map: str | Path,
    name: str,
    level: NoiseLevel,
    seed: int = 0,
    classes: Sequence[str] = ('drivable', 'marking', 'crosswalk'),
    workers: int = 2,
    show_progress: bool = True,
) -> dict[str, float]:
    """Write a degraded copy of a pseudo-label folder; the same call goes on where it stopped.

    Args:
        root: folder of the clean labels.
        out: folder of the noisy ones, whose teacher is called '{clean teacher}+noise-{name}'.
        label_map: name or file of the teacher's label map.
        name: of the level.
        level: how much noise.
        seed: chooses the errors.
        classes: targets of the label map whose IoU is measured, of those that the teacher knows.
        workers: threads.
        show_progress: whether to draw a progress bar.

    Returns:
        IoU of the noisy against the clean labels, of each of these classes where the clean label is not ignored, and
        'pixels': the share of pixels that kept their class.

    Raises:
        FileNotFoundError: no manifest or a missing file.
        ValueError: no labels in `root`, `out` is `root` or holds other labels, or a class the label map cannot give.
    """
    if Path(root).resolve() == Path(out).resolve():
        raise ValueError(f'out must be another folder than root, got {out} for both')
    manifest = read_manifest(Path(root) / MANIFEST)
    images = sorted(labelled_images(root))
    if not images:
        raise ValueError(f'root {root} holds no pseudo-labels')
    names = LabelMap.load(label_map)
    noise = LabelNoise(manifest['class_names'], names, level, seed)
    lacking = names.lacking(manifest['class_names'], classes)
    classes = [name for name in classes if name not in lacking]
    table = np.full((256, len(classes)), IGNORE, np.uint8)
    table[: len(manifest['class_names'])] = names.table(manifest['class_names'], classes)
    settings = {**manifest.get('settings', {}), 'noise': {'level': name, 'seed': seed, **asdict(level)}}
    teacher = manifest['teacher']
    sha256 = hashlib.sha256(f'{teacher["sha256"]} {settings}'.encode()).hexdigest()
    clean = PseudoLabelReader(root)
    arguments = (f'{teacher["name"]}+noise-{name}', sha256, manifest['class_names'])
    with PseudoLabelWriter(out, *arguments, settings=settings) as writer:
        noisy_reader = PseudoLabelReader(out)

        def degrade(image: tuple[str, str]) -> np.ndarray:
            ids, confidence = clean.read(*image)
            if writer.exists(*image):
                noisy = noisy_reader.read(*image)[0]
            else:
                noisy, confidence = noise(ids, confidence, '/'.join(image))
                label = Path(root) / LABEL_FILE.format(camera=image[0], stem=image[1])
                writer.write(*image, noisy, confidence, read_record(label))
            return _counts(table[ids], table[noisy], ids == noisy)

        with ThreadPoolExecutor(workers) as pool:
            bar = tqdm(pool.map(degrade, images), total=len(images), desc=arguments[0], disable=not show_progress)
            counts = sum(bar)
    shares = counts[:, 0] / np.maximum(counts[:, 1], 1)
    return dict(zip([*classes, 'pixels'], shares.tolist(), strict=True))


def _counts(clean: np.ndarray, noisy: np.ndarray, same: np.ndarray) -> np.ndarray:  # (K + 1, 2)
    """Pixels in the intersection and in the union, of each class and of all pixels."""
    counts = []
    for k in range(clean.shape[-1]):
        labelled = clean[..., k] != IGNORE
        a, b = clean[..., k] == 1, (noisy[..., k] == 1) & labelled
        counts.append([(a & b).sum(), (a | b).sum()])
    return np.array([*counts, [same.sum(), same.size]], np.float64)
