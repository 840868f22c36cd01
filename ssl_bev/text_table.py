"""Tables of text."""

from __future__ import annotations

from collections.abc import Sequence


def align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a table as lines of equal width: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ['  '.join([first.ljust(widths[0]), *(map(str.rjust, others, widths[1:]))]) for first, *others in rows]
