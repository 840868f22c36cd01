"""Run a teacher over images and store its labels; reading, network and writing overlap."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ssl_bev.files import read_picture

from .image_list import LabelImage
from .layout import labelled_images
from .source_image import ImageRecord
from .storage import PseudoLabelWriter
from .teachers import Teacher

logger = logging.getLogger(__name__)


class Unreadable(NamedTuple):
    """An image without a label, and why."""

    path: str
    reason: str


class Generated(NamedTuple):
    """Result of a run: images labelled now, labelled before, and those that cannot be read."""

    written: int
    skipped: int
    unreadable: list[Unreadable]


def generate_pseudo_labels(
    images: Sequence[LabelImage],
    teacher: Teacher,
    writer: PseudoLabelWriter,
    batch_size: int = 1,
    num_workers: int = 2,
    show_progress: bool = True,
    description: str = 'pseudo-labels',
) -> Generated:
    """Label the images without labels in the folder of the writer. The caller closes the writer.

    An image that has replaced another one at the same path is labelled again, with a warning.

    Args:
        images: to label.
        teacher: called with batches of images in the order of `images`.
        writer: of this teacher.
        batch_size: images per batch of the teacher.
        num_workers: threads that read, and the same number that write.
        show_progress: draw a progress bar, named by `description`.

    Raises:
        ValueError: an argument below 1, or labels that do not fit their images. Labels that were written before are
            kept.
    """
    for name, value in (('batch_size', batch_size), ('num_workers', num_workers)):
        if value < 1:
            raise ValueError(f'{name} must be at least 1, got {value}')
    pending = _pending(images, writer)
    unreadable: list[Unreadable] = []
    skipped = len(images) - len(pending)
    bar = tqdm(total=len(images), initial=skipped, desc=description, unit=' images', disable=not show_progress)
    with bar, ThreadPoolExecutor(num_workers) as reading, ThreadPoolExecutor(num_workers) as writing:
        written: deque[Future] = deque()
        try:
            loaded = _read_ahead(reading, pending, 2 * batch_size + num_workers, unreadable, bar)
            while batch := list(islice(loaded, batch_size)):
                for (image, _), labels in zip(batch, _predict(teacher, batch), strict=True):
                    written.append(writing.submit(_write, writer, image, labels))
                # The disk may be slower than the network: wait instead of filling the memory.
                while len(written) > 2 * batch_size:
                    written.popleft().result()
                bar.update(len(batch))
            for future in written:
                future.result()
        finally:
            for pool in (reading, writing):
                pool.shutdown(wait=False, cancel_futures=True)
    return Generated(len(pending) - len(unreadable), skipped, unreadable)


def _pending(images: Sequence[LabelImage], writer: PseudoLabelWriter) -> list[LabelImage]:
    """The images without labels of their own."""
    done = labelled_images(writer.root)
    pending, replaced = [], []
    for image in images:
        stem = image.label_stem
        record = writer.record(image.camera, stem) if (image.camera, stem) in done else None
        if image.source and record and not record.is_of(image.source):
            if record.has_path(image.source.path):
                replaced.append(f'{record.path}, now {image.path}')
                pending.append(image)
                continue
            # Another list had that image alone: this one gets its own name.
            image = image._replace(source=image.source._replace(is_shared=True))
        if (image.camera, image.label_stem) not in done:
            pending.append(image)
    if replaced:
        logger.warning(
            '%s: %d labels are of other images that had the same path, such as %s; they are made anew. If images of '
            'several data roots are meant, give each root a folder of labels',
            writer.root,
            len(replaced),
            replaced[0],
        )
    return pending


def _write(writer: PseudoLabelWriter, image: LabelImage, labels: tuple[np.ndarray, np.ndarray]) -> None:
    record = ImageRecord.of(image.source) if image.source else None
    writer.write(image.camera, image.label_stem, *labels, record)


def _read_ahead(
    pool: ThreadPoolExecutor, images: Sequence[LabelImage], depth: int, unreadable: list[Unreadable], bar: tqdm
) -> Iterator[tuple[LabelImage, np.ndarray]]:
    """The images with their content in order, up to `depth` of them read in advance, without unreadable ones."""
    coming: deque[tuple[LabelImage, Future]] = deque()
    remaining = iter(images)
    while True:
        coming.extend((image, pool.submit(_read, image)) for image in islice(remaining, depth - len(coming)))
        if not coming:
            return
        image, future = coming.popleft()
        try:
            picture = future.result()
        except (OSError, ValueError) as error:
            unreadable.append(Unreadable(image.path, str(error)))
            bar.update()
        else:
            yield image, picture


def _read(image: LabelImage) -> np.ndarray:  # (H, W, 3)
    picture = read_picture(image.path, context=f'frame {image.token}')
    if image.size not in (None, picture.shape[:2]):
        raise ValueError(
            f'{image.path} (frame {image.token}) is {picture.shape[:2]} (height, width), its info file says '
            f'{image.size}'
        )
    return picture


def _predict(teacher: Teacher, batch: Sequence[tuple[LabelImage, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
    paths = [image.path for image, _ in batch]
    try:
        labels = teacher.predict([picture for _, picture in batch], paths)
    except ValueError as error:
        raise ValueError(f'teacher {teacher.name}: {error}; on {", ".join(paths)}') from error
    if len(labels) != len(batch):
        raise ValueError(f'teacher {teacher.name} gave {len(labels)} labels for {len(batch)} images')
    for (image, picture), (ids, _) in zip(batch, labels, strict=True):
        if ids.shape != picture.shape[:2]:
            raise ValueError(
                f'teacher {teacher.name}: the label of {image.path} must have its size {picture.shape[:2]} '
                f'(height, width), got {ids.shape}'
            )
    return labels
