"""What a prompt remembers between two statements, and running one."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

from clankers.errors import ClankersError, QueryRefusedError
from clankers.query import is_complete, next_statement
from clankers_cli import _amounts, _context, _rows, _writes
from clankers_cli._failing import fail, failure
from clankers_cli.repl._pager import Pager

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from clankers.formats import Value
    from clankers.query import Completion, Query, Result

    Row = tuple[Value, ...]

_WRITE = "--write"
_HINT = ".write on lets statements change data, and --dry-run shows what they would change"
_DEEPEST_SCRIPT = 20
_LEAVING = frozenset({"exit", "quit"})


class Session:
    """One prompt, or one script from a pipe.

    Attributes:
        style: how rows are shown.
        timer: whether to say how long each statement took.
        writes: whether statements may change data.
        last: the last statement.
    """

    def __init__(self, args: Namespace, query: Query) -> None:
        self.query = query
        self.style = _rows.style(args)
        self.timer = False
        self.writes = args.write
        self.last = ""
        self.style.zone = _context.shown_zone(args)
        self._args = args
        self._params: Mapping[str, Value] = dict(args.param)
        self._output: ExitStack | None = None
        self._file: TextIO | None = None
        self._depth = 0
        if args.output:
            self.write_to(args.output)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self._close_output(*problem)

    def write_to(self, path: str | None) -> None:
        """Sends what follows to a file, which is there when the next one begins; None for stdout."""
        self._close_output(None, None, None)
        if path is not None:
            with ExitStack() as stack:
                output = _rows.Output(path, database=self.query.path)
                self._file = stack.enter_context(output.opened())
                self._output = stack.pop_all()

    def run_line(self, text: str) -> bool:
        """Runs what was typed, and tells errors; False where it was to leave."""
        try:
            for unit in units(text):
                if _leaves(unit):
                    return False
                self.run(unit)
        except BrokenPipeError:
            raise
        except KeyboardInterrupt as problem:
            print(file=sys.stderr)  # below the ^C that the terminal shows
            fail(failure(problem))
        except Exception as problem:  # noqa: BLE001  # the edge: the session goes on
            fail(failure(problem))
        return True

    def run_script(self, text: str) -> None:
        """Runs everything up to the first error, which is raised, or to an .exit."""
        if self._depth >= _DEEPEST_SCRIPT:
            raise ClankersError(
                f"scripts read one another {self._depth} deep", hint="does one read itself?"
            )
        self._depth += 1
        try:
            for unit in units(text):
                if _leaves(unit):
                    return
                self.run(unit)
        finally:
            self._depth -= 1

    def switch_writes(self, *, on: bool) -> None:
        """Lets statements change data, or no longer; a script cannot give itself the right."""
        if on and self._depth and not (self._args.write or self.writes):
            raise ClankersError(
                "a script cannot switch .write on", hint="run it with --write, or type .write on"
            )
        self.writes = on

    def run(self, text: str) -> None:
        """Runs one statement, or one command that begins with a dot."""
        if text.startswith("."):
            from clankers_cli.repl._commands import run

            run(self, text)
            return
        self.last = text
        self.ask(text, self._params)

    def ask(self, sql: str, params: Mapping[str, Value]) -> None:
        """Shows the rows of a statement, or does what it says where that is allowed."""
        started = perf_counter()
        timeout = self._args.timeout or None
        try:
            result = self.query.query(sql, params, limit=self._args.limit, timeout=timeout)
        except QueryRefusedError as refusal:
            if not (self.writes or self._args.dry_run):
                if _WRITE in refusal.hint:
                    refusal.hint = _HINT
                raise
            shown = self._write(sql, params)
        else:
            shown = self._show(result)
            if result.truncated:
                rows = _amounts.counted(self._args.limit, "row")
                print(f"only {rows} shown", file=sys.stderr)
        if self.timer:
            rows = _amounts.counted(shown, "row")
            print(f"{rows} in {perf_counter() - started:.3f} s", file=sys.stderr)

    def complete(self, text: str, position: int) -> list[Completion]:
        """What can be written at a place, in SQL or behind a dot."""
        if text.startswith("."):
            from clankers_cli.repl._commands import complete

            return complete(self, text, position)
        try:
            return self.query.complete(text, position)
        except ClankersError:  # Typing goes on, whatever the database says.
            return []

    def _show(self, result: Result) -> int:
        rows = _Counted(result)
        try:
            with self.paged() as file:
                self.style.print(file, result.columns, rows)
        finally:
            result.close()
        return rows.count

    def _write(self, sql: str, params: Mapping[str, Value]) -> int:
        def show(columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
            with self.paged() as file:
                self.style.print(file, columns, rows)

        timeout = self._args.timeout or None
        changes = _writes.run(self._args, self.query, sql, params, show=show, timeout=timeout)
        return sum(one.affected or len(one.rows) for one in changes.statements)

    def paged(self) -> Pager:
        """Where output goes: the file of `write_to`, or the screen by way of a pager."""
        return Pager(self._file if self._file is not None else sys.stdout)

    def _close_output(self, *problem: Any) -> None:
        output, self._output, self._file = self._output, None, None
        if output is not None:
            output.__exit__(*problem)


class _Counted:
    """Rows as they pass."""

    def __init__(self, rows: Result) -> None:
        self.count = 0
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


def units(text: str) -> Iterator[str]:
    """The statements and dot commands of a text; a command ends with its line."""
    place = 0
    while (piece := next_statement(text, place)) is not None:
        if piece.sql.startswith(".") or _is_leaving(text, piece.start):
            line = text[piece.start :].partition("\n")[0]
            yield line.strip()
            place = piece.start + len(line)
        else:
            yield piece.sql
            place = piece.end


def is_whole(text: str) -> bool:
    """Whether Enter runs what was typed: a command, an end, or statements up to a semicolon."""
    return text.lstrip().startswith(".") or _leaves(text) or is_complete(text)


def _is_leaving(text: str, start: int) -> bool:
    return _leaves(text[start:].partition("\n")[0])


def _leaves(text: str) -> bool:
    return text.strip().rstrip(";").removeprefix(".").lower() in _LEAVING
