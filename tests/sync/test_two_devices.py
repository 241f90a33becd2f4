"""What one device does, another one takes in: deletions, the archive, purges, copies."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from server._running import Service

from clankers import Store, errors
from clankers.auth import NoAuth
from clankers.store._pruned import removals
from clankers.sync import SyncManager
from clankers.testing import make_message, make_session, make_tool, make_usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "served") as running:
        yield running


class Pair:
    """Two databases that sync with one server."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "a").mkdir()
        (folder / "b").mkdir()
        self.here = Store.open(folder / "a" / "clankers.db")
        self.there = Store.open(folder / "b" / "clankers.db")
        self.ours = SyncManager(self.here, NoAuth(), url)
        self.theirs = SyncManager(self.there, NoAuth(), url)

    def meet(self) -> None:
        """Until nothing is new on either side."""
        for _round in range(3):
            for manager in (self.ours, self.theirs):
                manager.sync_now()
                manager.pull()


@pytest.fixture
def pair(tmp_path: Path, service: Service) -> Iterator[Pair]:
    made = Pair(tmp_path, service.url)
    yield made
    made.here.close()
    made.there.close()


def family() -> list[object]:
    return [make_session(), make_message(1), make_message(2), make_tool(), make_usage()]


def ids(store: Store) -> list[str]:
    return [one.id for one in store.sessions()]


def archived(store: Store) -> list[str]:
    return [one.id for one in store.archived_sessions()]


def test_into_a_fresh_laptop(pair: Pair) -> None:
    """Everything comes, with its totals and its words found, and goes nowhere again."""
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.ours.sync_now()
    pulled = pair.theirs.pull()
    assert (pulled.added, pulled.changed, pulled.removed) == (5, 0, 0)
    mine, theirs = pair.here.session("session-1"), pair.there.session("session-1")
    assert (theirs.prompt_tokens, theirs.cost) == (mine.prompt_tokens, mine.cost)
    assert theirs.message_count == 2
    assert theirs.origin_device == pair.here.device_id
    word = next(iter(pair.here.messages("session-1"))).text_content or ""
    assert [hit.session_id for hit in pair.there.search(word, exact=True).hits] != []
    assert pair.there.check_index() == []
    assert pair.theirs.sync_now().sent == 0


def test_a_deletion_moves_to_the_archive(pair: Pair) -> None:
    """What is deleted here is away there too, and kept in the archive; what was used still counts."""
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.meet()
    pair.here.delete(["session-1"])
    pair.meet()
    assert (ids(pair.here), ids(pair.there)) == ([], [])
    assert archived(pair.there) == ["session-1"]
    assert pair.there.connection.execute("SELECT count(*) FROM usage").get == 1
    with pytest.raises(errors.StoreError, match="was deleted"):
        pair.there.bring_back(["session-1"])


def test_a_purge_erases_everywhere(pair: Pair) -> None:
    """No byte of any file on the other device says what was purged here."""
    word = "quetzalcoatlus"
    pair.here.upsert_many([make_session(title=word), make_message(1, text_content=word)])
    pair.meet()
    pair.here.delete(["session-1"], purge=True)
    pair.meet()
    assert (ids(pair.there), archived(pair.there)) == ([], [])
    folder = pair.there.path.parent
    left = [path.name for path in folder.iterdir() if word.encode() in path.read_bytes()]
    assert left == []


def test_a_newer_edit_survives_a_deletion(pair: Pair) -> None:
    """Who goes on with a session keeps it, and the other gets it back."""
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.meet()
    pair.here.delete(["session-1"])
    pair.ours.sync_now()
    pair.there.upsert(make_session(title="it goes on"))
    pair.meet()
    assert pair.here.session("session-1").title == "it goes on"
    assert pair.there.session("session-1").title == "it goes on"


def test_archived_before_there_was_sync(pair: Pair) -> None:
    """An archive older than sync is sent too."""
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.here.archive(session_ids=["session-1"])
    assert pair.ours.sync_now().sent == 5
    pair.theirs.pull()
    assert ids(pair.there) == ["session-1"]


def test_what_waits_may_be_archived(pair: Pair) -> None:
    """Rows that are in the archive when their turn comes are sent from there, once."""
    pair.here.upsert(make_session(9))
    pair.ours.sync_now()
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.here.archive(session_ids=["session-1"])
    assert pair.ours.sync_now().sent == 5
    assert pair.ours.sync_now().sent == 0
    pair.here.bring_back(["session-1"])
    assert pair.ours.sync_now().sent == 0


def test_a_change_of_what_is_archived_here(pair: Pair) -> None:
    """What another device changes is changed in the archive; the session does not come back for it."""
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.meet()
    pair.here.archive(session_ids=["session-1"])
    pair.there.upsert(make_session(title="renamed there"))
    pair.there.upsert(make_message(3))
    pair.meet()
    assert ids(pair.here) == []
    assert [one.title for one in pair.here.archived_sessions()] == ["renamed there"]
    pair.here.bring_back(["session-1"])
    assert len(list(pair.here.messages("session-1"))) == 3


def test_pruned_here(pair: Pair) -> None:
    """What was removed from this device alone stays with the others, and a pull does not bring it back."""
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.meet()
    assert [one.id for one in pair.here.prune(source="claude-code").sessions] == ["session-1"]
    pair.ours.reset()
    pair.meet()
    assert (ids(pair.here), ids(pair.there)) == ([], ["session-1"])


def test_a_copied_laptop(pair: Pair, tmp_path: Path, service: Service) -> None:
    """A database that is used in another place is another device, and both go on."""
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.ours.sync_now()
    copied = tmp_path / "copied"
    copied.mkdir()
    pair.here.back_up(copied / "clankers.db")
    with Store.open(copied / "clankers.db") as store:
        before = store.device_id
        manager = SyncManager(store, NoAuth(), service.url)
        store.upsert(make_session(2, title="made on the copy"))
        manager.sync_now()
        assert store.device_id != before == pair.here.device_id
    pair.meet()
    assert sorted(ids(pair.there)) == ["session-1", "session-2"]


def test_another_server(pair: Pair, tmp_path: Path) -> None:
    """A database is bound to its server: another one gets nothing, until it is moved there."""
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.ours.sync_now()
    with Service(tmp_path / "other") as other:
        moved = SyncManager(pair.here, NoAuth(), other.url)
        with pytest.raises(errors.PinnedError, match="nothing was sent") as refused:
            moved.sync_now()
        assert "sync reset --move" in refused.value.hint
        assert other.get("/sync/status").json()["total_sessions"] == 0
        moved.reset(move=True)
        assert moved.sync_now().sent == 5
        assert other.get("/sync/status").json()["total_sessions"] == 1


def test_a_server_restored_from_a_backup(pair: Pair, service: Service) -> None:
    """What the backup lacks is sent once more, and nothing comes twice."""
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.ours.sync_now()
    service.stop()
    kept = service.folder.with_name("kept")
    shutil.copytree(service.folder, kept)
    service.start()
    pair.here.upsert(make_session(2))
    assert pair.ours.sync_now().sent == 1
    service.stop()
    shutil.rmtree(service.folder)
    shutil.copytree(kept, service.folder)
    service.start()
    pair.here.upsert(make_session(3))
    pair.meet()
    assert service.get("/sync/status").json()["total_sessions"] == 3
    assert sorted(ids(pair.there)) == ["session-1", "session-2", "session-3"]


def test_one_field_of_a_large_message(pair: Pair) -> None:
    """Of a message of 100 KB whose role changes less than 1 KB is sent."""
    pair.here.upsert_many([make_session(), make_message(1, text_content="x y " * 25_000)])
    assert pair.ours.sync_now().bytes > 100_000
    pair.here.upsert(make_message(1, text_content=None, role="system"))
    done = pair.ours.sync_now()
    assert done.sent == 1
    assert done.bytes < 1_000
    pair.meet()
    assert [one.role for one in pair.there.messages("session-1")] == ["system"]


def test_only_one_process_syncs(pair: Pair, tmp_path: Path, service: Service) -> None:
    """Who comes second is told who does it."""
    from clankers.sync._alone import alone

    pair.here.upsert(make_session())
    with alone(pair.here.path), pytest.raises(errors.SyncBusyError, match=r"by process [0-9]+"):
        pair.ours.sync_now()
    assert pair.ours.sync_now().sent == 1


def test_a_full_disk_here(pair: Pair) -> None:
    """What was acknowledged and could not be noted is sent again, and is there once."""
    pair.here.upsert_many([make_session(number) for number in range(3_000)])
    pair.ours.preview()
    connection = pair.here.connection
    connection.pragma("max_page_count", connection.pragma("page_count"))
    with pytest.raises(errors.DiskFullError):
        pair.ours.sync_now()
    connection.pragma("max_page_count", 1_000_000)
    pair.ours.sync_now()
    assert pair.ours.pending().ready == 0
    assert pair.ours.status().server == pair.ours.status().local
    pair.theirs.pull()
    assert len(ids(pair.there)) == 3_000


def test_a_restored_server_and_nothing_to_send(pair: Pair, service: Service) -> None:
    """A server that lost something is noticed although nothing waits, and gets it again."""
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.ours.sync_now()
    service.stop()
    kept = service.folder.with_name("kept")
    shutil.copytree(service.folder, kept)
    service.start()
    pair.here.upsert(make_session(2))
    pair.ours.sync_now()
    service.stop()
    shutil.rmtree(service.folder)
    shutil.copytree(kept, service.folder)
    service.start()
    pair.ours.sync_now()
    assert service.get("/sync/status").json()["total_sessions"] == 2


def test_deleted_there_after_it_was_forgotten_here(pair: Pair) -> None:
    """A newer deletion elsewhere counts, although an older one here was taken back."""
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.meet()
    pair.here.delete(["session-1"])
    pair.here.forget_pruned("session-1")
    pair.here.upsert_many(family())  # type: ignore[arg-type]
    pair.meet()
    pair.there.delete(["session-1"])
    pair.meet()
    assert ids(pair.here) == []
    assert "session-1" in removals(pair.here.connection)
    assert pair.ours.status().local == pair.ours.status().server
