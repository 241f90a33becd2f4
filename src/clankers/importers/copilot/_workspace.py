"""The name of a session, which stands in a file beside its events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clankers.importers import beside

if TYPE_CHECKING:
    from pathlib import Path

_HEAD_BYTES = 64 * 1024
# A key at the beginning of a line, its value behind it or, as a block, below it.
_LINE = re.compile(r"^(name|summary):[ \t]*(?:[|>][+-]?\d?[ \t]*\n[ \t]+)?(\S.*)$", re.MULTILINE)
_ESCAPE = re.compile(r"\\(.)")


def name_of(folder: Path) -> str | None:
    """The `name`, else the `summary`, in a session's `workspace.yaml`."""
    written = beside(folder / "workspace.yaml") or b""
    found = dict(_LINE.findall(written[:_HEAD_BYTES].decode("utf-8", "replace")))
    return _plain(found.get("name", "")) or _plain(found.get("summary", "")) or None


def _plain(value: str) -> str:
    """A value of YAML on one line, without its quotes."""
    value = value.strip()
    if value[:1] == "'" and value.endswith("'"):
        return value[1:-1].replace("''", "'")
    if value[:1] == '"' and value.endswith('"'):
        return _ESCAPE.sub(r"\1", value[1:-1])
    return "" if value in ("null", "~") else value
