"""A result as notebooks show it, with nothing in it that a browser would obey."""

from __future__ import annotations

from html import escape

from clankers.formats import Value, cell_text, visible

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LONGEST_CELL = 1_000


def html_table(columns: Sequence[str], rows: Iterable[Sequence[Value]], *, has_more: bool) -> str:
    head = "".join(f"<th>{_safe(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    note = "<p>only the first rows are shown</p>\n" if has_more else ""
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n{note}"


def _cell(value: Value) -> str:
    text = cell_text(value)
    shown = _safe(text[:_LONGEST_CELL]) + ("…" if len(text) > _LONGEST_CELL else "")
    if value is None or isinstance(value, bytes):
        return f"<td><em>{shown}</em></td>"
    if isinstance(value, int | float):
        return f'<td style="text-align: right">{shown}</td>'
    return f'<td style="text-align: left; white-space: pre-wrap">{shown}</td>'


def _safe(text: str) -> str:
    return escape(visible(text, keep_newlines=True))
