"""Doctor: what is here, what is wrong with it, and what to do."""

from __future__ import annotations

import json
import os
import platform
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import apsw

from clankers import __version__, _paths
from clankers.config import Config
from clankers.errors import ClankersError
from clankers.importing._edges import chosen, files_below, roots_of
from clankers.importing._report import Failure, ImportReport, shown
from clankers.store import Store
from clankers.store._connection import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Finding", "examine"]

Level = Literal["ok", "note", "warning", "error"]
_SHORT_RETENTION_DAYS = 90


class Finding(NamedTuple):
    """One thing that was looked at; `hint` says what to do, or is ""."""

    level: Level
    subject: str
    message: str
    hint: str = ""


def examine(
    *,
    database: str | Path | None = None,
    config: str | Path | None = None,
    profile: str | None = None,
    thorough: bool = False,
) -> list[Finding]:
    """Looks at versions, paths, settings, the database and the agents; changes nothing.

    Args:
        database: the file to look at; by default the one that the settings name.
        config: the config file, by default clankers.json in the data directory.
        profile: the profile, by default the active one.
        thorough: checks every page and index of the database, which takes a second per
            few hundred megabytes.
    """
    found = [_versions(), Finding("ok", "data", str(_paths.data_dir()))]
    place = _paths.database_path()
    try:
        settings = Config.load(Path(config).expanduser() if config else None, profile=profile)
        place = settings.database_path()
        found.extend(_config(settings))
    except ClankersError as problem:
        found.append(Finding("error", "config", str(problem), problem.hint))
    if database is not None:
        place = Path(database).expanduser()
    return [*found, *_database(place, thorough=thorough), *_fetched_prices(), *_agents()]


def _versions() -> Finding:
    return Finding(
        "ok",
        "versions",
        f"clankers {__version__}, Python {platform.python_version()},"
        f" SQLite {apsw.sqlite_lib_version()}, apsw {apsw.apsw_version()}",
    )


def _config(config: Config) -> Iterator[Finding]:
    exists = "" if config.path.exists() else " (not made yet: defaults are in effect)"
    yield Finding("ok", "config", f"{config.path}{exists}, profile {config.active_profile}")
    # Values of the environment are looked at one by one, where the file is as a whole.
    config.entries()
    if unknown := config.unknown_keys():
        yield Finding("note", "config", f"keys this version does not know: {', '.join(unknown)}")


def _database(path: Path, *, thorough: bool) -> Iterator[Finding]:
    if not path.exists():
        hint = "'clankers-cli import' makes it, 'clankers-cli import --sample' with an example"
        yield Finding("note", "database", f"{path} does not exist yet", hint)
        return
    try:
        with translated(path), Store.open(path, read_only=True) as store:
            yield _size(store)
            yield _integrity(store, thorough=thorough)
            yield from _unpriced(store)
            yield from _unread(store)
    except ClankersError as problem:
        yield Finding("error", "database", str(problem), problem.hint)
        return
    yield from _rights(path)


def _size(store: Store) -> Finding:
    tables = ("sessions", "messages", "tools", "usage")
    counted = ", ".join(
        f"{store.connection.execute(f'SELECT count(*) FROM {table}').get} {table}"
        for table in tables
    )
    megabytes = store.path.stat().st_size / 1_000_000
    return Finding("ok", "database", f"{store.path}, {megabytes:.1f} MB: {counted}")


def _integrity(store: Store, *, thorough: bool) -> Finding:
    pragma = "integrity_check" if thorough else "quick_check"
    problems = [str(row[0]) for row in store.connection.execute(f"PRAGMA {pragma}(5)")]
    orphans = store.connection.execute("SELECT count(*) FROM pragma_foreign_key_check").get
    if problems == ["ok"] and not orphans:
        return Finding("ok", "database", f"{pragma} and references are fine")
    if orphans:
        problems.append(f"{orphans} rows refer to what is not there")
    return Finding(
        "error",
        "database",
        "; ".join(problem for problem in problems if problem != "ok"),
        "copy the file away, then restore one from the backups beside it or import anew",
    )


def _unpriced(store: Store) -> Iterator[Finding]:
    from clankers.usage import unpriced_models

    for provider, model, responses, _tokens in unpriced_models(store):
        yield Finding(
            "warning",
            "prices",
            f"no price for {model or 'an unnamed model'} ({provider or 'unknown provider'}):"
            f" {responses} responses are in no cost",
            f"clankers-cli prices set {model or 'MODEL'} --input DOLLARS --output DOLLARS",
        )


def _unread(store: Store) -> Iterator[Finding]:
    """What imports could not read, which otherwise only the import itself says."""
    failed, malformed = store.connection.execute(
        "SELECT count(last_error), coalesce(sum(malformed), 0) FROM import_sources"
    ).fetchone() or (0, 0)
    where = "SELECT path, last_error, malformed_lines FROM import_sources"
    if failed:
        yield Finding(
            "warning",
            "import",
            f"{failed} files could not be read",
            f'clankers-cli query "{where} WHERE last_error NOT NULL"',
        )
    if malformed:
        yield Finding(
            "note",
            "import",
            f"{malformed} lines are not JSON and were left out",
            f'clankers-cli query "{where} WHERE malformed"',
        )


def _rights(path: Path) -> Iterator[Finding]:
    if os.name != "posix":
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding(
            "warning",
            "database",
            f"others may read or write it (mode {mode:04o})",
            f"chmod 600 {path}",
        )


def _fetched_prices() -> Iterator[Finding]:
    """A damaged list stops no import, and is said nowhere else."""
    from clankers.usage._catalogue import parse_list
    from clankers.usage._price_list import fetched_path, package_version

    path = fetched_path(package_version())
    try:
        parse_list(path.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        yield Finding(
            "warning",
            "prices",
            f"{path} cannot be read as a price list; those of the package are in force",
            "'clankers-cli prices update' fetches it again",
        )


def _agents() -> Iterator[Finding]:
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


def _retention(agent: str, root: Path) -> Iterator[Finding]:
    """Claude Code deletes transcripts after `cleanupPeriodDays`, 30 unless its settings differ."""
    if agent != "claude-code":
        return
    settings = root.parent / "settings.json"
    days = 30
    try:
        found = json.loads(settings.read_text("utf-8")).get("cleanupPeriodDays")
        days = found if isinstance(found, int) else days
    except (OSError, ValueError, AttributeError):
        pass
    if days < _SHORT_RETENTION_DAYS:
        yield Finding(
            "warning",
            "retention",
            f"{agent} deletes transcripts after {days} days ({settings}); what was imported stays",
            "import regularly, or raise cleanupPeriodDays in that file",
        )
