"""From the camera of a drives file to a camera without distortion, as used by the rest of this project."""

from __future__ import annotations

import numpy as np

from ssl_bev.files.lens import MODELS, Lens
from ssl_bev.files.rules import Fault

from .drives import Camera


def build_camera(line: dict, pixel_shift: float) -> Camera:
    """A camera of a checked rig line.

    The undistorted image has the size and intrinsics of the file, unless the line says otherwise.

    Args:
        line: of the camera.
        pixel_shift: from the pixel convention of the line to that of this project.

    Raises:
        Fault: coefficients that do not fit the model, or that leave little of the undistorted image.
    """
    size, cam2img = _image(line, pixel_shift)
    distortion, undistorted = line['distortion'], line['undistorted']
    if distortion is None:
        if undistorted is not None:
            raise Fault('needs a distortion', remedy='add it, or take this key out', keys=['undistorted'])
        return Camera(size, cam2img, line['camera_to_vehicle'], lens=None)
    counts = MODELS[distortion['model']]
    if len(distortion['coefficients']) not in counts:
        rule = f'must be {" or ".join(map(str, counts))} numbers for the model {distortion["model"]}'
        raise Fault(rule, distortion['coefficients'], "in OpenCV's order", ['distortion', 'coefficients'])
    new_size, new_cam2img = _image(undistorted, pixel_shift) if undistorted else (size, cam2img)
    lens = dict(distortion, cam2img=cam2img.tolist(), height=size[0], width=size[1])
    entry = {'lens': lens, 'cam2img': new_cam2img, 'height': new_size[0], 'width': new_size[1]}
    try:
        Lens.of(entry).check()
    except ValueError as error:
        remedy = 'or choose another size and other intrinsics in `undistorted`'
        raise Fault(f'is implausible: {error}', remedy=remedy, keys=['distortion']) from None
    return Camera(new_size, new_cam2img, line['camera_to_vehicle'], lens)


def _image(line: dict, pixel_shift: float) -> tuple[tuple[int, int], np.ndarray]:
    fx, fy, cx, cy = line['intrinsics'].values()
    matrix = np.array([[fx, 0, cx + pixel_shift], [0, fy, cy + pixel_shift], [0, 0, 1]])
    return (line['height'], line['width']), matrix
