"""A line of text in a PNG file, after its header, where it can be read without decoding the image."""

from __future__ import annotations

import zlib
from pathlib import Path

_HEADER_END = 8 + 12 + 13  # signature, frame of the first block, its content
_KIND = b'tEXt'


def with_text(png: bytes, keyword: str, text: str) -> bytes:
    """The content of a PNG file with an ASCII text in it."""
    block = _KIND + keyword.encode('ascii') + b'\0' + text.encode('ascii')
    framed = (len(block) - 4).to_bytes(4, 'big') + block + zlib.crc32(block).to_bytes(4, 'big')
    return png[:_HEADER_END] + framed + png[_HEADER_END:]


def read_text(path: str | Path, keyword: str) -> str | None:
    """The text that `with_text` wrote into a PNG file; None if there is none."""
    with Path(path).open('rb') as file:
        start = file.read(4096)
        length = int.from_bytes(start[_HEADER_END : _HEADER_END + 4], 'big')
        begin = _HEADER_END + 8
        marker = _KIND + keyword.encode('ascii') + b'\0'
        if start[begin - 4 : begin - 4 + len(marker)] != marker:
            return None
        start += file.read(max(0, begin + length - len(start)))
    return start[begin - 4 + len(marker) : begin + length].decode('ascii', errors='replace')
