"""Check from markers and checksums whether a JPEG or PNG file is complete, without decoding it."""

from __future__ import annotations

import re
import zlib

_JPEG, _PNG = b'\xff\xd8', b'\x89PNG\r\n\x1a\n'
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_HUFFMAN_TABLES, _SEQUENTIAL = 0xC4, (0xC0, 0xC1)
_ZEROS = bytes(32)  # more than a whole block of pixels takes
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
# Inside a scan 0xff is followed by a stuffed zero, by a restart marker or by another 0xff; all else ends the scan.
_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]')


def is_jpeg(content: bytes) -> bool:
    """True if a file starts like a JPEG file."""
    return content.startswith(_JPEG)


def is_png(content: bytes) -> bool:
    """True if a file starts like a PNG file."""
    return content.startswith(_PNG)


def integrity_fault(content: bytes) -> str:
    """The fault of an image file, such as 'truncated'; '' if there is none, or for other formats.

    Bytes after the end of the image, which some cameras append, are no fault.
    """
    if not content:
        return 'truncated'
    if is_jpeg(content):
        return _jpeg_fault(content)
    return _png_fault(content) if content.startswith(_PNG[:4]) else ''


def _jpeg_fault(content: bytes) -> str:
    position, scans = 2, 0
    zeros_mean_detail = is_sequential = False
    while True:
        # Parsed from the start, since the thumbnail in a header has its own end marker.
        position = content.find(b'\xff', position)
        if position < 0:
            return 'truncated'
        while content[position + 1 : position + 2] == b'\xff':
            position += 1
        if position + 2 > len(content):
            return 'truncated'
        marker = content[position + 1]
        position += 2
        if marker == _END_OF_IMAGE:
            return '' if scans else 'truncated'
        if marker == 0 or marker in _WITHOUT_LENGTH:
            continue
        segment = content[position + 2 : position + int.from_bytes(content[position : position + 2], 'big')]
        position += 2 + len(segment)
        if marker in _SEQUENTIAL:
            is_sequential = True
        elif marker == _HUFFMAN_TABLES:
            zeros_mean_detail |= _zeros_mean_detail(segment)
        elif marker == _START_OF_SCAN:
            scans += 1
            end = _MARKER.search(content, position)
            if end is None:
                return 'truncated'
            # Scans of one component after the first contain only colour, which has another table.
            has_brightness = segment[:1] != b'\x01' or scans == 1
            data = content[position : end.start()].rstrip(b'\0')  # some cameras pad with zeros
            if is_sequential and has_brightness and zeros_mean_detail and _ZEROS in data:
                return f'damaged (zeros instead of image data at byte {position + data.find(_ZEROS)})'
            position = end.start()


def _zeros_mean_detail(segment: bytes) -> bool:
    """True if the code table for detail gives the shortest code, all zeros, to a coefficient and not to flatness.

    Then zero bits draw the same pattern everywhere, which does not occur over a long part of a real image.
    """
    while len(segment) > 17:
        kind, count = segment[0] >> 4, sum(segment[1:17])
        if kind == 1 and segment[17] != 0:
            return True
        segment = segment[17 + count :]
    return False


def _png_fault(content: bytes) -> str:
    position = len(_PNG)
    while position + 12 <= len(content):
        length, kind = int.from_bytes(content[position : position + 4], 'big'), content[position + 4 : position + 8]
        end = position + 8 + length
        if end + 4 > len(content):
            return 'truncated'
        if zlib.crc32(content[position + 4 : end]) != int.from_bytes(content[end : end + 4], 'big'):
            return f'damaged (the checksum of its block {kind.decode("latin-1")} is wrong)'
        if kind == b'IEND':
            return ''
        position = end + 4
    return 'truncated'
