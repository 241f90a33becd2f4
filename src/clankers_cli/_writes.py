"""Scripts that write: asking for the yes, and telling what was changed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clankers.formats import report_table, visible
from clankers_cli import _amounts, _asking, _context

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping, Sequence

    from clankers.formats import Value
    from clankers.query import Changes, Query, Statement

    Show = Callable[[Sequence[str], Sequence[Sequence[Value]]], None]

_SQL = 60


def run(
    args: Namespace,
    query: Query,
    script: str,
    params: Mapping[str, Value],
    *,
    show: Show,
    timeout: float | None,
) -> Changes:
    """Does what a script says, or tries it for a dry run; shows its answers, and tells on stderr."""
    was_asked = False

    def confirm(changes: Changes) -> bool:
        nonlocal was_asked
        was_asked = True
        return _ask(changes)

    try:
        changes = query.execute(
            script,
            params,
            write=not args.dry_run,
            confirm=_confirmation(args, confirm),
            dry_run=args.dry_run,
            unsafe=args.unsafe,
            backup=_wanted_backup(args),
            timeout=timeout,
        )
    except KeyboardInterrupt:
        print("nothing was changed", file=sys.stderr)
        raise
    try:
        for statement in changes.statements:
            if statement.columns:
                show(statement.columns, statement.rows[: args.limit])
    finally:
        if changes.writes:
            _tell(changes, dry_run=args.dry_run, was_shown=was_asked)
    return changes


def exit_code(args: Namespace, changes: Changes) -> int:
    """1 where a person said no."""
    return 0 if changes.committed or args.dry_run or not changes.writes else 1


def as_json(changes: Changes) -> dict[str, object]:
    """Everything that is known of what was changed."""
    return {
        "statements": [one._asdict() for one in changes.statements],
        "tables": {table: change._asdict() for table, change in changes.tables.items()},
        "dangers": changes.dangers,
        "committed": changes.committed,
        "backup": None if changes.backup is None else str(changes.backup),
    }


def _wanted_backup(args: Namespace) -> bool | None:
    """Whether a copy is made before a write: by default before a destructive one.

    `backup_before_write` says never when it is off, and always when somebody turned it on.
    """
    config = _context.config(args)
    if not config.get("backup_before_write"):
        return False
    return None if config.source("backup_before_write") == "default" else True


def _confirmation(
    args: Namespace, confirm: Callable[[Changes], bool]
) -> Callable[[Changes], bool] | None:
    """What answers when a script is destructive; None where nobody is there."""
    if args.yes:
        return lambda _changes: True
    return confirm if _asking.is_somebody_there() else None


def _ask(changes: Changes) -> bool:
    """Shows what would change, and takes nothing but the word for a yes."""
    print(f"to be done:\n{_summary(changes)}", file=sys.stderr)
    for danger in changes.dangers:
        print(f"this {visible(danger)}", file=sys.stderr)
    return _asking.ask("type yes to go on: ") == "yes"


def _tell(changes: Changes, *, dry_run: bool, was_shown: bool) -> None:
    if changes.committed:
        print(_summary(changes), file=sys.stderr)
        if changes.backup is not None:
            print(f"a copy of before: {visible(str(changes.backup))}", file=sys.stderr)
        return
    if not was_shown:
        print(f"would be done:\n{_summary(changes)}", file=sys.stderr)
        for danger in changes.dangers:
            print(f"this {visible(danger)}", file=sys.stderr)
    asks = ", and needs a yes to be done" if changes.dangers else ""
    print(
        "nothing was changed" + (f": this was a dry run{asks}" if dry_run else ""),
        file=sys.stderr,
    )


def _summary(changes: Changes) -> str:
    """A line for each statement that writes, and for each table with the rows that changed."""
    parts = [_line(one) for one in changes.statements if one.writes]
    if changes.tables and (len(changes.tables) > 1 or len(parts) > 1):
        rows = [(table, *change) for table, change in changes.tables.items()]
        parts.append(report_table(("table", "inserted", "updated", "deleted"), rows))
    return "\n".join(parts)


def _line(statement: Statement) -> str:
    sql = " ".join(statement.sql.split())
    shown = sql if len(sql) <= _SQL else sql[: _SQL - 1] + "…"
    rows = "" if statement.affected is None else _amounts.counted(statement.affected, "row")
    return f"{visible(shown)}  {rows}".rstrip()
