"""The executable model of the protocol around real clients: real databases, the real server.

The schedules, the faults and what must hold at the end are the model's; devices are the
library's own, on real files, and their batches go to the real server. The model's server
follows in its shadow: after every batch the two must have the same rows.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
import re
import shutil
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import apsw
from attrs import frozen

from clankers import Store, models, wire
from clankers.errors import ClankersError
from clankers.importers import Batch as Read
from clankers.importers import Resume
from clankers.importing._archived import Resting
from clankers.importing._removed import Removed
from clankers.server import _changes, _schema
from clankers.server._batches import read_batch
from clankers.server._problems import Problem
from clankers.server._writer import Writer
from clankers.server.backends import Statement, database_name
from clankers.store.capture import _marks as marks
from clankers.store.capture._layout import ASIDE, CHILDREN, HELD
from clankers.sync import Policy, _agreeing
from clankers.sync._exchange import Exchange
from clankers.sync._local import Database
from clankers.sync._outgoing import Outgoing
from clankers.sync._pull import Pull
from clankers.sync._transport import BatchRefusedError, ConflictError, Page, Reply
from clankers.wire import ZERO, Stamp

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from clankers.server.backends import Backend
    from clankers.store.capture._rows import Local
    from clankers.sync._outgoing import Batch

# Fields of the model, and what they are called here.
NAMES = {
    "sessions": {
        "title": "title",
        "status": "status",
        "project": "project_path",
        "created_at": "created_at",
        "updated_at": "updated_at",
    },
    "messages": {
        "session_id": "session_id",
        "text": "text_content",
        "created_at": "created_at",
    },
    "tools": {
        "session_id": "session_id",
        "input": "tool_input",
        "output": "tool_output",
        "created_at": "created_at",
    },
    "usage": {
        "session_id": "session_id",
        "session_at": "session_at",
        "message_id": "message_id",
        "est": "estimated",
        "inp": "input_tokens",
        "out": "output_tokens",
        "created_at": "occurred_at",
    },
}
RECORDS = {
    "sessions": models.Session,
    "messages": models.Message,
    "tools": models.ToolCall,
    "usage": models.Usage,
}
GROUPS = {"sessions": "sessions", "messages": "messages", "tools": "tools", "usage": "usage"}
TIMES = {"created_at", "session_at", "updated_at"}
# Where the clock of the model begins.
BEGINNING = 10**9
MARKER = "[redacted:secret]"
# So often a step that writes is cut off at one of its commits.
BREAKS = 0.15
_COUNTER = itertools.count()
_SECRET, _HIDDEN = re.compile("SECRET[0-9]*"), re.compile("HIDDEN[0-9]*")


@frozen
class Levels(Policy):
    """The model's two sets of rules in the place of the real ones."""

    level: int = 1
    marker: str = MARKER

    @property
    def fingerprint(self) -> str:
        return f"{self.level} {self.exclude}"

    def clean(self, texts: Sequence[str]) -> Sequence[str]:
        cleaned = [_SECRET.sub(self.marker, text) for text in texts]
        return [_HIDDEN.sub(self.marker, x) for x in cleaned] if self.level > 1 else cleaned


def load(tools: Path) -> Any:
    """The model's modules; `tools` is the folder they are in."""
    folder = str(tools / "sync_model")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import harness  # type: ignore[import-not-found]

    # An import is as new as the last thing it tells of, which a session says in a field.
    columns = sys.modules["model"].COLS["sessions"]
    if "updated_at" not in columns:
        columns.append("updated_at")
    return harness


class Clock:
    """The model's time, as the devices' databases and the server see it."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.shift = time.time_ns() // 1_000_000 - BEGINNING

    def here(self, at: int) -> int:
        return at + self.shift if at else 0

    def back(self, at: int) -> int:
        return at - self.shift if at else 0


def world(harness: Any, seed: int, backend: Backend, loop: asyncio.Runner, folder: Path) -> Any:
    """A world of the model with real devices and a new, real tenant."""

    class World(harness.World):  # type: ignore[misc]
        def act(self, action: Any) -> None:
            act(self, action, super().act)

    made = World(harness.Fix.all(), seed, excl=seed % 3 == 0)
    made.seed = seed
    clock = Clock(made)
    made.server = RealServer(harness, made, backend, loop, clock)
    devices = []
    for old in made.clients:
        device = RealDevice(harness, made, clock, old.name, folder / old.name)
        device.skew = old.skew
        if made.excl:
            device.set_policy(exclude=("xproj",))
        devices.append(device)
    made.clients = devices
    return made


def act(around: Any, action: Any, otherwise: Any) -> None:
    """What the model does by copying a device's memory is done by copying its files."""
    operation, who, _what, _how = action
    device = around.clients[who % len(around.clients)]
    match sys.modules["harness"].NAMES[operation]:
        case "client backup":
            around.now += 1
            around.cbak[device.name] = device.backup()
        case "client restore":
            around.now += 1
            if device.name in around.cbak:
                device.restore(around.cbak[device.name])
                around.lost_clients.add(device.name)
        case "copy laptop":
            around.now += 1
            if len(around.clients) < 3:
                copied = device.copied("C")
                copied.skew = device.skew + 17
                around.clients.append(copied)
        case _:
            otherwise(action)


class RealServer:
    """Asks the real server, and holds the model's against it."""

    def __init__(
        self, harness: Any, around: Any, backend: Backend, loop: asyncio.Runner, clock: Clock
    ) -> None:
        self._harness = harness
        self._world = around
        self._backend = backend
        self._loop = loop
        self._clock = clock
        self.disk_full = False
        self.fresh()

    @property
    def d(self) -> dict[str, Any]:
        ((store, revision),) = self._read("SELECT store, revision FROM service")
        return {"store": store, "rev": revision}

    def fresh(self) -> None:
        """A tenant that was dropped and made again."""
        self._shadow = self._harness.Server(self._harness.Fix.all(), self._world)
        self._shadow.seen = lambda _text: None
        name = database_name(f"devices-{next(_COUNTER)}-{time.time_ns()}")
        self._database = self._loop.run(self._backend.create(name))
        self._loop.run(_schema.migrate_tenant(self._backend, self._database, self._world.rnd()))
        self._writer = Writer(self._backend, self._database, "model")

    def backup(self) -> Any:
        path = self._backend.path(self._database)  # type: ignore[attr-defined]
        copied = path.with_suffix(f".{next(_COUNTER)}")
        self._loop.run(self._backend.write(self._database, [Statement("SELECT 1")]))
        self._backend._close_all()  # type: ignore[attr-defined]
        shutil.copy(path, copied)
        return copied, copy.deepcopy(self._shadow.d)

    def restore(self, taken: Any) -> None:
        copied, shadow = taken
        self._backend._close_all()  # type: ignore[attr-defined]
        path = self._backend.path(self._database)  # type: ignore[attr-defined]
        shutil.copy(copied, path)
        self._shadow.d = copy.deepcopy(shadow)

    def handle(self, sent: dict[str, Any]) -> dict[str, Any]:
        """The answer to a batch: a reply or a problem, as the transport gives them."""
        body = json.loads(sent["body"])
        self._watch(sent["body"].decode(), body)
        if self.disk_full:
            return {"lost": True}
        batch = self._model_batch(body)
        poisoned = json.dumps(_poisoned(body)).encode()
        try:
            answer = json.loads(self._loop.run(self._store(poisoned)))
        except Problem as problem:
            return {"problem": _refusal(problem)}
        self._follow(batch, answer)
        return {
            "reply": Reply(
                answer["store"],
                (answer["mark"][0], answer["mark"][1]),
                answer["clock"],
                [wire.Rejection(**one) for one in answer["rejected"]],
            )
        }

    def _watch(self, text: str, body: dict[str, Any]) -> None:
        if "SECRET" in text:
            self._world.leak(f"unredacted text on the wire: {text[:160]}")
        if self._world.excl:
            for table in NAMES:
                for one in body.get(table, ()):
                    said = {**one, **one.get("changes", {})}
                    if "s3" in (said["id"], said.get("session_id")):
                        self._world.leak(f"excluded project sent: {table} {one['id']}")

    async def _store(self, body: bytes) -> bytes:
        return await self._writer.store(read_batch(body))

    def _follow(self, batch: dict[str, Any], answer: dict[str, Any]) -> None:
        if batch["batch_id"] in self._shadow.d["batches"]:
            return  # Told before; the answer is the one that was kept.
        said = sorted((one["table"], one["id"]) for one in answer["rejected"])
        expected = self._shadow.handle(copy.deepcopy(batch))
        assert said == sorted((one["table"], one["id"]) for one in expected["rejected"])
        assert self.content() == self._shadow_content()

    def changes(self, after: int, limit: int, store: Any, known: Any) -> Any:
        """A page, or the problem, as the transport gives them."""
        asked = _changes.changes(
            self._backend, self._database, after=after, limit=limit, store=store, marks=known
        )
        try:
            page = json.loads(self._loop.run(asked))
        except Problem as problem:
            return _refusal(problem)
        mark = page["mark"]
        return Page(
            page["changes"],
            page["next"],
            page["more"],
            page["store"],
            (mark[0], mark[1]),
            page["clock"],
        )

    def content(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What is visible, in the model's words."""
        found = {}
        for table, names in NAMES.items():
            shown = "WHERE NOT placeholder" if table == "sessions" else ""
            rows = self._read(f"SELECT id, {', '.join(names.values())} FROM {table} {shown}")
            for record_id, *values in rows:
                found[table, record_id] = {
                    name: self._said(name, value) for name, value in zip(names, values, strict=True)
                }
        return found

    def _said(self, name: str, value: Any) -> Any:
        if name in TIMES and value:
            return self._clock.back(value)
        return value.replace(MARKER, "[R]") if isinstance(value, str) else value

    def _shadow_content(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {
            key: {name: fields.get(name) for name in NAMES[key[0]]}
            for key, fields in self._shadow.content().items()
        }

    def _read(self, sql: str) -> Any:
        return self._loop.run(self._backend.read(self._database, [Statement(sql)]))[0]

    # A batch of the wire in the model's words

    def _model_batch(self, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "batch_id": body["batch_id"],
            "device": body["device_id"],
            "store": None,
            "mark": None,
            "unv": [],
            "records": [
                self._model_record(table, one) for table in NAMES for one in body.get(table, ())
            ],
            "deletes": [
                {
                    "table": one["table"],
                    "id": one["id"],
                    "stamp": self._unstamp((one["changed_at"], one["device_id"], one["edition"])),
                }
                for one in body.get("deletes", ())
            ],
        }

    def _model_record(self, table: str, one: dict[str, Any]) -> dict[str, Any]:
        said = one.get("changes", one)
        newest = (one["changed_at"], one["device_id"], one["edition"])
        fields, at = {}, {}
        for name, wired in NAMES[table].items():
            if wired in said:
                fields[name] = self._said(name, said[wired])
                at[name] = self._unstamp(one.get("at", {}).get(wired, newest))
        base = None
        if "base" in one:
            shadow = self._shadow.d["recs"].get((table, one["id"]))
            model = sys.modules["model"]
            is_base = shadow is not None and self._hash(table, one["id"]) == one["base"]
            base = model.rec_hash(table, one["id"], shadow["f"]) if is_base else "no base"
        return {"table": table, "id": one["id"], "fields": fields, "at": at, "base": base}

    def _hash(self, table: str, record_id: str) -> str:
        """What the real row hashes to now."""
        from clankers.server._held import Loaded

        loaded = Loaded()
        readers = loaded.of_ids(table, [record_id])
        rows = self._loop.run(
            self._backend.read(self._database, [statement for statement, _take in readers])
        )
        for (_statement, take), found in zip(readers, rows, strict=True):
            take(found)
        held = loaded.records.get((table, record_id))
        return "" if held is None else wire.record_hash(table, record_id, held.version.fields)

    def _unstamp(self, stamp: Any) -> tuple[int, str, int]:
        at, device, edition = stamp
        return (self._clock.back(at), device, edition)


def _poisoned(body: dict[str, Any]) -> dict[str, Any]:
    """A body with what a server refuses in the place of the model's poison."""
    if "POISONALL" in json.dumps(body):
        return {**body, "sessions": "not a list"}
    for one in body.get("messages", ()):
        said = one.get("changes", one)
        if "POISON" in (said.get("text_content") or ""):
            said["text_content"] = 5
    return body


def _refusal(problem: Problem) -> Exception:
    reason = problem.details.get("reason")
    if reason is not None:
        return ConflictError(
            str(problem),
            reason=reason,
            store=problem.details.get("store"),
            server_time=problem.details.get("server_time", 0),
        )
    return BatchRefusedError(str(problem), status=400, code=problem.code)


class RealDevice:
    """One database on disk with what syncs it, under the names the model's devices have."""

    def __init__(self, harness: Any, around: Any, clock: Clock, name: str, folder: Path) -> None:
        self._harness = harness
        self._world = around
        self._clock = clock
        self.name = name
        self.skew = 0
        self.alive_token = 0
        self._folder = folder
        self._policy = Levels()
        self._chance = random.Random(f"{name} {around.seed}")
        self.broken = 0
        folder.mkdir(exist_ok=True)
        self.boot()
        if not marks.is_capturing(self.store.connection):
            with self.store.atomic():
                # By the seed: which of two stamps of one moment wins goes by the device.
                known = f"{self._chance.getrandbits(64):016x}"
                _agreeing.become_another_device(self._database, known)
                marks.begin(self.store.connection)
                marks.note_chunk(self.store.connection)
            self.store.forget_device()

    # Life

    def boot(self) -> None:
        """Opens the files; what was only in memory is gone."""
        self.store = Store.open(self._folder / "clankers.db")
        self.store.connection.pragma("synchronous", "off")
        self.store.connection.create_scalar_function(
            "julianday", self._julianday, 1, flags=apsw.SQLITE_INNOCUOUS
        )
        self._database = Database(self.store)
        self._outgoing = Outgoing(self._database, self._policy)
        self._exchange = Exchange(self._database, self._outgoing, is_well=lambda: True)
        self.inflight: dict[str, Batch] = {}
        self.page: Any = None
        self.alive_token += 1
        _agreeing.adopt_policy(self._database, self._policy, self._outgoing)

    def _julianday(self, *_now: Any) -> float:
        at = self._clock.here(self._world.now) + self.skew
        return 2440587.5 + at / 86_400_000

    def forget(self, what: str) -> None:
        """Goes on without one of the triggers, or sends marks that it does not know again."""
        if what == "marker":
            self._policy = Levels(marker="[R]", exclude=self._policy.exclude)
            self.crash()
        else:
            self.store.connection.execute(f"DROP TRIGGER {what}")

    def close(self) -> None:
        self.store.close()

    def crash(self) -> None:
        self.close()
        self.boot()

    @contextmanager
    def _may_break(self) -> Iterator[None]:
        """Now and then one of the next commits to either file fails, and the process ends there."""
        if self._chance.random() > BREAKS:
            yield
            return
        left = self._chance.randint(1, 4)

        def count() -> bool:
            nonlocal left
            left -= 1
            return left == 0

        archive = self.store.opened_archive()
        connections = [self.store.connection, *([archive.connection] if archive else ())]
        for one in connections:
            one.set_commit_hook(count)
        try:
            yield
        except (ClankersError, apsw.Error):
            if left > 0:
                raise
        for one in connections:
            one.set_commit_hook(None)
        if left <= 0:
            self.broken += 1
            self.crash()

    @property
    def limit(self) -> int | None:
        limit = self._exchange.limit
        return None if limit >= 1_000 else limit

    # What the model's world asks for

    def put(
        self, table: str, record_id: str, row: dict[str, Any], event: int | None = None
    ) -> None:
        before = self.row((table, record_id))
        values = {
            NAMES[table][name]: self._clock.here(value) if name in TIMES and value else value
            for name, value in row.items()
        }
        if table == "usage":
            values["estimated"] = bool(values["estimated"])
        if event is None:
            self.store.upsert(RECORDS[table](id=record_id, **values))
        else:
            self._import(table, record_id, values, self._clock.here(event))
        after = self.row((table, record_id))
        columns = {
            name: after[name]
            for name in NAMES[table]
            if after is not None and (before is None or before[name] != after[name])
        }
        if columns:
            self._world.log(self, (table, record_id), columns)

    def _import(self, table: str, record_id: str, values: dict[str, Any], event: int) -> None:
        if table == "sessions":
            values["updated_at"] = event
        record = RECORDS[table](id=record_id, **values)
        with self.store.atomic(), self.store.by_event():
            read = Read(Resume())
            getattr(read, GROUPS[table]).append(record)
            rest = Removed(self.store.connection).rest_of(read)
            rest = Resting(self.store, [rest]).rest_of(rest)
            if table == "usage":
                self.store.write_usage(rest.usage)
            else:
                kept = getattr(rest, GROUPS[table])
                if table != "sessions":
                    self.store.add_placeholders([one.session_id for one in kept])
                self.store.write(table, kept)

    def delete(self, table: str, record_id: str) -> None:
        key = (table, record_id)
        rows = self.disk["rows"]
        if key not in rows:
            return
        gone = [key]
        if table == "sessions":
            gone += [
                one
                for one, row in rows.items()
                if one[0] in ("messages", "tools") and row["session_id"] == record_id
            ]
            self.store.delete([record_id])
        else:
            with self.store.atomic():
                self.store.connection.execute(f"DELETE FROM {table} WHERE id = ?", (record_id,))
        for one in gone:
            self._world.log(self, one, None)

    def archive(self, session_id: str) -> None:
        found = self._database.identified("sessions", [session_id]).get(session_id)
        if found is not None and not found.is_archived and not found.is_placeholder:
            with self._may_break():
                self.store.archive(session_ids=[session_id])

    def unarchive(self, session_id: str) -> None:
        found = self._database.identified("sessions", [session_id]).get(session_id)
        if found is not None and found.is_archived and not self.dead(("sessions", session_id)):
            with self._may_break():
                self.store.bring_back([session_id])

    def build(self, most: int) -> dict[str, Any] | None:
        batch = self._exchange.next_batch(most)
        if batch is None:
            return None
        batch_id = json.loads(batch.body)["batch_id"]
        self.inflight[batch_id] = batch
        return {"batch_id": batch_id, "body": batch.body}

    def reply(self, batch_id: str, token: int, answer: Any) -> None:
        batch = self.inflight.pop(batch_id, None)
        if token != self.alive_token or batch is None:
            return
        with self._may_break():
            self._hear(batch, answer)

    def _hear(self, batch: Batch, answer: Any) -> None:
        if answer is None or "lost" in answer:
            self._exchange.lost(batch)
        elif (problem := answer.get("problem")) is None:
            assert "TEXT" not in repr(answer["reply"])
            self._exchange.answered(batch, answer["reply"])
        elif isinstance(problem, ConflictError):
            self._exchange.disagreed(batch, problem)
        else:
            assert "TEXT" not in str(problem)
            self._exchange.refused(batch, problem)

    def fetch(self, server: RealServer, limit: int = 3) -> bool:
        pull = self._pull()
        after, store, known = pull.asks()
        found = server.changes(after, limit, store, known)
        if isinstance(found, ConflictError):
            self._exchange.flying.clear()
            pull.disagreed(found)
            self.page = None
            return False
        assert isinstance(found, Page)
        self.page = (found, known)
        return found.more

    def apply(self) -> None:
        if self.page is not None:
            (page, known), self.page = self.page, None
            with self._may_break():
                self._pull().take(page, known)

    def _pull(self) -> Pull:
        return Pull(self._database, None)  # type: ignore[arg-type]

    def reset(self) -> None:
        self._exchange.flying.clear()
        self.inflight.clear()
        self.page = None
        with self.store.atomic():
            _agreeing.reset(self._database)

    def set_policy(self, level: int | None = None, exclude: Sequence[str] | None = None) -> None:
        self._policy = Levels(
            marker=self._policy.marker,
            level=self._policy.level if level is None else level,
            exclude=self._policy.exclude if exclude is None else tuple(exclude),
        )
        self.inflight.clear()
        self._outgoing = Outgoing(self._database, self._policy)
        self._exchange = Exchange(self._database, self._outgoing, is_well=lambda: True)
        _agreeing.adopt_policy(self._database, self._policy, self._outgoing)

    def copied(self, name: str) -> RealDevice:
        """A copy of the laptop, which notices that it is one."""
        folder = self._folder.with_name(name)
        self.close()
        shutil.copytree(self._folder, folder)
        self.boot()
        made = RealDevice(self._harness, self._world, self._clock, name, folder)
        made._policy = self._policy
        with made.store.atomic():
            known = f"{made._chance.getrandbits(64):016x}"
            _agreeing.become_another_device(made._database, known)
        made.store.forget_device()
        made.crash()
        return made

    # What is on disk, in the model's words

    def backup(self) -> Any:
        self.close()
        kept = self._folder.with_name(f"{self.name}-{next(_COUNTER)}")
        shutil.copytree(self._folder, kept)
        self.boot()
        return kept

    def restore(self, kept: Path) -> None:
        self.close()
        shutil.rmtree(self._folder)
        shutil.copytree(kept, self._folder)
        self.boot()

    @property
    def disk(self) -> dict[str, Any]:
        return {
            "rows": self._rows(is_archived=False),
            "arch": self._rows(is_archived=True),
            "queue": self._queue(),
            "wm": self._database.state.watermark,
        }

    @disk.setter
    def disk(self, kept: Any) -> None:
        self.restore(kept)

    def row(self, key: tuple[str, str]) -> dict[str, Any] | None:
        found = self._database.identified(key[0], [key[1]]).get(key[1])
        return None if found is None else self._said(found)

    def dead(self, key: tuple[str, str]) -> bool:
        tomb = self._tombs(key[0]).get(key[1], ZERO)
        found = self._database.identified(key[0], [key[1]]).get(key[1])
        return tomb > ZERO and (found is None or self._newest(found) <= tomb)

    def content(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What is visible, in the form in which it is sent under the stricter rules."""
        found: dict[tuple[str, str], Local] = {}
        for is_archived in (True, False):
            for one in self._locals(is_archived=is_archived):
                found[one.table, one.id] = one
        sessions = self._tombs("sessions")
        shown = {}
        for key, one in found.items():
            tomb = self._tombs(one.table).get(one.id, ZERO)
            if one.is_placeholder or (tomb > ZERO and self._newest(one) <= tomb):
                continue
            if one.table in CHILDREN:
                covered = sessions.get(one.fields()["session_id"], ZERO)
                owner = found.get(("sessions", one.fields()["session_id"]))
                lives = (
                    owner is not None and not owner.is_placeholder and self._newest(owner) > covered
                )
                if covered > ZERO and not lives and self._newest(one) <= covered:
                    continue
            shown[key] = self._cleaned(self._said(one))
        return shown

    def _rows(self, *, is_archived: bool) -> dict[tuple[str, str], dict[str, Any]]:
        return {
            (one.table, one.id): self._said(one) for one in self._locals(is_archived=is_archived)
        }

    def _locals(self, *, is_archived: bool) -> list[Local]:
        archive = self._database.archive()
        if is_archived and archive is None:
            return []
        connection = (
            self.store.connection if archive is None or not is_archived else archive.connection
        )
        found: list[Local] = []
        for table in NAMES:
            ids = [row[0] for row in connection.execute(f"SELECT id FROM {table}")]
            if not is_archived:
                from clankers.store.capture._rows import of_ids

                found += of_ids(connection, table, ids).values()
            elif archive is not None:
                found += self._database._noted(table, archive.rows(table, ids).values())
        return found

    def _queue(self) -> dict[tuple[str, str], dict[str, str]]:
        states = {None: "ready", HELD: "held", ASIDE: "aside"}
        found = {}
        for table in NAMES:
            query = f"SELECT n, state FROM sync_{table} WHERE first IS NOT NULL"
            rows: dict[int, int | None] = dict(self.store.connection.execute(query))
            for one in self._database.numbered(table, list(rows)):
                found[one.table, one.id] = {"state": states[rows[one.n]], "op": "put"}
        for number, record_id, state in self.store.connection.execute(
            "SELECT tbl, id, state FROM sync_deleted WHERE first IS NOT NULL"
        ):
            found[wire.TABLES[number], record_id] = {"state": states[state], "op": "del"}
        return found

    def _said(self, one: Local) -> dict[str, Any]:
        values = one.fields()
        row = {}
        for name, wired in NAMES[one.table].items():
            value = values[wired]
            row[name] = self._clock.back(value) if name in TIMES and value else value
        if one.table == "sessions":
            row["tokens"] = None
        return row

    def _cleaned(self, row: dict[str, Any]) -> dict[str, Any]:
        redact = sys.modules["model"].redact
        return {
            name: redact(value.replace(MARKER, "[R]"), 2) if isinstance(value, str) else value
            for name, value in row.items()
        }

    def _newest(self, one: Local) -> Stamp:
        stamps = (Stamp(*self._database.authors.unpack(at)) for at in one.stamps().values())
        return max(stamps, default=ZERO)

    def _tombs(self, table: str) -> dict[str, Stamp]:
        number = wire.TABLES.index(table)
        ids = [
            row[0]
            for row in self.store.connection.execute(
                "SELECT id FROM sync_deleted WHERE tbl = ?", (number,)
            )
        ]
        found = self._database.tombstones(table, ids)
        return {key: Stamp(*self._database.authors.unpack(one.at)) for key, one in found.items()}
