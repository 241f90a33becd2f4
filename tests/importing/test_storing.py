"""How what was read gets into the database: in whole transactions, priced, beside other writers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from clankers.errors import DatabaseBusyError, DiskFullError, StoreError
from clankers.importing import Progress, import_sessions
from clankers.models import Session
from clankers.store import Store
from importing._transcripts import OTHER_SESSION, prompt

if TYPE_CHECKING:
    from pathlib import Path

    from importing._parrot import Parrot

MANY = 450


@pytest.fixture
def flock(home: Path, parrot: Parrot) -> int:
    """More files than go into one transaction; their number."""
    (home / ".parrot").mkdir()
    for number in range(MANY):
        (home / ".parrot" / f"f{number:03}.parrot").write_text("polly\n", encoding="utf-8")
    return MANY


def stored(store: Store) -> tuple[int, int, int]:
    """How many files, messages and counted messages the database has."""
    query = (
        "SELECT (SELECT count(*) FROM import_sources), (SELECT count(*) FROM messages),"
        " (SELECT coalesce(sum(message_count), 0) FROM sessions)"
    )
    files, messages, counted = store.connection.execute(query).fetchone() or (0, 0, 0)
    return files, messages, counted


def test_a_commit_that_fails_ends_the_import(store: Store, flock: int) -> None:
    """What a commit in the background fails with is raised; what was committed before is safe."""
    commits = 0

    def refuse() -> bool:
        nonlocal commits
        commits += 1
        return commits == 2

    store.connection.set_commit_hook(refuse)

    with pytest.raises(StoreError):
        import_sessions(store)

    assert not store.connection.in_transaction
    (files, messages, counted) = stored(store)
    assert 0 < files < flock
    assert files == messages == counted
    assert import_sessions(store).unchanged == files
    assert stored(store) == (flock, flock, flock)


def test_no_thread_is_left(store: Store, flock: int) -> None:
    """When the import returns, everything is committed and nothing goes on."""
    import_sessions(store)

    assert "clankers-commit" not in {thread.name for thread in threading.enumerate()}
    with Store.open(store.path, read_only=True) as reader:
        assert stored(reader) == (flock, flock, flock)


def test_a_full_disk(store: Store, flock: int) -> None:
    """No space is a named error; files of the transactions before it stay."""
    pages = store.connection.pragma("page_count")
    store.connection.pragma("max_page_count", pages + 12)

    with pytest.raises(DiskFullError):
        import_sessions(store)

    assert not store.connection.in_transaction
    (files, messages, counted) = stored(store)
    assert files == messages == counted
    store.connection.pragma("max_page_count", 1_000_000)
    import_sessions(store)
    assert stored(store) == (flock, flock, flock)


def test_another_writer(store: Store, flock: int) -> None:
    """A database that stays locked by somebody else is a named error; nothing is half there."""
    with Store.open(store.path) as other, other.atomic():
        store.connection.set_busy_timeout(20)
        with pytest.raises(DatabaseBusyError):
            import_sessions(store)
        assert not store.connection.in_transaction

    import_sessions(store)
    assert stored(store) == (flock, flock, flock)


def test_reading_keeps_nobody_waiting(store: Store, home: Path, parrot: Parrot) -> None:
    """The write lock is not held while files are read."""
    (home / ".parrot").mkdir()
    for name in ("a", "b"):
        (home / ".parrot" / f"{name}.parrot").write_text("polly\n", encoding="utf-8")

    with Store.open(store.path, busy_timeout_ms=0) as other:

        def write(progress: Progress) -> None:
            other.upsert(Session(f"live-{progress.files_done}", 1, source="live"))

        import_sessions(store, on_progress=write)

    assert sorted(one.id for one in store.sessions()) == ["a", "b", "live-1", "live-2"]


def test_responses_are_priced(store: Store, transcript: Path) -> None:
    """Usage has its cost as soon as it is stored: 3 in, 20 from the cache, 7 out."""
    import_sessions(store)

    query = "SELECT cost, cost_source FROM usage"
    # 3 x $3 + 20 x $0.30 + 7 x $15, all per million
    assert store.connection.execute(query).fetchall() == [(120, "genai-prices")]
    (session,) = store.sessions()
    assert session.cost == 0.00012


def test_an_older_price_list_is_replaced(store: Store, transcript: Path, projects: Path) -> None:
    """Responses that another price list priced are priced anew when something is imported."""
    import_sessions(store)
    store.connection.execute("UPDATE usage SET cost = 1, price_version = 'genai-prices 0.0.1'")

    (projects / f"{OTHER_SESSION}.jsonl").write_text(
        prompt("Hello", session=OTHER_SESSION), "utf-8"
    )
    import_sessions(store)

    assert store.connection.execute("SELECT cost FROM usage").fetchall() == [(120,)]


def test_rows_for_a_session_that_no_line_names(store: Store, home: Path, parrot: Parrot) -> None:
    """Its placeholder says which agent it is from."""
    (home / ".parrot").mkdir()
    (home / ".parrot" / "a.parrot").write_text("!anonymous\n", encoding="utf-8")

    import_sessions(store)

    query = "SELECT id, source, placeholder, message_count FROM sessions"
    assert store.connection.execute(query).fetchall() == [("a", "parrot", 1, 1)]
