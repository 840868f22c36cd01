"""Drives files: one JSON object per line, checked line by line and against one another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ssl_bev.files.rules import Fault

from .drives import Frame, Image, Rig, Scene
from .lines import FORMAT, LINES, PIXEL_CENTERS, VERSION
from .rig_cameras import build_camera

# Seconds between an image and its frame; more means a wrong unit or the image of another frame.
_MAX_TIME_OFFSET = 1.0


def read_drives(files: Sequence[str | Path]) -> list[Scene]:
    """The scenes of drives files.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a line that breaks a rule; the error names file, line, key, rule and value, and says what to do.
    """
    return parse_drives({Path(file): _lines(Path(file)) for file in files})


def parse_drives(files: Mapping[Path, Iterable[str]]) -> list[Scene]:
    """The scenes in the lines of drives files, see `read_drives`."""
    scenes: dict[str, Scene] = {}
    tokens: dict[str, str] = {}
    for file, lines in files.items():
        reader = _Reader(file, scenes, tokens)
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f'{file}, line {number}'
            try:
                reader.add(_parse(line), where)
            except Fault as fault:
                raise ValueError(f'{reader.named(where)}: {fault}') from None
        if reader.pixel_shift is None:
            raise ValueError(f'{file} is empty; {_FIRST_LINE}')
    if not any(scene.frames for scene in scenes.values()):
        raise ValueError(f'{", ".join(map(str, files))}: no frame; add lines of type frame')
    return list(scenes.values())


_FIRST_LINE = f'its first line must be {{"type": "format", "name": "{FORMAT}", "version": {VERSION}, ...}}'


class _Reader:
    """Reads the lines of one file; scenes and tokens are those of all files."""

    def __init__(self, file: Path, scenes: dict[str, Scene], tokens: dict[str, str]) -> None:
        self.file = file
        self.scenes = scenes
        self.tokens = tokens
        self.rigs: dict[str, Rig] = {}
        self.pixel_shift: float | None = None
        self.dataset = ''
        self._subject = ''

    def named(self, where: str) -> str:
        """The line and what it is about."""
        return f'{where} ({self._subject})' if self._subject else where

    def add(self, content: object, where: str) -> None:
        """Check a line and keep what it says."""
        kind = content.get('type') if isinstance(content, dict) else None
        if not isinstance(kind, str) or kind not in LINES:
            raise Fault(f'must be an object whose type is one of {list(LINES)}', content)
        subject = content.get('token', content.get('name'))
        self._subject = f'{kind} {subject!r}'
        if (kind == 'format') != (self.pixel_shift is None):
            raise Fault('is twice' if kind == 'format' else f'comes before the format; {_FIRST_LINE}', keys=['type'])
        getattr(self, f'_add_{kind}')(LINES[kind](content), where)
        self._subject = ''

    def _add_format(self, line: dict, _: str) -> None:
        self.pixel_shift = PIXEL_CENTERS[line['pixel_centers']]
        self.dataset = line['dataset']

    def _add_rig(self, line: dict, _: str) -> None:
        _must_be_new(line['name'], self.rigs, 'name')
        lidar = line['lidar'] or {'lidar_to_vehicle': None, 'num_features': 0}
        cameras = {}
        for name, camera in line['cameras'].items():
            try:
                cameras[name] = build_camera(camera, self.pixel_shift)
            except Fault as fault:
                raise fault.inside(name).inside('cameras') from None
        self.rigs[line['name']] = Rig(cameras, lidar['lidar_to_vehicle'], lidar['num_features'])

    def _add_scene(self, line: dict, _: str) -> None:
        _must_be_new(line['name'], self.scenes, 'name')
        rig = _known(line['rig'], self.rigs, 'rig')
        raster = self._beside(line['label_raster'])
        self.scenes[line['name']] = Scene(
            line['name'], self.dataset, rig, line['split'], line['location'], raster, frames=[]
        )

    def _add_frame(self, line: dict, where: str) -> None:
        if line['token'] in self.tokens:
            raise Fault(
                f'stands at {self.tokens[line["token"]]} too', line['token'], 'each frame needs its own', ['token']
            )
        self.tokens[line['token']] = where
        scene = _known(line['scene'], self.scenes, 'scene')
        before = scene.frames[-1] if scene.frames else None
        if before and line['timestamp'] <= before.timestamp:
            rule = f'must be above {before.timestamp!r} of frame {before.token!r} before it'
            raise Fault(rule, line['timestamp'], 'sort the frames of a scene by time', ['timestamp'])
        if line['lidar'] and scene.rig.lidar2ego is None:
            raise Fault('needs a rig with a lidar', line['lidar'], 'describe it in the rig', ['lidar'])
        images = {
            name: self._image(name, image, line['timestamp'], scene.rig) for name, image in line['images'].items()
        }
        paths = [image.path for image in images.values()]
        if twice := {path for path in paths if paths.count(path) > 1}:
            raise Fault('must be another file for each camera', min(twice), keys=['images'])
        scene.frames.append(
            Frame(
                line['token'], line['timestamp'], line['vehicle_to_world'], images, line['lidar'] or '',
                self._beside(line['label_raster']), line['is_keyframe'], self.named(where),
            )
        )  # fmt: skip

    @staticmethod
    def _image(name: str, image: dict, frame_time: float, rig: Rig) -> Image:
        if name not in rig.cameras:
            raise Fault('is no camera of the rig', remedy=f'it has {list(rig.cameras)}', keys=['images', name])
        time = frame_time if image['timestamp'] is None else image['timestamp']
        if abs(time - frame_time) > _MAX_TIME_OFFSET:
            rule = f"must be within {_MAX_TIME_OFFSET:g} s of the frame's {frame_time!r}"
            raise Fault(rule, time, 'seconds are meant', ['images', name, 'timestamp'])
        return Image(image['path'], time, image['vehicle_to_world'])

    def _beside(self, path: str | None) -> Path | None:
        return None if path is None else self.file.parent / path


def _must_be_new(name: str, known: dict, key: str) -> None:
    if name in known:
        raise Fault('is there already', name, 'give each its own', [key])


def _known(name: str, known: dict, key: str) -> Rig | Scene:
    if name not in known:
        raise Fault('must be one of the lines before it', name, f'these are {list(known)[:10]}', [key])
    return known[name]


def _lines(file: Path) -> Iterator[str]:
    if not file.is_file():
        raise FileNotFoundError(f'--drives: no file {file}')
    with file.open('rb') as content:
        encoding = json.detect_encoding(content.read(4))
    try:
        with file.open(encoding=encoding, newline='\n') as content:
            yield from content
    except UnicodeError as error:
        raise ValueError(f'{file} is not in UTF-8 ({error}); convert it, such as with iconv -t UTF-8') from None


def _parse(line: str) -> object:
    try:
        return json.loads(line, object_pairs_hook=_object)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Fault(f'is no JSON: {error}', remedy='each line holds one whole object') from None


def _object(pairs: list[tuple[str, object]]) -> dict:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise Fault('stands there twice', keys=[next(key for key in keys if keys.count(key) > 1)])
    return content
