"""The scenes of a dataset: their names, places, looks and seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nuscenes.utils.splits import create_splits_scenes

from .annotation_noise import NOISE_MODES
from .calibration import check_image_size
from .tables import LOCATIONS
from .terrain import TERRAIN_KINDS

SPLITS = ('all', 'train', 'val', 'teacher')
VERSIONS = {'v1.0-mini': ('mini_train', 'mini_val'), 'v1.0-trainval': ('train', 'val')}
# Towns differ by split, and so do the location names that the devkit allows. (location, street grid nodes per side)
TOWNS = {
    'train': ('singapore-onenorth', 7),
    'val': ('singapore-queenstown', 6),
    'teacher': ('singapore-hollandvillage', 6),
}
_VAL_SHARE = 0.22
# Used in turn, so that small datasets have every look; the first one depends on the seed.
_LOOK_DECK = ('day', 'dusk', 'day', 'wet', 'day', 'night', 'dusk', 'day', 'wet', 'day')


@dataclass(frozen=True)
class Options:
    """What to generate; see ``projects/SyntheticNuScenes/create.py --help``.

    Raises:
        ValueError: If a value is out of its range, naming it.
        FileNotFoundError: If a map isn't there.
    """

    out: Path
    version: str = 'v1.0-mini'
    scenes: int = 10
    frames: int = 20
    sweeps: int = 0
    image_size: tuple[int, int] = (128, 352)
    seed: int = 0
    annotation_noise: str = 'none'
    terrain: str = 'flat'
    maps: tuple[Path, ...] = ()
    split: str = 'all'
    density: float = 1.0

    def __post_init__(self) -> None:
        choices = dict(version=VERSIONS, split=SPLITS, terrain=TERRAIN_KINDS, annotation_noise=NOISE_MODES)
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f'{name} must be one of {list(allowed)}, got {getattr(self, name)!r}')
        for name, least in (('scenes', 1), ('frames', 1), ('sweeps', 0), ('seed', 0)):
            if getattr(self, name) < least:
                raise ValueError(f'{name} must be at least {least}, got {getattr(self, name)}')
        if self.sweeps > 5:
            raise ValueError(
                f'sweeps must be at most 5 (cameras fire at 12 Hz, keyframes come at 2 Hz), got {self.sweeps}'
            )
        check_image_size(*self.image_size)
        if len(self.maps) > len(LOCATIONS):
            raise ValueError(f'at most {len(LOCATIONS)} maps fit, one per location of the devkit; got {len(self.maps)}')
        for path in self.maps:
            if not path.is_file():
                raise FileNotFoundError(f'map expansion not found: {path}')


@dataclass(frozen=True)
class ScenePlan:
    """One scene to record.

    Args:
        index: Number within the dataset.
        name: Official nuScenes scene name.
        split: ``'train'`` or ``'val'``.
        location: Name of its town.
        look: One of the renderer's looks.
        seed: Chooses everything in it.
    """

    index: int
    name: str
    split: str
    location: str
    look: str
    seed: int


def derive_seed(*parts: object) -> int:
    """Return a seed that depends on all of ``parts``."""
    digest = hashlib.md5('/'.join(map(str, parts)).encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], 'little') >> 1


def name_scenes(options: Options) -> list[tuple[str, str]]:
    """Return (name, split) for every scene, training scenes first.

    Raises:
        ValueError: If the version has fewer scenes than asked for.
    """
    train, val = (create_splits_scenes()[split] for split in VERSIONS[options.version])
    if options.split in ('train', 'val'):
        wanted = {
            'train': options.scenes * (options.split == 'train'),
            'val': options.scenes * (options.split == 'val'),
        }
    else:
        held_out = max(1, round(_VAL_SHARE * options.scenes)) if options.scenes > 1 else 0
        held_out = min(held_out, len(val))
        wanted = {'train': options.scenes - held_out, 'val': held_out}
    for split, names in (('train', train), ('val', val)):
        if wanted[split] > len(names):
            raise ValueError(
                f'{options.version} has {len(names)} {split} scenes, {wanted[split]} are wanted; ask for fewer scenes '
                "or take version 'v1.0-trainval'"
            )
    return [(n, 'train') for n in train[: wanted['train']]] + [(n, 'val') for n in val[: wanted['val']]]


def place_maps(maps: Sequence[Path]) -> dict[str, Path]:
    """Return a location for each map: the name of its file if it is a location, otherwise a free one."""
    free = [name for name in LOCATIONS if name not in {path.stem for path in maps}]
    placed: dict[str, Path] = {}
    for path in maps:
        name = path.stem if path.stem in LOCATIONS and path.stem not in placed else free.pop(0)
        placed[name] = path
    return placed


def plan_scenes(options: Options) -> list[ScenePlan]:
    """Decide on all scenes. With several maps, validation scenes have the last one to themselves."""
    places = list(place_maps(options.maps))
    plans: list[ScenePlan] = []
    for index, (name, split) in enumerate(name_scenes(options)):
        if not places:
            location = TOWNS['teacher' if options.split == 'teacher' else split][0]
        elif len(places) == 1:
            location = places[0]
        else:
            location = places[-1] if split == 'val' else places[index % (len(places) - 1)]
        seed = derive_seed(options.seed, options.split == 'teacher', name)
        number = sum(plan.split == split for plan in plans)
        look = _LOOK_DECK[(derive_seed(options.seed, options.split == 'teacher', split) + number) % len(_LOOK_DECK)]
        plans.append(ScenePlan(index, name, split, location, look, seed))
    return plans
