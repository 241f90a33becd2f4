"""Copies brought back: whole or not at all, and nothing of before is lost."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import apsw
import pytest

from clankers.errors import NewerSchemaError, NotADatabaseError, StoreError
from clankers.store import Store, backups, restore
from clankers.testing import make_message, make_session

if TYPE_CHECKING:
    from pathlib import Path


def ids(path: Path) -> list[str]:
    with Store.open(path, read_only=True) as store:
        return sorted(one.id for one in store.sessions())


def test_brings_back_what_was_copied(store: Store) -> None:
    """The database holds what the copy holds, and what it held is in a new copy."""
    store.upsert(make_session(1))
    copy = store.back_up()
    store.upsert(make_session(2))
    done = restore(store.path, copy)
    assert done.copy == copy
    assert done.damaged is None
    assert done.before is not None
    assert done.before.name.endswith("-before-write.db")
    assert ids(store.path) == ["session-1"]
    assert ids(done.before) == ["session-1", "session-2"]
    assert store.path.stat().st_mode & 0o777 == 0o600
    # Who had it open all the time sees it, and writes on.
    assert [one.id for one in store.sessions()] == ["session-1"]
    store.upsert(make_session(3))
    assert ids(store.path) == ["session-1", "session-3"]
    assert store.connection.pragma("journal_mode") == "wal"


def test_by_its_name(store: Store) -> None:
    """A copy beside the database needs no path."""
    store.upsert(make_session(1))
    name = store.back_up().name
    store.delete(["session-1"])
    assert restore(store.path, type(store.path)(name)).copy.name == name
    assert ids(store.path) == ["session-1"]


def test_where_nothing_is(path: Path, tmp_path: Path) -> None:
    """A lost database is made anew, private to its owner."""
    with Store.open(path) as store:
        store.upsert(make_session(1))
        copy = store.back_up(tmp_path / "copy.db")
    for side in ("", "-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    done = restore(path, copy)
    assert done.before is None
    assert ids(path) == ["session-1"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_in_place_of_a_damaged_one(path: Path, tmp_path: Path) -> None:
    """What cannot be copied is moved aside, with its log."""
    with Store.open(path) as store:
        store.upsert_many(
            [make_session(1), *(make_message(n, session_id="session-1") for n in range(2_000))]
        )
        copy = store.back_up(tmp_path / "copy.db")
    whole = path.read_bytes()
    half = len(whole) // 32_768 * 16_384
    damaged = whole[:half] + b"\xff" * (len(whole) - half)
    path.write_bytes(damaged)
    done = restore(path, copy)
    assert done.before is None
    assert done.damaged is not None
    assert done.damaged.read_bytes() == damaged
    assert ids(path) == ["session-1"]


def test_another_page_size(store: Store, tmp_path: Path) -> None:
    """A copy of a database that was made with other pages fits all the same."""
    store.upsert(make_session(1))
    copy = store.back_up(tmp_path / "copy.db")
    connection = apsw.Connection(str(copy))
    connection.execute("PRAGMA page_size = 4096; VACUUM")
    connection.close()
    path = store.path
    store.close()
    restore(path, copy)
    assert ids(path) == ["session-1"]


def test_the_oldest_of_many(store: Store) -> None:
    """The copy that is brought back is never thinned away for it."""
    store.upsert(make_session(1))
    oldest = store.back_up_before_write()
    store.upsert(make_session(2))
    for _copy in range(2):
        store.back_up_before_write()
    restore(store.path, oldest)
    assert ids(store.path) == ["session-1"]
    assert oldest.exists()


def test_through_a_link(path: Path, tmp_path: Path) -> None:
    """A link to the database stays one."""
    link = tmp_path / "link.db"
    with Store.open(path) as store:
        store.upsert(make_session(1))
        copy = store.back_up(tmp_path / "copy.db")
        store.delete(["session-1"])
    link.symlink_to(path)
    restore(link, copy)
    assert link.is_symlink()
    assert ids(path) == ["session-1"]


def test_copies_of_others_are_left_alone(tmp_path: Path) -> None:
    """Databases in one folder share the folder of their copies, and no copy."""
    names = ("a", "a-b")
    stores = [Store.open(tmp_path / f"{name}.db") for name in names]
    theirs = stores[1].back_up_before_write()
    mine = stores[0].back_up(tmp_path / "backups" / "safe-before-write-of-q3.db")
    own = [stores[0].back_up_before_write() for _copy in range(5)]
    assert theirs.exists()
    assert mine.exists()
    assert [one.path for one in backups(tmp_path / "a.db") if one.is_automatic] == own[:1:-1]
    assert [one.path for one in backups(tmp_path / "a-b.db") if one.is_automatic] == [theirs]
    for store in stores:
        store.close()


def test_what_is_no_copy(store: Store, tmp_path: Path) -> None:
    """Refused before anything is touched."""
    store.upsert(make_session(1))
    copy = store.back_up(tmp_path / "copy.db")
    whole = copy.read_bytes()
    with pytest.raises(StoreError, match="there is no copy at"):
        restore(store.path, tmp_path / "nothing.db")
    with pytest.raises(StoreError, match="is the database itself"):
        restore(store.path, store.path)
    copy.write_bytes(whole[:16_384] + b"\xff" * (len(whole) - 16_384))
    with pytest.raises(NotADatabaseError):
        restore(store.path, copy)
    copy.write_bytes(whole)
    connection = apsw.Connection(str(copy))
    connection.execute("INSERT INTO schema_migrations VALUES (999, 0, '', '')")
    connection.close()
    with pytest.raises(NewerSchemaError):
        restore(store.path, copy)
    assert ids(store.path) == ["session-1"]
    assert backups(store.path) == []


RESTORE = """
import sys
from pathlib import Path
from clankers.store import restore

print("ready", flush=True)
restore(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_killed(path: Path, tmp_path: Path) -> None:
    """After kill -9 at any moment the database is the old one or the copy."""
    with Store.open(path) as store:
        store.upsert_many(
            [make_session(1), *(make_message(n, session_id="session-1") for n in range(5_000))]
        )
        copy = store.back_up(tmp_path / "copy.db")
        store.delete(["session-1"])
        store.upsert(make_session(2))
    chance = random.Random(5)
    for _kill in range(int(os.environ.get("CLANKERS_TEST_KILLS", "6"))):
        command = [sys.executable, "-c", RESTORE, str(path), str(copy)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.08))
            process.kill()
        assert ids(path) in (["session-1"], ["session-2"])
        with Store.open(path) as store:
            assert store.connection.pragma("integrity_check") == "ok"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a settable time zone")
def test_thinning(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of copies before writes the three newest stay and the last of each of seven days."""
    own = store.back_up()
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    day = 24 * 3600
    now = time.time() // day * day + day / 2
    made = []
    for age in range(12):
        for hour in (0, 1):
            copy = (
                store.path.parent
                / "backups"
                / f"clankers-20260101-0000{age:02}-before-write-{hour + 2}.db"
            )
            copy.write_bytes(b"")
            os.utime(copy, (now - age * day - hour * 3600,) * 2)
            made.append(copy)
    newest = store.back_up_before_write()
    kept = {one.path for one in backups(store.path)}
    assert kept == {own, newest, made[0], made[1], *made[2:14:2]}
