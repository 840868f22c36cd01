"""Reading of info files (mmdet3d's v2 schema, with our temporal fields)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ssl_bev.files.info_frames import read_info_content

from .label_subsets import read_scene_list

CREATE_COMMAND = 'tools/create_data.py'
TEMPORAL_KEYS = ('scene_token', 'scene_name', 'frame_index', 'timestamp', 'prev', 'next')


def read_info_file(path: str | Path, temporal_needs: Sequence[str] = ()) -> dict:
    """Read an info file.

    Args:
        path: a pickle with the keys metainfo and data_list.
        temporal_needs: arguments that need the temporal fields, for the error; empty: none.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a broken file, one that could run code, another format, or missing temporal fields that are needed.
    """
    remedy = f'make it with {CREATE_COMMAND}'
    path = Path(path)
    if not path.is_file() and (others := sorted(file.name for file in path.parent.glob('ssl_bev_infos_*.pkl'))):
        remedy += f' of data with at least one scene of this split; there are only {", ".join(others)}'
    content = read_info_content(path, 'ann_file', remedy)
    if 'metainfo' not in content:
        raise ValueError(f'ann_file {path} is no info file of mmdet3d v2: it needs the keys metainfo and data_list')
    if temporal_needs:
        check_temporal(path, temporal_needs, temporal_fault(content['data_list']))
    return content


def temporal_fault(frames: Sequence[Mapping]) -> str:
    """The missing temporal fields of the first frame that lacks some; '' if there is none."""
    for frame in frames:
        missing = [key for key in TEMPORAL_KEYS if key not in frame]
        if missing:
            return f'{missing} (frame {frame.get("token")})'
    return ''


def check_temporal(path: str | Path, needs: Sequence[str], fault: str) -> None:
    """Check that an info file has what an argument needs.

    Args:
        path: of the info file, for the error.
        needs: arguments that need the temporal fields, for the error.
        fault: see `temporal_fault`.

    Raises:
        ValueError: there is a need and a fault.
    """
    if needs and fault:
        raise ValueError(
            f'{", ".join(needs)} needs an info file with temporal fields, but ann_file {path} lacks {fault}; make it '
            f'with {CREATE_COMMAND}'
        )


def find_scenes(argument: str, source: str | Path | Sequence[str], frames: Sequence[dict]) -> set[str]:
    """The tokens of the scenes that a list names (by token or name) among the frames; several may share a name.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an empty list, or scenes that are not among the frames.
    """
    tokens = _scene_tokens(frames)
    scenes = read_scene_list(source)
    unknown = [scene for scene in scenes if scene not in tokens]
    if unknown:
        shown = ', '.join(unknown[:5]) + (', ...' if len(unknown) > 5 else '')
        raise ValueError(
            f'{argument} names {len(unknown)} of {len(scenes)} scenes that are not in the info files: {shown}; '
            'ann_file may list several files, such as those of train and val'
        )
    return set().union(*(tokens[scene] for scene in scenes))


def check_disjoint(source: str | Path | Sequence[str], frames: Sequence[dict]) -> None:
    """Check that no frame belongs to a scene that a list names (by token or name).

    Raises:
        FileNotFoundError: no such file.
        ValueError: an empty list, or scenes that are in both.
    """
    tokens = _scene_tokens(frames)
    common = [scene for scene in read_scene_list(source) if scene in tokens]
    if common:
        raise ValueError(
            f'disjoint_from names {len(common)} scenes that are used here as well, such as {common[0]}; '
            'the lists of two splits must have no scene in common'
        )


def _scene_tokens(frames: Sequence[dict]) -> dict[str, set[str]]:
    """Tokens by token and by name; scenes of several datasets may share a name."""
    tokens: dict[str, set[str]] = {}
    for frame in frames:
        for key in (frame['scene_name'], frame['scene_token']):
            tokens.setdefault(key, set()).add(frame['scene_token'])
    return tokens
