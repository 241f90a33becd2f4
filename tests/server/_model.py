"""The executable model of the sync protocol, with the real server in the place of its own.

Devices, network and faults are the model's; batches and pages of changes are those of the
wire. The model's server follows in its shadow, so that each answer and all content can be
compared after every step.
"""

from __future__ import annotations

import copy
import itertools
import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from clankers.server import _changes, _schema
from clankers.server._batches import read_batch
from clankers.server._problems import Problem
from clankers.server._writer import Writer
from clankers.server.backends import Statement, database_name

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from clankers.server.backends import Backend

# Fields of the model, and what they are called on the wire.
NAMES = {
    "sessions": {"title": "title", "status": "status", "project": "project_name"},
    "messages": {"session_id": "session_id", "text": "text_content"},
    "tools": {"session_id": "session_id", "input": "tool_input", "output": "tool_output"},
    "usage": {
        "session_id": "session_id",
        "session_at": "session_at",
        "message_id": "message_id",
        "est": "estimated",
        "inp": "input_tokens",
        "out": "output_tokens",
    },
}
for names in NAMES.values():
    names["created_at"] = "created_at"
NAMES["usage"]["created_at"] = "occurred_at"
TIMES = {"created_at", "session_at"}
# Where the clock of the model begins.
BEGINNING = 10**9
_COUNTER = itertools.count()


def load(tools: Path) -> Any:
    """The model's modules; `tools` is the folder they are in."""
    folder = str(tools / "sync_model")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import harness  # type: ignore[import-not-found]

    return harness


def world(harness: Any, seed: int, backend: Backend, loop: asyncio.Runner) -> Any:
    """A world of the model around a new, real tenant."""
    made = harness.World(harness.Fix.all(), seed, excl=seed % 3 == 0)
    made.server = RealServer(harness, made, backend, loop)
    return made


class RealServer:
    """Speaks to the model's devices as its server does, and asks the real one."""

    def __init__(self, harness: Any, around: Any, backend: Backend, loop: asyncio.Runner) -> None:
        self._harness = harness
        self._world = around
        self._backend = backend
        self._loop = loop
        self._shift = time.time_ns() // 1_000_000 - BEGINNING
        self.disk_full = False
        self._bodies: dict[str, bytes] = {}
        self.fresh()

    @property
    def d(self) -> dict[str, Any]:
        ((store, revision),) = self._read("SELECT store, revision FROM service")
        return {"store": store, "rev": revision}

    def fresh(self) -> None:
        """A tenant that was dropped and made again."""
        self._shadow = self._harness.Server(self._harness.Fix.all(), self._world)
        self._shadow.seen = lambda _text: None
        name = database_name(f"model-{next(_COUNTER)}-{time.time_ns()}")
        self._database = self._loop.run(self._backend.create(name))
        self._loop.run(_schema.migrate_tenant(self._backend, self._database, self._world.rnd()))
        self._writer = Writer(self._backend, self._database, "model")

    def backup(self) -> Any:
        """A copy of the tenant's file, and of what the model thinks of it."""
        path = self._backend.path(self._database)  # type: ignore[attr-defined]
        copied = path.with_suffix(f".{next(_COUNTER)}")
        self._loop.run(self._backend.write(self._database, [Statement("SELECT 1")]))
        self._close()
        shutil.copy(path, copied)
        return copied, copy.deepcopy(self._shadow.d)

    def restore(self, taken: Any) -> None:
        """The tenant's file as it was."""
        copied, shadow = taken
        self._close()
        path = self._backend.path(self._database)  # type: ignore[attr-defined]
        shutil.copy(copied, path)
        self._shadow.d = copy.deepcopy(shadow)

    def _close(self) -> None:
        """Closes the file, which writes its log into it."""
        self._backend._close_all()  # type: ignore[attr-defined]

    def handle(self, batch: dict[str, Any]) -> dict[str, Any]:
        self._world.check_wire(batch)
        text = json.dumps(batch)
        assert "SECRET" not in text
        if self.disk_full:
            return {"err": "unavailable"}
        if batch["batch_id"] not in self._bodies:
            self._bodies[batch["batch_id"]] = json.dumps(self._body(batch)).encode()
        try:
            answer = json.loads(self._loop.run(self._store(self._bodies[batch["batch_id"]])))
        except Problem as problem:
            return self._refused(problem)
        self._follow(batch, answer)
        return {
            "rejected": answer["rejected"],
            "store": answer["store"],
            "mark": tuple(answer["mark"]),
            "clock": self._back(answer["clock"]),
        }

    def _body(self, batch: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "batch_id": batch["batch_id"],
            "device_id": batch["device"],
            "store": batch["store"],
            "marks": [list(one) for one in [batch["mark"], *batch["unv"]] if one],
            "deletes": [self._tombstone(one) for one in batch["deletes"]],
        }
        for record in batch["records"]:
            body.setdefault(record["table"], []).append(self._record(record))
        if any("POISONALL" in json.dumps(one) for one in batch["records"]):
            body["sessions"] = "not a list"
        return body

    async def _store(self, body: bytes) -> bytes:
        return await self._writer.store(read_batch(body))

    def _refused(self, problem: Problem) -> dict[str, Any]:
        reason = problem.details.get("reason")
        if reason == "store_changed":
            return {"err": "store_changed", "store": problem.details["store"]}
        assert reason is None, reason
        assert problem.code == "invalid_request", problem
        return {"err": "invalid_request"}

    def _follow(self, batch: dict[str, Any], answer: dict[str, Any]) -> None:
        """The model's server does the same; what it says and has must be the same."""
        repeated = batch["batch_id"] in self._shadow.d["batches"]
        expected = self._shadow.handle(
            copy.deepcopy({**batch, "store": None, "mark": None, "unv": []})
        )
        said = sorted((one["table"], one["id"]) for one in answer["rejected"])
        assert said == sorted((one["table"], one["id"]) for one in expected["rejected"])
        # Of usage the real one keeps message_id with the session, and so its stamp.
        has_usage = any(one["table"] == "usage" for one in batch["records"])
        if not repeated and not has_usage:
            assert self._back(answer["clock"]) >= expected["clock"]
        assert self.content() == self._wire_content()

    def changes(
        self, after: int, limit: int, store: Any, mark: Any, _device: str, unv: Any = ()
    ) -> dict[str, Any]:
        marks = [tuple(one) for one in [mark, *unv] if one]
        asked = _changes.changes(
            self._backend, self._database, after=after, limit=limit, store=store, marks=marks
        )
        try:
            page = json.loads(self._loop.run(asked))
        except Problem as problem:
            return {"err": "store_changed", "store": problem.details["store"]}
        return {
            "items": [self._item(one) for one in page["changes"]],
            "next": page["next"],
            "more": page["more"],
            "store": page["store"],
            "mark": tuple(page["mark"]),
            "clock": self._back(page["clock"]),
        }

    def content(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What is visible, in the model's words."""
        found = {}
        for table, names in NAMES.items():
            shown = "WHERE NOT placeholder" if table == "sessions" else ""
            rows = self._read(f"SELECT id, {', '.join(names.values())} FROM {table} {shown}")
            for record_id, *values in rows:
                found[table, record_id] = {
                    name: self._back(value) if name in TIMES and value else value
                    for name, value in zip(names, values, strict=True)
                }
        return found

    def _wire_content(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {
            key: {name: fields.get(name) for name in NAMES[key[0]]}
            for key, fields in self._shadow.content().items()
        }

    def _read(self, sql: str) -> Any:
        return self._loop.run(self._backend.read(self._database, [Statement(sql)]))[0]

    # Between the model's words and those of the wire

    def _record(self, record: dict[str, Any]) -> dict[str, Any]:
        names = NAMES[record["table"]]
        fields = {
            names[name]: self._value(name, value)
            for name, value in record["fields"].items()
            if name in names
        }
        at = {
            names[name]: self._stamp(stamp) for name, stamp in record["at"].items() if name in names
        }
        if record["table"] == "tools" and record["base"] is None:
            # The model's tools have no name, which the tables need.
            fields["tool_name"], at["tool_name"] = "", max(at.values())
        newest = max(at.values(), default=[0, "", 0])
        stamp = dict(zip(("changed_at", "device_id", "edition"), newest, strict=True))
        if record["base"] is None:
            return {"id": record["id"], **fields, **stamp, "at": at}
        return {
            "id": record["id"],
            "base": self._hash(record),
            "changes": fields,
            **stamp,
            "at": at,
        }

    def _hash(self, record: dict[str, Any]) -> str:
        """The model's hash of its own record, in the words of the wire: what the row hashes to now.

        Where the model's base is no longer that of its server, neither is this one.
        """
        from clankers.server._held import Loaded

        table, record_id = record["table"], record["id"]
        shadow = self._shadow.d["recs"].get((table, record_id))
        model = sys.modules["model"]
        is_base = (
            shadow
            and shadow["alive"]
            and not shadow["ph"]
            and model.rec_hash(table, record_id, shadow["f"]) == record["base"]
        )
        if not is_base:
            return "0" * 64
        loaded = Loaded()
        readers = loaded.of_ids(table, [record_id])
        rows = self._loop.run(
            self._backend.read(self._database, [statement for statement, _take in readers])
        )
        for (_statement, take), found in zip(readers, rows, strict=True):
            take(found)
        from clankers import wire

        return wire.record_hash(table, record_id, loaded.records[table, record_id].version.fields)

    def _tombstone(self, one: dict[str, Any]) -> dict[str, Any]:
        at, device, edition = self._stamp(one["stamp"])
        return {
            "table": one["table"],
            "id": one["id"],
            "changed_at": at,
            "device_id": device,
            "edition": edition,
        }

    def _value(self, name: str, value: Any) -> Any:
        if name == "text" and isinstance(value, str) and "POISON" in value:
            return 5
        return value + self._shift if name in TIMES and value is not None else value

    def _stamp(self, stamp: Any) -> list[Any]:
        at, device, edition = stamp
        return [at + self._shift if at else 0, device, edition]

    def _item(self, change: dict[str, Any]) -> dict[str, Any]:
        names = {wired: name for name, wired in NAMES[change["table"]].items()}
        dead = change["deleted_at"]
        return {
            "table": change["table"],
            "id": change["id"],
            "f": {
                names[wired]: self._back(value) if names[wired] in TIMES and value else value
                for wired, value in change["fields"].items()
                if wired in names
            },
            "s": {
                names[wired]: self._unstamp(stamp)
                for wired, stamp in change["at"].items()
                if wired in names
            },
            "tomb": self._unstamp(dead) if dead else (0, "", 0),
            "alive": bool(change["fields"]),
        }

    def _unstamp(self, stamp: Any) -> tuple[int, str, int]:
        at, device, edition = stamp
        return (self._back(at), device, edition)

    def _back(self, at: int) -> int:
        return at - self._shift if at else 0
