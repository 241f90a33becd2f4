"""Faults that were there once: rows, rules and moments that nobody wishes for."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import closing
from email.utils import formatdate
from typing import TYPE_CHECKING

import apsw
import pytest
from server._running import Service

from clankers import Store, _http, errors
from clankers.auth import NoAuth
from clankers.store.capture import _marks as marks
from clankers.sync import Policy, SyncManager
from clankers.sync._alone import alone
from clankers.testing import make_message, make_session, make_usage
from sync._hostile import Hostile, Says
from sync.test_two_devices import Pair, ids

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UNREACHABLE = "http://127.0.0.1:9"
_TEN_DAYS = 864_000_000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "served") as running:
        yield running


@pytest.fixture
def pair(tmp_path: Path, service: Service) -> Iterator[Pair]:
    made = Pair(tmp_path, service.url)
    yield made
    made.here.close()
    made.there.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "clankers.db") as opened:
        yield opened


def test_a_number_of_a_placeholder_is_never_given_again(pair: Pair) -> None:
    """A new session is sent, though a placeholder came and went before it."""
    pair.here.upsert_many([make_session(), make_message(1)])
    pair.meet()
    pair.there.delete(["session-1"])
    pair.theirs.sync_now()
    pair.here.upsert(make_message(2))
    pair.ours.pull()
    assert pair.here.connection.execute("SELECT placeholder FROM sessions").get == 1
    pair.ours.sync_now()
    pair.there.upsert(make_session(title="alive again"))
    pair.theirs.sync_now()
    pair.ours.pull()
    pair.here.upsert(make_session(2))
    assert pair.ours.sync_now().sent == 1
    pair.theirs.pull()
    assert "session-2" in ids(pair.there)


@pytest.mark.parametrize("is_sent_before", [False, True])
@pytest.mark.parametrize(
    ("column", "bad", "good"),
    [
        ("text_content", "x'ff00'", "'mended'"),
        ("text_content", "CAST(x'ff41' AS TEXT)", "'mended'"),
        ("seq", "9e999", "7"),
    ],
)
def test_a_row_that_cannot_be_said(
    pair: Pair, column: str, bad: str, good: str, *, is_sent_before: bool
) -> None:
    """It is set aside, its neighbours are sent, and it goes when it is mended."""
    pair.here.upsert_many([make_session(), make_message(1)])
    if is_sent_before:
        pair.ours.sync_now()
    pair.here.upsert(make_message(2))
    write = f"UPDATE messages SET {column} = %s WHERE id = 'session-1:message-1'"
    pair.here.connection.execute(write % bad)
    assert pair.ours.sync_now().sent == (1 if is_sent_before else 2)
    refused = [(one.table, one.id, one.code) for one in pair.ours.pending().refused]
    assert refused == [("messages", "session-1:message-1", "unfit")]
    pair.here.connection.execute(write % good)
    assert pair.ours.sync_now().sent == 1
    assert pair.ours.pending().refused == []
    pair.theirs.pull()
    read = f"SELECT {column} = {good} FROM messages WHERE id = 'session-1:message-1'"
    assert pair.there.connection.execute(read).get == 1


def test_new_rules_do_not_wake_what_is_dead(pair: Pair) -> None:
    """What was deleted elsewhere is not sent for a new policy, and comes back when it lives again."""
    pair.here.upsert_many([make_session(), make_message(1)])
    pair.meet()
    pair.there.delete(["session-1"])
    pair.meet()
    ours = SyncManager(
        pair.here, NoAuth(), pair.ours.endpoint, policy=Policy(exclude=("/nowhere",))
    )
    done = ours.sync_now()
    assert (done.sent, done.refused, done.bytes) == (0, 0, 0)
    pair.there.upsert_many([make_session(title="alive again"), make_message(1)])
    pair.theirs.sync_now()
    ours.pull()
    assert [one.title for one in pair.here.sessions()] == ["alive again"]
    assert len(list(pair.here.messages("session-1"))) == 1


def test_a_title_cut_inside_a_secret_of_the_archive(store: Store) -> None:
    """The piece of a secret in the title of an archived session is known from its prompt."""
    prompt = f"please use my github token {'ghp_'}{'A1b2C3d4E5f6' * 3} to push the branch"
    store.upsert_many([make_session(title=prompt[:50]), make_message(1, text_content=prompt)])
    manager = SyncManager(store, NoAuth(), _UNREACHABLE)
    manager.preview()
    store.archive(session_ids=["session-1"])
    titles = [record["title"] for table, record in manager.preview() if table == "sessions"]
    assert titles == ["please use my github token [redacted:github-token]"]


def test_an_edit_after_the_clock_was_set_right(pair: Pair) -> None:
    """A device whose clock was ten days ahead is heard once that is mended."""
    pair.ours.sync_now()
    pair.here.upsert(make_session())
    pair.ours.sync_now()
    # As if the server's clock had been ahead as well until now.
    pair.here.connection.execute(
        f"UPDATE sync_sessions SET at = at + {_TEN_DAYS}, acked = acked + ({_TEN_DAYS} << 16)"
    )
    pair.here.connection.execute(f"UPDATE sync_core SET clock_offset = {_TEN_DAYS}")
    for title in ("the first", "the second"):
        pair.here.upsert(make_session(title=title))
        assert pair.ours.sync_now().sent == 1
        pair.theirs.pull()
        assert [one.title for one in pair.there.sessions()] == [title]


def test_an_archive_that_is_away_for_a_while(tmp_path: Path, service: Service) -> None:
    """What waits in it waits on, and goes when it is back."""
    away = tmp_path / "away"
    away.mkdir()

    def sync() -> int:
        with Store.open(tmp_path / "clankers.db") as store:
            return SyncManager(store, NoAuth(), service.url).sync_now().sent

    with Store.open(tmp_path / "clankers.db") as store:
        store.upsert_many([make_session(), make_message(1)])
        SyncManager(store, NoAuth(), service.url).preview()
        store.archive(session_ids=["session-1"])
    for file in tmp_path.glob("clankers.archive.db*"):
        shutil.move(file, away)
    assert len(list(away.iterdir())) >= 1
    assert sync() == 0
    for file in away.iterdir():
        shutil.move(file, tmp_path)
    assert sync() == 2
    assert service.get("/sync/status").json()["total_sessions"] == 1


def files_with(folder: Path, word: str) -> list[str]:
    return [one.name for one in folder.iterdir() if word.encode() in one.read_bytes()]


def purge_there(pair: Pair, word: str) -> None:
    """A session that is archived here is purged there."""
    told = [make_message(number, text_content=f"{word} " * 50) for number in range(1, 40)]
    pair.here.upsert_many([make_session(title=word), *told])
    pair.meet()
    pair.here.archive(session_ids=["session-1"])
    assert "clankers.archive.db" in " ".join(files_with(pair.here.path.parent, word))
    pair.there.delete(["session-1"], purge=True)
    pair.theirs.sync_now()


def test_a_purge_erases_the_archive(pair: Pair) -> None:
    """No byte of either file says what was purged elsewhere."""
    purge_there(pair, "quetzalcoatlus")
    pair.ours.pull()
    assert files_with(pair.here.path.parent, "quetzalcoatlus") == []


def test_a_purge_that_cannot_erase_yet(pair: Pair) -> None:
    """What somebody still reads is erased by a later sync, also of another process."""
    purge_there(pair, "quetzalcoatlus")
    with closing(apsw.Connection(str(pair.here.path))) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sessions").fetchall()
        pair.here.connection.set_busy_timeout(100)
        pair.ours.pull()
        noted = pair.here.connection.execute("SELECT to_erase FROM sync_core").get
        assert "session-1" in json.loads(noted)
    with Store.open(pair.here.path) as later:
        SyncManager(later, NoAuth(), pair.ours.endpoint).sync_now()
        assert later.connection.execute("SELECT to_erase FROM sync_core").get == "[]"
    assert files_with(pair.here.path.parent, "quetzalcoatlus") == []


def test_metrics_only_with_pulls(pair: Pair) -> None:
    """What comes back without its texts is not sent again."""
    pair.here.upsert_many([make_session(), make_message(1), make_message(2)])
    ours = SyncManager(pair.here, NoAuth(), pair.ours.endpoint, policy=Policy(metrics_only=True))
    assert ours.sync_now().sent == 3
    for _round in range(2):
        ours.pull()
        assert ours.sync_now().sent == 0


def test_a_text_that_is_only_a_marker(pair: Pair) -> None:
    """Who replaces a whole text elsewhere has changed it, though it could be one without its secrets."""
    pair.here.upsert_many([make_session(), make_message(1, text_content="a whole other text")])
    pair.meet()
    pair.there.upsert(make_message(1, text_content="[redacted:password]"))
    pair.meet()
    texts = [one.text_content for one in pair.here.messages("session-1")]
    assert texts == ["[redacted:password]"]


def test_usage_made_in_another_folder(store: Store) -> None:
    """What a session of an excluded project used stays here, wherever it was used."""
    store.upsert_many(
        [
            make_session(project_path="/home/dev/hidden"),
            make_usage(1, project_path="/home/dev/hidden"),
            make_usage(2, project_path="/tmp"),
            make_session(2),
            make_usage(3, session_id="session-2"),
        ]
    )
    manager = SyncManager(
        store, NoAuth(), _UNREACHABLE, policy=Policy(exclude=("/home/dev/hidden",))
    )
    assert sorted(record["id"] for _table, record in manager.preview()) == [
        "claude-code:response-3:request-3",
        "session-2",
    ]


def test_a_link_to_the_database(store: Store, tmp_path: Path) -> None:
    """Under either name it is synced by one process."""
    link = tmp_path / "link" / "clankers.db"
    link.parent.mkdir()
    os.symlink(store.path, link)
    with (
        alone(store.path),
        pytest.raises(errors.SyncBusyError, match=f"by process {os.getpid()}"),
        alone(link, patience=0),
    ):
        pass


def test_the_deletion_of_what_was_pruned_here(pair: Pair) -> None:
    """It is noted, and known still when the session may be imported again."""
    pair.here.upsert_many([make_session(), make_message(1)])
    pair.meet()
    pair.here.prune(source="claude-code")
    pair.there.delete(["session-1"])
    pair.meet()
    query = "SELECT deleted_at IS NOT NULL FROM sync_versions WHERE tbl = 'sessions'"
    assert pair.here.connection.execute(query).get == 1
    assert pair.here.forget_pruned("session-1") == ["session-1"]
    assert pair.here.connection.execute(query).get == 1


def test_a_writer_in_the_midst_of_the_first_noting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows from before sync keep their own times, though somebody writes between two chunks."""
    monkeypatch.setattr(marks, "_CHUNK", 2)
    store.upsert_many([make_session(), *[make_message(number) for number in range(1, 8)]])
    with store.atomic():
        marks.begin(store.connection)
        marks.note_chunk(store.connection)
    with Store.open(store.path) as other:
        other.upsert(make_session(2))
    SyncManager(store, NoAuth(), _UNREACHABLE).preview()
    rows = store.connection.execute(
        "SELECT json_extract(stamps, '$.text_content[0]') FROM sync_versions"
        " WHERE tbl = 'messages' ORDER BY id"
    )
    # 2026-01-05T09:00:01Z and the seconds after it.
    assert [at for (at,) in rows] == [
        1_767_603_601_000,
        1_767_603_602_000,
        1_767_603_603_000,
        1_767_603_604_000,
        1_767_603_605_000,
        1_767_603_606_000,
        1_767_603_607_000,
    ]


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("7", 7, 7),
        ("99999999", 3_600, 3_600),
        ("9" * 400, 3_600, 3_600),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 3_600, 3_600),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("in two minutes", 90, 120),
    ],
    ids=["seconds", "years", "digits", "future", "past", "minutes"],
)
def test_how_long_a_server_asks_to_wait(said: str, least: float, most: float) -> None:
    """Seconds and dates are understood, and nobody is asked to wait longer than an hour."""
    if said == "in two minutes":
        said = formatdate(time.time() + 120, usegmt=True)
    waits = asked_to_wait(said)
    assert waits is not None
    assert least <= waits <= most


def asked_to_wait(said: str) -> float | None:
    with Hostile() as hostile, _http.session(NoAuth()) as asking:
        hostile.answers["/health"] = lambda _asked: Says(503, headers={"Retry-After": said})
        return _http.exchange(asking, "GET", f"{hostile.url}/health").retry_after


@pytest.mark.parametrize("said", ["soon", "-7", "", "1e9", "7.5"])
def test_a_wait_that_makes_no_sense(said: str) -> None:
    """What is neither seconds nor a date is as if nothing was said."""
    assert asked_to_wait(said) is None


def test_nobody_waits_an_hour_for_a_sync(store: Store) -> None:
    """`sync_now` gives up at once where the server wants it to come back in an hour."""
    store.upsert(make_session())
    with Hostile() as hostile:
        hostile.answers["/sync/batch"] = lambda _asked: Says(503, headers={"Retry-After": "3600"})
        with SyncManager(store, NoAuth(), hostile.url) as manager:
            with pytest.raises(errors.UnreachableError) as problem:
                manager.sync_now()
            assert problem.value.retry_after == 3_600
            assert hostile.count("/sync/batch") == 1
            assert manager.pending().ready == 1
