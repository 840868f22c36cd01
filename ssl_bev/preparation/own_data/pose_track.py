"""Where the vehicle was between two frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

# Seconds between two frames beyond which poses are not interpolated.
_MAX_GAP = 2.0
# How far beyond the first and the last frame poses are continued, in seconds.
_MAX_BEYOND = 0.3


class PoseTrack:
    """The poses of a scene over time: interpolated between frames, extrapolated for a short time at both ends.

    Args:
        times: (F,) of the frames, increasing, seconds.
        poses: (F, 4, 4) of the vehicle in the global frame.
    """

    def __init__(self, times: Sequence[float], poses: Sequence[np.ndarray]) -> None:
        self.times = np.asarray(times, np.float64)
        self.poses = np.asarray(poses, np.float64)

    def at(self, time: float) -> np.ndarray:  # (4, 4)
        """The pose at a time.

        Raises:
            ValueError: a single frame at another time, a time too far beyond the ends, or in too long a gap.
        """
        nearest = int(np.argmin(np.abs(self.times - time)))
        if self.times[nearest] == time:
            return self.poses[nearest]
        if len(self.times) < 2:
            raise ValueError(f'the scene has a single frame, at {self.times[0]!r}')
        i = int(np.clip(np.searchsorted(self.times, time) - 1, 0, len(self.times) - 2))
        start, end = self.times[i : i + 2]
        if end - start > _MAX_GAP:
            raise ValueError(f'the frames around it are {end - start:.1f} s apart, at most {_MAX_GAP:g} s are bridged')
        if not start - _MAX_BEYOND <= time <= end + _MAX_BEYOND:
            raise ValueError(
                f'it is {max(start - time, time - end):.2f} s beyond the frames of the scene, at most '
                f'{_MAX_BEYOND:g} s are bridged'
            )
        part = (time - start) / (end - start)
        before, after = (Rotation.from_matrix(pose[:3, :3]) for pose in self.poses[i : i + 2])
        pose = np.eye(4)
        pose[:3, :3] = (before * Rotation.from_rotvec(part * (before.inv() * after).as_rotvec())).as_matrix()
        pose[:3, 3] = (1 - part) * self.poses[i, :3, 3] + part * self.poses[i + 1, :3, 3]
        return pose
