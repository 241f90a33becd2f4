"""Queries that are kept under a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clankers.errors import QueryError
from clankers.query import (
    Parameter,
    Query,
    parameter_value,
    queries_folder,
    saved_queries,
    saved_query,
)
from clankers.store import Store
from clankers.usage import total_usage

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.formats import Value

SHIPPED = [
    "busiest-sessions",
    "compactions",
    "cost-by-project",
    "tokens-by-model",
    "tool-errors",
    "touched-files",
]


@pytest.fixture
def folder(home: Path) -> Path:
    found = queries_folder()
    assert home in found.parents
    found.mkdir(parents=True)
    return found


def test_those_that_come_along(imported: Path) -> None:
    """Each says what it tells, and answers with what it takes by default."""
    assert [one.name for one in saved_queries()] == SHIPPED
    with Query(imported) as query:
        for saved in saved_queries():
            assert saved.about.endswith(".")
            assert all(one.about for one in saved.parameters)
            assert not saved.is_own
            list(query.query(saved.sql, saved.bind({})))


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        (
            "tool-errors",
            {"min": "2"},
            [("Bash", 2, 1, 50.0), ("Edit", 2, 0, 0.0), ("Grep", 2, 0, 0.0)],
        ),
        (
            "touched-files",
            {"limit": "1"},
            [("/home/ada/code/tidewatch/src/tidewatch/harbour.py", 3, 2, 1)],
        ),
        ("compactions", {}, [(1793614200000, "codex", "tidewatch")]),
        ("tokens-by-model", {"days": "0"}, []),
    ],
)
def test_answers(
    imported: Path, name: str, given: dict[str, Value], expected: list[tuple[Value, ...]]
) -> None:
    """What the sample holds, by hand."""
    saved = saved_query(name)
    with Query(imported) as query:
        rows = list(query.query(saved.sql, saved.bind(given)))
    assert (
        [row[: len(expected[0])] for row in rows[: len(expected)]] == expected
        if expected
        else (rows == [])
    )


def test_totals_are_those_of_usage(imported: Path) -> None:
    """Tokens and dollars as `usage` counts them."""
    with Query(imported) as query:
        first, second = saved_query("tokens-by-model"), saved_query("cost-by-project")
        models = list(query.query(first.sql, first.bind({})))
        projects = list(query.query(second.sql, second.bind({})))
    assert [(row[0], row[1], row[5], row[6]) for row in models] == [
        ("claude-sonnet-4-5-20250929", 11, 1884, 0.26),
        ("gpt-5-codex", 3, 622, 0.02),
        ("claude-haiku-4-5-20251001", 2, 135, 0.01),
    ]
    assert sum(float(str(row[4])) for row in projects) == pytest.approx(0.29, abs=0.011)
    with Store.open(imported, read_only=True) as store:
        totals = {one.key: one for one in total_usage(store, by="model")}
    assert {row[0]: (row[1], row[5]) for row in models} == {
        key: (one.responses, one.output_tokens) for key, one in totals.items()
    }


def test_an_estimate_counts_where_nothing_was_measured(kept: Path) -> None:
    """As everywhere: no longer once a response of the session was measured."""
    with Query(kept) as query:
        query.execute(
            "INSERT INTO usage(id, session_id, model, output_tokens, estimated, occurred_at)"
            " SELECT 'rpc:1', id, 'gpt-5-codex', 7000, 1, created_at FROM sessions"
            " WHERE source = 'codex';"
            " INSERT INTO usage(id, session_id, model, output_tokens, estimated, occurred_at)"
            " VALUES ('rpc:2', 'alone', 'gpt-5-codex', 500, 1, 1793613600000)",
            write=True,
        )
        saved = saved_query("tokens-by-model")
        rows = {row[0]: row for row in query.query(saved.sql, saved.bind({}))}
    assert (rows["gpt-5-codex"][1], rows["gpt-5-codex"][5]) == (4, 622 + 500)


def test_ones_own(folder: Path, imported: Path) -> None:
    """A file of the user's is a query, and goes before one that came along."""
    (folder / "mine.sql").write_text(
        "-- My notes.\n-- More of it.\n-- :like  what they say\n-- :least = 3  stars\n"
        "-- :of = 'note ''x'''\nSELECT count(*) FROM notes WHERE text LIKE :like AND stars >= :least\n"
    )
    (folder / "tool-errors.sql").write_text("SELECT 1")
    (folder / "readme.txt").write_text("no query")
    saved = saved_query("mine")
    assert saved.is_own
    assert saved.about == "My notes. More of it."
    assert saved.parameters == (
        Parameter("like", "what they say", None, required=True),
        Parameter("least", "stars", 3, required=False),
        Parameter("of", "", "note 'x'", required=False),
    )
    assert saved.bind({"like": "x", "least": "4"}) == {"like": "x", "least": 4, "of": "note 'x'"}
    with Query(imported) as query:
        assert list(query.query(saved.sql, saved.bind({"like": "note 1%"}))) == [(4,)]
    assert saved_query("tool-errors").sql == "SELECT 1"


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"least": "x", "like": ""}, "least of mine is a number, not 'x'", ""),
        ({}, "mine needs a value for like", "--param like=VALUE"),
        ({"lik": "x"}, "mine takes no parameter 'lik'", "it takes like, least"),
    ],
)
def test_wrong_values(folder: Path, given: dict[str, Value], message: str, hint: str) -> None:
    """Said with the name and the value, before anything is run."""
    (folder / "mine.sql").write_text("-- :like\n-- :least = 3\nSELECT :like, :least\n")
    with pytest.raises(QueryError, match=message) as caught:
        saved_query("mine").bind(given)
    assert caught.value.hint == hint


def test_a_name_that_is_not_there() -> None:
    """The nearest one is suggested."""
    with pytest.raises(QueryError, match="there is no saved query 'tool-error'") as caught:
        saved_query("tool-error")
    assert caught.value.hint == "did you mean 'tool-errors'?"


def test_a_header_that_cannot_be_read(folder: Path) -> None:
    """What is wrong is told, and the other queries are there."""
    (folder / "broken.sql").write_text("-- :a = b\nSELECT :a")
    (folder / "latin.sql").write_bytes(b"SELECT '\xff'")
    found = {one.name: one for one in saved_queries()}
    assert set(found) == {*SHIPPED, "broken", "latin"}
    assert "':a = b' is not ':name = 20  what it is'" in found["broken"].about
    with pytest.raises(QueryError, match=r"latin\.sql cannot be read: 'utf-8' codec"):
        found["latin"].bind({})


@pytest.mark.parametrize(
    ("text", "value"),
    [("20", 20), ("-3", -3), ("0.5", 0.5), ("020", "020"), ("1e3", "1e3"), ("", ""), ("x", "x")],
)
def test_what_is_typed(text: str, value: Value) -> None:
    """A number where it is written as one is, else a text."""
    assert parameter_value(text) == value
    assert type(parameter_value(text)) is type(value)


def test_values_are_bound(folder: Path, imported: Path) -> None:
    """A value is never part of the SQL."""
    (folder / "mine.sql").write_text("-- :t\nSELECT :t")
    nasty = "'; DROP TABLE notes; --"
    saved = saved_query("mine")
    with Query(imported) as query:
        assert list(query.query(saved.sql, saved.bind({"t": nasty}))) == [(nasty,)]
