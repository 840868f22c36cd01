"""Check a pseudo-label folder against its manifest and against the images that it should cover."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from ssl_bev.files import read_picture

from .image_list import LabelImage
from .layout import CONFIDENCE_FILE, LABEL_FILE, label_stem, labelled_images
from .manifest import MANIFEST, read_manifest, update_manifest
from .reader import PseudoLabelReader
from .source_image import read_record
from .storage import foreign_ids

_AT_ONCE = 1000  # a dataset of a million images must not become a million tasks


class Fault(NamedTuple):
    """A fault, and the image of the labels; None: a fault of the manifest."""

    reason: str
    image: LabelImage | None


def verify_pseudo_labels(
    root: str | Path, images: Sequence[LabelImage], num_workers: int = 2, show_progress: bool = True
) -> list[Fault]:
    """All faults of the labels of the images.

    Each label must exist with its confidence, decode, have the size of its image and contain class ids of the teacher.
    The manifest must have the number of label files and their sizes.

    Args:
        root: the pseudo-label folder.
        images: that should have labels. Labels of other images are only counted.
        num_workers: threads.
        show_progress: draw a progress bar.

    Raises:
        FileNotFoundError, ValueError: no manifest, or a broken one.
    """
    root = Path(root)
    manifest = read_manifest(root / MANIFEST)
    reader = PseudoLabelReader(root)
    sizes = {tuple(size) for size in manifest.get('image_sizes', ())}
    faults = []
    counted, found = manifest.get('label_count'), len(labelled_images(root, LABEL_FILE))
    if counted != found:
        faults.append(
            Fault(f'{root / MANIFEST}: label_count is {counted}, found {found} files; run the generator again', None)
        )
    bar = tqdm(total=len(images), desc='verify', unit=' images', disable=not show_progress)
    with bar, ThreadPoolExecutor(num_workers) as pool:
        for start in range(0, len(images), _AT_ONCE):
            part = images[start : start + _AT_ONCE]
            for image, reason in zip(part, pool.map(lambda i: _check(reader, i, sizes), part), strict=True):
                faults += [Fault(reason, image)] if reason else []
                bar.update()
    return faults


def delete_broken(root: str | Path, faults: Sequence[Fault]) -> int:
    """Delete faulty labels, so that the generator makes them again; return the number of deleted files."""
    deleted = 0
    for image in {fault.image for fault in faults if fault.image}:
        stem = label_stem(Path(root), image.camera, image.stem, image.source)
        label = Path(root) / LABEL_FILE.format(camera=image.camera, stem=stem)
        record = read_record(label) if label.is_file() else None
        if record and image.source and not record.has_path(image.source.path):
            continue  # the label belongs to another image, which needs it
        for pattern in (LABEL_FILE, CONFIDENCE_FILE):
            path = Path(root) / pattern.format(camera=image.camera, stem=stem)
            deleted += path.is_file()
            path.unlink(missing_ok=True)
    update_manifest(root, count=True)
    return deleted


def _check(reader: PseudoLabelReader, image: LabelImage, sizes: set[tuple[int, int]]) -> str:
    """The fault of the labels of an image, if any."""
    try:
        ids, _ = reader.read(image.camera, image.stem, image.token, image.source)
        expected = image.size or read_picture(image.path).shape[:2]
    except (OSError, ValueError) as error:
        return str(error)
    stem = label_stem(reader.root, image.camera, image.stem, image.source)
    label = f'pseudo-label {reader.root / LABEL_FILE.format(camera=image.camera, stem=stem)}'
    if ids.shape != expected:
        return f'{label} is {ids.shape} (height, width), its image is {expected}'
    if ids.shape not in sizes:
        return f'{label} is {ids.shape} (height, width), which image_sizes of the manifest lacks: {sorted(sizes)}'
    strangers = foreign_ids(ids, len(reader.class_names))
    if strangers:
        return f'{label} holds the ids {strangers[:5]}, the teacher has {len(reader.class_names)} classes'
    return ''
