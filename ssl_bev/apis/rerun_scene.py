"""A scene as a recording for the Rerun viewer: cameras, labels, maps, and the path of the vehicle."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import scipy.linalg
from torch import Tensor

from ssl_bev.files import replacing
from ssl_bev.geometry import BEVGrid, Road, lift_to_road
from ssl_bev.structures import BEVDataSample
from ssl_bev.targets import IGNORE, is_positive
from ssl_bev.visualization import draw_bev, draw_overlay
from ssl_bev.visualization.bev_image import GROUND, opacity
from ssl_bev.visualization.label_sheet import draw_targets
from ssl_bev.visualization.palette import paint
from ssl_bev.visualization.sample_panel import shown_labels

APPLICATION = 'ssl_bev'
VEHICLE = dict(centers=[[0.4, 0, 0.8]], half_sizes=[[2.0, 0.9, 0.8]])  # metres, as the arrow head in our pictures
JPEG_QUALITY = 85


def write_rerun(
    frames: Iterable[tuple[Tensor, BEVDataSample]],
    out: str | Path,
) -> int:
    """Write a scene as `.rrd`, completely or not at all; open it with `rerun FILE`.

    Convention: `world` has the axes of the global frame (z up) and its origin at the start of the scene. `world/ego` is
    the BEV frame; below it are the ground with the predicted map, and the cameras. In each camera the prediction covers
    the pseudo-labels, and these cover the image; hide those that you do not want to see. `bev/` has the maps as
    pictures, forward up. The timelines are `time`, seconds since the start, and `frame`.

    Args:
        frames: from `predict_scene`; pseudo-labels are shown if the samples have them.
        out: the recording.

    Returns:
        The number of frames.

    Raises:
        ModuleNotFoundError: rerun-sdk is missing.
        ValueError: there is no frame, or the name does not end in .rrd.
    """
    try:
        import rerun as rr
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("rerun-sdk is not installed; pip install 'ssl_bev[viz]'") from error
    if Path(out).suffix != '.rrd':
        raise ValueError(f'out must end in .rrd, got {out}')
    path, count = [], 0
    rr.set_strict_mode(True)  # otherwise data that cannot be logged are left out with a warning
    with replacing(out) as temporary:
        recording = rr.RecordingStream(APPLICATION)
        recording.save(str(temporary))
        for images, sample in frames:
            if not count:
                start, origin = sample.timestamps[-1], sample.bev2global[-1, :3, 3].numpy()
                _log_scene(rr, recording, sample)
            recording.set_time('frame', sequence=count)
            recording.set_time('time', duration=sample.timestamps[-1] - start)
            _log_frame(rr, recording, images, sample, origin)
            path.append(sample.bev2global[-1, :3, 3].numpy() - origin)
            count += 1
        if count:
            recording.log(
                'world/path', rr.LineStrips3D([np.array(path)], colors=[[213, 94, 0]], radii=0.1), static=True
            )
        recording.flush()
        recording.disconnect()
        if not count:
            raise ValueError('frames must have at least one, got none')
    return count


def _log_scene(rr, recording, sample: BEVDataSample) -> None:
    """The static data and the layout of the views."""
    import rerun.blueprint as rrb

    recording.log('world', rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    forward, left = ((1, 0, 0), (0, 1, 0)) if sample.bev_frame == 'ego' else ((0, 1, 0), (-1, 0, 0))
    labels = ['x, forward', 'y, left'] if sample.bev_frame == 'ego' else ['y, forward', '-x, left']
    vectors = 4 * np.array([forward, left], float)
    recording.log(
        'world/ego/axes',
        rr.Arrows3D(vectors=vectors, colors=[[220, 50, 50], [50, 160, 50]], labels=labels),
        static=True,
    )
    recording.log('world/ego/vehicle', rr.Boxes3D(**VEHICLE, colors=[[40, 40, 40]]), static=True)
    cameras = [rrb.Spatial2DView(origin=f'world/ego/{name}', name=name) for name in sample.camera_names]
    maps = [rrb.Spatial2DView(origin=f'bev/{name}', name=f'{name}, forward is up') for name in ('prediction', 'truth')]
    world = rrb.Spatial3DView(origin='world', name='world')
    layout = rrb.Horizontal(
        rrb.Vertical(world, rrb.Grid(*cameras, grid_columns=3)), rrb.Horizontal(*maps), column_shares=[3, 2]
    )
    recording.send_blueprint(rrb.Blueprint(layout, collapse_panels=True))


def _log_frame(rr, recording, images: Tensor, sample: BEVDataSample, origin: np.ndarray) -> None:
    pose = sample.bev2global[-1].numpy()
    recording.log('world/ego', rr.Transform3D(translation=pose[:3, 3] - origin, mat3x3=pose[:3, :3]))
    grid = BEVGrid(tuple(sample.x_range), tuple(sample.y_range), sample.cell_size)
    road = Road(sample.road2bev, sample.get('road_heights'), sample.get('road_grid'))[-1]
    probabilities, classes = sample.pred_bev_seg.float(), list(sample.pred_classes)
    _log_maps(rr, recording, sample, grid, road)
    for n, name in enumerate(sample.camera_names):
        if 'camera_valid' in sample and not sample.camera_valid[-1, n]:
            continue
        entity, (height, width) = f'world/ego/{name}', images.shape[-2:]
        cam2img, rotation, position = decompose_camera(sample.bev2img[-1, n].double().numpy())
        recording.log(entity, rr.Transform3D(translation=position, mat3x3=rotation.T))
        pinhole = rr.Pinhole(image_from_camera=cam2img, resolution=[width, height], image_plane_distance=3.0)
        recording.log(entity, pinhole)
        image = np.ascontiguousarray(images[n].permute(1, 2, 0).numpy())
        pictures = {'image': image}
        if 'pseudo_target' in sample:
            targets = _targets(sample.pseudo_target[-1, n], (height, width))
            pictures['pseudo_labels'] = draw_targets(image, targets, list(sample.pseudo_classes))
        pictures['prediction'] = draw_overlay(image, probabilities, classes, grid, sample.bev2img[-1, n], road)
        for order, (kind, picture) in enumerate(pictures.items()):
            recording.log(f'{entity}/{kind}', _jpeg(rr, picture, order))


def _targets(target: Tensor, size: tuple[int, int]) -> np.ndarray:  # (K, h, w) -> (height, width, K)
    """Soft targets as 1, 0 and 255 = ignored, at the size of the image."""
    hard = np.where(target.numpy() == IGNORE, IGNORE, is_positive(target).numpy()).astype(np.uint8)
    return np.stack([cv2.resize(channel, size[::-1], interpolation=cv2.INTER_NEAREST) for channel in hard], -1)


def _jpeg(rr, picture: np.ndarray, order: float = 0.0):
    """A BGR picture; in a view, that of the highest order covers the others."""
    _, content = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return rr.EncodedImage(contents=content.tobytes(), media_type='image/jpeg', draw_order=order)


def _log_maps(rr, recording, sample: BEVDataSample, grid: BEVGrid, road: Road) -> None:
    """Predicted map and BEV labels as pictures, and the prediction on the ground."""
    probabilities, classes = sample.pred_bev_seg.float().numpy(), list(sample.pred_classes)
    pictures = {'prediction': draw_bev(probabilities, classes, grid, bev_frame=sample.bev_frame)}
    if 'gt_bev_seg' in sample:
        labels, names = shown_labels(sample)
        truth = labels.numpy()
        fine = grid.with_cell_size((grid.y_range[1] - grid.y_range[0]) / truth.shape[-2])
        known = ~(truth == IGNORE).all(0)
        scale = 3 * fine.cell_size / grid.cell_size
        arguments = dict(bev_frame=sample.bev_frame, observed=known, pixels_per_cell=scale)
        pictures['truth'] = draw_bev((truth == 1).astype(float), names, fine, **arguments)
    for name, picture in pictures.items():
        recording.log(f'bev/{name}', _jpeg(rr, picture))
    cells = paint(np.full((*grid.shape, 3), GROUND, np.uint8), opacity(probabilities), classes)
    (x0, x1), (y0, y1) = grid.x_range, grid.y_range
    corners = lift_to_road(sample.road2bev.new_tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), road)
    ground = rr.Mesh3D(
        vertex_positions=corners.numpy(),
        triangle_indices=[[0, 1, 2], [0, 2, 3]],
        vertex_texcoords=[[0, 0], [1, 0], [1, 1], [0, 1]],
        albedo_texture=np.ascontiguousarray(cells[..., ::-1]),
    )
    recording.log('world/ego/ground', ground)


def decompose_camera(
    bev2img: np.ndarray,  # (4, 4)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # (3, 3), (3, 3), (3,)
    """Decompose a projection.

    Returns:
        cam2img with 1 as its last element; the rotation from the BEV frame to the camera (x right, y down, z forward);
        the position of the camera in the BEV frame, metres. For a mirrored image, the rotation contains a reflection.
    """
    cam2img, rotation = scipy.linalg.rq(bev2img[:3, :3])
    signs = np.where(np.diag(cam2img) < 0, -1.0, 1.0)
    cam2img, rotation = cam2img * signs, signs[:, None] * rotation
    return cam2img / cam2img[2, 2], rotation, -np.linalg.solve(bev2img[:3, :3], bev2img[:3, 3])
