"""The same comparison with a worse teacher, with labels that have no annotation noise, or of another protocol."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from ssl_bev.pseudo_labels import LabelMap, PseudoLabelReader, PseudoLabelWriter, read_manifest
from ssl_bev.pseudo_labels.layout import LABEL_FILE, labelled_images
from ssl_bev.pseudo_labels.source_image import read_record

from .noise import LEVELS, LabelNoise
from .steps import Steps
from .towns import Town, Towns

EXACT_LABELS = 'exact_labels'
PROTOCOLS = ('hdmapnet',)  # of configs/_base_/protocols
CONDITIONS = (EXACT_LABELS, *(f'teacher_{level}' for level in LEVELS), *PROTOCOLS)


class OtherTowns(Towns):
    """The towns and the teacher's labels of `base` under another condition, in a folder beside them.

    Args:
        base: the towns; made where missing.
        condition: 'exact_labels' = training labels of the exact maps; 'teacher_L1', 'teacher_L2' = noisy pseudo-labels;
            'hdmapnet' = classes, grid and lines of that protocol.
    """

    def __init__(self, base: Towns, condition: str) -> None:
        root = base.root.with_name(f'{base.root.name}_{condition}')
        super().__init__(root, base.towns, Steps(root, base.steps.env), base.jobs)
        self.base, self.condition = base, condition
        self.protocol = condition if condition in PROTOCOLS else None

    def make(self, unlabelled: bool = True) -> None:
        self.base.make(unlabelled)
        link(self.root / 'towns', self.base.root / 'towns')
        if self.protocol:
            for town in self.towns if unlabelled else self._labelled:
                self._draw(town)
        self.merge(unlabelled)

    def maps_of(self, town: Town) -> Path:
        exact = self.condition == EXACT_LABELS and 'train' in town.pools
        return super().maps_of(town) / ('truth' if exact else '')

    def label(self, pool: str) -> None:
        self.base.label(pool)
        clean, out = self.base.root / 'pseudo_labels', self.root / 'pseudo_labels'
        if self.condition in (EXACT_LABELS, *PROTOCOLS):
            link(out, clean)
        else:
            degrade_pseudo_labels(clean, out, self.condition.removeprefix('teacher_'), self.jobs)

    def _draw(self, town: Town) -> None:
        """Published and exact labels of the protocol."""
        for folder in (self.root / town.folder, self.root / town.folder / 'truth'):
            out = folder / self.label_dir
            self.steps.run(
                f'labels {out.relative_to(self.root)}', 'tools/create_data.py', '--data-root', folder, '--version',
                town.version, '--out', folder, '--labels-only', *self._protocol, '--quiet', result=out,
            )  # fmt: skip

    def seconds(self, *names: str) -> float:
        return self.base.seconds(*names) if names[0].startswith('teacher') else super().seconds(*names)


def degrade_pseudo_labels(root: Path, out: Path, level: str, workers: int = 1) -> None:
    """Write a copy of a pseudo-label folder with noise of a level; the same call goes on where it stopped."""
    manifest, clean = read_manifest(root / 'manifest.json'), PseudoLabelReader(root)
    noise = LabelNoise(manifest['class_names'], LabelMap.load('mapillary_v2'), LEVELS[level])
    settings = {**manifest.get('settings', {}), 'noise': {'level': level, **asdict(LEVELS[level])}}
    teacher = manifest['teacher']
    sha256 = hashlib.sha256(f'{teacher["sha256"]} {settings}'.encode()).hexdigest()
    about = (f'{teacher["name"]}+noise-{level}', sha256, manifest['class_names'])
    with PseudoLabelWriter(out, *about, settings=settings) as writer:

        def degrade(image: tuple[str, str]) -> None:
            if not writer.exists(*image):
                ids, confidence = noise(*clean.read(*image), '/'.join(image))
                record = read_record(root / LABEL_FILE.format(camera=image[0], stem=image[1]))
                writer.write(*image, ids, confidence, record)

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(degrade, sorted(labelled_images(root))))


def link(path: Path, target: Path) -> None:
    """A link to a folder, where it is not there yet."""
    if not path.is_symlink():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target.resolve(), target_is_directory=True)
