"""What all formats have in common: the values of SQLite, and names for the columns."""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

Value = None | int | float | str | bytes


def unique_names(columns: Sequence[str]) -> list[str]:
    """`columns` with repeated names told apart: id, id becomes id, id_2."""
    names: dict[str, None] = {}
    for column in columns:
        name, number = column, 1
        while name in names or (number > 1 and name in columns):
            number += 1
            name = f"{column}_{number}"
        names[name] = None
    return list(names)


def cell_text(value: Value) -> str:
    """A value as people read it: NULL, <blob 12 bytes>, or itself in full and not yet safe."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"<blob {len(value)} {'byte' if len(value) == 1 else 'bytes'}>"
    return real_text(value) if isinstance(value, float) else str(value)


def real_text(value: float) -> str:
    """The shortest digits that give the same number back; infinity is Inf, as in SQLite."""
    text = float.__repr__(value)
    if "e" in text:
        return _respelled(text)
    return text.replace("inf", "Inf") if text.endswith("f") else text


def _respelled(text: str) -> str:
    """Python's 1e+16, 1e-07 and 1.5e-05 as msgspec spells them: 1e16, 1e-7 and 0.000015."""
    text = text.replace("e+", "e").replace("e-0", "e-")
    digits, is_near, _ = text.partition("e-5")
    if not is_near or not text.endswith("e-5"):
        return text
    sign = "-" if digits.startswith("-") else ""
    return f"{sign}0.0000{digits.removeprefix('-').replace('.', '')}"


class Encoders(dict[type, "Callable[[Any], str]"]):
    """How a format writes a value of each type; `map` over a column of one type is fast.

    Texts that `plain` matches as a whole stand for themselves.
    """

    plain: Callable[[str], object] | None = None

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        for known in (int, float, str, bytes):
            if issubclass(kind, known):
                return self[known]
        raise TypeError(f"{kind.__name__} is not a value of SQLite")

    def column(self, values: Sequence[Value]) -> Sequence[str]:
        """The cells of one column."""
        kinds = set(map(type, values))
        if len(kinds) == 1:
            if self.plain is not None and kinds == {str}:
                texts: Sequence[str] = values  # type: ignore[assignment]  # just looked at
                if self.plain("".join(texts)):
                    return texts
            return list(map(self[kinds.pop()], values))
        return [self[type(value)](value) for value in values]
