"""SQL cut into statements and words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankers.query import is_complete, next_statement, split_script
from clankers.query._statements import has_where, tokens, transaction_word

TRIGGER = "CREATE TRIGGER t AFTER DELETE ON a BEGIN DELETE FROM b; SELECT 1; END;"
PIECES = [
    "SELECT 1;",
    "SELECT ';' AS \"a;b\", [c;d], `e;f`;",
    "SELECT 2 /* ; */ -- ;\n;",
    "VALUES ('it''s;');",
    TRIGGER,
    "BEGIN; DELETE FROM a; COMMIT;",
    "begin immediate; select 1; end;",
    "BEGIN; SELECT 1; ROLLBACK;",
]


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("", []),
        (" ;; -- nothing\n /* at all */ ;", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; -- one\n SELECT 2 ;", ["SELECT 1;", "SELECT 2 ;"]),
        ("SELECT 'a;b'; SELECT \"c;d\"", ["SELECT 'a;b';", 'SELECT "c;d"']),
        ("SELECT 1 -- ;\n, 2; SELECT 3", ["SELECT 1 -- ;\n, 2;", "SELECT 3"]),
        ("SELECT /* ; 'x */ 1; SELECT 2", ["SELECT /* ; 'x */ 1;", "SELECT 2"]),
        (f"{TRIGGER} SELECT 1", [TRIGGER, "SELECT 1"]),
        ("SELECT 'not closed; SELECT 2", ["SELECT 'not closed; SELECT 2"]),
        ("BEGIN; SELECT 1; COMMIT; SELECT 2", ["BEGIN; SELECT 1; COMMIT;", "SELECT 2"]),
        ("BEGIN; SELECT 1", ["BEGIN; SELECT 1"]),
        ("SAVEPOINT a; ROLLBACK TO a; RELEASE a", ["SAVEPOINT a;", "ROLLBACK TO a;", "RELEASE a"]),
    ],
)
def test_split(script: str, statements: list[str]) -> None:
    """Semicolons end statements, but within quotes, comments, triggers and transactions."""
    assert split_script(script) == statements


@given(st.lists(st.sampled_from(PIECES), max_size=6), st.sampled_from([" ", "\n", "-- x;\n", ""]))
def test_split_finds_what_was_joined(statements: list[str], between: str) -> None:
    """However statements are put together, they are found again."""
    assert split_script(between.join(statements)) == statements


@given(st.text())
def test_nothing_is_lost(text: str) -> None:
    """Tokens make up the text, and statements stand where they say."""
    assert "".join(token.text for token in tokens(text)) == text
    place = 0
    while (piece := next_statement(text, place)) is not None:
        assert text[piece.start : piece.end] == piece.sql
        assert piece.end > place
        place = piece.end


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("", True),
        ("SELECT 1", False),
        ("SELECT 1;", True),
        ("SELECT ';", False),
        ("SELECT 1; SELECT 2", False),
        ("SELECT 1; -- done", True),
        ("CREATE TRIGGER t AFTER DELETE ON a BEGIN SELECT 1;", False),
        (TRIGGER, True),
        ("BEGIN; SELECT 1;", False),
        ("BEGIN; SELECT 1; COMMIT;", True),
        ("SELECT /* ;", False),
    ],
)
def test_is_complete(text: str, complete: bool) -> None:  # noqa: FBT001
    """What a prompt waits for: the end of every statement and transaction."""
    assert is_complete(text) is complete


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("BEGIN IMMEDIATE", "BEGIN"),
        ("/* x */ end", "COMMIT"),
        ("commit", "COMMIT"),
        ("ROLLBACK TRANSACTION", "ROLLBACK"),
        ("ROLLBACK TO x", ""),
        ("ROLLBACK TRANSACTION TO SAVEPOINT x", ""),
        ("SELECT 'BEGIN'", ""),
    ],
)
def test_transaction_word(sql: str, word: str) -> None:
    """The beginning and the two ends of a transaction."""
    assert transaction_word(sql) == word


@pytest.mark.parametrize(
    ("sql", "where"),
    [
        ("DELETE FROM a", False),
        ("DELETE FROM a WHERE 1", True),
        ("UPDATE a SET b = (SELECT 1 WHERE 1)", False),
        ("UPDATE a SET b = 'where', \"where\" = 1", False),
        ("UPDATE a SET b = 1 /* where */ -- where", False),
        ("WITH x AS (SELECT 1 WHERE 1) DELETE FROM a wHeRe b IN x", True),
    ],
)
def test_has_where(sql: str, where: bool) -> None:  # noqa: FBT001
    """Only a WHERE of the statement itself, not of a subquery, in a text or a comment."""
    assert has_where(sql) is where
