"""What was used: every response once, in the one shape of all agents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ._sessions import SESSION, Database, Storage, answer, at, batches_of, imported, rows, tokens

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.models import Usage
    from clankers.store import Store

SPENT = tokens(100, 40, 10, 500, 30)


def only_usage(database: Database, *parts: dict[str, Any], **message: Any) -> Usage:
    database.message("msg_1", answer(**message), *parts)
    (found,) = (one for batch in batches_of(database.path) for one in batch.usage)
    return found


def step(spent: dict[str, Any], cost: float = 0) -> dict[str, Any]:
    return {"type": "step-finish", "reason": "stop", "cost": cost, "tokens": spent}


def test_a_response(database: Database) -> None:
    """Input is uncached, output has reasoning in it; the message it belongs to is named."""
    used = only_usage(database, step(SPENT), spent=SPENT)
    assert (used.input_tokens, used.cache_read_tokens, used.cache_write_5m_tokens) == (100, 500, 30)
    assert (used.output_tokens, used.reasoning_tokens) == (50, 10)
    assert (used.session_id, used.message_id) == (SESSION, f"{SESSION}:msg_1")
    assert (used.provider, used.model, used.occurred_at) == ("openai", "gpt-5.3-codex", at(2))
    assert used.cost_reported is None
    assert json.loads(used.raw or "") == {"tokens": SPENT, "cost": 0}


@pytest.mark.parametrize(
    ("total", "output"),
    [
        (100 + 500 + 30 + 40, 40),
        (100 + 500 + 30 + 40 + 10, 50),
        (None, 50),
        (12, 50),
    ],
)
def test_reasoning_counts_once(database: Database, total: int | None, output: int) -> None:
    """Where the total is reached without reasoning, it was in the output already."""
    used = only_usage(database, spent={**SPENT, "total": total})
    assert (used.output_tokens, used.reasoning_tokens) == (output, 10)


def test_nothing_but_reasoning(database: Database) -> None:
    """It is output, whatever else is missing."""
    used = only_usage(database, spent={"reasoning": 7})
    assert (used.output_tokens, used.reasoning_tokens) == (7, 7)


def test_a_cost_that_opencode_computed(database: Database) -> None:
    """It is kept in microdollars; 0 means that there was no price."""
    assert only_usage(database, spent=SPENT, cost=0.0123).cost_reported == 12_300


def test_a_message_of_several_requests(database: Database) -> None:
    """Older versions state the tokens of the last request only; the steps have them all."""
    first, second = tokens(100, 20, 5, 0), tokens(10, 30, 0, 120)
    used = only_usage(database, step(first, 0.25), step(second, 0.5), spent=second, cost=0.75)
    assert (used.input_tokens, used.cache_read_tokens) == (110, 120)
    assert (used.output_tokens, used.reasoning_tokens) == (55, 5)
    assert used.cost_reported == 750_000
    assert len(json.loads(used.raw or "")["steps"]) == 2


def test_a_step_that_ended_before_the_message_was_written(database: Database) -> None:
    """Read at that moment, the response is the same one as when it is read later."""
    early = only_usage(database, step(SPENT, 0.5), spent=tokens())
    database.run("UPDATE message SET data = ?", json.dumps(answer(spent=SPENT, cost=0.5)))
    (late,) = (one for batch in batches_of(database.path) for one in batch.usage)
    assert (early.id, early.output_tokens, early.cost_reported) == (late.id, 50, 500_000)


def test_a_message_that_grows_without_steps(database: Database, store: Store) -> None:
    """Where only the message states what it used, it is one response while that grows."""
    database.message("msg_1", answer(spent=tokens(100, 10)))
    imported(store, database.path)
    grown = json.dumps(answer(spent=tokens(200, 20)))
    database.run("UPDATE message SET data = ?, time_updated = ?", grown, at(9))
    imported(store, database.path)
    assert rows(store, "SELECT input_tokens, output_tokens FROM usage") == [(200, 20)]


def test_nothing_used(database: Database) -> None:
    """An answer that was aborted before it began has no usage."""
    database.message("msg_1", answer())
    assert [one for batch in batches_of(database.path) for one in batch.usage] == []


def fork(database: Database, key: str = "ses_fork", second: float = 60) -> None:
    """What OpenCode does: the same messages and parts under new ids in a new session."""
    database.session(key, second, title="Build the engine (fork #1)")
    database.run(
        "INSERT INTO message SELECT ? || id, ?, time_created, time_updated, data FROM message"
        " WHERE session_id = ?",
        key,
        key,
        SESSION,
    )
    database.run(
        "INSERT INTO part SELECT ? || id, ? || message_id, ?, time_created, time_updated, data"
        " FROM part WHERE session_id = ?",
        key,
        key,
        key,
        SESSION,
    )


TOTAL = "SELECT count(*), sum(output_tokens), min(session_id) FROM usage"


def test_a_fork_counts_once(database: Database, store: Store) -> None:
    """Its copies are the originals' responses; what it added is its own, and its age too."""
    database.message("msg_1", answer(2), step(SPENT))
    database.message("msg_2", answer(9, SPENT))
    fork(database)
    database.message("msg_3", answer(70, SPENT), session="ses_fork")
    imported(store, database.path)
    assert rows(store, "SELECT session_id, count(*) FROM usage GROUP BY 1 ORDER BY 1") == [
        (SESSION, 2),
        ("ses_fork", 1),
    ]
    assert rows(store, "SELECT created_at FROM sessions WHERE id = 'ses_fork'") == [(at(60),)]
    assert rows(store, "SELECT count(*) FROM messages WHERE session_id = 'ses_fork'") == [(3,)]


def test_a_fork_whose_original_was_deleted(database: Database, store: Store) -> None:
    """The archive still has the response, which is not counted for the fork again."""
    database.message("msg_1", answer(2, SPENT))
    imported(store, database.path)
    fork(database)
    database.run("DELETE FROM session WHERE id = ?", SESSION)
    database.run("DELETE FROM message WHERE session_id = ?", SESSION)
    imported(store, database.path)
    assert rows(store, TOTAL) == [(1, 50, SESSION)]


def test_a_fork_that_is_read_before_its_original(tmp_path: Path, store: Store) -> None:
    """The response goes to the older session as soon as that is read."""
    database = Database(tmp_path / "opencode" / "opencode.db")
    database.session()
    database.message("msg_1", answer(2), step(SPENT))
    fork(database)
    database.run("DELETE FROM session WHERE id = ?", SESSION)
    imported(store, database.path)
    assert rows(store, TOTAL) == [(1, 50, "ses_fork")]
    database.session()
    imported(store, database.path)
    assert rows(store, TOTAL) == [(1, 50, SESSION)]
    database.connection.close()


def test_a_fork_of_what_is_only_in_the_older_storage(database: Database, store: Store) -> None:
    """Wherever the original is kept, it is the same response."""
    database.message("msg_1", answer(2, SPENT))
    fork(database)
    database.run("DELETE FROM session WHERE id = ?", SESSION)
    storage = Storage(database.path.parent / "storage")
    storage.session()
    storage.message("msg_1", answer(2, SPENT))
    imported(store, database.path.parent)
    assert rows(store, TOTAL) == [(1, 50, SESSION)]


def test_a_message_without_a_time(database: Database) -> None:
    """The time of its row stands in; without either its id identifies it."""
    data = answer(2, SPENT)
    database.message("msg_1", data)
    (dated,) = (one for batch in batches_of(database.path) for one in batch.usage)
    del data["time"]
    database.run("UPDATE message SET data = ?", json.dumps(data))
    (row_dated,) = (one for batch in batches_of(database.path) for one in batch.usage)
    assert row_dated.id == dated.id
    database.run("UPDATE message SET time_created = 0")
    (undated,) = (one for batch in batches_of(database.path) for one in batch.usage)
    assert undated.id == "opencode:msg_1"
