"""What `prune` and `delete` have in common: showing what goes, and asking whether it may."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from clankers.errors import ClankersError
from clankers.formats import report_table, visible, write_report_json
from clankers.times import short_time
from clankers_cli import _amounts, _asking, _context

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence
    from datetime import tzinfo

    from clankers.store import Archived, Removal, RemovedSession, Store

_SHOWN_SESSIONS = 20
_TITLE = 48
_NAMES = {
    "messages": "message",
    "tools": "tool call",
    "session_errors": "error",
    "compaction_events": "compaction",
    "attachments": "attachment",
}


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show what would go, remove nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def may_go_on(args: Namespace, planned: Removal) -> bool:
    """Shows what would go and asks, unless `--yes` has answered; False for a no.

    Raises:
        ClankersError: nobody is there to ask.
    """
    if args.yes:
        return True
    if not _asking.is_somebody_there():
        raise ClankersError(
            f"nothing was removed: {total(planned)} would go, and nobody is there to say yes",
            hint="--yes removes without a question, --dry-run shows what would go",
        )
    print(listed(args, planned.sessions), file=sys.stderr)
    if _asking.ask(f"remove {total(planned)}? [y/N] ") in ("y", "yes"):
        return True
    print("nothing was removed", file=sys.stderr)
    return False


def back_up_first(args: Namespace, store: Store) -> None:
    """Copies the database before something goes, unless `backup_before_write` is off."""
    if _context.config(args).get("backup_before_write"):
        print(f"a copy of before: {visible(str(store.back_up_before_write()))}", file=sys.stderr)


def tell(args: Namespace, removal: Removal, *, done: bool) -> None:
    """Prints what went, or would go."""
    if args.json:
        sessions = [one._asdict() for one in removal.sessions]
        write_report_json(
            sys.stdout, {**removal._asdict(), "sessions": sessions, "dry_run": not done}
        )
    elif done:
        print(f"removed {total(removal)}")
    else:
        if removal.sessions:
            print(listed(args, removal.sessions))
        print(f"would remove {total(removal)}")


def total(removal: Removal | Archived) -> str:
    """How many sessions and rows of each kind, and how large."""
    parts = [_amounts.counted(len(removal.sessions), "session")]
    parts += [
        _amounts.counted(removal.rows[table], name)
        for table, name in _NAMES.items()
        if removal.rows[table]
    ]
    return f"{', '.join(parts)} ({_amounts.size(removal.bytes)})"


def listed(args: Namespace, sessions: Sequence[RemovedSession]) -> str:
    """A table of the first of these sessions."""
    zone = _context.zone(args)
    rows = [_row(one, zone) for one in sessions[:_SHOWN_SESSIONS]]
    table = report_table(("id", "last", "agent", "project", "title", "messages", "text"), rows)
    hidden = len(sessions) - len(rows)
    return f"{table}\nand {_amounts.counted(hidden, 'more session')}" if hidden else table


def _row(session: RemovedSession, zone: tzinfo) -> tuple[Any, ...]:
    title = session.title or ""
    return (
        session.id,
        short_time(session.last_at, zone) if session.last_at else None,
        session.source,
        session.project,
        title if len(title) <= _TITLE else title[: _TITLE - 1] + "…",
        session.messages,
        _amounts.size(session.bytes),
    )
