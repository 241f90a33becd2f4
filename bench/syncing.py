"""Sync in the background, and all that a device has pushed to a service of its own.

usage: syncing.py DATABASE ROWS COMMITS POLLED; prints JSON. Milliseconds from before the commit,
which another process makes after a random while, to after the server's answer; the share of a core
that an idle daemon uses; rows a second of a push without redaction and of the same statements
through apsw alone, the time that redaction adds, and the bytes on the wire.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import msgspec

from bench.serving import Served, floor, packed
from bench.waking import gaps
from clankers import Store, wire
from clankers.auth import NoAuth
from clankers.daemon import Client
from clankers.errors import DaemonError
from clankers.models import Session
from clankers.sync import Policy, SyncManager, _background
from clankers.sync._transport import Transport
from clankers.sync.waking._commits import Commits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.sync._transport import Reply

IDLE = 10.0
TURNS = 3
AT = 1_790_000_000_000
NO_HISTORY: dict[str, Any] = {"store": None, "marks": []}
OTHER = """
import sys, time, apsw
connection = apsw.Connection(sys.argv[1])
connection.set_busy_timeout(60_000)
connection.pragma("synchronous", "normal")
insert = (
    "INSERT INTO messages(id, session_id, created_at, role, text_content)"
    " VALUES (?, 's', 1790000000000, 'user', 'a few words of a message that somebody wrote')"
)
for gap in map(float, sys.argv[2:]):
    time.sleep(gap)
    with connection:
        connection.execute(insert, (str(time.monotonic()),))
"""
ACKNOWLEDGED = """
SELECT m.n, (? - m.id) * 1000 FROM messages m JOIN sync_messages s ON s.n = m.n
WHERE m.n > ? AND s.hash NOT NULL ORDER BY m.n
"""


def main(database: str, rows: int, commits: int, polled: int) -> None:
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="clk") as name:
        folder = Path(name)
        with Served(folder / "service") as served:
            for way, count, longest in (("events", commits, 0.06), ("polling", polled, 2.0)):
                path = folder / f"{way}.db"
                late = delays(path, endpoint(served), way, gaps(count, longest))
                found[f"{way}_p50"] = late[len(late) // 2]
                found[f"{way}_p99"] = late[len(late) * 99 // 100]
            found["idle"] = idle(folder, endpoint(served))
        found |= pushes(folder, database, rows)
    print(json.dumps(found))


def endpoint(served: Served) -> str:
    return served.url.removesuffix("/sync/batch")


class Recorded(Transport):
    """Keeps what is sent, and when the last answer was there."""

    bodies: list[bytes]
    answered_at = 0.0

    def push(self, body: bytes) -> Reply:
        self.bodies.append(body)
        reply = super().push(body)
        self.answered_at = time.monotonic()
        return reply


def record(manager: SyncManager) -> Recorded:
    recorded = Recorded(manager.endpoint, NoAuth())
    recorded.bodies = []
    manager._link.transport = recorded  # noqa: SLF001
    return recorded


# Small changes


class Polled(Commits):
    """As where there are no file events."""

    def __init__(self, connection: apsw.Connection, path: Path, **_options: bool) -> None:
        super().__init__(connection, path, uses_events=False)


def delays(path: Path, url: str, way: str, gaps: list[str]) -> list[float]:
    """Milliseconds, sorted, but for the first, which waits for the two to agree."""
    late: list[float] = []
    seen = 0
    setattr(_background, "Commits", Commits if way == "events" else Polled)  # noqa: B010
    with Store.open(path) as store, SyncManager(store, NoAuth(), url) as manager:
        recorded = record(manager)
        store.upsert(Session("s", created_at=AT))
        manager.sync_now()

        def acknowledged(_done: object) -> None:
            nonlocal seen
            for n, ms in list(store.connection.execute(ACKNOWLEDGED, (recorded.answered_at, seen))):
                seen = n
                late.append(ms)

        command = [sys.executable, "-c", OTHER, str(path), "1", *gaps]
        with subprocess.Popen(command) as other:
            manager.run(
                stop=lambda: len(late) > len(gaps) or bool(other.poll()),
                mode="triggers",
                on_sync=acknowledged,
            )
    if len(late) <= len(gaps):
        sys.exit("the process that commits has failed")
    return sorted(late[1:])


def idle(folder: Path, url: str) -> float:
    """Percent of a core of a daemon that syncs, and has nothing to send."""
    socket = folder / "d.sock"
    options = ["--socket", str(socket), "--data-root", str(folder), "--no-watch"]
    env = {**os.environ, "CLANKERS_ENDPOINT": url, "CLANKERS_SYNC_ENABLED": "true"}
    env["CLANKERS_DB_PATH"] = str(folder / "idle.db")
    command = [sys.executable, "-m", "clankers_cli", "daemon", *options]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=env) as daemon:
        with Client(socket) as client:
            until_synced(client)
        time.sleep(2)
        before = cpu(daemon.pid)
        time.sleep(IDLE)
        used = cpu(daemon.pid) - before
        daemon.terminate()
    return used / IDLE * 100


def until_synced(client: Client) -> None:
    is_told = False
    for _try in range(500):
        time.sleep(0.02)
        try:
            if not is_told:
                client.call("upsertSession", session={"id": "s"})
                is_told = True
            elif client.call("health")["pendingSync"] == 0:
                return
        except DaemonError:
            continue
    sys.exit("the daemon does not sync")


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# All there is


def pushes(folder: Path, database: str, rows: int) -> dict[str, float]:
    plain, clean = Policy(redaction=False), Policy()
    took: dict[Policy, list[float]] = {plain: [], clean: []}
    bodies: list[bytes] = []
    sent = 0
    for turn in range(TURNS):
        for policy in (plain, clean):
            path = folder / f"{turn}-{policy.redaction}.db"
            fill(path, database, rows)
            seconds, sent, bodies = push(path, policy)
            took[policy].append(seconds)
    anywhere = [msgspec.json.encode(msgspec.json.decode(one) | NO_HISTORY) for one in bodies]
    floors = [floor(folder / f"floor{turn}", anywhere) for turn in range(TURNS)]
    return {
        "rows": sent,
        "floor": sorted(floors)[TURNS // 2],
        "push": sent / sorted(took[plain])[TURNS // 2],
        "redaction": sorted(took[clean])[TURNS // 2] / sorted(took[plain])[TURNS // 2],
        "wire": sum(len(packed(body)) for body in bodies) / sum(map(len, bodies)),
    }


def push(path: Path, policy: Policy) -> tuple[float, int, list[bytes]]:
    """Seconds, rows and bodies of a push of everything to a service that has nothing."""
    with (
        Served(path.with_suffix("")) as served,
        Store.open(path) as store,
        SyncManager(store, NoAuth(), endpoint(served), policy=policy) as manager,
    ):
        recorded = record(manager)
        # Notes what is there, which is done once.
        manager.preview(1)
        started = time.perf_counter()
        done = manager.sync_now()
        seconds = time.perf_counter() - started
    assert not done.refused, done
    return seconds, done.sent, recorded.bodies


def fill(path: Path, database: str, rows: int) -> None:
    """The newest sessions of a database and all that belongs to them."""
    Store.open(path).close()
    connection = apsw.Connection(str(path))
    connection.execute("ATTACH ? AS other", (database,))
    chosen = list(newest(connection, rows))
    connection.execute("CREATE TEMP TABLE chosen(id TEXT PRIMARY KEY) WITHOUT ROWID")
    connection.executemany("INSERT INTO chosen VALUES (?)", [(one,) for one in chosen])
    with connection:
        for table in wire.TABLES:
            key = "id" if table == "sessions" else "session_id"
            columns = ", ".join(("id", *wire.FIELDS[table]))
            connection.execute(
                f"INSERT INTO main.{table}({columns}) SELECT {columns} FROM other.{table}"
                f" WHERE {key} IN (SELECT id FROM chosen)"
            )
    connection.close()


def newest(connection: apsw.Connection, rows: int) -> Iterator[str]:
    found = 0
    counted = (
        "SELECT s.id, (SELECT count(*) FROM other.messages WHERE session_id = s.id)"
        " + (SELECT count(*) FROM other.tools WHERE session_id = s.id)"
        " FROM other.sessions s WHERE NOT placeholder ORDER BY n DESC"
    )
    for session_id, count in connection.execute(counted):
        yield session_id
        found += 1 + count
        if found >= rows:
            return


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
