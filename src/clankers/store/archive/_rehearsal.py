"""What writing would change in the archive: done there, looked at, and taken back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from clankers.store._upserts import mention, write_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clankers.store.archive._archive import Archive, Row

    # By table; what only points at a session is under "mentions".
    Records = Mapping[str, Sequence[Any]]


class _TakenBackError(Exception):
    """Ends a transaction that leaves nothing behind."""


def changed(archive: Archive, groups: Mapping[str, Records], device: str) -> set[str]:
    """Those of the sessions whose rows differ once all their records are written."""
    found: set[str] = set()
    with suppress(_TakenBackError), archive.transaction():
        for session_id, records in groups.items():
            before = _rows(archive, session_id, records)
            _write(archive, records, device)
            if _rows(archive, session_id, records) != before:
                found.add(session_id)
        raise _TakenBackError
    return found


def _rows(archive: Archive, session_id: str, records: Records) -> list[dict[str, Row]]:
    found = [archive.rows("sessions", [session_id])]
    found += [
        archive.rows(table, (one.id for one in some))
        for table, some in records.items()
        if table not in ("sessions", "mentions")
    ]
    return found


def _write(archive: Archive, records: Records, device: str) -> None:
    for table, some in records.items():
        if table == "mentions":
            mention(archive.connection, some, device)
        else:
            write_rows(archive.connection, table, some, device)
