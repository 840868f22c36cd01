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
        registers: whether it needs registered labels.
        completes: whether it needs completed maps, made of accumulated targets and of the labels that it trains on.
    """

    name: str
    title: str
    labelled: tuple[str, ...]
    settings: tuple[str, ...] = SETTINGS
    fractions: tuple[float, ...] = FRACTIONS
    accumulates: bool = False
    registers: bool = False
    completes: bool = False

    @property
    def config(self) -> str:
        """Its config, below the project."""
        return f'configs/synthetic/label_efficiency/{self.name}.py'


_TRAIN, _FINE_TUNE = ('train_dataloader.dataset',), ('labelled_dataloader.dataset',)
_COMPLETED = dict(accumulates=True, registers=True, completes=True)
_ABLATION = dict(settings=(MORE_IMAGES,), fractions=(0.5,))
ARMS = {
    arm.name: arm
    for arm in (
        Arm('supervised', 'supervised', _TRAIN, (LABELS_ONLY,)),
        Arm('paper', 'SSL pretraining, fine-tuning', _FINE_TUNE, fractions=(0.5, 0.1)),
        Arm('paper_long', 'SSL pretraining, fine-tuning, 2.6 times the steps', _FINE_TUNE, fractions=(0.5, 0.1)),
        Arm('completed_only', 'SSL, completed maps', (), **_COMPLETED),
        Arm('completed_long', 'SSL, completed maps, twice the steps', (), fractions=(0.5, 0.1), **_COMPLETED),
        Arm('completed_longest', 'SSL, completed maps, four times the steps', (), fractions=(0.5,), **_COMPLETED),
        Arm('ssl_only', 'SSL, no labels', (), (MORE_IMAGES,), (0.0,), accumulates=True),
        # Controls.
        Arm('supervised_2d', 'supervised + 2-D stage', ('assisted_dataloader.dataset',), (SAME_IMAGES,), (1.0,)),
        Arm('supervised_longest', 'supervised, 2.4 times the steps', _TRAIN, (LABELS_ONLY,), (1.0,)),
        Arm('supervised_from_teacher', "supervised, teacher's backbone", _TRAIN, (LABELS_ONLY,), (1.0, 0.5)),
        Arm('supervised_registered', 'supervised, registered labels', _TRAIN, (SAME_IMAGES,), (1.0,), registers=True),
        # Without one of the parts.
        Arm('completed_without_registration', 'no registration', (), **_ABLATION, accumulates=True, completes=True),
        Arm('completed_without_perspective', 'no perspective loss', (), **_ABLATION, **_COMPLETED),
        Arm('completed_from_scratch', "without the teacher's backbone", (), **_ABLATION, **_COMPLETED),
    )
}

BEST = 'completed_only'


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
        return f'{self.setting}_{self.arm}_{self.labels}{variant}'

    @property
    def labels(self) -> str:
        """Names the labelled scenes."""
        return f'{100 * self.fraction:g}pct_seed{self.seed}'

    def label_options(self, dataset: str) -> list[str]:
        """KEY=VALUE that give the config's dataset these labelled scenes."""
        return [f'{dataset}.label_fraction={self.fraction}', f'{dataset}.label_seed={self.seed}']

    def config_options(self) -> list[str]:
        """KEY=VALUE for `--cfg-options`."""
        drawn = [option for dataset in ARMS[self.arm].labelled for option in self.label_options(dataset)]
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
        shares = arm.fractions if fractions is None or arm.fractions == (0.0,) else fractions
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
