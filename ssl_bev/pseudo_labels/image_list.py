"""The images that get pseudo-labels: those of info files, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ssl_bev.files.info_frames import read_info_content
from ssl_bev.files.lens import file_size

from .source_image import SourceImage, source_image, unique_stem

# These few fields are read here so that the process of the teacher need not import mmdet3d.
_CREATE_COMMAND = 'tools/create_data.py'


class LabelImage(NamedTuple):
    """An image that gets a label.

    Attributes:
        camera: its name.
        path: of the image file.
        token: of its frame.
        size: (height, width) of the file from the info file; None: unknown.
        source: its identification in the info file; None: unknown.
    """

    camera: str
    path: str
    token: str
    size: tuple[int, int] | None
    source: SourceImage | None = None

    @property
    def stem(self) -> str:
        """The name of its file, also used for its label file."""
        return Path(self.path).stem

    @property
    def label_stem(self) -> str:
        """The name of its label file: a unique one if other images have the same camera and file name."""
        is_shared = self.source is not None and self.source.is_shared
        return unique_stem(self.stem, self.source.path) if is_shared else self.stem


def list_images(
    info_files: Sequence[str | Path],
    data_root: str | Path,
    cameras: Sequence[str] | None = None,
    with_sweeps: bool = False,
    image_folder: str = '',
) -> list[LabelImage]:
    """All images of all frames of the info files, in their order; an image that several frames share occurs once.

    Args:
        info_files: info files of mmdet3d's v2 schema.
        data_root: folder that image paths are relative to.
        cameras: names; None: all of each frame.
        with_sweeps: also the camera frames between the keyframes.
        image_folder: folder between `data_root` and the image paths, with {camera}; info files of mmdet3d contain
            file names only and need 'samples/{camera}'.

    Raises:
        FileNotFoundError: no such info file or data root.
        ValueError: a file of another format, a camera that no frame has, no sweeps, or another placeholder than
            {camera} in `image_folder`.
    """
    if not info_files:
        raise ValueError('info_files is empty: name at least one info file')
    if not Path(data_root).is_dir():
        raise FileNotFoundError(f'data_root: no folder {data_root}')
    try:
        image_folder.format(camera='')
    except (LookupError, ValueError, AttributeError):
        raise ValueError(f'image_folder may have the placeholder {{camera}} only, got {image_folder!r}') from None
    images: dict[tuple[str, str], LabelImage] = {}
    seen: set[str] = set()
    has_sweeps = False
    for info_file in info_files:
        for frame in _frames(_read(info_file), with_sweeps):
            seen.update(frame['images'])
            has_sweeps |= frame.get('is_keyframe') is False
            for image in _frame_images(frame, Path(data_root), cameras, image_folder):
                images.setdefault((image.camera, image.path), image)
    files = ', '.join(map(str, info_files))
    if missing := [camera for camera in cameras or () if camera not in seen]:
        raise ValueError(
            f'cameras {missing} are in no frame of {files}, which have {", ".join(sorted(seen)) or "none"}'
        )
    if with_sweeps and not has_sweeps:
        raise ValueError(f'sweeps are wanted, but {files} lists none; make it with {_CREATE_COMMAND} --max-sweeps N')
    return _mark_shared(images.values())


def _mark_shared(images: Iterable[LabelImage]) -> list[LabelImage]:
    """Mark each image whose camera and file name another one has."""
    images = list(images)
    counts = Counter((image.camera, image.stem) for image in images)
    return [
        image._replace(source=image.source._replace(is_shared=True)) if counts[image.camera, image.stem] > 1 else image
        for image in images
    ]


def _read(info_file: str | Path) -> list[Mapping]:
    return read_info_content(info_file, 'info file', f'make it with {_CREATE_COMMAND}')['data_list']


def _frames(keyframes: Iterable[Mapping], with_sweeps: bool) -> Iterator[Mapping]:
    for keyframe in keyframes:
        yield keyframe
        if with_sweeps:
            yield from keyframe.get('sweeps', ())


def _frame_images(
    frame: Mapping, data_root: Path, cameras: Sequence[str] | None, image_folder: str
) -> Iterator[LabelImage]:
    for camera, entry in frame['images'].items():
        if cameras is not None and camera not in cameras:
            continue
        path = data_root / image_folder.format(camera=camera) / entry['img_path']
        source = source_image(frame, camera, image_folder.format(camera=camera), path)
        yield LabelImage(camera, str(path), frame['token'], file_size(entry), source)
