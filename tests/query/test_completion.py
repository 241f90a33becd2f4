"""What is offered at a place in SQL; ^ marks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clankers.query import Completion, Query

if TYPE_CHECKING:
    from pathlib import Path


def offered(query: Query, marked: str) -> list[Completion]:
    place = marked.index("^")
    return query.complete(marked.replace("^", "", 1), place)


def texts(query: Query, marked: str) -> list[str]:
    return [one.text for one in offered(query, marked)]


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        # Tables.
        ("SELECT * FROM not^", ["notes"]),
        ("select * from sess^", ["sessions", "session_errors"]),
        ("SELECT * FROM notes JOIN li^", ["line"]),
        ("SELECT * FROM notes, li^", ["line"]),
        ("INSERT INTO no^", ["notes"]),
        ("UPDATE no^", ["notes"]),
        ("DELETE FROM no^", ["notes"]),
        ("DROP TABLE no^", ["notes"]),
        ("SELECT 1; SELECT * FROM no^", ["notes"]),
        ("SELECT * FROM no^; SELECT 2", ["notes"]),
        ("WITH mine AS (SELECT 1) SELECT * FROM min^", ["mine"]),
        ("SELECT * FROM json^", ["json_each", "json_tree"]),
        # Columns of what the statement is about, also when that stands behind.
        ("SELECT st^ FROM notes", ["stars", "strftime(", "string_agg("]),
        ("SELECT n.^ FROM notes n", ["id", "text", "stars"]),
        ("SELECT * FROM notes WHERE sta^", ["stars"]),
        ("SELECT * FROM notes AS n JOIN line l ON l.n^", ["note"]),
        ("SELECT * FROM notes ORDER BY sta^", ["stars"]),
        ("SELECT * FROM notes GROUP BY sta^", ["stars"]),
        ("UPDATE notes SET sta^", ["stars"]),
        ("INSERT INTO notes(sta^", ["stars"]),
        ("SELECT max(sta^ FROM notes", ["stars"]),
        ("SELECT * FROM line WHERE note IN (SELECT sta^ FROM notes)", ["stars"]),
        ("SELECT * FROM (SELECT id AS q FROM notes) z WHERE z.^", ["q"]),
        ("WITH x(first, second) AS (SELECT 1, 2) SELECT sec^ FROM x", ["second"]),
        ("WITH x AS (SELECT id AS key FROM notes) SELECT x.^ FROM x", ['"key"']),
        ("SELECT stars^", []),
        ("WITH x AS (SELECT q FROM (SELECT 1 AS qq) WHERE q^", ["qq", "quote("]),
        ("SELECT content^ FROM messages", ["text_content"]),
        # Aliases, functions, keywords in the case that is typed.
        ("SELECT my^ FROM notes AS mynotes", ["mynotes"]),
        ("SELECT group_c^", ["group_concat("]),
        ("sel^", ["select"]),
        ("SEL^", ["SELECT"]),
        ("SELECT * FROM notes whe^", ["where"]),
        ("SELECT * FROM notes LEFT^", ["LEFT JOIN"]),
        ("PRAGMA table_x^", ["table_xinfo"]),
        # Values.
        ("SELECT * FROM sessions WHERE source = '^", ["'claude-code'", "'codex'"]),
        ("SELECT * FROM sessions WHERE source = 'co^", ["'codex'"]),
        ("SELECT * FROM sessions s WHERE s.source IN ('codex', 'cl^')", ["'claude-code'"]),
        ("SELECT * FROM sessions WHERE source LIKE 'CO^", ["'codex'"]),
        ("SELECT * FROM sessions WHERE source <> 'cod^", ["'codex'"]),
        ("SELECT * FROM notes WHERE text = 'note^", []),  # a hundred are too many
        # Nothing.
        ("SELECT -- FROM no^", []),
        ("SELECT /* no^", []),
        ("SELECT 'FROM no^", []),
        ("SELECT stars AS st^", []),
        ("SELECT 12^", []),
    ],
)
def test_completion(kept: Path, marked: str, expected: list[str]) -> None:
    """Names fit the place, the likeliest first."""
    with Query(kept) as query:
        assert texts(query, marked) == expected


def test_kinds_and_places(kept: Path) -> None:
    """Each says what it is, and from where on it replaces what was typed."""
    with Query(kept) as query:
        assert offered(query, "SELECT sta^ FROM notes") == [Completion("stars", 7, "column")]
        assert offered(query, "SELECT * FROM sessions WHERE source = 'cod^") == [
            Completion("'codex'", 38, "value")
        ]
        # At the beginning of a name all columns come first, then all else.
        kinds = [one.kind for one in offered(query, "SELECT ^ FROM notes")]
        assert kinds[:3] == ["column"] * 3
        assert set(kinds) == {"column", "function", "keyword"}


def test_a_new_table_is_known(kept: Path) -> None:
    """What was made since is offered, here and by others."""
    with Query(kept) as query:
        assert texts(query, "SELECT * FROM brand^") == []
        query.execute("CREATE TABLE brandnew(a, b)", write=True)
        assert texts(query, "SELECT * FROM brand^") == ["brandnew"]
        assert texts(query, "SELECT brandnew.^ FROM brandnew") == ["a", "b"]


PARTS = st.sampled_from(
    ["SELECT", " ", "*", "FROM", "notes", "n", ".", ",", "(", ")", "'", '"', "WITH", "AS", "JOIN",
     "WHERE", "=", ";", "--", "\n", "id", "IN", "x", "UPDATE", "SET", "PRAGMA", "[", "é"]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(parts=st.lists(PARTS, max_size=14), data=st.data())
def test_any_text(kept: Path, parts: list[str], data: st.DataObject) -> None:
    """Whatever stands there, something or nothing is offered, and replaces what was typed."""
    sql = "".join(parts)
    place = data.draw(st.integers(0, len(sql)))
    with Query(kept) as query:
        for one in query.complete(sql, place):
            assert 0 <= one.start <= place
