"""Which recipes are compared, with how many labels, and which runs that makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

SAME_IMAGES, MORE_IMAGES = 'same_images', 'more_images'
LABELS_ONLY = 'labels_only'
SETTINGS = (SAME_IMAGES, MORE_IMAGES)
FRACTIONS = (1.0, 0.5, 0.25, 0.1)
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Arm:
    """A recipe.

    Args:
        name: of its config in configs/synthetic/label_efficiency/, without the suffix.
        title: for tables.
        labelled: config keys of its datasets with BEV labels, where the label fraction goes; none: it sees no label.
        settings: in which it makes sense; `LABELS_ONLY` for an arm that sees no image without a label.
        fractions: of the labelled scenes, by default.
        accumulates: whether it needs accumulated targets.
    """

    name: str
    title: str
    labelled: tuple[str, ...]
    settings: tuple[str, ...] = SETTINGS
    fractions: tuple[float, ...] = FRACTIONS
    accumulates: bool = False

    @property
    def config(self) -> str:
        """Its config, below the project."""
        return f'configs/synthetic/label_efficiency/{self.name}.py'


_JOINT = ('joint_dataloader.dataset.datasets.0',)
ARMS = {
    arm.name: arm
    for arm in (
        Arm('supervised', 'supervised', ('train_dataloader.dataset',), (LABELS_ONLY,)),
        Arm('paper', 'SSL pretraining, fine-tuning', ('labelled_dataloader.dataset',)),
        Arm('joint', 'SSL joint', _JOINT, accumulates=True),
        Arm('joint_from_teacher', "SSL joint, teacher's backbone", _JOINT, accumulates=True),
        Arm('ssl_only', 'SSL, no labels', (), fractions=(0.0,), accumulates=True),
        Arm('supervised_2d', 'supervised + 2-D stage', ('assisted_dataloader.dataset',), fractions=(1.0, 0.1)),
        Arm(
            'supervised_from_teacher',
            "supervised, teacher's backbone",
            ('train_dataloader.dataset',),
            (LABELS_ONLY,),
            fractions=(1.0, 0.1),
        ),
        Arm('joint_direct', 'joint, targets teach BEV classes', _JOINT, fractions=(0.5,), accumulates=True),
        Arm('joint_mean_teacher', 'joint + mean teacher', _JOINT, fractions=(0.5,), accumulates=True),
        Arm('joint_coarse_paint', 'joint, paint not told apart', _JOINT, fractions=(0.5,), accumulates=True),
        Arm('joint_without_2d_stage', 'joint, no 2-D stage', _JOINT, fractions=(0.5,), accumulates=True),
        Arm('joint_without_perspective', 'joint, no perspective loss', _JOINT, fractions=(0.5,), accumulates=True),
        Arm('joint_without_accumulated', 'joint, no accumulated targets', _JOINT, fractions=(0.5,)),
    )
}

BEST = 'joint_from_teacher'


@dataclass(frozen=True)
class Run:
    """One training.

    Args:
        arm: name of an `Arm`.
        setting: which images are seen without labels.
        fraction: of the labelled pool's scenes.
        seed: of weights, order and augmentation, and of the draw of labelled scenes.
        variant: a name for `options`; only for screening on validation towns.
        options: further KEY=VALUE of the config.
    """

    arm: str
    setting: str
    fraction: float
    seed: int
    variant: str = ''
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Unique, and fit for a file."""
        variant = f'_{self.variant}' if self.variant else ''
        return f'{self.setting}_{self.arm}_{100 * self.fraction:g}pct_seed{self.seed}{variant}'

    def config_options(self) -> list[str]:
        """KEY=VALUE for `--cfg-options`."""
        drawn = [
            option
            for dataset in ARMS[self.arm].labelled
            for option in (f'{dataset}.label_fraction={self.fraction}', f'{dataset}.label_seed={self.seed}')
        ]
        return [*drawn, f'randomness.seed={self.seed}', *self.options]


def select_runs(
    arms: Sequence[str] = tuple(ARMS),
    settings: Sequence[str] = SETTINGS,
    fractions: Sequence[float] | None = None,
    seeds: Sequence[int] = SEEDS,
    variant: str = '',
    options: Sequence[str] = (),
) -> list[Run]:
    """The runs of a selection, seed by seed; an arm that sees labels only comes once for all settings.

    Raises:
        ValueError: an unknown arm or setting, a fraction outside (0, 1], or nothing selected.
    """
    for what, given, known in (('arm', arms, ARMS), ('setting', settings, SETTINGS)):
        if unknown := [name for name in given if name not in known]:
            raise ValueError(f'unknown {what} {", ".join(unknown)}; there are {", ".join(known)}')
    if wrong := [fraction for fraction in fractions or () if not 0 < fraction <= 1]:
        raise ValueError(f'fractions must be in (0, 1], got {wrong}')
    runs = []
    for seed, name in product(seeds, arms):
        arm = ARMS[name]
        places = [setting for setting in arm.settings if setting in (*settings, LABELS_ONLY)]
        shares = arm.fractions if fractions is None or not arm.labelled else fractions
        runs += [Run(name, place, share, seed, variant, tuple(options)) for place, share in product(places, shares)]
    if not runs:
        raise ValueError('the selection has no run; see --list')
    return runs


# Whose maps are drawn side by side.
PICTURED = (
    ('supervised, 100 %', Run('supervised', LABELS_ONLY, 1.0, 0)),
    ('SSL, no labels', Run('ssl_only', MORE_IMAGES, 0.0, 0)),
    ('SSL + 10 %', Run(BEST, MORE_IMAGES, 0.1, 0)),
    ('SSL + 50 %', Run(BEST, MORE_IMAGES, 0.5, 0)),
)
