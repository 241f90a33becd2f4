"""`import --watch`: what is printed of each import, and which signals end it."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from clankers.formats import visible
from clankers.importing import has_file_events, watch_sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import tzinfo

    from clankers.importing import ImportReport, Progress, SourceReport
    from clankers.store import Store

_INTERRUPTED = 130


def watch(
    store: Store,
    agents: Sequence[str],
    *,
    as_json: bool,
    zone: tzinfo,
    on_first: Callable[[ImportReport], object],
    on_progress: Callable[[Progress], None],
) -> int:
    """Imports until a signal ends it; the exit code, 130 after Ctrl-C and 0 after SIGTERM.

    `on_first` is called after the first import, where its report is not printed as JSON.
    """
    printing = _Printing(as_json=as_json, zone=zone, on_first=on_first)
    with _signals() as signals:
        watch_sessions(
            store,
            agents or None,
            on_import=printing.show,
            on_progress=on_progress,
            stop=lambda: bool(signals),
        )
    return _INTERRUPTED if signals == [signal.SIGINT] else 0


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM instead of being ended by them; a second one does end it."""
    found: list[int] = []

    def note(number: int, _frame: object) -> None:
        if found:
            raise KeyboardInterrupt
        found.append(number)

    before = {one: signal.signal(one, note) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield found
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


class _Printing:
    """One line for each agent of an import that brought something."""

    def __init__(
        self, *, as_json: bool, zone: tzinfo, on_first: Callable[[ImportReport], object]
    ) -> None:
        self._as_json = as_json
        self._zone = zone
        self._on_first = on_first
        self._has_begun = False

    def show(self, report: ImportReport) -> None:
        if self._has_begun or self._as_json:
            self._show_sources(report)
        else:
            self._on_first(report)
            print(f"watching {report.files} files; Ctrl-C ends it")
        sys.stdout.flush()
        if not self._has_begun:
            _show_missing()
        self._has_begun = True
        _show_failures(report)

    def _show_sources(self, report: ImportReport) -> None:
        now = datetime.now(UTC)
        for one in report.sources:
            if one.rows_written:
                print(_as_json(one, now) if self._as_json else _as_text(one, now, self._zone))


def _as_json(source: SourceReport, now: datetime) -> str:
    said = {
        "at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        **source.to_dict(),
        "messages": source.messages,
        "sessions": sorted(source.sessions),
    }
    return json.dumps(said)


def _as_text(source: SourceReport, now: datetime, zone: tzinfo) -> str:
    sessions = sorted(source.sessions)
    what = visible(sessions[0]) if len(sessions) == 1 else f"{len(sessions)} sessions"
    return (
        f"{now.astimezone(zone):%H:%M:%S}  {source.agent}  {what}"
        f"  {_counted(source.lines, 'line')}, {_counted(source.messages, 'message')}"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _show_missing() -> None:
    if not has_file_events():
        late = "without file events, new lines come some seconds late"
        print(f"clankers-cli: {late}", file=sys.stderr)
        print("hint: pip install 'clankers-sdk[watch]'", file=sys.stderr)


def _show_failures(report: ImportReport) -> None:
    for failure in report.failures:
        place = str(failure.path)
        # What is said of the database names it already.
        says_where = failure.message.startswith(place)
        message = failure.message if says_where else f"{place}: {failure.message}"
        print(f"clankers-cli: {visible(message)}", file=sys.stderr, flush=True)
