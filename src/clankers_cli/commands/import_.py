"""`clankers-cli import`: read the sessions of the agents on this machine."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from clankers.errors import ImporterError
from clankers.formats import visible, write_report_json, write_table
from clankers.hooks import take_in
from clankers.importing import SAMPLE_SESSIONS, import_sessions
from clankers.store import Store
from clankers_cli import _amounts, _context, _progress

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from clankers.importing import ImportReport, Progress

_SHOWN_FAILURES = 10


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("agents", metavar="AGENT", nargs="*", help="only these; all by default")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--path",
        metavar="P",
        help="an agent's root, any folder with transcripts somewhere below, or one file",
    )
    where.add_argument(
        "--sample", action="store_true", help="a few hand-written sessions that come along"
    )
    where.add_argument(
        "--watch",
        action="store_true",
        help="go on: import what the agents write as they write it, until Ctrl-C",
    )
    parser.add_argument(
        "--since", metavar="D", help="only files written since a date, a time or N{h,d,w,m} ago"
    )
    parser.add_argument(
        "--full", action="store_true", help="read files again from the start that were read before"
    )
    parser.add_argument("--dry-run", action="store_true", help="read and count, write nothing")


def _take_in(store: Store) -> None:
    if taken := take_in(store):
        events = _amounts.counted(taken, "event")
        print(f"took in {events} that hooks had left in the spool", file=sys.stderr)


def run(args: Namespace) -> int:
    path = _context.database_path(args)
    if args.watch:
        return _watch(path, args)
    with ExitStack() as stack:
        store = _opened(path, args, stack)
        bar = stack.enter_context(_Bar())
        if not args.dry_run:
            _take_in(store)
        report = import_sessions(
            store,
            args.agents or None,
            path=SAMPLE_SESSIONS if args.sample else args.path,
            since=_context.moment(args, args.since),
            full=args.full,
            dry_run=args.dry_run,
            on_progress=bar.show,
        )
    if args.json:
        write_report_json(sys.stdout, report.to_dict())
    else:
        _print_report(report, path, dry_run=args.dry_run)
    return _print_failures(report)


def _watch(path: Path, args: Namespace) -> int:
    for name in ("since", "full", "dry_run"):
        if getattr(args, name):
            option = f"--{name.replace('_', '-')}"
            raise ImporterError(
                f"{option} does not go with --watch", hint=f"import once with {option} before"
            )
    from clankers_cli._watch import watch  # only who stays needs it

    with Store.open(path) as store, _Bar() as bar:

        def show(report: ImportReport) -> None:
            bar.close()
            _print_report(report, path, dry_run=False)

        return watch(
            store,
            args.agents,
            as_json=args.json,
            zone=_context.zone(args),
            on_first=show,
            on_progress=bar.show,
        )


def _opened(path: Path, args: Namespace, stack: ExitStack) -> Store:
    """The store; a dry run only reads it, and where there is none makes none."""
    if args.dry_run and not path.exists():
        from tempfile import TemporaryDirectory  # slow to import, and seldom needed

        passing = Path(stack.enter_context(TemporaryDirectory()), path.name)
        return stack.enter_context(Store.open(passing))
    return stack.enter_context(Store.open(path, read_only=args.dry_run))


class _Bar(ExitStack):
    """A progress bar that begins with the first file; there may be none to read."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: _progress.Progress | None = None
        self._done = 0

    def show(self, progress: Progress) -> None:
        if self._bar is None:
            self._bar = self.enter_context(_progress.Progress(progress.bytes))
        self._bar.advance(progress.bytes_done - self._done, str(progress.path or ""))
        self._done = progress.bytes_done


def _print_report(report: ImportReport, database: Path, *, dry_run: bool) -> None:
    if not report.files:
        print("no sessions found")
        places = ", ".join(visible(str(one.path)) for one in report.sources)
        print(f"looked in: {places}" if places else "no agent's folder is on this machine")
        print("try: clankers-cli import --sample")
        return
    columns = ("agent", "files", "read", "new", "updated", "lines", "malformed", "where")
    rows = [
        (one.agent, one.files, one.read, one.new, one.updated, one.lines, one.malformed, str(one.path))
        for one in report.sources
    ]  # fmt: skip
    write_table(sys.stdout, columns, rows)
    done = "would import" if dry_run else "imported"
    print(
        f"\n{done} {report.read} of {report.files} files ({report.new} new, {report.updated}"
        f" updated, {report.unchanged} unchanged): {report.lines} lines, {report.imported}"
        f" with content, {report.noise} noise, {report.unknown} unknown,"
        f" {report.malformed} malformed"
    )
    if report.left_out:
        left_out = _amounts.counted(len(report.left_out), "session")
        print(f"left out {left_out} that had been removed")
    if not dry_run:
        print(f"into {visible(str(database))}")
    if any(one.path == SAMPLE_SESSIONS for one in report.sources):
        print("the sample is made up: --db FILE keeps it apart from your own sessions")


def _print_failures(report: ImportReport) -> int:
    """Says which files could not be read; the exit code."""
    for failure in report.failures[:_SHOWN_FAILURES]:
        message = visible(f"{failure.path}: {failure.message}")
        print(f"clankers-cli: could not read {message}", file=sys.stderr)
    if len(report.failures) > _SHOWN_FAILURES:
        hidden = len(report.failures) - _SHOWN_FAILURES
        print(f"clankers-cli: and {hidden} more files", file=sys.stderr)
    return 1 if report.failures else 0
