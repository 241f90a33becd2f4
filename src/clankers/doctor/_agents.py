"""The agents on this machine, and how long they keep what they wrote."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from clankers.doctor._finding import Finding
from clankers.importing._edges import chosen, files_below, roots_of
from clankers.importing._report import Failure, ImportReport, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SHORT_RETENTION_DAYS = 90
_AGE = re.compile(r"([0-9]{1,6})([hdwm])")
_DAYS_OF = {"h": 1 / 24, "d": 1, "w": 7, "m": 30}


def examine_agents() -> Iterator[Finding]:
    report = ImportReport()
    found_any = False
    for one in chosen(None, report):
        for root in roots_of(one, report):
            if _is_there(root, report):
                found_any = True
                files = sum(1 for _path in files_below(one, root, report))
                yield Finding("ok", "agent", f"{one.agent}: {files} session files in {root}")
                yield from _retention(one.agent, root)
    for path, message in report.failures:
        yield Finding("warning", "agent", f"{shown(path)}: {message}", "imports leave it out")
    if not found_any:
        yield Finding("note", "agent", "no agent's sessions are on this machine")


def _is_there(root: Path, report: ImportReport) -> bool:
    try:
        root.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as problem:
        report.failures.append(Failure(root, problem.strerror or str(problem)))
        return False
    return True


class _Kept(NamedTuple):
    """For how long an agent keeps its sessions, in whole days, and the setting that says so."""

    days: int
    setting: str


def _retention(agent: str, root: Path) -> Iterator[Finding]:
    """Warns of an agent that deletes soon; its settings stand beside its sessions."""
    if agent == "codex":
        yield Finding(
            "ok",
            "retention",
            "codex keeps its sessions; it packs those idle for 7 days, which are read all the same",
        )
    if agent not in _RETENTIONS:
        return
    settings = root.parent / "settings.json"
    kept = _RETENTIONS[agent](_settings(settings))
    if kept is not None and kept.days < _SHORT_RETENTION_DAYS:
        yield Finding(
            "warning",
            "retention",
            f"{agent} deletes transcripts after {kept.days} days ({settings}); what was imported stays",
            f"import regularly, or raise {kept.setting} in that file",
        )


def _settings(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _claude_code(settings: dict[str, Any]) -> _Kept:
    days = settings.get("cleanupPeriodDays")
    return _Kept(days if isinstance(days, int) else 30, "cleanupPeriodDays")


def _gemini(settings: dict[str, Any]) -> _Kept | None:
    """Newer versions delete after 30 days unless told otherwise, and never when that is off."""
    retention = _member(_member(settings, "general"), "sessionRetention")
    if retention.get("enabled") is False:
        return None
    age = _AGE.fullmatch(str(retention.get("maxAge", "30d")))
    if age is None:
        return None
    return _Kept(int(int(age[1]) * _DAYS_OF[age[2]]), "general.sessionRetention.maxAge")


def _member(owner: dict[str, Any], name: str) -> dict[str, Any]:
    found = owner.get(name)
    return found if isinstance(found, dict) else {}


_RETENTIONS = {"claude-code": _claude_code, "gemini": _gemini}
