"""Strategies for content that is not as it should be: bytes, and single values inside records."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

# What stands in tables and manifests of real data sets where something else should.
STRANGE = (None, [], {}, '', 'x', 'a/b', -1, 0, True, float('nan'), 1e300, [None], [1, 'a'], [[]], {'a': 1}, ...)


@st.composite
def any_bytes(draw: st.DrawFn, good: bytes) -> bytes:
    """Bytes of any kind, or those of a good file cut, changed, lengthened or shortened somewhere."""
    kind = draw(st.sampled_from(['any', 'cut', 'change', 'insert', 'delete']))
    if kind == 'any' or not good:
        return draw(st.binary(max_size=200))
    content, at = bytearray(good), draw(st.integers(0, len(good) - 1))
    if kind == 'cut':
        return bytes(content[:at])
    some = draw(st.binary(min_size=1, max_size=8))
    content[at : at + (0 if kind == 'insert' else len(some))] = b'' if kind == 'delete' else some
    return bytes(content)


@st.composite
def any_record(draw: st.DrawFn, good: Any) -> Any:
    """A copy of nested dicts and lists with another value, or none, in one place."""
    path = draw(st.sampled_from(list(_places(good))))
    value = draw(st.sampled_from(STRANGE))
    if not path:
        return None if value is ... else value
    content = copy.deepcopy(good)
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return content


def _places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))
