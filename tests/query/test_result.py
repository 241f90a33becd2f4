"""The rows of an answer: as they come, once, whole."""

from __future__ import annotations

import gc
import json
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING

import apsw
import pytest

from clankers.errors import QueryError
from clankers.query import Query, Result
from clankers.store._connection import open_writer

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.formats import Value

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


class TestColumns:
    def test_names_and_declared_types(self, query: Query) -> None:
        """A column has the type its table declares, an expression has none."""
        result = query.query("SELECT id, cost, created_at AS at, 1 + 1 FROM sessions")
        assert result.columns == ("id", "cost", "at", "1 + 1")
        assert result.declared_types == ("TEXT", "REAL", "INTEGER", None)

    def test_without_rows(self, query: Query) -> None:
        """An empty answer still knows its columns."""
        result = query.query("SELECT id, cost FROM sessions WHERE 0")
        assert result.columns == ("id", "cost")
        assert result.declared_types == ("TEXT", "REAL")
        assert list(result) == []
        assert not result.truncated

    def test_of_a_pragma_without_rows(self, query: Query) -> None:
        """A statement may have nothing to say."""
        result = query.query("PRAGMA foreign_key_check")
        assert result.columns == ("table", "rowid", "parent", "fkid")
        assert result.to_dicts() == []


class TestParameters:
    def test_by_place_and_by_name(self, query: Query) -> None:
        """A sequence fills ?, a mapping fills :names; each kind of value arrives as it is."""
        values: list[Value] = [1, 2.5, "é", b"\x00\xff", None]
        assert list(query.query("SELECT ?, ?, ?, ?, ?", values)) == [tuple(values)]
        named = query.query("SELECT id FROM sessions WHERE source = :source", {"source": "codex"})
        assert list(named) == [("s1",)]

    def test_with_a_comment_behind(self, query: Query) -> None:
        """A comment after the statement takes none of the values."""
        assert list(query.query("SELECT ?; -- how many?", [1])) == [(1,)]


class TestRows:
    def test_stream(self, query: Query) -> None:
        """The first rows are there before SQLite has found the last."""
        rows = iter(query.query(ENDLESS))
        assert list(islice(rows, 1000)) == [(number,) for number in range(1, 1001)]

    def test_are_there_once(self, query: Query) -> None:
        """A second loop goes on where the first stopped."""
        result = query.query("SELECT value FROM json_each('[1, 2, 3]')")
        assert next(iter(result)) == (1,)
        assert list(result) == [(2,), (3,)]
        assert list(result) == []

    def test_of_two_answers(self, query: Query) -> None:
        """Two answers can be read in turns."""
        first = iter(query.query("SELECT id FROM messages ORDER BY id"))
        second = iter(query.query("SELECT id FROM messages ORDER BY id DESC"))
        pairs = [(*one, *two) for one, two in zip(first, second, strict=True)]
        assert pairs == [("m1", "m3"), ("m2", "m2"), ("m3", "m1")]

    def test_to_dicts(self, query: Query) -> None:
        """Columns of one name are told apart, so that no value is lost."""
        result = query.query("SELECT 1 AS id, 2 AS id, 3 AS id_2, 4 AS id")
        assert result.to_dicts() == [{"id": 1, "id_3": 2, "id_2": 3, "id_4": 4}]

    def test_before_a_problem(self, query: Query) -> None:
        """A problem in the middle comes after the rows before it."""
        rows = iter(query.query("SELECT abs(value) FROM json_each('[1, 2, -9223372036854775808]')"))
        assert next(rows) == (1,)
        assert next(rows) == (2,)
        with pytest.raises(QueryError, match="integer overflow"):
            next(rows)


class TestLimit:
    @pytest.mark.parametrize(
        ("limit", "rows", "truncated"),
        [(0, 0, True), (1, 1, True), (2, 2, True), (3, 3, False), (4, 3, False), (None, 3, False)],
    )
    def test_says_whether_it_cut(
        self, query: Query, limit: int | None, rows: int, *, truncated: bool
    ) -> None:
        """`truncated` is true only when there was one row more than was asked for."""
        result = query.query("SELECT id FROM messages", limit=limit)
        assert len(list(result)) == rows
        assert result.truncated is truncated

    def test_of_many(self, query: Query) -> None:
        """The limit holds whatever the stretches in which rows are fetched."""
        result = query.query(ENDLESS, limit=777)
        assert list(result) == [(number,) for number in range(1, 778)]
        assert result.truncated

    def test_below_zero(self, query: Query) -> None:
        """Nobody can want fewer than no rows."""
        with pytest.raises(QueryError, match="limit of -1 rows"):
            query.query("SELECT 1", limit=-1)


class TestClosing:
    def test_the_query_ends_its_answers(self, archive: Path) -> None:
        """Rows that were not read are gone, and the error says so."""
        with Query(archive) as query:
            rows = iter(query.query(ENDLESS))
            next(rows)
        with pytest.raises(QueryError, match="closed before its rows were read"):
            list(rows)
        with pytest.raises(QueryError, match="closed"):
            query.query("SELECT 1")

    def test_an_answer(self, query: Query) -> None:
        """A closed answer has no more rows, and the query lives on."""
        result = query.query(ENDLESS)
        next(iter(result))
        result.close()
        assert list(result) == []
        assert list(query.query("SELECT 1")) == [(1,)]

    def test_an_answer_nobody_holds(self, archive: Path, query: Query) -> None:
        """It ends without the garbage collector: it would keep the log from being emptied."""
        gc.disable()
        try:
            result = query.query("SELECT id FROM messages")
            next(iter(result))
            del result
            writer = open_writer(archive)
            writer.execute("UPDATE messages SET role = 'x'")
            busy = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            writer.close()
        finally:
            gc.enable()
        assert busy == [(0, 0, 0)]

    def test_half_read_answers_hold_up_no_writer(self, archive: Path, query: Query) -> None:
        """Reading does not lock, and the answer stays what it was when it began."""
        rows = iter(query.query("SELECT id FROM messages ORDER BY id"))
        assert next(rows) == ("m1",)
        writer = open_writer(archive, busy_timeout_ms=0)
        writer.execute("DELETE FROM messages")
        writer.close()
        assert list(rows) == [("m2",), ("m3",)]
        assert list(query.query("SELECT count(*) FROM messages")) == [(0,)]


class TestTimeLimit:
    def test_counts_only_the_work_of_sqlite(self, query: Query) -> None:
        """A reader may take its time over the rows."""
        rows = iter(query.query(f"{ENDLESS} LIMIT 2000", timeout=0.1))
        next(rows)
        pause = monotonic() + 0.15
        while monotonic() < pause:
            pass
        assert len(list(rows)) == 1999


DAMAGED = """
CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT, picture BLOB);
INSERT INTO notes VALUES
  (1, 'plain', x'00ff'), (2, CAST(x'61ff62' AS TEXT), NULL), (3, 'é', x'ff'),
  (4, CAST(x'c3' AS TEXT), NULL), (5, 'last', 2.5);
"""


class TestDamagedText:
    """Other programs store bytes as text that are no UTF-8."""

    @pytest.fixture
    def notes(self, tmp_path: Path) -> Query:
        connection = apsw.Connection(str(tmp_path / "notes.db"))
        connection.execute(DAMAGED)
        connection.close()
        return Query(tmp_path / "notes.db")

    def test_is_readable(self, notes: Query) -> None:
        """Its wrong bytes become �, all other values of the answer stay what they are."""
        assert list(notes.query("SELECT * FROM notes")) == [
            (1, "plain", b"\x00\xff"),
            (2, "a�b", None),
            (3, "é", b"\xff"),
            (4, "�", None),
            (5, "last", 2.5),
        ]

    def test_keeps_order_parameters_and_limit(self, notes: Query) -> None:
        """The other reading is of the same statement."""
        result = notes.query(
            "SELECT id, text FROM notes WHERE id > :least ORDER BY text DESC, id; -- why?",
            {"least": 1},
            limit=3,
        )
        assert list(result) == [(3, "é"), (4, "�"), (5, "last")]
        assert result.truncated

    def test_in_a_column_without_a_name_of_its_own(self, notes: Query) -> None:
        """Repeated and odd column names do not matter."""
        result = notes.query('SELECT text, text, text || "text" AS "a b" FROM notes WHERE id = 2')
        assert result.columns == ("text", "text", "a b")
        assert list(result) == [("a�b", "a�b", "a�ba�b")]

    def test_can_be_had_as_bytes(self, notes: Query) -> None:
        """Nothing is lost to who asks for it."""
        assert list(notes.query("SELECT CAST(text AS BLOB) FROM notes WHERE id = 2")) == [
            (b"a\xffb",)
        ]

    def test_in_utf_16(self, tmp_path: Path) -> None:
        """Half a surrogate pair in a UTF-16 database is damage of the same kind."""
        connection = apsw.Connection(str(tmp_path / "wide.db"))
        connection.execute(
            "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a); "
            "INSERT INTO t VALUES ('good'), (CAST(x'6100d8006200' AS TEXT)), (CAST(x'00d8' AS TEXT))"
        )
        connection.close()
        with Query(tmp_path / "wide.db") as query:
            rows = list(query.query("SELECT a FROM t"))
        assert rows[0] == ("good",)
        assert len(rows) == 3

    def test_where_no_other_reading_helps(self, tmp_path: Path) -> None:
        """The error names the columns and the way out."""
        connection = apsw.Connection(str(tmp_path / "odd.db"))
        connection.execute("CREATE TABLE t(a DEFAULT 'x'); PRAGMA writable_schema = 1")
        connection.execute(
            "UPDATE sqlite_schema SET sql = CAST(replace(CAST(sql AS BLOB), 'x', x'ff') AS TEXT)"
        )
        connection.close()
        with (
            Query(tmp_path / "odd.db") as query,
            pytest.raises(
                QueryError, match=r"not valid UTF-8 .* cid, name, type, notnull"
            ) as caught,
        ):
            list(query.query("PRAGMA table_info(t)"))
        assert caught.value.hint == "read it as bytes with CAST(column AS BLOB)"


class TestHtml:
    def show(self, result: Result) -> str:
        return result._repr_html_()

    def test_shows_rows_and_keeps_them(self, query: Query) -> None:
        """A notebook shows the same rows again and again, and a loop still gets them all."""
        result = query.query("SELECT id, created_at FROM sessions ORDER BY id")
        shown = self.show(result)
        assert "<th>id</th><th>created_at</th>" in shown
        assert shown.index(">s1<") < shown.index(">1000<") < shown.index(">s2<")
        assert list(result) == [("s1", 1000), ("s2", 2000)]
        assert self.show(result) == shown

    def test_in_the_middle_of_a_loop(self, query: Query) -> None:
        """Showing loses no row of a loop that is under way."""
        rows = iter(result := query.query(f"{ENDLESS} LIMIT 500"))
        assert list(islice(rows, 3)) == [(1,), (2,), (3,)]
        assert ">1<" in self.show(result)
        assert list(rows) == [(number,) for number in range(4, 501)]

    def test_shows_at_most_a_hundred(self, query: Query) -> None:
        """A long answer is cut, which the page says."""
        shown = self.show(query.query(ENDLESS))
        assert shown.count("<tr>") == 101
        assert ">100<" in shown
        assert ">101<" not in shown
        assert "only the first rows are shown" in shown
        assert "only the first" not in self.show(query.query(f"{ENDLESS} LIMIT 100"))

    def test_respects_the_limit(self, query: Query) -> None:
        """What the limit leaves out is not shown either."""
        result = query.query(ENDLESS, limit=2)
        assert self.show(result).count("<tr>") == 3
        assert list(result) == [(1,), (2,)]
        assert result.truncated

    def test_escapes_everything(self, query: Query) -> None:
        """Nothing from the archive is markup, in cells or column names; nothing turns text."""
        hostile = "<script>alert('1')</script>&\"\x1b]52;c;aGk=\x07\u202etxt.exe"
        shown = self.show(query.query(f'SELECT ? AS "<b>{"x"}</b>", ?', [hostile, b"<i>"]))
        assert "<script" not in shown
        assert "<b>" not in shown
        assert "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&amp;&quot;" in shown
        assert r"\x1b]52;c;aGk=\x07\u202etxt.exe" in shown
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)
        assert "&lt;blob 3 bytes&gt;" in shown

    def test_tells_null_from_text(self, query: Query) -> None:
        """The text NULL looks other than no value."""
        shown = self.show(query.query("SELECT NULL, 'NULL'"))
        assert shown.count("<em>NULL</em>") == 1

    def test_cuts_long_text(self, query: Query) -> None:
        """A page is not made of one cell."""
        assert len(self.show(query.query("SELECT printf('%.*c', 100000, 'x')"))) < 2000


def test_json_of_sqlite_passes_through(query: Query) -> None:
    """JSON columns arrive as text, to be read by who knows them."""
    (row,) = query.query("SELECT json_object('a', 1)")
    assert isinstance(row[0], str)
    assert json.loads(row[0]) == {"a": 1}
