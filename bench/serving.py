"""The web service under load: a database's rows pushed to it, small batches, many tenants.

usage: serving.py DATABASE ROWS TENANTS; prints JSON. The floor is the same rows by the same
statements through apsw alone, search index and guard included, synchronous=FULL.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import apsw
import msgspec
import requests
import zstandard

from clankers import wire
from clankers.server import Operator, Settings, _schema
from clankers.server._batches import read_batch
from clankers.server._writer import Writer
from clankers.server.backends import Database, SqliteBackend, Statement, database_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clankers.server.backends import Rows, Work

BATCH = 1_000
SMALL = 10
SMALL_BATCHES = 1_000
IN_FLIGHT = 4
OPEN = 128
NO_LIMITS = {
    f"CLANKERS_SERVER_LIMIT_{name}": "1000000000"
    for name in ("API", "AUTH", "PULLS", "FAILED_AUTH", "BATCH_ROWS", "BATCH_BYTES")
}


def main(database: str, rows: int, tenants: int) -> None:
    bodies, raw = batches(database, rows)
    with tempfile.TemporaryDirectory(prefix="clk") as name:
        folder = Path(name)
        floors = [floor(folder / f"floor{turn}", bodies) for turn in range(3)]
        with Served(folder / "pushed") as served:
            pushes = [served.push(bodies, turn) for turn in range(3)]
            small = served.small()
        found = {
            "rows": rows,
            "floor": sorted(floors)[1],
            "push": sorted(pushes)[1],
            "wire": sum(len(packed(body)) for body in bodies) / raw,
            "p50": small[len(small) // 2],
            "p99": small[len(small) * 99 // 100],
        }
        if tenants:
            found |= many(folder / "many", tenants)
    print(json.dumps(found))


def batches(database: str, wanted: int) -> tuple[list[bytes], int]:
    """The newest rows of a database as bodies of a thousand, and the bytes of all of them."""
    connection = apsw.Connection(database, flags=apsw.SQLITE_OPEN_READONLY)
    records: list[tuple[str, dict[str, Any]]] = []
    shares = {"sessions": 0.02, "messages": 0.4, "tools": 0.33, "usage": 0.25}
    for table, share in shares.items():
        columns = ("id", *wire.FIELDS[table])
        sql = f"SELECT {', '.join(columns)} FROM {table} ORDER BY n DESC LIMIT ?"
        for row in connection.execute(sql, (round(wanted * share),)):
            fields = {
                name: value for name, value in zip(columns, row, strict=True) if value is not None
            }
            stamp = {"changed_at": 1_790_000_000_000, "device_id": "bench", "edition": 1}
            records.append((table, fields | stamp))
    made = []
    for start in range(0, len(records), BATCH):
        body: dict[str, Any] = {"batch_id": f"b{start}", "device_id": "bench", "store": None}
        for table, record in records[start : start + BATCH]:
            body.setdefault(table, []).append(record)
        made.append(msgspec.json.encode(body))
    return made, sum(map(len, made))


def packed(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(body)


class Recording(SqliteBackend):
    """Keeps what is written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.written: list[list[Statement]] = []

    async def write(self, database: Database, statements: Sequence[Statement]) -> list[Rows]:
        self.written.append(list(statements))
        return await super().write(database, statements)

    async def update(self, database: Database, work: Work) -> None:
        await super().update(database, self._noted(work))

    def _noted(self, work: Work) -> Work:
        made = yield from work
        self.written.append(list(made))
        return made


def floor(folder: Path, bodies: list[bytes]) -> float:
    """Rows a second when nothing but SQLite is at work."""
    written, schema = asyncio.run(recorded(folder, bodies))
    connection = apsw.Connection(str(folder / "floor.db"))
    connection.pragma("page_size", 4_096)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    for statements in schema:
        with connection:
            for sql, values in statements:
                connection.execute(sql, values)
    records = sum(read_batch(body).received for body in bodies)
    started = time.perf_counter()
    for statements in written:
        connection.execute("BEGIN IMMEDIATE")
        for sql, values in statements:
            connection.execute(sql, values)
        connection.execute("COMMIT")
    return records / (time.perf_counter() - started)


async def recorded(
    folder: Path, bodies: list[bytes]
) -> tuple[list[list[Statement]], list[list[Statement]]]:
    backend = Recording(folder)
    database = await backend.create(database_name("bench"))
    await _schema.migrate_tenant(backend, database, "bench")
    schema, backend.written = backend.written, []
    writer = Writer(backend, database, "bench")
    for body in bodies:
        await writer.store(read_batch(body))
    await backend.close()
    return backend.written, schema


class Served:
    """A service in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "clankers_cli", "serve", "--port", "0", "--data"]
        self.process = subprocess.Popen(
            [*command, str(folder), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **NO_LIMITS},
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[-1] + "/sync/batch"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)

    def push(self, bodies: list[bytes], turn: int) -> float:
        """Rows a second to an empty service, four batches in flight, packed on the way."""
        local = threading.local()
        anew = [body.replace(b'"id":"', f'"id":"{turn}'.encode()) for body in bodies]
        anew = [body.replace(b'"batch_id":"', f'"batch_id":"{turn}'.encode()) for body in anew]

        def send(body: bytes) -> int:
            if not hasattr(local, "session"):
                local.session = requests.Session()
                local.session.trust_env = False
            headers = {"content-type": "application/json", "content-encoding": "zstd"}
            answer = local.session.post(self.url, data=packed(body), headers=headers)
            assert answer.status_code == 200, answer.text
            found = answer.json()
            assert not found["rejected"], found["rejected"][0]
            return sum(found[f"{table}_synced"] for table in wire.TABLES)

        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            started = time.perf_counter()
            stored = sum(pool.map(send, anew))
            return stored / (time.perf_counter() - started)

    def small(self) -> list[float]:
        """Milliseconds until batches of ten rows are acknowledged, from one connection."""
        session = requests.Session()
        session.trust_env = False
        took = []
        for number in range(SMALL_BATCHES):
            body = small_body(f"small{number}")
            started = time.perf_counter()
            answer = session.post(self.url, data=body, headers={"content-type": "application/json"})
            took.append((time.perf_counter() - started) * 1000)
            assert answer.status_code == 200, answer.text
        return sorted(took)

    def rss(self) -> int:
        """Resident bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        return 0

    def files(self) -> int:
        """Open files."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def small_body(batch_id: str) -> bytes:
    stamp = {"changed_at": 1_790_000_000_000, "device_id": "bench", "edition": 1}
    messages = [
        {
            "id": f"{batch_id}-{place}",
            "session_id": "s",
            "created_at": 1_790_000_000_000,
            "role": "user",
            "text_content": "a few words of a message that somebody wrote",
            **stamp,
        }
        for place in range(SMALL)
    ]
    return msgspec.json.encode({"batch_id": batch_id, "messages": messages})


def many(folder: Path, tenants: int) -> dict[str, float]:
    """Many tenants on disk, a tenth of them active at once: memory and open files."""
    operator = Operator(Settings(data=folder, auth="token"))
    operator.create_tenant("t0")
    for number in range(1, tenants):
        clone(folder, number)
    active = tenants // 10
    tokens = [operator.create_token("bench", tenant=f"t{n}")[0] for n in range(active)]
    with Served(folder, "--auth", "token", "--open-databases", str(OPEN)) as served:
        before = served.rss()
        session = requests.Session()
        session.trust_env = False
        started = time.perf_counter()
        for turn in range(2):
            for number, one in enumerate(tokens):
                headers = {"content-type": "application/json", "authorization": f"Bearer {one}"}
                body = small_body(f"{turn}-{number}")
                answer = session.post(served.url, data=body, headers=headers)
                assert answer.status_code == 200, answer.text
        seconds = time.perf_counter() - started
        return {
            "tenants": tenants,
            "active": active,
            "rss_before": before,
            "rss": served.rss(),
            "files": served.files(),
            "tenant_ms": seconds / (2 * active) * 1000,
        }


def clone(folder: Path, number: int) -> None:
    """One more tenant; its database is a copy of an empty one, which is made sooner."""
    first = folder / "tenants" / database_name("t0")[3:5] / f"{database_name('t0')}.db"
    name = database_name(f"t{number}")
    path = folder / "tenants" / name[3:5] / f"{name}.db"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(first.read_bytes())
    registry = apsw.Connection(str(folder / "tenants" / "re" / "ck-registry.db"))
    registry.execute(
        "INSERT INTO tenants(tenant, name, database, address, created_at) VALUES (?, '', ?, '', 0)",
        (f"t{number}", name),
    )
    registry.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
