"""The database: whether it is sound, how large it is, and what is not in it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from clankers.doctor._finding import Finding, amount
from clankers.errors import ClankersError, DatabaseBusyError, ReadOnlyError
from clankers.store import Store, archive_path
from clankers.store._backup import backup_folder, backups
from clankers.store._connection import WAL_SIZE_LIMIT, open_writer, translated
from clankers.store._schema import SCHEMA_VERSION
from clankers.store._size import log_size
from clankers.store.capture._marks import count_unnoted
from clankers.store.search._index import check_index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clankers.store import Size

_LARGEST_TABLES = 3
# Below it, what could be given back is not worth the work.
_WORTH_VACUUMING = 32 * 1024 * 1024
_FREE_SHARE = 0.25
# A vacuum needs two more copies, and the next imports want room too.
_COPIES_OF_ROOM = 3
_LEAST_ROOM = 500_000_000
_MANY_COPIES = 3
_REBUILD = "'clankers-cli reindex' builds it anew"


def examine_database(path: Path, *, thorough: bool) -> Iterator[Finding]:
    if not path.exists():
        hint = "'clankers-cli import' makes it, 'clankers-cli import --sample' with an example"
        yield Finding("note", "database", f"{path} does not exist yet", hint)
        return
    try:
        with translated(path), Store.open(path, read_only=True) as store:
            yield _rows(store)
            yield _integrity(store, thorough=thorough)
            yield from _room(store.size(largest=0))
            yield from _unpriced(store)
            yield from _unread(store)
            yield from _pruned(store)
            yield from _unnoted(store)
            yield from _archived(store)
        if thorough:
            yield _search_index(path)
    except ClankersError as problem:
        yield Finding("error", "database", str(problem), problem.hint)
        return
    yield from _rights(path)
    yield from _rights(archive_path(path), subject="archive")


def examine_backups(path: Path) -> Iterator[Finding]:
    """What the copies beside the database take, which nothing removes by itself."""
    copies = backups(path)
    if not copies:
        return
    total = sum(one.bytes for one in copies)
    folder = backup_folder(path)
    counted = f"{len(copies)} copies" if len(copies) > 1 else "1 copy"
    is_much = path.exists() and total > _MANY_COPIES * (path.stat().st_size + log_size(path))
    yield Finding(
        "note" if is_much else "ok",
        "backups",
        f"{counted} in {folder}, {amount(total)}",
        "remove those that you no longer need; only those from before a write go by themselves"
        if is_much
        else "",
    )
    yield from _others_rights("backups", folder, *(one.path for one in copies))


def _rows(store: Store) -> Finding:
    tables = ("sessions", "messages", "tools", "usage")
    counted = ", ".join(
        f"{store.connection.execute(f'SELECT count(*) FROM {table}').get} {table}"
        for table in tables
    )
    size = amount(store.path.stat().st_size)
    return Finding("ok", "database", f"{store.path}, schema {SCHEMA_VERSION}, {size}: {counted}")


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


def _search_index(path: Path) -> Finding:
    """The check is a command to the full-text tables, so that it takes the write lock."""
    try:
        connection = open_writer(path)
    except (DatabaseBusyError, ReadOnlyError) as problem:
        return Finding("note", "search", f"the index was not checked: {problem}", problem.hint)
    try:
        with translated(path):
            problems = check_index(connection)
    except DatabaseBusyError as problem:
        return Finding("note", "search", f"the index was not checked: {problem}", problem.hint)
    finally:
        connection.close()
    if problems:
        return Finding("error", "search", "; ".join(problems), _REBUILD)
    return Finding("ok", "search", "the index fits the messages and tool calls")


def _room(size: Size) -> Iterator[Finding]:
    tables = size.tables()[:_LARGEST_TABLES]
    largest = ", ".join(f"{name} {amount(rows + indexes)}" for name, rows, indexes in tables)
    yield Finding(
        "ok",
        "size",
        f"{amount(size.free)} free in the file, log {amount(size.log)},"
        f" {amount(size.disk_free)} free on the disk"
        + (f"; largest: {largest}" if largest else ""),
    )
    if size.free > max(_WORTH_VACUUMING, _FREE_SHARE * size.database):
        yield Finding(
            "note",
            "size",
            f"{amount(size.free)} of the file hold nothing",
            "'clankers-cli vacuum' gives them back to the disk",
        )
    if size.log > 2 * WAL_SIZE_LIMIT:
        yield Finding(
            "warning",
            "size",
            f"the log beside the database has {amount(size.log)}: a program that keeps reading"
            " holds it",
            "end the programs that have it open, then run 'clankers-cli vacuum'",
        )
    if size.disk_free < max(_LEAST_ROOM, _COPIES_OF_ROOM * size.database):
        yield Finding(
            "warning",
            "size",
            f"only {amount(size.disk_free)} are free on the disk",
            "'clankers-cli vacuum --report' says what takes the room",
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


def _pruned(store: Store) -> Iterator[Finding]:
    count = store.connection.execute("SELECT count(*) FROM pruned").get
    if count:
        yield Finding(
            "ok",
            "import",
            f"{count} removed sessions are left out; 'clankers-cli prune --forget ID' changes that",
        )


def _unnoted(store: Store) -> Iterator[Finding]:
    count = count_unnoted(store.connection)
    if count:
        yield Finding(
            "error",
            "sync",
            f"{count} rows would never be sent: nothing is noted of them",
            "'clankers-cli sync reset' notes them, and has everything sent once more",
        )


def _archived(store: Store) -> Iterator[Finding]:
    path = archive_path(store.path)
    if path.exists():
        count = sum(1 for _session in store.archived_sessions())
        size = amount(path.stat().st_size)
        yield Finding("ok", "archive", f"{path}: {count} sessions, {size}")


def _rights(path: Path, *, subject: str = "database") -> Iterator[Finding]:
    yield from _others_rights(subject, path, *(path.with_name(path.name + x) for x in _SIDES))


_SIDES = ("-wal", "-shm")


def _others_rights(subject: str, *places: Path) -> Iterator[Finding]:
    """Whatever others may read or write, though it is only the owner's."""
    if os.name != "posix":
        return
    for place in places:
        try:
            mode = stat.S_IMODE(place.stat().st_mode)
        except FileNotFoundError:
            continue
        if mode & 0o077:
            yield Finding(
                "warning",
                subject,
                f"others may read or write it (mode {mode:04o})"
                if place == places[0]
                else f"others may read or write {place} (mode {mode:04o})",
                f"chmod {'700' if place.is_dir() else '600'} {place}",
            )
