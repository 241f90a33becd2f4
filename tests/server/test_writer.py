"""Batches of one tenant that wait together, and what happens to its file meanwhile."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from clankers import wire
from clankers.errors import BackendUnavailableError, ServerError
from clankers.server import Operator, Settings, _schema
from clankers.server._batches import read_batch
from clankers.server._copying import copy_tenant
from clankers.server._problems import Problem
from clankers.server._tenants import Tenants
from clankers.server._writer import Writer
from clankers.server.backends import SqliteBackend, Statement, database_name

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from clankers.server.backends import Database, Rows, Work

T = 1_790_000_000_000


def stamp(at: int = 0) -> dict[str, Any]:
    return {"changed_at": T + at, "device_id": "d", "edition": 1}


def on_a_tenant(
    folder: Path, act: Callable[[Writer, SqliteBackend, Database], Coroutine[Any, Any, None]]
) -> None:
    async def run() -> None:
        backend = SqliteBackend(folder)
        database = await backend.create(database_name("t"))
        await _schema.migrate_tenant(backend, database, "store")
        await act(Writer(backend, database, "t"), backend, database)
        await backend.close()

    asyncio.run(run())


async def store(writer: Writer, **batch: Any) -> Any:
    return json.loads(await writer.store(read_batch(json.dumps(batch).encode())))


class TestTogether:
    def test_share_a_commit(self, tmp_path: Path) -> None:
        """Each has its own answer and mark; the second sees what the first stored."""

        async def act(writer: Writer, backend: SqliteBackend, database: Database) -> None:
            answers = await asyncio.gather(
                *(store(writer, sessions=[{"id": f"s{n}", "title": "T"}]) for n in range(20))
            )
            assert [one["sessions_synced"] for one in answers] == [1] * 20
            assert len({tuple(one["mark"]) for one in answers}) == 20
            found = await backend.read(database, [Statement("SELECT count(*) FROM sessions")])
            assert found == [[(20,)]]

        on_a_tenant(tmp_path, act)

    def test_the_same_batch_twice(self, tmp_path: Path) -> None:
        """Answered as before, also when the first is not stored yet; a delta is applied once."""

        async def act(writer: Writer, backend: SqliteBackend, database: Database) -> None:
            del backend, database
            await store(writer, sessions=[{"id": "s", "title": "a", **stamp()}])
            base = wire.record_hash("sessions", "s", {"title": "a"})
            delta = {"id": "s", "base": base, "changes": {"title": "b"}, **stamp(1)}
            first, second = await asyncio.gather(
                store(writer, batch_id="b", sessions=[delta]),
                store(writer, batch_id="b", sessions=[delta]),
            )
            assert first == second
            assert first["rejected"] == []

        on_a_tenant(tmp_path, act)

    def test_one_id_for_two_batches(self, tmp_path: Path) -> None:
        """The second is refused, and nothing of it is stored."""

        async def act(writer: Writer, backend: SqliteBackend, database: Database) -> None:
            outcomes = await asyncio.gather(
                store(writer, batch_id="b", sessions=[{"id": "one", "title": "T"}]),
                store(writer, batch_id="b", sessions=[{"id": "two", "title": "T"}]),
                return_exceptions=True,
            )
            assert isinstance(outcomes[1], Problem)
            assert outcomes[1].details == {"reason": "batch_reused"}
            found = await backend.read(database, [Statement("SELECT id FROM sessions")])
            assert found == [[("one",)]]

        on_a_tenant(tmp_path, act)

    def test_an_outage_meets_all_at_once(self, tmp_path: Path) -> None:
        """What waits is not tried one after the other against a database that is not there."""
        tried = []

        class Unreachable(SqliteBackend):
            async def update(self, database: Database, work: Work) -> None:
                del database, work
                tried.append(1)
                raise BackendUnavailableError("gone")

        async def run() -> None:
            backend = Unreachable(tmp_path)
            writer = Writer(backend, await backend.create(database_name("t")), "t")
            outcomes = await asyncio.gather(
                *(store(writer, sessions=[{"id": f"s{n}"}]) for n in range(9)),
                return_exceptions=True,
            )
            assert all(isinstance(one, BackendUnavailableError) for one in outcomes)
            await backend.close()

        asyncio.run(run())
        assert len(tried) == 1


class TestFiles:
    def test_another_process_put_another_file_in_its_place(self, tmp_path: Path) -> None:
        """Nothing is written to a file that is deleted, nor shown out of it."""
        settings = Settings(data=tmp_path, auth="token")
        operator = Operator(settings)
        operator.create_tenant("t")

        async def run() -> None:
            backend = SqliteBackend(tmp_path / "tenants")
            tenants = Tenants(backend)
            await tenants.open()
            ready = await tenants.ready("t")
            await store(ready.writer, sessions=[{"id": "old", "title": "T"}])
            await asyncio.to_thread(operator.export_tenant, "t", tmp_path / "copy.db")
            await store(ready.writer, sessions=[{"id": "lost with the file", "title": "T"}])
            await asyncio.to_thread(operator.drop_tenant, "t")
            await asyncio.to_thread(operator.import_tenant, "t", tmp_path / "copy.db")
            await store(ready.writer, sessions=[{"id": "new", "title": "T"}])
            await backend.close()

        asyncio.run(run())
        operator.export_tenant("t", tmp_path / "after.db")
        assert ids_in(tmp_path / "after.db") == {"old", "new"}

    def test_a_drop_that_fails_forgets_nothing(self, tmp_path: Path) -> None:
        """The tenant is still known, so that it can be dropped again and nobody gets its data."""

        class Stuck(SqliteBackend):
            async def drop(self, database: Database) -> None:
                raise BackendUnavailableError(f"{database.name} cannot be dropped")

        async def run() -> None:
            backend = Stuck(tmp_path)
            tenants = Tenants(backend)
            await tenants.open()
            made = await tenants.create("t")
            with pytest.raises(BackendUnavailableError):
                await tenants.drop(made)
            assert await tenants.registry.has_tenant("t")
            await backend.close()

        asyncio.run(run())

    def test_a_database_that_nobody_knows_is_not_thrown_away(self, tmp_path: Path) -> None:
        """A registry of an older backup lacks a tenant whose database is there, with rows."""
        operator = Operator(Settings(data=tmp_path / "data", auth="token"))
        for tenant in ("t", "other"):
            operator.create_tenant(tenant)
        filled(tmp_path / "data", "t", "kept")
        filled(tmp_path / "data", "other", "one", "two")
        operator.export_tenant("other", tmp_path / "other.db")
        registry = apsw.Connection(str(tmp_path / "data" / "tenants" / "re" / "ck-registry.db"))
        registry.execute("DELETE FROM tenants WHERE tenant = 't'")
        registry.close()
        with pytest.raises(ServerError, match="has rows already"):
            operator.import_tenant("t", tmp_path / "other.db")
        operator.create_tenant("t")
        operator.export_tenant("t", tmp_path / "t.db")
        assert ids_in(tmp_path / "t.db") == {"kept"}

    def test_a_copy_that_failed_is_made_anew(self, tmp_path: Path) -> None:
        """Whatever it left under the name; a copy that is whole is taken as it is."""
        filled(tmp_path / "data", "t", "one", "two")

        class Failing(SqliteBackend):
            left = 4

            async def write(
                self, database: Database, statements: Sequence[Statement]
            ) -> list[Rows]:
                self.left -= 1
                if not self.left:
                    raise BackendUnavailableError("gone in between")
                return await super().write(database, statements)

        async def run() -> None:
            source = SqliteBackend(tmp_path / "data" / "tenants")
            target = Failing(tmp_path / "target")
            name = database_name("t")
            taken = await source.create(name)
            with pytest.raises(BackendUnavailableError):
                await copy_tenant(source, taken, target, name)
            given, counts = await copy_tenant(source, taken, target, name)
            assert counts["sessions"] == 2
            found = await target.read(given, [Statement("SELECT id FROM sessions ORDER BY id")])
            assert found == [[("one",), ("two",)]]
            assert await copy_tenant(source, taken, target, name) == (given, {})
            await source.close()
            await target.close()

        asyncio.run(run())

    def test_an_export_leaves_the_folder_as_it_is(self, tmp_path: Path) -> None:
        """It may be anybody's."""
        operator = Operator(Settings(data=tmp_path / "data", auth="token"))
        operator.create_tenant("t")
        folder = tmp_path / "shared"
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        operator.export_tenant("t", folder / "t.db")
        assert folder.stat().st_mode & 0o777 == 0o755


def filled(data: Path, tenant: str, *sessions: str) -> None:
    """Stores sessions with these ids for a tenant."""

    async def run() -> None:
        backend = SqliteBackend(data / "tenants")
        tenants = Tenants(backend)
        await tenants.open()
        await tenants.create(tenant)
        writer = (await tenants.ready(tenant)).writer
        await store(writer, sessions=[{"id": one, "title": "T"} for one in sessions])
        await backend.close()

    asyncio.run(run())


def ids_in(file: Path) -> set[Any]:
    rows = apsw.Connection(str(file)).execute("SELECT id FROM sessions")
    return {row[0] for row in rows}


class TestIndex:
    def test_one_that_was_not_made_is_made_later(self, tmp_path: Path) -> None:
        """A program that ended between the tables and the index leaves a tenant without it."""

        async def run() -> None:
            backend = SqliteBackend(tmp_path)
            database = await backend.create(database_name("t"))
            await _schema.migrate_tenant(backend, database, "store")
            await backend.write(
                database, [Statement("UPDATE service SET has_index = 0"), *gone_tables()]
            )
            writer = Writer(backend, database, "t")
            rows = [{"id": "m", "session_id": "s", "text_content": "größer 日本 word"}]
            await store(writer, messages=rows)
            await _schema.migrate_tenant(backend, database, "store")
            match = "SELECT rowid FROM message_search WHERE message_search MATCH ?"
            for word in ("word", "größer", "日"):
                assert await backend.read(database, [Statement(match, (word,))]) == [[(1,)]]
            await store(writer, deletes=[{"table": "messages", "id": "m"}])
            left = await backend.read(database, [Statement("SELECT * FROM message_vocabulary")])
            assert left == [[]]
            await backend.close()

        asyncio.run(run())


def gone_tables() -> list[Statement]:
    names = ("message_vocabulary", "tool_vocabulary", "message_search", "tool_search")
    return [Statement(f"DROP TABLE {name}") for name in names]
