"""Fusion of two pseudo-label folders of the same images; the rule is in `fusion`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

import ssl_bev
from ssl_bev.targets import IGNORE

from .fusion import LABEL_SPACE, RULE, Fusion
from .label_map import LabelMap, reduction_table
from .layout import LABEL_FILE, labelled_images
from .manifest import MANIFEST, read_manifest
from .reader import PseudoLabelReader
from .source_image import ImageRecord, SourceImage, read_record
from .storage import PseudoLabelWriter, foreign_ids


class Fused(NamedTuple):
    """Result of a run: images fused now, fused before, and the fraction of ignored pixels."""

    written: int
    skipped: int
    ignored: float


def fuse_pseudo_labels(
    road: str | Path,
    other: str | Path,
    out: str | Path,
    firm: float = 0.7,
    road_names: str | Path = 'mapillary_v2_to_v1',
    other_names: str | Path = 'mapillary_v2_to_v1',
    workers: int = 2,
    show_progress: bool = True,
) -> Fused:
    """Fuse the labels of two folders for the same images; the same call continues where it stopped.

    Args:
        road: folder of the teacher that knows road and paint.
        other: folder of the one that knows what hides the road.
        out: folder of the fused labels; their classes are those of Mapillary Vistas v1 that the two teachers have.
        firm: see `Fusion`.
        road_names, other_names: tables from the class names of the folders to those of Mapillary v1: the name of a
            shipped table, or a file in its format. The default is for Mapillary v1 and v2.
        workers: threads.
        show_progress: draw a progress bar.

    Raises:
        FileNotFoundError: no manifest or a missing file.
        ValueError: an unknown class, folders with labels of different images, or `out` has other labels.
    """
    sources = [_Source(road, road_names), _Source(other, other_names)]
    if Path(out).resolve() in [source.root.resolve() for source in sources]:
        raise ValueError(f'out must be a folder of its own, got {out}, which is one of the two')
    images = _common_images(*sources)
    known = {name for source in sources for name in source.names.values()}
    class_names = [name for name in LabelMap.load(LABEL_SPACE).class_names if name in known]
    fuse = Fusion(class_names, firm)
    settings = dict(fusion=dict(rule=RULE, firm=firm, road=sources[0].description, other=sources[1].description))
    teacher = '+'.join(source.description['teacher']['name'] for source in sources)
    sha256 = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
    with PseudoLabelWriter(out, teacher, sha256, class_names, ssl_bev.__version__, settings) as writer:
        pending = [image for image in images if not writer.exists(*image)]

        def write(image: tuple[str, str]) -> float:
            ids, confidence = fuse(*_read(image, sources, class_names))
            writer.write(*image, ids, confidence, _record(image, sources))
            return np.mean(ids == IGNORE)

        with ThreadPoolExecutor(workers) as pool:
            results = pool.map(write, pending)
            ignored = list(tqdm(results, 'fuse', len(pending), unit=' images', disable=not show_progress))
    return Fused(len(pending), len(images) - len(pending), float(np.mean(ignored or 0)))


class _Source:
    """One of the two folders.

    Attributes:
        names: its class names -> those of Mapillary v1; None for those without equivalent.
        description: for the manifest.
    """

    def __init__(self, root: str | Path, names: str | Path) -> None:
        self.root = Path(root)
        self._reader = PseudoLabelReader(root)
        manifest = read_manifest(self.root / MANIFEST)
        space = LabelMap.load(LABEL_SPACE).class_names
        ids = reduction_table(manifest['class_names'], space, names)
        named = [None if i == IGNORE else space[i] for i in ids]
        self.names = dict(zip(manifest['class_names'], named, strict=True))
        self.description = dict(
            teacher=manifest['teacher'], settings=manifest.get('settings', {}), class_names=self.names
        )

    def read(self, image: tuple[str, str], class_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The ids of an image in the order of `class_names`, and its confidences, both (H, W) uint8."""
        record = self.record(image)
        ids, confidence = self._reader.read(*image, image=record and SourceImage(record.path, record.tokens))
        if strangers := foreign_ids(ids, len(self.names)):
            raise ValueError(
                f'{self._label(image)} holds the ids {strangers[:5]}, its manifest names {len(self.names)}'
            )
        table = np.full(256, IGNORE, np.uint8)
        table[: len(self.names)] = [class_names.index(name) if name else IGNORE for name in self.names.values()]
        return table[ids], confidence

    def record(self, image: tuple[str, str]) -> ImageRecord | None:
        return read_record(self._label(image))

    def _label(self, image: tuple[str, str]) -> Path:
        return self.root / LABEL_FILE.format(camera=image[0], stem=image[1])


def _common_images(road: _Source, other: _Source) -> list[tuple[str, str]]:
    """(camera, stem) of the images that both folders label."""
    images, others = labelled_images(road.root), labelled_images(other.root)
    for has, lacks, odd in ((road, other, images - others), (other, road, others - images)):
        if odd:
            raise ValueError(
                f'{lacks.root} lacks labels of {len(odd)} images that {has.root} has, such as '
                f'{"/".join(min(odd))}; label the same images with both teachers'
            )
    if not images:
        raise ValueError(f'{road.root} and {other.root} hold no labels')
    return sorted(images)


def _read(
    image: tuple[str, str], sources: Sequence[_Source], class_names: Sequence[str]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The labels of an image of both folders."""
    labels = [source.read(image, class_names) for source in sources]
    (road, _), (other, _) = labels
    if road.shape != other.shape:
        raise ValueError(
            f'{"/".join(image)}: {sources[0].root} has labels of {road.shape} (height, width), {sources[1].root} of '
            f'{other.shape}'
        )
    return labels


def _record(image: tuple[str, str], sources: Sequence[_Source]) -> ImageRecord | None:
    """The image of the labels, from the folder that records it."""
    records = [record for source in sources if (record := source.record(image))]
    if len({record.checksum for record in records}) > 1:
        raise ValueError(
            f'{"/".join(image)}: {sources[0].root} labels {records[0].path}, {sources[1].root} labels '
            f'{records[1].path}, which is another image'
        )
    return records[0] if records else None
