"""The work that is measured, as far as it exists."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import _peers
from bench._measure import CommandError, Row, in_turns, run, run_silently
from bench._searching import Searching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench._measure import Command, Ran

MB = 1e6
_HERE = Path(__file__).parent
_LINE = (
    '{"type":"user","uuid":"bench-%d","isSidechain":false,"timestamp":"2026-11-02T09:00:00Z",'
    '"message":{"role":"user","content":"one more line"}}\n'
)
# Two numbers, a time, texts short and long, a null.
_ROWS_SQL = (
    "WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c LIMIT {rows})"
    " SELECT n, n * 37 AS tokens, n / 7.0 AS cost, 1700000000000 + n AS at,"
    " 'session-' || n AS id, 'claude-sonnet-4-5' AS model, NULL AS ended FROM c"
)

# Each format, what the shell of SQLite calls it, and the goal.
_FORMATS = (
    ("json", "json", 0.65),
    ("ndjson", "json", 0.65),
    ("csv", "csv", 2.2),
    ("tsv", "tabs", None),
    ("sql", "insert", 1.2),
    ("html", "html", 2.4),
    ("markdown", "markdown", None),
)
_UTILS_OPTIONS: dict[str, list[str]] = {"json": [], "ndjson": ["--nl"], "csv": ["--csv"]}


class Bench:
    """One run of all measurements.

    Attributes:
        notes: which peers are missing.
        missed: how many goals were not met.
    """

    def __init__(self, corpus: Path, folder: Path, *, quick: bool) -> None:
        self.notes: list[str] = []
        self.missed = 0
        self._corpus = corpus
        self._quick = quick
        self._turns = 5 if quick else 15
        self._database = folder / "ours.db"
        self._folder = folder
        self._cli = _peers.script("clankers-cli")
        self._env = {
            "HOME": str(folder),
            "CLAUDE_CONFIG_DIR": str(corpus),
            "CODEX_HOME": str(folder / "none"),
            "CLANKERS_DB_PATH": str(self._database),
            "CLANKERS_DATA_PATH": str(folder / "data"),
        }
        self._agentsview = _peers.AgentsView.find(corpus, folder / "agentsview")
        if self._agentsview is None:
            self.notes.append(
                "agentsview is not here or does not run: its comparisons are left out"
            )

    def rows(self) -> Iterator[Row]:
        """Each measurement as it is done."""
        works: list[Callable[[], Iterator[Row]]] = [
            self._cold_import,
            self._size,
            self._search,
            self._import_again,
            self._daily_usage,
            self._starts,
            self._query_starts,
            self._guard,
            self._table,
            self._formats,
            self._reports,
            self._capturing,
            self._waking,
            self._redacting,
            self._serving,
            self._syncing,
        ]
        for work in works:
            for row in work():
                if self._quick:
                    # On little input the start of a program is most of what it does.
                    row.goal = None
                self.missed += row.is_met is False
                yield row

    def _ours(self, *words: str) -> Ran:
        return run([self._cli, *words], self._env)

    # Importing

    def _cold_import(self) -> Iterator[Row]:
        ours = [self._import_anew() for _turn in range(1 if self._quick else 3)]
        seconds = sorted(one.seconds for one in ours)[len(ours) // 2]
        size = sum(file.stat().st_size for file in self._corpus.rglob("*.jsonl")) / MB
        peer = theirs = None
        if self._agentsview is not None:
            peer = self._agentsview
            theirs = run([peer.program, "sync"], peer.env).seconds
        yield Row("cold import", seconds, "s", "agentsview sync", theirs, 0.10)
        naive = run(
            [sys.executable, _HERE / "naive.py", self._corpus, self._folder / "naive.db"]
        ).seconds
        yield Row("cold import", seconds, "s", "json.loads and sqlite3", naive)
        yield Row("cold import", size / seconds, "MB/s", goal=85, goal_is="at least")
        rss = max(one.rss for one in ours) / MB
        yield Row("cold import, memory", rss, "MB", goal=150, goal_is="at most")

    def _import_anew(self) -> Ran:
        for file in self._folder.glob("ours.db*"):
            file.unlink()
        return self._ours("import", "claude-code")

    def _size(self) -> Iterator[Row]:
        ours = sum(file.stat().st_size for file in self._folder.glob("ours.db*")) / MB
        theirs = None if self._agentsview is None else self._agentsview.size() / MB
        yield Row("database size", ours, "MB", "agentsview", theirs, 0.75)

    def _import_again(self) -> Iterator[Row]:
        yield self._beside_agentsview("import again, nothing changed", 0.25, lambda: None)
        # The corpus may be somebody's own.
        grown = self._folder / "grown"
        shutil.copytree(self._corpus, grown)
        file = max(grown.rglob("*.jsonl"), key=lambda path: path.stat().st_size)
        lines = iter(range(1_000_000))

        def append() -> None:
            with file.open("a", encoding="utf-8") as transcript:
                transcript.write(_LINE % next(lines))

        self._env["CLAUDE_CONFIG_DIR"] = str(grown)
        self._ours("import", "claude-code")
        if self._agentsview is not None:
            self._agentsview.env["CLAUDE_CONFIG_DIR"] = str(grown)
            run([self._agentsview.program, "sync"], self._agentsview.env)
        yield self._beside_agentsview("one line appended, import again", 0.4, append)

    def _beside_agentsview(self, work: str, goal: float, change: Callable[[], None]) -> Row:
        def ours() -> float:
            change()
            return self._ours("import", "claude-code").seconds * 1000

        works = [ours]
        if (peer := self._agentsview) is not None:

            def theirs() -> float:
                return run([peer.program, "sync"], peer.env).seconds * 1000

            works.append(theirs)
        measured = in_turns(self._turns, *works)
        return Row(work, measured[0], "ms", "agentsview sync", _second(measured), goal)

    def _search(self) -> Iterator[Row]:
        search = Searching([self._cli], self._env, self._database, self._agentsview)
        yield from search.rows(quick=self._quick)
        self.notes += search.notes

    def _daily_usage(self) -> Iterator[Row]:
        works = [lambda: self._ours("usage", "--by", "day", "--json").seconds * 1000]
        if (peer := self._agentsview) is not None:
            command: Command = [
                *(peer.program, "usage", "daily", "--all"),
                *("--json", "--offline", "--no-sync"),
            ]
            works.append(lambda: run(command, peer.env).seconds * 1000)
        measured = in_turns(self._turns, *works)
        yield Row("daily usage", measured[0], "ms", "agentsview usage daily", _second(measured))
        if _peers.has_duckdb():
            command = [sys.executable, _HERE / "duck.py", self._corpus]
            theirs = run_silently(command).seconds * 1000
            yield Row("daily usage", measured[0], "ms", "DuckDB over the files", theirs)
        else:
            self.notes.append("DuckDB is not here: its comparison is left out")
        if (program := _peers.ccusage()) is None:
            self.notes.append("ccusage is not here: its comparison is left out")
            return
        theirs = run_silently([program, "daily", "--json", "--offline"], self._env).seconds * 1000
        yield Row("daily usage", measured[0], "ms", "ccusage daily", theirs, 0.12)

    # Starting

    def _starts(self) -> Iterator[Row]:
        bare, imported, version = in_turns(
            self._turns * 2,
            _milliseconds([sys.executable, "-c", "pass"]),
            _milliseconds([sys.executable, "-c", "import clankers"]),
            _milliseconds([self._cli, "--version"]),
        )
        yield Row(
            "import clankers, over bare Python", imported - bare, "ms", goal=10, goal_is="at most"
        )
        yield Row("clankers-cli --version", version, "ms", goal=25, goal_is="at most")
        yield Row("clankers-cli --version", version, "ms", "python -c pass", bare)

    def _query_starts(self) -> Iterator[Row]:
        works = [lambda: self._ours("query", "select 1").seconds * 1000]
        program = _peers.sqlite_utils()
        if program is not None:
            command: Command = [program, "query", self._database, "select 1"]
            works.append(_milliseconds(command))
        else:
            self.notes.append("sqlite-utils is not here: its comparison is left out")
        measured = in_turns(self._turns, *works)
        yield Row("query 'select 1'", measured[0], "ms", goal=35, goal_is="at most")
        yield Row("query 'select 1'", measured[0], "ms", "sqlite-utils query", _second(measured))

    def _guard(self) -> Iterator[Row]:
        ours, theirs = self._inside("guard", self._database)
        cost = (ours - theirs) * 1e6
        yield Row("read-only guard, per query", cost, "us", goal=100, goal_is="at most")

    # Printing

    def _table(self) -> Iterator[Row]:
        ours, theirs = self._inside("table")
        yield Row(
            "table of 20k rows", ours * 1000, "ms", "tabulate, 10 x 2k rows", theirs * 1000, 0.25
        )

    def _formats(self) -> Iterator[Row]:
        count = 100_000 if self._quick else 1_000_000
        sql = _ROWS_SQL.format(rows=count)
        shell, utils = _peers.sqlite3_shell(), _peers.sqlite_utils()
        if shell is None:
            self.notes.append("sqlite3 is not here: its comparison is left out")
        for name, mode, goal in _FORMATS:
            ours: list[Ran] = []
            command: Command = [self._cli, "query", "--format", name, sql]
            works = [_seconds_of(command, self._env, ours)]
            if shell is not None:
                works.append(_seconds_of([shell, self._database, f".mode {mode}", sql]))
            measured = in_turns(1 if self._quick else 3, *works)
            work = f"{count // 1000}k rows x 7 to {name}"
            yield Row(work, measured[0], "s", f"sqlite3, {mode}", _second(measured), goal)
            rss = max(ran.rss for ran in ours) / MB
            yield Row(f"{work}, memory", rss, "MB", goal=40, goal_is="at most")
            if utils is not None and name in _UTILS_OPTIONS:
                option = _UTILS_OPTIONS[name]
                theirs = run_silently([utils, "query", self._database, sql, *option]).seconds
                yield Row(work, measured[0], "s", "sqlite-utils", theirs)

    def _reports(self) -> Iterator[Row]:
        """Upserts to a daemon, acknowledged when they are committed."""
        count = 2_000 if self._quick else 20_000
        for connections, least in ((50, 3_000), (200, None)):
            ran = run([sys.executable, _HERE / "reporting.py", str(connections), str(count)])
            rate, _median, last = map(float, ran.out.split())
            work = f"upserts to the daemon, {connections} clients"
            yield Row(work, rate, "/s", goal=least, goal_is="at least")
            yield Row(f"{work}, p99", last, "ms", goal=50 if least else None, goal_is="at most")

    def _capturing(self) -> Iterator[Row]:
        """That changes are noted for sync: an import, and upserts in transactions of their own."""
        rounds, upserts = ("1", "200") if self._quick else ("4", "2000")
        script: list[str | Path] = [sys.executable, _HERE / "capturing.py", self._corpus]
        found = json.loads(run([*script, rounds, upserts], self._env).out)
        # The median of the rounds: one may be off by a fifth on a busy machine.
        work, ratio = "cold import, noting changes", found["import_ratio"]
        yield Row(work, ratio, "of without", goal=1.15, goal_is="at most")
        for name in ("new", "changed", "same"):
            work = f"upsert of a {name} row, noting it"
            yield Row(work, found[f"{name}_ms"], "ms", goal=0.1, goal_is="at most")

    def _waking(self) -> Iterator[Row]:
        """Commits of another process: when they are noticed, and what it costs to wait."""
        commits, polled = (100, 5) if self._quick else (1_000, 20)
        script: list[str | Path] = [sys.executable, _HERE / "waking.py", self._corpus]
        found = json.loads(run([*script, str(commits), str(polled)], self._env).out)
        goals = {"events": (1.5, 0.5), "polling": (600, 0.5)}
        for way, (soon, cheap) in goals.items():
            if f"{way}_p50" not in found:
                self.notes.append("there are no file events here: commits are polled for")
                continue
            work = f"commit noticed by {way}"
            yield Row(f"{work}, p50", found[f"{way}_p50"], "ms", goal=soon, goal_is="at most")
            yield Row(f"{work}, p99", found[f"{way}_p99"], "ms")
            yield Row(f"{work}, idle", found[f"{way}_idle"], "% CPU", goal=cheap, goal_is="at most")
            yield Row(f"{work}, during an import", found[f"{way}_import"], "% CPU")

    def _serving(self) -> Iterator[Row]:
        """The web service on files: rows pushed, small batches, many tenants."""
        rows, tenants = (2_000, 200) if self._quick else (20_000, 10_000)
        script: list[str | Path] = [
            sys.executable,
            _HERE / "serving.py",
            self._database,
            str(rows),
            str(tenants),
        ]
        found = json.loads(run(script).out)
        floor = "the same statements, SQLite alone"
        yield Row("push to the service", found["push"], "/s", floor, found["floor"], 0.40, "least")
        yield Row("bytes on the wire", found["wire"], "of raw JSON", goal=0.35, goal_is="at most")
        small = "batch of 10 rows, acknowledged"
        yield Row(f"{small}, p50", found["p50"], "ms", goal=2, goal_is="at most")
        yield Row(f"{small}, p99", found["p99"], "ms", goal=8, goal_is="at most")
        active = f"{found['tenants']:,} tenants, {found['active']:,} active"
        yield Row(f"{active}, memory", found["rss"] / MB, "MB")
        yield Row(f"{active}, open files", found["files"], "files")
        yield Row(f"{active}, batch of 10 rows", found["tenant_ms"], "ms")

    def _redacting(self) -> Iterator[Row]:
        """Secrets are looked for in all that sync sends."""
        size = 2 if self._quick else 20
        ran = run([sys.executable, _HERE / "redacting.py", self._corpus, str(size)])
        rate, lowered = map(float, ran.out.split())
        work = "redaction of clean texts"
        yield Row(work, rate, "MB/s", "str.lower of each", lowered)

    def _syncing(self) -> Iterator[Row]:
        """A device and a service: when a change is there, what waiting costs, all that there is."""
        rows, commits, polled = (2_000, 50, 3) if self._quick else (20_000, 500, 20)
        script: list[str | Path] = [sys.executable, "-m", "bench.syncing", self._database]
        found = json.loads(run([*script, str(rows), str(commits), str(polled)]).out)
        for way, soon in (("events", 5), ("polling", 1_200)):
            work = f"commit to answer of the server, {way}"
            yield Row(f"{work}, p50", found[f"{way}_p50"], "ms", goal=soon, goal_is="at most")
            yield Row(f"{work}, p99", found[f"{way}_p99"], "ms")
        yield Row("daemon with sync on, idle", found["idle"], "% CPU", goal=1, goal_is="at most")
        floor = "the same statements, SQLite alone"
        yield Row("push by SyncManager", found["push"], "/s", floor, found["floor"], 0.40, "least")
        yield Row("with redaction", found["redaction"], "x time", goal=1.33, goal_is="at most")
        yield Row("bytes on the wire", found["wire"], "of raw JSON", goal=0.35, goal_is="at most")

    def _inside(self, *words: str | Path) -> tuple[float, float]:
        out = run([sys.executable, _HERE / "inside.py", *words]).out.split()
        if len(out) != len(("ours", "theirs")):
            raise CommandError(f"inside.py {words[0]} printed {out}")
        return float(out[0]), float(out[1])


def _milliseconds(command: Command) -> Callable[[], float]:
    return lambda: run(command).seconds * 1000


def _seconds_of(
    command: Command, env: dict[str, str] | None = None, ran: list[Ran] | None = None
) -> Callable[[], float]:
    def work() -> float:
        done = run_silently(command, env)
        if ran is not None:
            ran.append(done)
        return done.seconds

    return work


def _second(measured: list[float]) -> float | None:
    return measured[1] if len(measured) > 1 else None
