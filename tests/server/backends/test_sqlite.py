"""Tenant databases as files."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clankers.errors import BackendError, BackendUnavailableError
from clankers.server.backends import Database, SqliteBackend, Statement

if TYPE_CHECKING:
    from pathlib import Path

TABLE = Statement("CREATE TABLE t(n INTEGER)")
NUMBERS = Statement("SELECT n FROM t")


def opened_under(folder: Path) -> set[str]:
    """The database files in a folder that this process holds open."""
    held = set()
    for entry in os.scandir("/proc/self/fd"):
        try:
            target = os.readlink(entry.path)
        except OSError:  # the listing's own
            continue
        if target.startswith(f"{folder}/"):
            held.add(target.partition(".db")[0])
    return held


def test_few_files_are_open(tmp_path: Path) -> None:
    """Fifty tenants that come and go, at once and again, keep no more files open than was said."""

    async def run() -> None:
        backend = SqliteBackend(tmp_path, open_databases=4)
        databases = [await backend.create(f"ck-{number:024}") for number in range(50)]
        await asyncio.gather(
            *(
                backend.write(database, [TABLE, Statement("INSERT INTO t VALUES (?)", (number,))])
                for number, database in enumerate(databases)
            )
        )
        assert len(opened_under(tmp_path)) == 4
        for number, database in enumerate(databases):
            assert await backend.read(database, [NUMBERS]) == [[(number,)]]
            assert len(opened_under(tmp_path)) <= 4
        assert backend.open_count == 4
        await backend.close()
        assert opened_under(tmp_path) == set()

    asyncio.run(run())


def test_files_are_private(tmp_path: Path) -> None:
    """Files are 0600 and folders 0700, whatever the umask says."""

    async def run() -> None:
        backend = SqliteBackend(tmp_path / "tenants")
        database = await backend.create("ck-abcdefghijklmnopqrstuvwx")
        await backend.write(database, [TABLE])
        folder = tmp_path / "tenants" / "ab"
        names = {"ck-abcdefghijklmnopqrstuvwx.db" + end for end in ("", "-wal", "-shm")}
        assert {path.name for path in folder.iterdir()} == names
        assert {mode(path) for path in folder.iterdir()} == {0o600}
        assert mode(folder) == 0o700
        await backend.close()

    before = os.umask(0)
    try:
        asyncio.run(run())
    finally:
        os.umask(before)


def test_lock_is_kept(tmp_path: Path) -> None:
    """A database that is open to read and to write stays locked against those who clean up.

    Closing any other handle of the file would drop the lock: https://www.sqlite.org/howtocorrupt.html
    section 2.2. Another program that opens and closes the database would then delete its log.
    """

    async def run() -> None:
        backend = SqliteBackend(tmp_path)
        database = await backend.create("ck-abcdefghijklmnopqrstuvwx")
        await backend.write(database, [TABLE])
        assert is_locked(backend.path(database))
        await backend.read(database, [NUMBERS])
        assert is_locked(backend.path(database)), "reading dropped the lock"
        await backend.write(database, [Statement("INSERT INTO t VALUES (1)")])
        assert is_locked(backend.path(database))
        await backend.create("ck-abcdefghijklmnopqrstuvwx")
        assert is_locked(backend.path(database)), "creating dropped the lock"
        await backend.close()

    asyncio.run(run())


def test_another_program_looks_at_it(tmp_path: Path) -> None:
    """Whoever reads a live database with Python's own SQLite leaves it whole."""
    count = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1])"
    count += "; print(c.execute('SELECT count(*) FROM t').fetchone()[0]); c.close()"

    async def run() -> None:
        backend = SqliteBackend(tmp_path)
        database = await backend.create("ck-abcdefghijklmnopqrstuvwx")
        await backend.write(database, [TABLE])
        for rows in range(3):
            assert await backend.read(database, [NUMBERS]) == [[(0,)] * rows]
            assert in_process(count, backend.path(database)) == f"{rows}\n"
            await backend.write(database, [Statement("INSERT INTO t VALUES (0)")])
        await backend.close()

    asyncio.run(run())


def is_locked(path: Path) -> bool:
    """Whether another process could not have the database for itself, by the bytes SQLite locks."""
    code = """
import fcntl, sys
try:
    fcntl.lockf(open(sys.argv[1], "rb+"), fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
except BlockingIOError:
    print("locked")
"""
    return in_process(code, path) == "locked\n"


def in_process(code: str, path: Path) -> str:
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_dropped_file_leaves_nothing(tmp_path: Path) -> None:
    """Neither the database nor its log stays behind, also while it was in use."""

    async def run() -> None:
        backend = SqliteBackend(tmp_path)
        database = await backend.create("ck-abcdefghijklmnopqrstuvwx")
        await backend.write(database, [TABLE])
        await backend.read(database, [NUMBERS])
        await backend.drop(database)
        assert list((tmp_path / "ab").iterdir()) == []
        await backend.close()

    asyncio.run(run())


def test_committed_rows_survive_a_power_cut(tmp_path: Path) -> None:
    """Writes go to the disk before they are answered."""

    async def run() -> None:
        backend = SqliteBackend(tmp_path)
        database = await backend.create("ck-abcdefghijklmnopqrstuvwx")
        found = await backend.write(database, [Statement("PRAGMA synchronous")])
        assert found == [[(2,)]]
        await backend.close()

    asyncio.run(run())


def test_file_that_is_no_database(tmp_path: Path) -> None:
    """A damaged file is a BackendError that does not ask to be tried again."""

    async def run() -> None:
        backend = SqliteBackend(tmp_path)
        database = Database("ck-abcdefghijklmnopqrstuvwx")
        (tmp_path / "ab").mkdir()
        backend.path(database).write_bytes(b"no database at all" * 1_000)
        for act in (backend.read, backend.write):
            with pytest.raises(BackendError) as found:
                await act(database, [NUMBERS])
            assert type(found.value) is BackendError
        await backend.close()

    asyncio.run(run())


def test_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """Where the folder cannot be, all that needs it is a BackendUnavailableError."""
    (tmp_path / "file").write_bytes(b"")

    async def run() -> None:
        backend = SqliteBackend(tmp_path / "file")
        with pytest.raises(BackendUnavailableError):
            await backend.ping()
        with pytest.raises(BackendUnavailableError):
            await backend.create("ck-abcdefghijklmnopqrstuvwx")
        await backend.close()

    asyncio.run(run())
