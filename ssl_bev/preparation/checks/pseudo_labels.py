"""Are the pseudo-labels there?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssl_bev.pseudo_labels import PseudoLabelReader
from ssl_bev.pseudo_labels.image_list import list_images
from ssl_bev.pseudo_labels.layout import labelled_images
from ssl_bev.pseudo_labels.source_image import unique_stem
from ssl_bev.pseudo_labels.verify import verify_pseudo_labels

from .report import Report
from .settings import Settings


def check_pseudo_labels(
    folder: Path, root: Path, info_files: Sequence[str | Path], settings: Settings, report: Report
) -> None:
    """Check a pseudo-label folder: its manifest, and the labels and confidences of all images.

    Args:
        folder: of the pseudo-labels.
        root: of the dataset.
        info_files: name the images that need labels.
        settings: of the checks.
        report: gets the counts and errors.
    """
    check = f'pseudo-labels {folder.name}'
    try:
        PseudoLabelReader(folder)
        images = list_images(info_files, root, with_sweeps=settings.with_sweeps)
        report.count(check, len(images))
        if settings.full:
            for fault in verify_pseudo_labels(folder, images, settings.num_workers, settings.show_progress):
                report.error(check, f'frame {fault.image.token}: {fault.reason}' if fault.image else fault.reason)
            return
        there = labelled_images(folder)
    except (OSError, ValueError) as error:
        report.error(check, str(error))
        return
    for image in images:
        stems = {image.label_stem, unique_stem(image.stem, image.source.path)}
        if not any((image.camera, stem) in there for stem in stems):
            report.error(
                check, f'frame {image.token}: {folder} has no label and confidence of {image.camera}/{image.stem}'
            )
