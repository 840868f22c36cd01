"""The contents of info files for a dataset: columns to select frames, and the frames themselves, serialised."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path

import numpy as np
from torch.utils.data import ConcatDataset

from .cameras import image_hashes
from .info_files import read_info_file, temporal_fault
from .serialised_list import SerialisedList
from .windows import flatten_frames

# keyframe: position of the keyframe of the frame, its own if it is no sweep; scene: -1 if the frame names none.
_COLUMNS = np.dtype(
    [
        ('keyframe', np.int64),
        ('scene', np.int64),
        ('frame_index', np.int64),
        ('timestamp', np.float64),
        ('is_keyframe', np.bool_),
        ('cameras', np.int64),
    ]
)


@dataclass(frozen=True)
class InfoTable:
    """Info files, in memory or mapped from files that processes share. F frames: keyframes, each before its sweeps.

    Args:
        metainfo: of the info files; the first one takes precedence.
        temporal_fault: see `ssl_bev.datasets.info_files.temporal_fault`.
        scenes: (token, name) of each scene.
        cameras: sets of cameras that frames have.
        columns: numbers for each frame, (F,), with the indices of its scene and its cameras in the lists above.
        frames: the frames, without fields that no transform reads.
        images: see `image_hashes`, of the images of all frames, (I, 2) uint64.
        image_ends: end of the images of each frame among them, (F,).
    """

    metainfo: dict
    temporal_fault: str
    scenes: list[tuple[str, str]]
    cameras: list[tuple[str, ...]]
    columns: np.ndarray
    frames: Sequence[dict] | ConcatDataset
    images: np.ndarray
    image_ends: np.ndarray

    @classmethod
    def read(cls, path: str | Path) -> InfoTable:
        """Read a whole info file.

        Raises:
            FileNotFoundError, ValueError: see `read_info_file`.
        """
        content = read_info_file(path)
        scenes, cameras = _Numbers(), _Numbers()
        frames: list[dict] = []
        rows = []
        for keyframe in content['data_list']:
            position = len(frames)
            frames.extend(flatten_frames([keyframe], with_sweeps=True))
            for frame in frames[position:]:
                has_scene = 'scene_token' in frame
                scene = scenes[frame['scene_token'], frame.get('scene_name', '')] if has_scene else -1
                time = frame.get('timestamp', np.nan)
                place = (position, scene, frame.get('frame_index', 0), time)
                rows.append((*place, frame['is_keyframe'], cameras[tuple(frame['images'])]))
        hashes = [image_hashes(frame['images']) for frame in frames]
        return cls(
            metainfo=dict(content['metainfo']),
            temporal_fault=temporal_fault(content['data_list']),
            scenes=list(scenes),
            cameras=list(cameras),
            columns=np.array(rows, _COLUMNS),
            frames=SerialisedList.of(frames),
            images=np.array(list(chain(*hashes)), np.uint64).reshape(-1, 2),
            image_ends=np.cumsum([len(images) for images in hashes], dtype=np.int64),
        )

    @classmethod
    def join(cls, tables: Sequence[InfoTable]) -> InfoTable:
        """One table of several."""
        if len(tables) == 1:
            return tables[0]
        scenes, cameras = _Numbers(), _Numbers()
        columns = []
        starts = accumulate((len(table.columns) for table in tables), initial=0)
        for table, start in zip(tables, starts, strict=False):
            rows = table.columns.copy()
            rows['keyframe'] += start
            rows['scene'] = np.array([*map(scenes.__getitem__, table.scenes), -1])[rows['scene']]
            rows['cameras'] = np.array([cameras[names] for names in table.cameras], np.int64)[rows['cameras']]
            columns.append(rows)
        counts = np.concatenate([np.diff(table.image_ends, prepend=0) for table in tables])
        return cls(
            metainfo={key: value for table in reversed(tables) for key, value in table.metainfo.items()},
            temporal_fault=next(filter(None, (table.temporal_fault for table in tables)), ''),
            scenes=list(scenes),
            cameras=list(cameras),
            columns=np.concatenate(columns),
            frames=ConcatDataset([table.frames for table in tables]),
            images=np.concatenate([table.images for table in tables]),
            image_ends=np.cumsum(counts),
        )

    def order(self, with_sweeps: bool) -> np.ndarray:  # positions
        """The frames in the order of `flatten_frames`."""
        keyframe = self.columns['keyframe']
        scene = self.scene_numbers()[keyframe]
        first = np.full(len(self.scenes), len(self.columns))
        np.minimum.at(first, scene[scene >= 0], keyframe[scene >= 0])
        appearance = np.where(scene >= 0, np.append(first, 0)[scene], keyframe)
        order = np.lexsort((keyframe, self.columns['frame_index'][keyframe], appearance))
        return order if with_sweeps else order[keyframe[order] == order]

    def scene_numbers(self) -> np.ndarray:  # (F,)
        """A number for each scene token; -1 for frames without one."""
        numbers = _Numbers()
        return np.array([*(numbers[token] for token, _ in self.scenes), -1])[self.columns['scene']]

    def scenes_of(self, positions: np.ndarray) -> list[dict]:
        """`scene_token` and `scene_name` of each scene of these frames; '' for all frames that name none."""
        numbers = np.unique(self.columns['scene'][positions])
        scenes = [self.scenes[number] if number >= 0 else ('', '') for number in numbers]
        return [dict(scene_token=token, scene_name=name) for token, name in scenes]

    def camera_sets(self, positions: np.ndarray) -> dict[tuple[str, ...], tuple[int, str]]:
        """The sets of cameras that these frames have, see `choose_cameras`."""
        numbers, first, counts = np.unique(self.columns['cameras'][positions], return_index=True, return_counts=True)
        return {
            self.cameras[numbers[i]]: (int(counts[i]), self.frames[positions[first[i]]]['token'])
            for i in np.argsort(first)
        }

    def images_of(self, positions: np.ndarray) -> np.ndarray:  # (I', 2)
        """`images` of these frames."""
        chosen = np.zeros(len(self.columns), bool)
        chosen[positions] = True
        return self.images[np.repeat(chosen, np.diff(self.image_ends, prepend=0))]


class _Numbers(dict):
    """Consecutive numbers for keys, in the order of the first request."""

    def __missing__(self, key: Hashable) -> int:
        return self.setdefault(key, len(self))
