"""A server that is broken or lies: every sync ends, and nothing local is lost."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest

from clankers import Store, errors
from clankers.auth import NoAuth, TokenAuth
from clankers.sync import SyncManager
from clankers.sync import _manager as manager_module
from clankers.testing import make_message, make_session
from sync._hostile import PAGE, STATUS, TAKEN, Asked, Hostile, Says, conflict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NOW = time.time_ns() // 1_000_000
_DAY = 86_400_000


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "clankers.db") as opened:
        opened.upsert_many([make_session(), make_message(1), make_message(2)])
        yield opened


@pytest.fixture
def manager(
    store: Store, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SyncManager]:
    monkeypatch.setattr(manager_module, "_FIRST_WAIT", 0.001)
    with SyncManager(store, NoAuth(), hostile.url) as made:
        yield made


def everything(store: Store) -> list[str | None]:
    """The title and the texts, as they were written."""
    title: list[str | None] = [store.session("session-1").title]
    return title + [one.text_content for one in store.messages("session-1")]


EVERYTHING = ["Session 1", "Text of message 1", "Text of message 2"]


def heals(manager: SyncManager, hostile: Hostile) -> None:
    """Nothing was lost: when the server is well again, all of it goes."""
    assert everything(manager.store) == EVERYTHING
    hostile.answers.clear()
    assert manager.sync_now().sent == 3
    assert manager.pending().ready == 0


def test_batches_that_were_always_used_before(manager: SyncManager, hostile: Hostile) -> None:
    """A server that knows every batch id is given up after a few."""
    hostile.answers["/sync/batch"] = lambda _asked: conflict("batch_reused")
    with pytest.raises(errors.UnreachableError, match="does not come to an agreement"):
        manager.sync_now()
    assert hostile.count("/sync/batch") <= 16
    heals(manager, hostile)


@pytest.mark.parametrize("path", ["/sync/batch", "/sync/changes"])
def test_a_store_that_is_never_the_same(manager: SyncManager, hostile: Hostile, path: str) -> None:
    """A server with a new store at each question is given up after a few."""
    hostile.answers[path] = lambda _asked: conflict("store_changed", store=f"s{len(hostile.asked)}")
    with pytest.raises(errors.UnreachableError, match="does not come to an agreement"):
        manager.sync_now() if path == "/sync/batch" else manager.pull()
    assert hostile.count(path) <= 16
    heals(manager, hostile)


def test_two_stores_behind_one_address(manager: SyncManager, hostile: Hostile) -> None:
    """Pages that come from two stores in turn are given up after a few."""
    names = cycle(["s2", "s1"])
    hostile.answers["/sync/changes"] = lambda _asked: Says(200, PAGE | {"store": next(names)})
    with pytest.raises(errors.UnreachableError, match="does not come to an agreement"):
        manager.pull()
    assert hostile.count("/sync/changes") <= 16
    heals(manager, hostile)


def test_a_whole_record_without_its_base(manager: SyncManager, hostile: Hostile) -> None:
    """A record that went whole and is refused for its base is set aside, and not sent again."""
    said = {"table": "sessions", "id": "session-1", "code": "base_mismatch", "message": ""}
    hostile.answers["/sync/batch"] = lambda _asked: Says(200, TAKEN | {"rejected": [said]})
    done = manager.sync_now()
    assert (done.sent, done.refused) == (2, 1)
    assert [(one.id, one.code) for one in manager.pending().refused] == [
        ("session-1", "base_mismatch")
    ]
    assert hostile.count("/sync/batch") == 1
    assert everything(manager.store) == EVERYTHING


def test_more_that_never_comes(manager: SyncManager, hostile: Hostile) -> None:
    """A server that says that more follows and gives nothing is asked once."""
    hostile.answers["/sync/changes"] = lambda _asked: Says(200, PAGE | {"next": 0, "more": True})
    with pytest.raises(errors.SyncError, match="gives nothing behind 0"):
        manager.pull()
    assert hostile.count("/sync/changes") == 1
    heals(manager, hostile)


@pytest.mark.parametrize(
    "details",
    [{}, {"server_time": "soon"}, {"server_time": 1_795_709_251}, {"server_time": 2**61}],
    ids=["none", "text", "seconds", "beyond"],
)
def test_a_time_that_is_none(
    manager: SyncManager, hostile: Hostile, details: dict[str, Any]
) -> None:
    """No stamp is changed for a server that finds the clock ahead and does not say what it is."""
    manager.preview()
    before = stamps(manager.store)
    hostile.answers["/sync/batch"] = lambda _asked: conflict("clock_ahead", **details)
    with pytest.raises(errors.UnreachableError, match="does not say what is so"):
        manager.sync_now()
    assert hostile.count("/sync/batch") <= 4
    assert stamps(manager.store) == before
    heals(manager, hostile)


def stamps(store: Store) -> list[tuple[int, int]]:
    query = (
        "SELECT n, at FROM sync_messages UNION ALL SELECT clock_offset, clock_floor FROM sync_core"
    )
    return list(store.connection.execute(query))


@pytest.mark.parametrize("path", ["/sync/batch", "/sync/changes"])
def test_a_clock_of_the_far_future(manager: SyncManager, hostile: Hostile, path: str) -> None:
    """A clock beyond all times does not make the next change one of that time."""
    usual = TAKEN if path == "/sync/batch" else PAGE
    hostile.answers[path] = lambda _asked: Says(200, usual | {"clock": 2**61})
    manager.sync_now()
    manager.pull()
    manager.store.upsert(make_session(title="changed"))
    assert manager.sync_now().sent == 1
    (said,) = json.loads(hostile.asked[-1].body)["sessions"]
    assert _NOW <= said["changed_at"] < _NOW + 3 * _DAY


def change(table: str = "messages", record_id: str = "m1", **fields: Any) -> dict[str, Any]:
    """A change as it should be."""
    owner = {} if table == "sessions" else {"session_id": "s"}
    said = {"created_at": _NOW, **owner, **fields}
    return {
        "table": table,
        "id": record_id,
        "revision": 1,
        "fields": said,
        "at": {name: [_NOW, "d", 1] for name in said},
        "deleted_at": None,
        "purge": False,
    }


def stamped(stamp: list[Any]) -> dict[str, Any]:
    return change() | {"at": {"created_at": stamp, "session_id": stamp}}


NONSENSE: dict[str, Any] = {
    "a text": "x",
    "nothing": None,
    "no table": {key: value for key, value in change().items() if key != "table"},
    "unknown table": change("secrets"),
    "id is null": change() | {"id": None},
    "id is endless": change(record_id="x" * 100_000),
    "field is an object": change(text_content={"a": 1}),
    "text for a number": change(created_at="when"),
    "number for a text": change(text_content=7),
    "huge integer": change(created_at=2**70),
    "truth for a number": change(created_at=True),
    "no stamps": change() | {"at": {}},
    "stamps are texts": change() | {"at": {"created_at": "x", "session_id": "x"}},
    "edition is a text": stamped([_NOW, "d", "e"]),
    "stamps of the far future": stamped([_NOW + 40 * _DAY, "d", 1]),
    "stamps beyond 64 bits": stamped([2**70, "d", 1]),
    "deleted in the far future": change()
    | {"fields": {}, "at": {}, "deleted_at": [_NOW + 40 * _DAY, "d", 1]},
    "no session": change(session_id=None),
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_among_what_is_good(manager: SyncManager, hostile: Hostile, nonsense: Any) -> None:
    """Of a page what is good is taken in, and of the rest nothing is stored."""
    page = PAGE | {"changes": [change("sessions", "s"), nonsense, change(record_id="good")]}
    hostile.answers["/sync/changes"] = lambda _asked: Says(200, page)
    assert manager.pull().added == 2
    rows = manager.store.connection.execute(
        "SELECT id FROM sessions UNION ALL SELECT id FROM messages"
        " UNION ALL SELECT id FROM sync_deleted"
    )
    assert sorted(one for (one,) in rows) == [
        "good",
        "s",
        "session-1",
        "session-1:message-1",
        "session-1:message-2",
    ]
    assert everything(manager.store) == EVERYTHING


@pytest.mark.parametrize(
    "odd",
    [
        {"next": 2**70},
        {"next": None},
        {"clock": 2**70},
        {"mark": "x"},
        {"changes": 7},
        {"store": ""},
    ],
    ids=str,
)
def test_a_page_that_makes_no_sense(
    manager: SyncManager, hostile: Hostile, odd: dict[str, Any]
) -> None:
    """Around the changes, too, what is no number or name ends in an error of ours, or does no harm."""
    page = PAGE | {"changes": [change("sessions", "s")]} | odd
    hostile.answers["/sync/changes"] = lambda _asked: Says(200, page)
    try:
        manager.pull()
    except errors.ClankersError:
        assert "s" not in [one.id for one in manager.store.sessions()]
    assert hostile.count("/sync/changes") <= 4
    hostile.answers.clear()
    assert manager.sync_now().sent == 3


@pytest.mark.parametrize("path", ["/sync/status", "/sync/batch"])
def test_a_page_for_people(manager: SyncManager, hostile: Hostile, path: str) -> None:
    """A gate that answers 200 with HTML is no server."""
    hostile.answers[path] = lambda _asked: Says(200, b"<html>Please log in</html>")
    with pytest.raises(errors.UnreachableError, match="no JSON"):
        manager.sync_now()
    assert hostile.count(path) <= 4
    heals(manager, hostile)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("path", ["/sync/status", "/sync/batch", "/sync/changes"])
def test_redirects_are_not_followed(store: Store, hostile: Hostile, status: int, path: str) -> None:
    """Whoever sends us elsewhere gets no request there, and no credential."""
    with Hostile() as elsewhere:
        hostile.answers[path] = lambda _asked: Says(
            status, headers={"Location": elsewhere.url + path}
        )
        with SyncManager(store, TokenAuth("secret", hostile.url), hostile.url) as manager:
            with pytest.raises(errors.ClankersError):
                manager.pull() if path == "/sync/changes" else manager.sync_now()
            assert elsewhere.asked == []
            assert hostile.asked[-1].headers["Authorization"] == "Bearer secret"
            heals(manager, hostile)


@pytest.mark.parametrize("path", ["/sync/status", "/sync/batch", "/sync/changes"])
def test_answers_cut_short(manager: SyncManager, hostile: Hostile, path: str) -> None:
    """Half an answer is none, be it whole JSON."""
    usual = {"/sync/status": STATUS, "/sync/batch": TAKEN, "/sync/changes": PAGE}[path]
    hostile.answers[path] = lambda _asked: Says(200, usual, missing=10)
    with pytest.raises(errors.UnreachableError, match="does not answer"):
        manager.pull() if path == "/sync/changes" else manager.sync_now()
    assert hostile.count(path) <= 4
    heals(manager, hostile)


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_one_row_that_is_too_much(manager: SyncManager, hostile: Hostile, status: int) -> None:
    """Of many rows the guilty one alone is set aside, and all others are sent."""
    store = manager.store
    store.upsert_many([make_message(number) for number in range(3, 40)])
    store.upsert(make_message(17, text_content="guilty"))

    def refuse(asked: Asked) -> Says:
        error = {"error": {"code": "invalid_request", "message": "no", "details": {}}}
        return Says(status, error) if b"guilty" in asked.body else Says(200, TAKEN)

    hostile.answers["/sync/batch"] = refuse
    done = manager.sync_now()
    assert (done.sent, done.refused) == (39, 1)
    assert [one.id for one in manager.pending().refused] == ["session-1:message-17"]
    assert hostile.count("/sync/batch") <= 40
    assert len(everything(store)) == 40


def test_500_for_ever(manager: SyncManager, hostile: Hostile) -> None:
    """A server that fails over everything while it says that it is well gets each row a few times."""
    hostile.answers["/sync/batch"] = lambda _asked: Says(500)
    for _sync in range(3):
        with suppress(errors.UnreachableError):
            manager.sync_now()
    assert hostile.count("/sync/batch") <= 12
    assert manager.pending().ready + len(manager.pending().refused) == 3
    manager.reset()
    heals(manager, hostile)


def test_500_of_a_server_that_is_ill(manager: SyncManager, hostile: Hostile) -> None:
    """No row is blamed for a server that does not feel well."""
    hostile.answers["/sync/batch"] = lambda _asked: Says(500)
    hostile.answers["/health"] = lambda _asked: Says(200, {"status": "ill"})
    with pytest.raises(errors.UnreachableError):
        manager.sync_now()
    assert hostile.count("/sync/batch") <= 4
    heals(manager, hostile)


def test_413_for_more_than_one(manager: SyncManager, hostile: Hostile) -> None:
    """Where only small batches are taken, all goes in small ones."""

    def one_by_one(asked: Asked) -> Says:
        said = json.loads(asked.body)
        rows = len(said.get("sessions", [])) + len(said.get("messages", []))
        return Says(413) if rows > 1 else Says(200, TAKEN)

    hostile.answers["/sync/batch"] = one_by_one
    assert manager.sync_now().sent == 3
    assert hostile.count("/sync/batch") <= 9
    assert manager.pending().refused == []


def test_an_edit_after_the_clock_was_set_right(manager: SyncManager, hostile: Hostile) -> None:
    """What was acknowledged by a clock far ahead does not hide what is said after it was set right."""
    manager.preview()
    manager.store.upsert(make_session(title="said now"))
    manager.sync_now()
    hostile.answers["/sync/batch"] = lambda _asked: (
        conflict("clock_ahead", server_time=_NOW - 10 * _DAY)
        if hostile.count("/sync/batch") == 2
        else Says(200, TAKEN)
    )
    manager.store.upsert(make_session(title="edited"))
    assert manager.sync_now().sent == 1
    (said,) = json.loads(hostile.asked[-1].body)["sessions"]
    assert said["title"] == "edited"


def test_a_proxy_that_knows_no_zstd(manager: SyncManager, hostile: Hostile) -> None:
    """What comes back as bad from a machine in between goes by gzip, and no row is set aside for it."""

    def taken(asked: Asked) -> Says:
        is_packed = asked.headers.get("Content-Encoding") == "zstd"
        return Says(400, "<html>bad request</html>") if is_packed else Says(200, TAKEN)

    hostile.answers["/sync/batch"] = taken
    done = manager.sync_now()
    assert done.refused == 0
    assert hostile.count("/sync/batch") == 2


def test_a_proxy_that_calls_everything_bad(manager: SyncManager, hostile: Hostile) -> None:
    """It says nothing about any row: all of them go on waiting."""
    hostile.answers["/sync/batch"] = lambda _asked: Says(400, "<html>bad request</html>")
    with pytest.raises(errors.UnreachableError):
        manager.sync_now()
    assert manager.pending().refused == []
    heals(manager, hostile)
