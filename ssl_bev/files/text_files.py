"""Text files: lists, JSON and YAML. An invalid file is an error with its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from .rules import Fault, Key, record

Keep = Callable[[dict], dict | None]


def read_text(path: str | Path, what: str) -> str:
    """The content of a file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Args:
        path: of the file.
        what: it is, for errors.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another encoding.
    """
    try:
        content = Path(path).read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise FileNotFoundError(f'{what} not found: {path}') from error
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError as error:
        raise ValueError(f'{what} {path} is not in UTF-8 ({error}); convert it, such as with iconv -t UTF-8') from error


def read_json(path: str | Path, what: str, keep: Keep | None = None) -> Any:
    """The content of a JSON file.

    Args:
        path: of the file.
        what: it is, for errors.
        keep: gets each object as it is parsed, the inner ones first, and returns its replacement.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another encoding, or no JSON.
    """
    text = read_text(path, what)
    try:
        return json.loads(text, object_hook=keep)
    except RecursionError as error:
        raise ValueError(f'{what} {path} is no JSON of records: it is nested too deeply') from error
    except ValueError as error:  # also numbers of too many digits
        raise ValueError(f'{what} {path} is no JSON: {error}') from error


def read_yaml(path: str | Path, what: str) -> Any:
    """The content of a YAML or JSON file, plain values only; raises as `read_json`."""
    text = read_text(path, what)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:  # also dates that are none
        raise ValueError(f'{what} {path} is no YAML: {error}') from error


def read_manifest_file(path: str | Path, what: str, remedy: str, keys: Mapping[str, Key]) -> dict:
    """The JSON object with the settings of the files of a folder.

    Args:
        path: of the file.
        what: it is, for errors.
        remedy: what to do, for errors.
        keys: required ones; others are allowed.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no JSON, or a value that breaks its rule.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{what} not found: {path}; {remedy}')
    content = read_json(path, what)
    try:
        return record(keys, others=True)(content)
    except Fault as fault:
        raise ValueError(f'{what} {path}: {Fault(fault.rule, fault.value, remedy, fault.keys)}') from None
