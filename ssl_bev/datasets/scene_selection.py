"""Which scenes of an info file a dataset uses, and which of these are labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .info_files import check_disjoint, find_scenes
from .info_table import InfoTable
from .label_subsets import draw_label_subset, write_label_subset

SceneList = str | Sequence[str]


@dataclass(frozen=True)
class SceneSelection:
    """The fields are arguments of `BEVDataset`, which documents them."""

    scene_list: SceneList | None = None
    disjoint_from: SceneList | None = None
    label_fraction: float = 1.0
    label_seed: int = 0
    label_scenes: SceneList | None = None
    label_subset_file: str | None = None

    @property
    def temporal_needs(self) -> list[str]:
        """Settings that need an info file with scenes, as name=value."""
        names = ('label_fraction', 'label_scenes', 'scene_list', 'disjoint_from')
        values = {name: getattr(self, name) for name in names}
        return [f'{name}={value!r}' for name, value in values.items() if value != getattr(SceneSelection, name)]

    def frames(self, table: InfoTable, positions: np.ndarray) -> np.ndarray:
        """Those positions of a table whose scene is used.

        Raises:
            ValueError: unknown scenes, or scenes that must not be there.
        """
        if self.scene_list is not None:
            wanted = find_scenes('scene_list', self.scene_list, table.scenes_of(positions))
            is_wanted = np.array([token in wanted for token, _ in table.scenes], bool)
            positions = positions[is_wanted[table.columns['scene'][positions]]]
        if self.disjoint_from is not None:
            check_disjoint(self.disjoint_from, table.scenes_of(positions))
        return positions

    def labelled_scenes(self, table: InfoTable, positions: np.ndarray) -> set[str]:
        """Tokens of the labelled scenes among those at the positions of a table; a drawn subset is written.

        Raises:
            ValueError: unknown scenes, or a fraction out of range.
        """
        if not len(positions):
            return set()
        scenes = table.scenes_of(positions)
        if self.label_scenes is not None:
            return find_scenes('label_scenes', self.label_scenes, scenes)
        subset = draw_label_subset([scene['scene_token'] for scene in scenes], self.label_fraction, self.label_seed)
        if self.label_subset_file is not None:
            write_label_subset(self.label_subset_file, subset, self.label_fraction, self.label_seed)
        return set(subset)
