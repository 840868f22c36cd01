"""Checks of the frames of an info file before use; info files come from many programs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from .lens import Lens
from .plain_pickle import read_plain_pickle

_TEXTS = ('scene_token', 'scene_name', 'prev', 'next', 'location')


def read_info_content(path: str | Path, what: str, remedy: str) -> dict:
    """An info file of mmdet3d's v2 schema: metainfo, and data_list, a list of frames, which may have sweeps.

    Args:
        path: of the file.
        what: it is, and
        remedy: what to do, for errors.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a broken file, one that could run code, another format, or a frame without token and images.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{what} not found: {path}; {remedy}')
    content = read_plain_pickle(path, what, remedy)
    if not isinstance(content, Mapping) or 'data_list' not in content:
        raise ValueError(f'{what} {path} is no info file of mmdet3d v2: it needs the keys metainfo and data_list')
    if not isinstance(content['data_list'], list) or not isinstance(content.get('metainfo', {}), Mapping):
        raise ValueError(f'{what} {path}: data_list must be a list of frames and metainfo a dict; {remedy}')
    for position, frame in enumerate(content['data_list']):
        if fault := _frame_fault(frame):
            token = frame.get('token') if isinstance(frame, Mapping) else None
            raise ValueError(f'{what} {path}, frame {position} (token {token!r}): {fault}; {remedy}')
    return content


def _frame_fault(frame: Any) -> str:
    if not isinstance(frame, Mapping):
        return f'must be a dict, got {_short(frame)}'
    token = frame.get('token')
    if not isinstance(token, str) or not token or '/' in token or '\0' in token:
        return f'token must be a text that is fit for the name of a file, got {_short(token)}'
    for key in _TEXTS:
        if not isinstance(frame.get(key, ''), str):
            return f'{key} must be a text, got {_short(frame[key])}'
    if not isinstance(frame.get('frame_index', 0), Integral):
        return f'frame_index must be a whole number, got {_short(frame["frame_index"])}'
    if not _is_number(frame.get('timestamp', 0)):
        return f'timestamp must be a finite number of seconds, got {_short(frame["timestamp"])}'
    images = frame.get('images')
    if not isinstance(images, Mapping):
        return f'images must be a dict of cameras, got {_short(images)}'
    for name, camera in images.items():
        if fault := _camera_fault(camera):
            return f'images[{name!r}] {fault}'
    sweeps = frame.get('sweeps', [])
    if not isinstance(sweeps, list):
        return f'sweeps must be a list of frames, got {_short(sweeps)}'
    return next((f'sweep {i}: {fault}' for i, sweep in enumerate(sweeps) if (fault := _frame_fault(sweep))), '')


def _camera_fault(camera: Any) -> str:
    if not isinstance(camera, Mapping):
        return f'must be a dict, got {_short(camera)}'
    path = camera.get('img_path')
    if not isinstance(path, str) or not path or '\0' in path:
        return f'img_path must be the path of a file, got {_short(path)}'
    for key in ('height', 'width'):
        value = camera.get(key)
        if value is not None and not (_is_number(value) and value >= 0 and value == int(value)):
            return f'{key} must be a number of pixels, got {_short(value)}'
    try:
        Lens.of(camera)
    except ValueError as error:
        return str(error)
    return ''


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _short(value: Any) -> str:
    return repr(value)[:100]
