"""Devices that sync, each with a folder of its own, and what they and a service have stored.

`Device.rows`, `server_rows` and `sqld_rows` give one table in one shape, so that two sides
that agree are equal.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import apsw
from server.backends.conftest import on_sqld

from clankers import Store, wire
from clankers.models import Compaction, Message, Session, SessionError, ToolCall, Usage
from clankers.server.backends import Database, Statement, database_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from server._running import Sqld

    Rows = dict[str, dict[str, Any]]
    Record = Session | Message | ToolCall | SessionError | Compaction | Usage

_TOGETHER = 1_000
# 2026-01-05T09:00:00Z
_BEGINNING = 1_767_603_600_000
_AGENTS = ("claude-code", "codex", "opencode", "gemini")
_SYLLABLES = ("ba", "con", "der", "fi", "gra", "lo", "mer", "nu", "pre", "sta", "ti", "vo")
# Two bytes at least, so that a text is never short of words.
_ODD_WORDS = (
    *(
        "Größe",
        "naïve",
        "café",
        "cafe\u0301",
        "日本語",
        "приложение",
        "שלום",
        "مرحبا",
        "🚀",
        "👩‍💻",
    ),
    *(
        '"quoted"',
        "back\\slash",
        "a\ttab",
        "and\nthen",
        "\u2028",
        "<b>&amp;",
        "{}",
        "'' --",
        "0x1F",
    ),
)
_SHORTEST, _LONGEST = 50, 2_000
_CUT = 4  # bytes that the end of a text may lose, where it falls into a letter


class Device:
    """One machine: a home, a data directory and a database below `folder`.

    Attributes:
        variables: what its processes find in their environment besides; may be changed.
        env: the whole environment of its processes.
        database: the file of its database.
        archive: the file that sessions are archived to.
        log: what was started wrote here.
    """

    def __init__(self, folder: Path, *, variables: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.variables = dict(variables or {})
        self.data = folder / "data" / "clankers"
        self.database = self.data / "clankers.db"
        self.archive = self.data / "clankers.archive.db"
        self.socket = folder / "d.sock"
        self.log = folder / "log"
        (folder / "home").mkdir(parents=True, exist_ok=True)

    @property
    def env(self) -> dict[str, str]:
        home = str(self.folder / "home")
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CLANKERS_", "XDG_"))
        }
        return {
            **inherited,
            "HOME": home,
            "USERPROFILE": home,
            "APPDATA": os.path.join(home, "AppData"),
            "CLANKERS_DATA_PATH": str(self.folder / "data"),
            "CLANKERS_LOG_PATH": str(self.folder / "logs"),
            "CLANKERS_SOCKET_PATH": str(self.socket),
            **self.variables,
        }

    def store(self) -> Store:
        return Store.open(self.database)

    def fill(self, rows: int, seed: int) -> None:
        """Writes so many rows over all tables; from 6 on none is empty.

        One seed gives the same rows on every device, and the first rows of a greater number.
        Other seeds give others.
        """
        coming = islice(records(seed), rows)
        with self.store() as store:
            while chunk := list(islice(coming, _TOGETHER)):
                # Sessions first, or there would be placeholders for them.
                chunk.sort(key=lambda one: not isinstance(one, Session))
                store.upsert_many(chunk)

    def rows(self, table: str) -> Rows:
        """What is visible of a table, by id."""
        return _file_rows(self.database, table)

    def archived_rows(self, table: str) -> Rows:
        """As `rows`, of the archive; nothing where there is none yet."""
        return _file_rows(self.archive, table) if self.archive.exists() else {}

    def run(
        self, *arguments: str, timeout: float = 120, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs the command line to its end; whatever its exit code is."""
        return subprocess.run(
            _command(arguments),
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            env=self.env,
            cwd=self.folder,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts the command line, to be killed and waited for; it writes to `log`."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                _command(arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.folder,
            )


def tenant_database(folder: Path, tenant: str = "default") -> Path:
    """The file of a tenant, below the data folder of a service."""
    name = database_name(tenant)
    return folder / "tenants" / name[3:5] / f"{name}.db"


def server_rows(database: Path, table: str) -> Rows:
    """A table of a tenant's file as `Device.rows` gives it; the service may be running."""
    return _file_rows(database, table)


def sqld_rows(sqld: Sqld, table: str, tenant: str = "default") -> Rows:
    """A table of a tenant on a libSQL server as `Device.rows` gives it."""

    async def read() -> Any:
        backend = on_sqld(sqld)
        try:
            database = Database(database_name(tenant), sqld.url)
            return (await backend.read(database, [Statement(_sql(table))]))[0]
        finally:
            await backend.close()

    return _by_id(table, asyncio.run(read()))


def records(seed: int) -> Iterator[Record]:
    """Sessions and what belongs to them, without end."""
    writer = _Writer(seed)
    while True:
        yield from writer.session()


class _Writer:
    """Makes up records, one after the other, from one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chance = random.Random(f"records {seed}")
        self._words = _words(self._chance)
        self._sessions = 0
        self._made = 0
        self._at = _BEGINNING
        self._session = Session("")

    def session(self) -> Iterator[Record]:
        chance, number = self._chance, self._sessions
        self._sessions += 1
        project = chance.choice(("shop", "größe", "api-server", "notes"))
        self._at += 3_600_000
        self._session = Session(
            f"s{self._seed}-{number}",
            created_at=self._at,
            updated_at=self._maybe(self._at + 1_800_000),
            ended_at=self._maybe(self._at + 1_900_000),
            source=chance.choice(_AGENTS),
            status=self._maybe(chance.choice(("active", "completed"))),
            title=self._maybe(self.text(120)),
            project_path=self._maybe(f"/home/dev/{project}"),
            project_name=self._maybe(project),
            model=self._maybe(chance.choice(("claude-sonnet-4-5", "gpt-5", "gemini-2.5-pro"))),
            provider=self._maybe(chance.choice(("anthropic", "openai", "google"))),
            permission_mode=self._maybe("default"),
            parent_id=f"s{self._seed}-{number - 1}" if number % 7 == 3 else None,
            relationship="subagent" if number % 7 == 3 else None,
            origin_device=f"device-{self._seed}",
            git_branch=self._maybe(chance.choice(("main", "feature/größe"))),
            agent_version=self._maybe("2.0.14"),
        )
        yield self._session
        for turn in range(chance.randint(1, 12)):
            # The first session has one of each.
            everything = not number and not turn
            yield self._message("user" if chance.random() < 0.5 else "assistant")
            yield self._tool()
            yield self._usage()
            if everything or chance.random() < 0.1:
                yield self._error()
            if everything or chance.random() < 0.08:
                yield self._compaction()
            yield self._message("assistant")

    def text(self, longest: int = _LONGEST) -> str:
        """Some words, of 50 bytes to `longest`; short ones are as frequent as in transcripts."""
        least = _SHORTEST + _CUT
        size = int(least * (longest / least) ** self._chance.random())
        words = " ".join(self._chance.choices(self._words, k=size // 3 + 1))
        return words.encode()[:size].decode(errors="ignore")

    def _message(self, role: str) -> Message:
        chance, number = self._chance, self._next()
        is_answer = role == "assistant"
        return Message(
            f"m{self._seed}-{number}",
            self._session.id,
            created_at=self._maybe(self._at),
            completed_at=self._at + 900 if is_answer else None,
            seq=number,
            role=role,
            model=self._session.model if is_answer else None,
            source=self._session.source,
            prompt_tokens=chance.randint(0, 200_000) if is_answer else None,
            completion_tokens=chance.randint(0, 9_000) if is_answer else None,
            duration_ms=self._maybe(chance.randint(1, 90_000)),
            native_id=self._maybe(f"native-{number}"),
            parent_native_id=self._maybe(f"native-{number - 1}"),
            is_sidechain=chance.choice((None, False, True)),
            text_content=self.text(),
            thinking=self.text() if is_answer and chance.random() < 0.3 else None,
            content=self._json("text") if chance.random() < 0.2 else None,
        )

    def _tool(self) -> ToolCall:
        chance, number = self._chance, self._next()
        success = chance.choice((None, True, True, False))
        return ToolCall(
            f"t{self._seed}-{number}",
            self._session.id,
            self._at,
            tool_name=chance.choice(("Read", "Bash", "Edit", "mcp__files__list")),
            message_id=self._maybe(f"m{self._seed}-{number - 1}"),
            seq=number,
            success=success,
            duration_ms=self._maybe(chance.randint(1, 90_000)),
            file_path=self._maybe(f"/home/dev/shop/größe {number % 50}.py"),
            native_id=self._maybe(f"call-{number}"),
            output_bytes=self._maybe(chance.randint(2_000, 2_000_000)),
            error_message=self.text(200) if success is False else None,
            tool_input=self._json("command"),
            tool_output=self._json("output") if success is not None else None,
        )

    def _usage(self) -> Usage:
        chance, number, session = self._chance, self._next(), self._session
        return Usage(
            f"u{self._seed}-{number}",
            session.id,
            session_at=session.created_at,
            message_id=self._maybe(f"m{self._seed}-{number}"),
            source=session.source,
            project_path=session.project_path,
            git_branch=session.git_branch,
            origin_device=session.origin_device,
            provider=session.provider,
            model=session.model,
            occurred_at=self._maybe(self._at),
            input_tokens=chance.randint(0, 3_000),
            cache_read_tokens=chance.randint(0, 150_000),
            cache_write_5m_tokens=chance.randint(0, 9_000),
            output_tokens=chance.randint(1, 9_000),
            reasoning_tokens=chance.randint(0, 1_000),
            service_tier=self._maybe("standard"),
            is_sidechain=chance.random() < 0.1,
            cost_reported=self._maybe(chance.randint(1, 900_000)),
            cost=self._maybe(chance.randint(1, 900_000)),
            cost_source=self._maybe("genai-prices"),
            price_version=self._maybe("2026-01"),
            estimated=chance.random() < 0.05,
            raw=self._json("usage") if chance.random() < 0.3 else None,
        )

    def _error(self) -> SessionError:
        return SessionError(
            f"e{self._seed}-{self._next()}",
            self._session.id,
            self._at,
            error_type=self._maybe("rate_limit"),
            error_message=self._maybe(self.text(500)),
        )

    def _compaction(self) -> Compaction:
        chance = self._chance
        return Compaction(
            f"c{self._seed}-{self._next()}",
            self._session.id,
            self._at,
            tokens_before=self._maybe(chance.randint(100_000, 200_000)),
            tokens_after=self._maybe(chance.randint(1_000, 20_000)),
            messages_before=self._maybe(chance.randint(20, 400)),
            messages_after=self._maybe(chance.randint(1, 20)),
        )

    def _next(self) -> int:
        self._made += 1
        self._at += self._chance.randint(1, 20_000)
        return self._made

    def _maybe(self, value: Any) -> Any:
        return value if self._chance.random() < 0.8 else None

    def _json(self, name: str) -> str:
        return json.dumps({name: self.text(_LONGEST // 2)}, ensure_ascii=False)


def _words(chance: random.Random) -> list[str]:
    """A vocabulary in which some words are far more frequent than others, as in any language."""
    plain = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _word in range(1_500)]
    return [*plain, *plain[:200] * 10, *_ODD_WORDS * 4]


def _command(arguments: Iterable[str]) -> list[str]:
    return [sys.executable, "-m", "clankers_cli", *arguments]


def _sql(table: str) -> str:
    visible = " WHERE NOT placeholder" if table == "sessions" else ""
    return f"SELECT id, {', '.join(wire.FIELDS[table])} FROM {table}{visible}"


def _by_id(table: str, rows: Iterable[tuple[Any, ...]]) -> Rows:
    columns = tuple(wire.FIELDS[table])
    return {one: dict(zip(columns, values, strict=True)) for one, *values in rows}


def _file_rows(path: Path, table: str) -> Rows:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(10_000)
        return _by_id(table, connection.execute(_sql(table)))
    finally:
        connection.close()
