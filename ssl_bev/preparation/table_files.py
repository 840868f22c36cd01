"""JSON files as programs of all kinds write them: tables of records, maps, lists of scenes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

Keep = Callable[[dict], dict | None]


def read_json(path: Path, what: str, keep: Keep | None = None) -> object:
    """The content of a JSON file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Args:
        path: of the file.
        what: it is, for errors.
        keep: gets each object as it is parsed, the inner ones first, and returns what takes its place.

    Raises:
        ValueError: another encoding, or no JSON.
    """
    try:
        return json.loads(path.read_bytes(), object_hook=keep)
    except UnicodeDecodeError as error:
        raise ValueError(f'{what} {path} is not in UTF-8 ({error}); convert it, such as with iconv -t UTF-8') from error
    except json.JSONDecodeError as error:
        raise ValueError(f'{what} {path} is no JSON: {error}') from error
    except RecursionError as error:
        raise ValueError(f'{what} {path} is no JSON of records: it is nested too deeply') from error


def read_table(path: Path, fields: Collection[str] = (), keep: Keep | None = None) -> dict[str, dict]:
    """The records of a table by token.

    Args:
        path: of the table.
        fields: what `keep` and later readers need of each record, besides its token.
        keep: what to keep of a record, None: nothing. Fields that hold objects do not reach it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no JSON, no list of records, a record that lacks a field, or two of one token.
    """
    if not path.is_file():
        raise FileNotFoundError(f'--data-root: table not found: {path}')
    needed = {'token', *fields}

    def hook(found: dict) -> dict | None:
        # An object inside a record comes here as well, and before it; what lacks a field is judged below.
        return keep(found) if needed <= found.keys() else found

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
        if not isinstance(record['token'], str) or not record['token']:
            raise ValueError(f'{where}: the token of entry {position} must be a text, got {record["token"]!r}')
        if record['token'] in records:
            raise ValueError(f'{where}: token {record["token"]!r} stands there twice; each record needs its own')
        records[record['token']] = record
    return records


def _kind(value: object) -> str:
    return {dict: 'an object', list: 'a list', type(None): 'null'}.get(type(value), repr(value))
