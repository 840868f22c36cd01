"""A file is there whole or not at all, and nothing else stays."""

from __future__ import annotations

import multiprocessing
import os
import resource
from pathlib import Path

import pytest

from ssl_bev.files import replacing, write_bytes, write_text


def test_a_file_is_replaced_and_its_folder_made(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'a.json'
    write_text(path, 'ä')
    assert path.read_bytes() == b'\xc3\xa4'
    write_bytes(path, b'b')
    assert path.read_bytes() == b'b'
    assert list(path.parent.iterdir()) == [path]


def test_content_is_on_the_disk_before_it_has_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    synchronise, rename = os.fsync, os.replace
    monkeypatch.setattr(os, 'fsync', lambda *args: order.append('fsync') or synchronise(*args))
    monkeypatch.setattr(os, 'replace', lambda *args: order.append('rename') or rename(*args))
    write_bytes(tmp_path / 'a', b'a')
    assert order == ['fsync', 'rename']


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / 'a'
    path.write_bytes(b'old')
    with pytest.raises(KeyError), replacing(path) as temporary:
        temporary.write_bytes(b'half')
        raise KeyError
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def fill(path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    try:
        write_bytes(path, bytes(1000))
    except OSError as error:
        os._exit(7 if f'cannot write {path} (File too large)' in str(error) else 8)


def test_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / 'a'
    path.write_bytes(b'old')
    process = multiprocessing.get_context('fork').Process(target=fill, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == 7
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]
