"""The rules of what leaves this machine, and the form in which it does."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING

from attrs import frozen

from clankers import wire
from clankers.sync.redaction import RULES_VERSION, redact_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What metrics-only leaves here: everything that people or agents wrote, and what it is about.
_TEXTS: Mapping[str, frozenset[str]] = {
    "sessions": frozenset({"title", "project_path", "project_name", "git_branch"}),
    "messages": frozenset({"text_content", "thinking", "content"}),
    "tools": frozenset({"tool_input", "tool_output", "file_path", "error_message"}),
    "session_errors": frozenset({"error_message"}),
    "compaction_events": frozenset(),
    "usage": frozenset({"project_path", "git_branch", "raw"}),
}
# What other records are found by; changed, nothing would belong together any more.
_REFERENCES = frozenset(
    {
        "child_session_id",
        "message_id",
        "native_id",
        "origin_device",
        "parent_id",
        "parent_native_id",
        "session_id",
    }
)


@frozen
class Policy:
    """What may leave, and how.

    Attributes:
        redaction: secrets are replaced in every field, see `redact`.
        metrics_only: usage, counts and times are sent, and no text.
        exclude: globs of project paths; what matches, or stands in a folder that does, stays
            here, and so does what nobody knows the project of.
    """

    redaction: bool = True
    metrics_only: bool = False
    exclude: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Changes whenever what is sent could; the version of the rules for secrets included."""
        rules = RULES_VERSION if self.redaction else None
        said = {
            "secrets": rules,
            "metrics_only": self.metrics_only,
            "exclude": sorted(self.exclude),
        }
        return json.dumps(said, sort_keys=True)

    def allows(self, table: str) -> frozenset[str]:
        """The fields of a table that may be sent."""
        return _allowed(table, metrics_only=self.metrics_only)

    def keeps_back(self, project_path: str | None) -> bool:
        """Whether a project stays here; one that nobody knows does as long as any is excluded."""
        if not self.exclude:
            return False
        if not project_path:
            return True
        path = PurePath(project_path)
        places = [str(path), *(str(parent) for parent in path.parents)]
        return any(fnmatchcase(place, glob) for glob in self._globs() for place in places)

    def _globs(self) -> list[str]:
        return [_without_home(glob).rstrip("/") or "/" for glob in self.exclude]

    def clean(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts as they may be sent."""
        return redact_all(texts) if self.redaction else texts


@cache
def cleaned_fields(table: str) -> frozenset[str]:
    """The fields of a table in which secrets are looked for."""
    fields = wire.FIELDS[table]
    return frozenset(
        name for name, field in fields.items() if field.kind == "text" and name not in _REFERENCES
    )


@cache
def _allowed(table: str, *, metrics_only: bool) -> frozenset[str]:
    names = frozenset(wire.FIELDS[table])
    return names - _TEXTS[table] if metrics_only else names


def _without_home(glob: str) -> str:
    from pathlib import Path

    return str(Path(glob).expanduser()) if glob.startswith("~") else glob
