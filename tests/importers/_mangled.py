"""Records in which anything may be anything else, and lines that are damaged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def mutated(pool: Sequence[Any]) -> st.SearchStrategy[Any]:
    """One of the values, or one in which any value inside is any other JSON value."""
    return st.one_of(st.sampled_from(pool), _mutated(pool))


def lines(pool: Sequence[Any], *, largest: int = 12) -> st.SearchStrategy[list[bytes]]:
    """Lines of a file; some records are mangled, some lines cut off, overwritten or any bytes."""
    line = mutated(pool).map(lambda one: json.dumps(one).encode())
    return st.lists(st.one_of(line, line, _damaged(line)), max_size=largest)


@st.composite
def _mutated(draw: st.DrawFn, pool: Sequence[Any]) -> Any:
    record = draw(st.sampled_from(pool))
    return _replaced(record, draw(st.sampled_from(_paths_in(record))), draw(JSON))


@st.composite
def _damaged(draw: st.DrawFn, line: st.SearchStrategy[bytes]) -> bytes:
    whole = bytearray(draw(line))
    kind = draw(st.sampled_from(["cut", "overwritten", "bytes"]))
    if kind == "bytes":
        return draw(st.binary(max_size=30)).replace(b"\n", b"")
    place = draw(st.integers(0, len(whole) - 1))
    if kind == "cut":
        return bytes(whole[:place])
    whole[place : place + 3] = draw(st.binary(min_size=1, max_size=4)).replace(b"\n", b"?")
    return bytes(whole)


def _paths_in(value: Any) -> list[tuple[Any, ...]]:
    """The way to every value inside `value`, itself included."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [(), *((key, *rest) for key, one in inner for rest in _paths_in(one))]


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy
