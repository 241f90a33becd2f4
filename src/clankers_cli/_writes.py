"""Scripts that write: asking for the yes, and telling what was changed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clankers.formats import report_table, visible
from clankers_cli import _amounts, _asking, _context

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from clankers.query import Changes, Statement

_SQL = 60


def wanted_backup(args: Namespace) -> bool | None:
    """Whether a copy is made before a write: by default before a destructive one.

    `backup_before_write` says never when it is off, and always when somebody turned it on.
    """
    config = _context.config(args)
    if not config.get("backup_before_write"):
        return False
    return None if config.source("backup_before_write") == "default" else True


def confirmation(args: Namespace) -> Callable[[Changes], bool] | None:
    """What answers when a script is destructive; None where nobody is there."""
    if args.yes:
        return lambda _changes: True
    return ask if _asking.is_somebody_there() else None


def ask(changes: Changes) -> bool:
    """Shows what would change, and takes nothing but the word for a yes."""
    print(summary(changes), file=sys.stderr)
    for danger in changes.dangers:
        print(f"this {visible(danger)}", file=sys.stderr)
    return _asking.ask("type yes to go on: ") == "yes"


def tell(changes: Changes, *, dry_run: bool) -> int:
    """Says on stderr what was done, or what not; the exit code."""
    if not changes.writes:
        return 0
    print(summary(changes), file=sys.stderr)
    if changes.backup is not None:
        print(f"a copy of before: {visible(str(changes.backup))}", file=sys.stderr)
    if changes.committed:
        return 0
    if not dry_run:
        print("nothing was changed", file=sys.stderr)
        return 1
    for danger in changes.dangers:
        print(f"this {visible(danger)}", file=sys.stderr)
    asks = ", and needs a yes to be done" if changes.dangers else ""
    print(f"nothing was changed: this was a dry run{asks}", file=sys.stderr)
    return 0


def summary(changes: Changes) -> str:
    """A line for each statement that writes, and for each table with the rows that changed."""
    parts = [_done(one) for one in changes.statements if one.writes]
    if len(changes.tables) > 1 or len(parts) > 1:
        rows = [(table, *change) for table, change in changes.tables.items()]
        if rows:
            parts.append(report_table(("table", "inserted", "updated", "deleted"), rows))
    return "\n".join(parts)


def _done(statement: Statement) -> str:
    sql = " ".join(statement.sql.split())
    shown = sql if len(sql) <= _SQL else sql[: _SQL - 1] + "…"
    count = "done" if statement.affected is None else _amounts.counted(statement.affected, "row")
    return f"{visible(shown)}  {count}"
