"""Tables of records, as in datasets in the nuScenes format."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from ssl_bev.files.text_files import Keep, read_json

# Kinds of fields, in all tables; all tokens are strings.
_TEXTS = ('name', 'channel', 'filename', 'prev', 'next')
_LINKS = ('prev', 'next')
_WHOLE = ('is_key_frame', 'num_lidar_pts', 'num_radar_pts', 'height', 'width')
_OPTIONAL = ('scene_token', 'height', 'width')  # missing in some datasets


def read_table(path: Path, fields: Collection[str] = (), keep: Keep | None = None) -> dict[str, dict]:
    """The records of a table by token.

    Args:
        path: of the table.
        fields: needed fields of each record, besides its token.
        keep: returns the needed part of a record, None: nothing. It does not get fields that contain objects.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no JSON, no list of records, a record that lacks a field or has another kind of value there, or a
            duplicate token.
    """
    if not path.is_file():
        raise FileNotFoundError(f'--data-root: table not found: {path}')
    needed = {'token', *fields}

    def hook(found: dict) -> dict | None:
        # An object inside a record also comes here, before it; missing fields are checked below.
        try:
            return keep(found) if needed <= found.keys() else found
        except TypeError:  # such as a list for a token
            return found

    content = read_json(path, '--data-root: table', hook if keep else None)
    where = f'--data-root: table {path} is no list of {path.stem} records of nuScenes'
    if not isinstance(content, list):
        raise ValueError(f'{where}: it holds {_kind(content)}')
    records: dict[str, dict] = {}
    for position, record in enumerate(content):
        if record is None and keep:
            continue
        if not isinstance(record, Mapping):
            raise ValueError(f'{where}: entry {position} is {_kind(record)}')
        if missing := [field for field in ('token', *fields) if field not in record]:
            raise ValueError(f'{where}: entry {position}, token {record.get("token")!r}, lacks {missing}')
        for field in ('token', *fields, *_OPTIONAL):
            if fault := _field_fault(record, field):
                raise ValueError(f'{where}: entry {position}, token {record["token"]!r}: {fault}')
        # In some datasets this means that nothing follows.
        record |= {field: '' for field in _LINKS if field in record and record[field] is None}
        if record['token'] in records:
            raise ValueError(f'{where}: token {record["token"]!r} stands there twice; each record needs its own')
        records[record['token']] = record
    return records


def _field_fault(record: Mapping, field: str) -> str:
    """The fault of a field of a record, or an empty string."""
    value = record.get(field)
    if value is None and (field in _OPTIONAL or field in _LINKS):
        return ''
    if (field in _TEXTS or field.endswith('token')) and not isinstance(value, str):
        return f'{field} must be a text, got {value!r}'
    if field in _WHOLE and (not isinstance(value, int) or value < 0):
        return f'{field} must be a whole number, got {value!r}'
    if field == 'token' and (not value or '/' in value or '\0' in value):
        return f'the token must be fit for the name of a file, got {value!r}'
    return ''


def _kind(value: object) -> str:
    return {dict: 'an object', list: 'a list', type(None): 'null'}.get(type(value), repr(value))
