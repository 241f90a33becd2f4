"""What every backend must do, on files, on a libSQL server and on Turso where one is named."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from clankers.errors import (
    BackendError,
    BackendUnavailableError,
    ConstraintError,
    NoSuchTenantError,
)
from clankers.server.backends import Database, SqliteBackend, Statement, Work, database_name
from server.backends.conftest import Place, new_name, on_sqld

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.server.backends import Backend, SqlValue
    from server._running import Sqld

MEGABYTE = 1_000_000
COUNT = Statement("SELECT count(*) FROM t")
TABLE = Statement("CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)")


def insert(key: int, text: str | None) -> Statement:
    return Statement("INSERT INTO t VALUES (?, ?)", (key, text))


class TestMaking:
    def test_create_keeps_what_is_there(self, maker: Place) -> None:
        """A database that is made a second time stays as it is, at the same address."""

        async def act(backend: Backend, database: Database) -> None:
            await backend.write(database, [TABLE, insert(1, "a")])
            assert await backend.create(database.name) == database
            assert await backend.read(database, [COUNT]) == [[(1,)]]

        maker.use(act)

    def test_drop_is_for_good(self, maker: Place) -> None:
        """A dropped database is unknown, dropping it again is fine, and made anew it is empty."""

        async def act(backend: Backend, database: Database) -> None:
            await backend.write(database, [TABLE])
            await backend.drop(database)
            await backend.drop(database)
            with pytest.raises(NoSuchTenantError):
                await backend.read(database, [COUNT])
            again = await backend.create(database.name)
            found = await backend.read(again, [Statement("SELECT count(*) FROM sqlite_schema")])
            assert found == [[(0,)]]

        maker.use(act)

    def test_unknown_database(self, maker: Place) -> None:
        """Neither reading nor writing makes a database, nor does dropping one fail."""

        async def act(backend: Backend, known: Database) -> None:
            unknown = Database(new_name(), known.address)
            with pytest.raises(NoSuchTenantError):
                await backend.read(unknown, [Statement("SELECT 1")])
            # A libSQL server closes the connection on which it said so.
            other = maker.make()
            with pytest.raises(NoSuchTenantError):
                await other.write(unknown, [TABLE])
            await other.close()
            with pytest.raises(NoSuchTenantError):
                await backend.read(unknown, [Statement("SELECT 1")])
            await backend.drop(unknown)

        maker.use(act)

    def test_databases_do_not_see_each_other(self, maker: Place) -> None:
        """The same table in two databases has rows of its own in each."""

        async def act(backend: Backend, one: Database) -> None:
            other = await backend.create(new_name())
            await backend.write(one, [TABLE, insert(1, "one")])
            await backend.write(other, [TABLE, insert(1, "other"), insert(2, "more")])
            wanted = Statement("SELECT text FROM t ORDER BY id")
            assert await backend.read(one, [wanted]) == [[("one",)]]
            assert await backend.read(other, [wanted]) == [[("other",), ("more",)]]
            await backend.drop(other)
            assert await backend.read(one, [wanted]) == [[("one",)]]

        maker.use(act)

    def test_rows_outlive_the_backend(self, maker: Place) -> None:
        """What was written is there for the next process that opens the same place."""
        name = new_name()

        async def fill(backend: Backend) -> None:
            await backend.write(await backend.create(name), [TABLE, insert(1, "kept")])

        async def look(backend: Backend) -> Any:
            database = await backend.create(name)
            found = await backend.read(database, [Statement("SELECT id, text FROM t")])
            await backend.drop(database)
            return found

        maker.run(fill)
        assert maker.run(look) == [[(1, "kept")]]

    def test_ping(self, maker: Place) -> None:
        """It returns while databases can be reached."""
        maker.run(lambda backend: backend.ping())


class TestTransactions:
    def test_rows_of_each_statement(self, place: Place) -> None:
        """There is one list of rows for each statement, in their order, empty where it gave none."""

        async def act(backend: Backend, database: Database) -> None:
            assert await backend.write(
                database,
                [
                    TABLE,
                    insert(1, "a"),
                    Statement("INSERT INTO t VALUES (2, 'b') RETURNING id, text"),
                    COUNT,
                ],
            ) == [[], [], [(2, "b")], [(2,)]]
            assert await backend.read(
                database, [COUNT, Statement("SELECT text FROM t ORDER BY id DESC")]
            ) == [[(2,)], [("b",), ("a",)]]

        place.use(act)

    def test_no_statements(self, place: Place) -> None:
        """Nothing to run gives nothing back."""

        async def act(backend: Backend, database: Database) -> None:
            assert await backend.write(database, []) == []
            assert await backend.read(database, []) == []

        place.use(act)

    @pytest.mark.parametrize(
        "failing",
        [
            insert(9, "a"),
            insert(1, "z"),
            insert(9, None),
            Statement("INSERT INTO t VALUES ('no number', 'z')"),
            Statement("INSERT INTO t_child VALUES (77)"),
            Statement("INSERT INTO t_small VALUES (10)"),
        ],
        ids=["unique", "primary key", "not null", "type", "foreign key", "check"],
    )
    def test_broken_rule(self, place: Place, failing: Statement) -> None:
        """A row that breaks a rule is a ConstraintError, and takes the whole call with it."""

        async def act(backend: Backend, database: Database) -> None:
            made = [
                TABLE,
                Statement("CREATE TABLE t_child(parent INTEGER REFERENCES t(id))"),
                Statement("CREATE TABLE t_small(n INTEGER CHECK (n < 10))"),
                insert(1, "a"),
            ]
            await backend.write(database, made)
            with pytest.raises(ConstraintError):
                await backend.write(database, [insert(2, "b"), failing, insert(3, "c")])
            assert await backend.read(database, [COUNT]) == [[(1,)]]
            await backend.write(database, [insert(2, "b")])
            assert await backend.read(database, [COUNT]) == [[(2,)]]

        place.use(act)

    @pytest.mark.parametrize("failing", ["INSERT INTO nowhere VALUES (1)", "SELEKT 1"])
    def test_wrong_statement(self, place: Place, failing: str) -> None:
        """A statement that is wrong is a BackendError of no special kind, and changes nothing."""

        async def act(backend: Backend, database: Database) -> None:
            await backend.write(database, [TABLE])
            with pytest.raises(BackendError) as writing:
                await backend.write(database, [insert(1, "a"), Statement(failing)])
            assert type(writing.value) is BackendError
            with pytest.raises(BackendError):
                await backend.read(database, [Statement(failing)])
            assert await backend.read(database, [COUNT]) == [[(0,)]]

        place.use(act)

    def test_schema_changes_are_part_of_it(self, place: Place) -> None:
        """A table that a failed call made is not there."""

        async def act(backend: Backend, database: Database) -> None:
            with pytest.raises(ConstraintError):
                await backend.write(database, [TABLE, insert(1, "a"), insert(1, "b")])
            found = await backend.read(
                database, [Statement("SELECT count(*) FROM sqlite_schema WHERE name = 't'")]
            )
            assert found == [[(0,)]]

        place.use(act)

    def test_full(self, tmp_path: Path) -> None:
        """No room is an error that passes, and nothing of the call is kept."""

        async def act(backend: Backend, database: Database) -> None:
            await backend.write(database, [TABLE])
            limit = Statement("PRAGMA max_page_count = 20")
            with pytest.raises(BackendUnavailableError):
                await backend.write(database, [insert(1, "a"), limit, insert(2, "b" * MEGABYTE)])
            assert await backend.read(database, [COUNT]) == [[(0,)]]

        # A server does not let its clients limit a database.
        Place(lambda: SqliteBackend(tmp_path)).use(act)


class TestSharing:
    def test_no_write_is_lost(self, place: Place) -> None:
        """Forty writers at once each count one up from what is there."""

        async def act(backend: Backend, database: Database) -> None:
            made = "CREATE TABLE t(n INTEGER)"
            await backend.write(database, [Statement(made), Statement("INSERT INTO t VALUES (0)")])
            count = [
                Statement("UPDATE t SET n = n + 1"),
                Statement("SELECT n FROM t"),
            ]
            found = await asyncio.gather(*(backend.write(database, count) for _one in range(40)))
            seen: list[Any] = [n for _rows, ((n,),) in found]
            assert sorted(seen) == list(range(1, 41))
            assert await backend.read(database, count[1:]) == [[(40,)]]

        place.use(act)

    def test_read_is_a_snapshot(self, place: Place) -> None:
        """Two statements of one read see the same rows, whatever is written between them."""
        slow = Statement(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000)"
            " SELECT count(*) FROM n"
        )

        async def act(backend: Backend, database: Database) -> None:
            await backend.write(database, [TABLE])
            done = asyncio.Event()
            written = 0

            async def write() -> None:
                nonlocal written
                while not done.is_set():
                    written += 1
                    await backend.write(database, [insert(written, str(written))])

            writing = asyncio.create_task(write())
            await asyncio.sleep(0)
            before = written
            first, _slow, second = await backend.read(database, [COUNT, slow, COUNT])
            meanwhile = written - before
            done.set()
            await writing
            assert meanwhile >= 3
            assert first == second
            assert await backend.read(database, [COUNT]) == [[(written,)]]

        place.use(act)


VALUES: list[tuple[str, Any]] = [
    ("null", None),
    ("zero", 0),
    ("beyond 31 bits", 2_147_483_648),
    ("beyond 53 bits", 9_007_199_254_740_993),
    ("milliseconds", 1_760_000_000_123),
    ("largest", 9_223_372_036_854_775_807),
    ("smallest", -9_223_372_036_854_775_808),
    ("minus one", -1),
    ("float", 0.1),
    ("whole float", 3.0),
    ("huge float", 1.7976931348623157e308),
    ("tiny float", 5e-324),
    ("negative float", -2.5),
    ("empty text", ""),
    ("NUL", "a\0b"),
    ("control characters", "\x01\x1f\x7f\t\r\n"),
    ("emoji", "🦜 👩‍💻"),
    ("line separators", "a\u2028b\u2029c\u0085d"),
    ("last character", "\U0010ffff\uffff\ufeff"),
    ("quotes", 'it\'s "so" \\ `that`'),
    ("digits", "007"),
    ("empty blob", b""),
    ("every byte", bytes(range(256))),
    ("one byte", b"\0"),
    ("two bytes", b"\xff\xfe"),
]


class TestValues:
    @pytest.mark.parametrize(
        "value", [value for _name, value in VALUES], ids=[name for name, _value in VALUES]
    )
    def test_round_trip(self, place: Place, value: SqlValue) -> None:
        """A value comes back as it was stored, of the same type."""

        async def act(backend: Backend, database: Database) -> Any:
            made = [Statement("CREATE TABLE t(v)"), Statement("INSERT INTO t VALUES (?)", (value,))]
            await backend.write(database, made)
            return await backend.read(database, [Statement("SELECT v FROM t")])

        (((found,),),) = place.use(act)
        assert found == value
        assert type(found) is type(value)

    def test_line_separators_in_much(self, place: Place) -> None:
        """An answer that is too large to come at once may hold characters that end lines elsewhere."""
        many = (
            "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 800)"
            " INSERT INTO t SELECT i || char(8232, 8233, 133, 12) || hex(zeroblob(10000)) FROM c"
        )

        async def act(backend: Backend, database: Database) -> Any:
            await backend.write(database, [Statement("CREATE TABLE t(v)"), Statement(many)])
            return await backend.read(database, [Statement("SELECT v FROM t ORDER BY rowid")])

        (rows,) = place.use(act)
        assert len(rows) == 800
        assert rows[6][0] == "7\u2028\u2029\x85\x0c" + "0" * 20_000

    def test_true_and_false(self, place: Place) -> None:
        """They are stored as 1 and 0."""

        async def act(backend: Backend, database: Database) -> Any:
            return await backend.read(
                database, [Statement("SELECT ?, typeof(?1), ?", (True, False))]
            )

        assert place.use(act) == [[(1, "integer", 0)]]

    @pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
    def test_integer_that_does_not_fit(self, place: Place, value: int) -> None:
        """An integer of more than 64 bits is a BackendError, and nothing of the call is kept."""

        async def act(backend: Backend, database: Database) -> None:
            await backend.write(database, [Statement("CREATE TABLE t(v)")])
            values = [Statement("INSERT INTO t VALUES (?)", (one,)) for one in (1, value)]
            with pytest.raises(BackendError):
                await backend.write(database, values)
            assert await backend.read(database, [COUNT]) == [[(0,)]]

        place.use(act)

    def test_large_text(self, place: Place) -> None:
        """A text of 4.9 MB goes in and comes out whole; libSQL takes no value of 5 MB."""
        text = "é" * 2_450_000

        async def act(backend: Backend, database: Database) -> Any:
            await backend.write(database, [TABLE, insert(1, text)])
            return await backend.read(database, [Statement("SELECT text FROM t")])

        (((found,),),) = place.use(act)
        assert found == text

    def test_value_that_is_too_large(self, sqld: Sqld) -> None:
        """A value beyond the server's limit is the caller's mistake: no use in trying again."""

        async def act(backend: Backend, database: Database) -> None:
            await backend.write(database, [TABLE])
            for size in (5_000_000, 6_000_000):
                with pytest.raises(ConstraintError):
                    await backend.write(database, [insert(1, "a" * size)])
            assert await backend.read(database, [COUNT]) == [[(0,)]]

        Place(lambda: on_sqld(sqld)).use(act)

    def test_large_result(self, place: Place) -> None:
        """Rows of 12 MB come back, with those of the statements before and after them."""

        async def act(backend: Backend, database: Database) -> Any:
            rows = [insert(n, chr(96 + n) * MEGABYTE) for n in range(1, 13)]
            for start in range(0, 12, 4):
                made = [TABLE] if not start else []
                await backend.write(database, [*made, *rows[start : start + 4]])
            large = Statement("SELECT id, text FROM t ORDER BY id")
            return await backend.read(
                database, [COUNT, large, Statement("SELECT ? WHERE 0", (1,)), COUNT]
            )

        before, rows, nothing, after = place.use(act)
        assert (before, nothing, after) == ([(12,)], [], [(12,)])
        assert [key for key, _text in rows] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
        assert rows[11][1] == "l" * MEGABYTE
        assert {len(text) for _key, text in rows} == {MEGABYTE}

    def test_wrong_statement_after_a_large_result(self, place: Place) -> None:
        """Rows of 12 MB do not hide that a later statement failed."""

        async def act(backend: Backend, database: Database) -> None:
            large = Statement(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)"
                " SELECT i, replace(hex(zeroblob(500000)), '0', 'a') FROM n"
            )
            with pytest.raises(BackendError):
                await backend.read(database, [large, Statement("SELECT * FROM nowhere")])

        place.use(act)


class TestNames:
    @pytest.mark.parametrize(
        ("tenant", "name"),
        [
            ("default", "ck-g6uo5qoodfuh2ezp4kifdxfg"),
            ("org:org_01", "ck-m4pyp7hjipp5qk2ambfncwsf"),
            ("", "ck-4oymiquy7qobjgx36tejs35z"),
            ("../../etc/passwd", "ck-g5knnsz2hdqrqxs3hawv6pxt"),
            ("Ünï 🦜", "ck-rbmp434wzutqtnhedkybqwle"),
        ],
    )
    def test_database_name(self, tenant: str, name: str) -> None:
        """ck- and the first 24 letters of the base32 of its SHA-256, in small letters."""
        assert database_name(tenant) == name

    def test_odd_names_stay_apart(self) -> None:
        """Names that a file system or a host name would mix up are databases of their own."""
        odd = ["a", "A", "a ", " a", "a\0", "a/", "a.", "ä", "a\u0308", "x" * 5_000, "x" * 5_001]
        names = {database_name(tenant) for tenant in odd}
        assert len(names) == 11
        assert all(re.fullmatch("[a-z0-9-]{27}", name) for name in names)


class TestUpdates:
    def test_what_is_read_decides_what_is_written(self, place: Place) -> None:
        """Reads come one list after the other; nothing is written where nothing is returned."""

        async def act(backend: Backend, database: Database) -> None:
            await backend.write(database, [TABLE, insert(1, "a")])
            seen = []

            def work(name: str) -> Work:
                first = yield [COUNT]
                second = yield [Statement("SELECT text FROM t ORDER BY id"), COUNT]
                seen.append((first, second))
                return [insert(2, name)] if name else []

            await backend.update(database, work("b"))
            await backend.update(database, work(""))
            assert seen == [
                ([[(1,)]], [[("a",)], [(1,)]]),
                ([[(2,)]], [[("a",), ("b",)], [(2,)]]),
            ]
            assert await backend.read(database, [COUNT]) == [[(2,)]]

        place.use(act)

    def test_a_failure_leaves_nothing(self, place: Place) -> None:
        """Of the work itself, or of a statement that it returned; the next one goes well."""

        async def act(backend: Backend, database: Database) -> None:
            await backend.write(database, [TABLE])

            def fails() -> Work:
                yield [COUNT]
                raise RuntimeError("of the work")

            def breaks_a_rule() -> Work:
                yield [COUNT]
                return [insert(1, "a"), insert(2, "a")]

            with pytest.raises(RuntimeError, match="of the work"):
                await backend.update(database, fails())
            with pytest.raises(ConstraintError):
                await backend.update(database, breaks_a_rule())
            assert await backend.read(database, [COUNT]) == [[(0,)]]
            await backend.write(database, [insert(1, "a")])

        place.use(act)
