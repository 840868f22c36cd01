"""Windows of camera frames of one scene, with or without BEV labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmengine.dataset import BaseDataset

from .calibration import check_bev_frame
from .cameras import SharedNames, choose_cameras
from .info_cache import open_info_table
from .info_files import check_temporal
from .info_table import InfoTable
from .road_files import RoadReader
from .sample_table import SampleTable
from .scene_selection import SceneSelection
from .windows import MAX_TIME_GAP, scene_windows, segment_starts


@DATASETS.register_module(name=['BEVDataset', 'NuScenesBEVDataset'])
class BEVDataset(BaseDataset):
    """One window of T frames for each frame, which is the last of the window; history never crosses scenes.

    Reads the info files of tools/create_data.py, of nuScenes or of your own cameras. With `num_frames=1` it also reads
    stock mmdet3d v2 info files. Large ones are mapped from a cache that processes share, see `open_info_table`.

    Args:
        ann_file: info file or several, relative to `info_root`; the scenes of your own split may come from all.
        pipeline: transforms; none of them may return None.
        data_root: folder of the images.
        info_root: folder of info file and labels; None: `data_root`.
        data_prefix: camera name -> folder between `data_root` and the image path (stock files have bare names).
        num_frames: frames of a window.
        frames: 'keyframes', or 'all' = with the unlabelled camera frames between them.
        frame_stride: step between the frames of a window, in frames.
        max_time_gap: frames that are further apart than this, in seconds, share no window: the history restarts.
        sample_interval: take every n-th frame as the current one.
        camera_names: cameras and their order; None: those of all frames, in the order of a frame that has most of them.
            Then a camera that some frames lack is black there, with a warning.
        allow_missing_cameras: a camera that a frame lacks, in the info file or on disk, becomes a black image without
            influence (`camera_valid` is False), instead of an error.
        bev_frame: 'ego' or 'lidar'.
        roads: folder of tools/estimate_road.py, relative to `info_root`, with the ground of each frame. None: as in the
            info file, or else the plane under the wheels.
        label_dir: folder of the BEV labels, relative to `info_root`.
        with_labels: False: no sample is labelled.
        label_fraction: fraction of the scenes that are labelled, nested per seed; see `draw_label_subset`.
        label_seed: seed of that draw.
        label_scenes: tokens or names of the labelled scenes, or a file of them, instead of a fraction.
        label_subset_file: where the drawn subset is written; None: nowhere.
        labelled_only: yield only labelled samples.
        scene_list: tokens or names of the scenes to use, or a file of them; None: all.
        disjoint_from: tokens or names of scenes that must not be among those used, such as the scenes of another
            split, or a file of them.
        serialize_data: has no effect; samples are arrays, frames are serialised.
        indices: as in mmengine: the samples to keep, or the number of the first (negative: last) ones.

    Raises:
        FileNotFoundError: no info file, or no roads.
        ValueError: an argument out of range, an info file without the temporal fields that `num_frames`, 'all' or
            a label subset need, a list that names unknown scenes, splits that overlap, or a selection that leaves no
            sample.
    """

    def __init__(
        self,
        ann_file: str | Sequence[str],
        pipeline: Sequence[dict | Callable],
        data_root: str = '',
        info_root: str | None = None,
        data_prefix: Mapping[str, str] | None = None,
        num_frames: int = 1,
        frames: str = 'keyframes',
        frame_stride: int = 1,
        max_time_gap: float = MAX_TIME_GAP,
        sample_interval: int = 1,
        camera_names: Sequence[str] | None = None,
        allow_missing_cameras: bool = False,
        bev_frame: str = 'ego',
        roads: str | None = None,
        label_dir: str = 'bev_labels',
        with_labels: bool = True,
        label_fraction: float = 1.0,
        label_seed: int = 0,
        label_scenes: str | Sequence[str] | None = None,
        label_subset_file: str | None = None,
        labelled_only: bool = False,
        scene_list: str | Sequence[str] | None = None,
        disjoint_from: str | Sequence[str] | None = None,
        metainfo: Mapping | None = None,
        test_mode: bool = False,
        serialize_data: bool = True,
        lazy_init: bool = False,
        indices: int | Sequence[int] | None = None,
    ) -> None:
        for name, value in (
            ('num_frames', num_frames),
            ('frame_stride', frame_stride),
            ('sample_interval', sample_interval),
        ):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f'{name} must be a positive integer, got {value!r}')
        if frames not in ('keyframes', 'all'):
            raise ValueError(f"frames must be 'keyframes' or 'all', got {frames!r}")
        if not max_time_gap > 0:
            raise ValueError(f'max_time_gap must be positive (seconds), got {max_time_gap}')
        if labelled_only and not with_labels:
            raise ValueError('labelled_only=True needs with_labels=True')
        self.num_frames = num_frames
        self.frames = frames
        self.frame_stride = frame_stride
        self.max_time_gap = max_time_gap
        self.sample_interval = sample_interval
        self.camera_names = list(camera_names) if camera_names is not None else []
        self.allow_missing_cameras = allow_missing_cameras
        self.bev_frame = check_bev_frame(bev_frame)
        self.info_root = Path(data_root if info_root is None else info_root)
        self.road_of = dict if roads is None else RoadReader(self.info_root / roads)
        self.label_dir = str(self.info_root / label_dir) if with_labels else None
        self.image_prefix = dict(data_prefix or {})
        self.labelled_only = labelled_only
        self.selection = SceneSelection(
            scene_list, disjoint_from, label_fraction, label_seed, label_scenes, label_subset_file
        )
        files = [ann_file] if isinstance(ann_file, str) else ann_file
        self._info_files = [str(self.info_root / file) for file in files]
        super().__init__(
            ann_file=', '.join(self._info_files),
            metainfo=metainfo,
            data_prefix={},
            serialize_data=False,  # the samples are arrays
            # Built here so that the scope does not depend on what ran before.
            pipeline=[TRANSFORMS.build(t) if isinstance(t, Mapping) else t for t in pipeline],
            test_mode=test_mode,
            lazy_init=lazy_init,
            indices=indices,
        )
        self.data_root = data_root

    @property
    def scene_tokens(self) -> list[str]:
        """The scene of each sample, in the order of the samples."""
        self.full_init()
        return [sample['scene_token'] for sample in self.data_list]

    def drop_history(self) -> None:
        """Yield the last frame of each window alone, for a model that carries its history from sample to sample.

        Raises:
            ValueError: samples whose history is not the samples before them.
        """
        self.full_init()
        if not self.data_list.is_consecutive:
            raise ValueError(
                f'ann_file {self.ann_file}: the history of a sample is not the samples before it; set '
                'frame_stride=1 and sample_interval=1, and labelled_only=False or frames="keyframes"'
            )
        self.data_list = self.data_list.last_frames()
        self.num_frames = 1

    def load_data_list(self) -> Sequence[dict]:
        """The samples: positions of their frames in the info files, which stay serialised."""
        table = self._open_infos()
        chosen = self.selection.frames(table, table.order(self.frames == 'all'))
        columns = table.columns[chosen]
        self._may_lack = self.allow_missing_cameras or not self.camera_names
        sets = table.camera_sets(chosen)
        self.camera_names = choose_cameras(sets, self.camera_names, self.allow_missing_cameras, self.ann_file)
        self._metainfo['camera_names'] = self.camera_names  # saved with the weights, see CameraOrderHook
        self._shared_names = SharedNames(table.images_of(chosen))
        self._frames = table.frames
        starts = segment_starts(table.scene_numbers()[chosen], columns['timestamp'], self.max_time_gap)
        windows, valid = scene_windows(starts, self.num_frames, self.frame_stride)
        tokens = [token for token, _ in table.scenes] + ['']  # the last is that of a frame without scene
        labelled_scenes = self.selection.labelled_scenes(table, chosen) if self.label_dir is not None else set()
        in_labelled = np.array([token in labelled_scenes for token in tokens], bool)
        labelled = columns['is_keyframe'] & in_labelled[columns['scene']]
        samples = SampleTable(chosen[windows], valid, labelled, columns['scene'], tokens)
        samples = samples.take(labelled) if self.labelled_only else samples
        samples = samples[:: self.sample_interval]
        if not samples:
            raise ValueError(
                f'ann_file {self.ann_file}: no sample is left (frames={self.frames!r}, {len(chosen)} frames)'
            )
        return samples

    def get_data_info(self, idx: int) -> dict:
        """The input of the pipeline: the frames of the window, oldest first, and the folders of their files."""
        self.full_init()
        sample = self.data_list[idx]
        return {
            'frames': [self.road_of(self._frames[position]) for position in sample['window']],
            'frame_valid': sample['frame_valid'],
            'labelled': sample['labelled'],
            'sample_idx': idx % len(self),
            'camera_names': list(self.camera_names),
            'allow_missing_cameras': self.allow_missing_cameras,
            'frames_may_lack_cameras': self._may_lack,
            'bev_frame': self.bev_frame,
            'data_root': self.data_root,
            'data_prefix': dict(self.image_prefix),
            'label_dir': self.label_dir,
            'shared_names': self._shared_names,
        }

    def __getitem__(self, idx: int) -> dict:
        """The sample after the pipeline; an unreadable one raises an error and is not replaced by a random one."""
        self.full_init()
        info = self.get_data_info(idx)
        token = info['frames'][-1]['token']
        sample = self.pipeline(info)
        if sample is None:
            raise ValueError(f'a transform of the pipeline returned None for sample {token} of {self.ann_file}')
        return sample

    def _get_unserialized_subset(self, indices: int | Sequence[int]) -> Sequence[dict]:
        if isinstance(indices, Sequence):
            return self.data_list.take(np.array(indices, int))  # a table, as before
        return super()._get_unserialized_subset(indices)

    def _open_infos(self) -> InfoTable:
        temporal_needs = [f'num_frames={self.num_frames}'] * (self.num_frames > 1)
        temporal_needs += [f'frames={self.frames!r}'] * (self.frames == 'all') + self.selection.temporal_needs
        tables = [open_info_table(file) for file in self._info_files]
        for file, table in zip(self._info_files, tables, strict=True):
            check_temporal(file, temporal_needs, table.temporal_fault)
        table = InfoTable.join(tables)
        for key, value in table.metainfo.items():
            self._metainfo.setdefault(key, value)
        return table


# Former name.
NuScenesBEVDataset = BEVDataset
