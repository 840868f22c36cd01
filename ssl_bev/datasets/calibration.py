"""The matrices of one frame of an info file, in the requested BEV frame. No other code composes calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ssl_bev.geometry import BEVGrid, Road

BEV_FRAMES = ('ego', 'lidar')
# What tables and info files of several makers call the coefficients of a lens.
DISTORTION_FIELDS = ('camera_distortion', 'distortion', 'dist_coeffs')


def check_bev_frame(bev_frame: str) -> str:
    """Return `bev_frame`.

    Raises:
        ValueError: neither 'ego' nor 'lidar'.
    """
    if bev_frame not in BEV_FRAMES:
        raise ValueError(f'bev_frame must be one of {BEV_FRAMES}, got {bev_frame!r}')
    return bev_frame


def frame_poses(frame: Mapping, bev_frame: str) -> tuple[np.ndarray, np.ndarray]:  # (4, 4), (4, 4)
    """bev2global and road2bev of a frame, float64.

    Convention: `src2dst` matrices on column vectors. The plane z = 0 of the road frame is the road. A frame may define
    it in `frame['road']['road2ego']`; otherwise the road frame is the ego frame.
    """
    ego2global = _matrix(frame, 'ego2global', frame)
    bev2ego = _bev2ego(frame, bev_frame)
    road2bev = np.linalg.inv(bev2ego)
    if 'road' in frame:
        road2bev = road2bev @ _matrix(frame['road'], 'road2ego', frame)
    return ego2global @ bev2ego, road2bev


def ego_position(frame: Mapping) -> np.ndarray:  # (3,), metres
    """The pose of the ego frame in the global frame, float64; raises ValueError if the frame has no pose."""
    return _matrix(frame, 'ego2global', frame)[:3, 3]


def frame_road(frame: Mapping, bev_frame: str) -> Road:
    """The ground of a frame in its BEV frame, float64: a plane, and heights over it if there are any."""
    road2bev = torch.from_numpy(frame_poses(frame, bev_frame)[1])
    road = frame.get('road', {})
    if road.get('heights') is None:
        return Road(road2bev)
    return Road(road2bev, torch.from_numpy(np.asarray(road['heights'], np.float64)), road['grid'])


def frame_cameras(
    frame: Mapping, camera_names: Sequence[str], bev_frame: str
) -> tuple[np.ndarray, np.ndarray]:  # (N, 4, 4), (N, 4, 4)
    """cam2img (of the full image) and bev2cam of each camera, float64; `bev2img = cam2img @ bev2cam`.

    bev2cam goes through `lidar2cam`, which contains the ego motion between the times of camera and lidar.
    """
    bev2lidar = np.linalg.inv(lidar2ego(frame)) @ _bev2ego(frame, bev_frame)
    cam2img = np.tile(np.eye(4), (len(camera_names), 1, 1))
    bev2cam = np.empty_like(cam2img)
    for i, name in enumerate(camera_names):
        camera = frame['images'][name]
        check_undistorted(camera, f'{name} of frame {frame.get("token")}')
        cam2img[i, :3, :3] = _matrix(camera, 'cam2img', frame, name, (3, 3))
        bev2cam[i] = _matrix(camera, 'lidar2cam', frame, name) @ bev2lidar
    return cam2img, bev2cam


def check_undistorted(camera: Mapping, name: str) -> None:
    """Refuse a camera with coefficients of an unknown model in the info file.

    Lenses that tools/create_data.py has read are in `lens`, and their images are undistorted when loaded.

    Args:
        camera: of an info file.
        name: of the camera, for the error.

    Raises:
        ValueError: a coefficient that is not zero.
    """
    for field in DISTORTION_FIELDS:
        coefficients = camera.get(field)
        if coefficients is None:
            continue
        try:
            values = np.asarray(coefficients, np.float64)
        except (TypeError, ValueError):
            values = np.array(np.nan)
        if not np.isfinite(values).all() or values.any():
            raise ValueError(
                f'{name}: {field} must be zero, got {coefficients}: distorted images are projected wrongly. Undistort '
                'them (cv2.undistort, or cv2.fisheye.undistortImage for a fisheye lens), give the new camera matrix '
                f'and zeros in {field}, and make pseudo-labels of the undistorted images'
            )


def lidar2ego(frame: Mapping) -> np.ndarray:  # (4, 4)
    """The pose of a frame's lidar, from which `lidar2cam` starts, in the ego frame, float64.

    A frame without `lidar_points` belongs to a vehicle without lidar: the matrices of its cameras start from the ego
    frame.

    Raises:
        ValueError: a lidar without pose.
    """
    if 'lidar_points' not in frame:
        return np.eye(4)
    if 'lidar2ego' not in frame['lidar_points']:
        raise ValueError(f"frame {frame.get('token')} needs lidar_points['lidar2ego']: it says where the road is")
    return _matrix(frame['lidar_points'], 'lidar2ego', frame)


def lidar2bev(frame: Mapping, bev_frame: str) -> np.ndarray:  # (4, 4)
    """The pose of a frame's lidar in its BEV frame, float64."""
    return np.linalg.inv(_bev2ego(frame, bev_frame)) @ lidar2ego(frame)


def window_calibration(
    frames: Sequence[Mapping], camera_names: Sequence[str], bev_frame: str
) -> dict[str, np.ndarray]:  # (T, N, 4, 4) and (T, 4, 4)
    """cam2img, bev2cam, bev2global and road2bev of the frames of a window.

    If a frame has a road, also road_heights, (T, h, w), or (T, 0, 0) if all of them are planes, and their road_grid.
    """
    cameras, poses = [], []
    for frame in frames:
        # A camera without calibration gets values that are never used.
        calibrated = [name if name in frame['images'] else next(iter(frame['images']), name) for name in camera_names]
        cameras.append(frame_cameras(frame, calibrated, bev_frame))
        poses.append(frame_poses(frame, bev_frame))
    names = ('cam2img', 'bev2cam', 'bev2global', 'road2bev')
    matrices = (*zip(*cameras, strict=True), *zip(*poses, strict=True))
    return {name: np.stack(values) for name, values in zip(names, matrices, strict=True)} | road_heights(frames)


def road_heights(frames: Sequence[Mapping]) -> dict[str, np.ndarray | BEVGrid | None]:
    """road_heights and road_grid of the frames of a window as in `window_calibration`; nothing where none has a road.

    Raises:
        ValueError: height maps on different grids.
    """
    roads = [frame.get('road') for frame in frames]
    if all(road is None for road in roads):
        return {}
    maps = [None if road is None else road.get('heights') for road in roads]
    grids = {road['grid'] for road, heights in zip(roads, maps, strict=True) if heights is not None}
    if len(grids) > 1:
        raise ValueError(f'the roads of a window must have one grid, got {sorted(map(str, grids))}')
    grid = next(iter(grids), None)
    flat = np.zeros(grid.shape if grid else (0, 0), np.float32)
    return {'road_heights': np.stack([flat if heights is None else heights for heights in maps]), 'road_grid': grid}


def _bev2ego(frame: Mapping, bev_frame: str) -> np.ndarray:
    if check_bev_frame(bev_frame) == 'ego':
        return np.eye(4)
    if 'lidar_points' not in frame:
        raise ValueError(f"frame {frame.get('token')} has no lidar; use bev_frame='ego'")
    return lidar2ego(frame)


def _matrix(
    record: Mapping, key: str, frame: Mapping, camera: str = '', shape: tuple[int, int] = (4, 4)
) -> np.ndarray:  # `shape`
    """A matrix of a frame, or of the frame's road, lidar or camera; larger ones are cropped, flat ones reshaped."""
    value = record.get(key)
    try:
        matrix = np.asarray(value, np.float64)
        matrix = (matrix.reshape(4, 4) if matrix.size == 16 else matrix)[: shape[0], : shape[1]]
    except (TypeError, ValueError, IndexError):
        matrix = np.empty(0)
    if matrix.shape != shape or not np.isfinite(matrix).all():
        where = f'frame {frame.get("token")}' + (f', {camera}' if camera else '')
        raise ValueError(
            f'{where}: {key} must be a finite {shape[0]}x{shape[1]} matrix, got {value}; correct the info file, or '
            'make it with tools/create_data.py'
        )
    return matrix
