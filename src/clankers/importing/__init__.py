"""Importing: what the agents on this machine left behind goes into the store.

Each file is read from where the last import stopped. Rows and watermark are committed
together, so that an import which is killed at any moment goes on where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clankers._lazy import lazily
from clankers.errors import ImporterError
from clankers.importing._bulk import bulk
from clankers.importing._discover import below, installed
from clankers.importing._edges import chosen
from clankers.importing._report import Failure, ImportReport, Progress, SourceReport
from clankers.importing._run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clankers.importing._events import has_file_events
    from clankers.importing._watching import watch_sessions
    from clankers.store import Store
else:
    # An import that finds nothing new is done before these are loaded.
    _HOMES = {"has_file_events": "_events", "watch_sessions": "_watching"}

    __getattr__ = lazily(globals(), _HOMES)


__all__ = [
    "SAMPLE_SESSIONS",
    "Failure",
    "ImportReport",
    "Progress",
    "SourceReport",
    "has_file_events",
    "import_sessions",
    "watch_sessions",
]

_NANOSECONDS = 1_000_000

# A few hand-written sessions that come along, for a machine without any agent.
SAMPLE_SESSIONS = Path(__file__).parent.parent / "sample"


def import_sessions(
    store: Store,
    agents: Iterable[str] | None = None,
    *,
    path: str | Path | None = None,
    since: int | None = None,
    full: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> ImportReport:
    """Reads what is new in the agents' files; a file that has not changed is not opened.

    When anything was read, responses that an older price list priced are priced anew.

    Args:
        store: where the sessions go.
        agents: the agents to import; all by default.
        path: instead of the agents' own places a root, any folder with transcripts
            somewhere below, or one file. With several agents each file goes to the one
            whose importer recognises it.
        since: epoch ms; files that were last written before it are left alone.
        full: reads files again from the start that were read before.
        dry_run: reads and counts, and writes nothing.
        on_progress: called after each file.

    Raises:
        UnknownAgentError: no importer has one of the names.
        ImporterError: `path` does not exist or holds no transcripts.
    """
    if path is not None and not str(path):
        raise ImporterError("the path is empty", hint="leave it out to import all agents")
    report = ImportReport()
    importers = chosen(agents, report)
    found = installed(importers, report) if path is None else below(Path(path), importers, report)
    recent = [
        one for one in found if since is None or one.identity.mtime_ns >= since * _NANOSECONDS
    ]
    with bulk(store.connection), Run(store, report, full=full, dry_run=dry_run) as run:
        waiting = run.changed(recent)
        progress = Progress(len(waiting), sum(one.identity.size for one in waiting))
        for one in waiting:
            run.take(one)
            progress = progress.after(one.path, one.identity.size)
            if on_progress is not None:
                on_progress(progress)
    if waiting and not dry_run:
        # What was stored before may have been priced by an older list.
        from clankers.usage import price_usage

        price_usage(store)
    report.sum_up()
    return report
