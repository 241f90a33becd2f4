"""What a database knows of its server, and how far it is with it: the one row of `sync_core`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import define, field, fields

if TYPE_CHECKING:
    import apsw

_JSON = frozenset({"mark", "unproved", "examined", "to_erase"})
Mark = tuple[int, str]


@define
class State:
    """See the view `sync_state`; times are epoch ms.

    Attributes:
        policy: the rules of what leaves under which everything was last looked at, as text.
        examined: how far the looking is after they changed, ``[table, n]``; None when done.
        server_version: that of the server when a row was last refused.
        failing_since: when the first of the failures in a row was.
        next_try: when the next attempt is due; None where nothing is waited for.
        problem: ``unreachable``, ``unauthorized``, ``pinned`` or ``error``; None when all is well.
        last_error: what the last failure said.
        to_erase: ids of what was purged elsewhere, whose traces are in the files still.
    """

    clock_floor: int = 0
    clock_offset: int = 0
    edition: int = 1
    policy: str | None = None
    examined: tuple[str, int] | None = None
    machine_hash: str | None = None
    origin: str | None = None
    tenant: str | None = None
    store: str | None = None
    mark: Mark | None = None
    unproved: list[Mark] = field(factory=list)
    watermark: int = 0
    server_version: str | None = None
    last_sync: int | None = None
    last_pull: int | None = None
    failing_since: int | None = None
    next_try: int | None = None
    problem: str | None = None
    last_error: str | None = None
    to_erase: list[str] = field(factory=list)


_NAMES = tuple(one.name for one in fields(State))
_READ = f"SELECT {', '.join(_NAMES)} FROM sync_core"


def read_state(connection: apsw.Connection) -> State:
    """The state as it was last committed."""
    row: Any = connection.execute(_READ).get
    values = dict(zip(_NAMES, row, strict=True))
    for name in _JSON:
        if values[name] is not None:
            values[name] = json.loads(values[name])
    values["mark"] = _mark(values["mark"])
    values["unproved"] = [one for one in map(_mark, values["unproved"]) if one is not None]
    if values["examined"] is not None:
        table, n = values["examined"]
        values["examined"] = (table, n)
    return State(**values)


def change_state(connection: apsw.Connection, **values: Any) -> None:
    """Writes some of the attributes of `State`."""
    written = {
        name: json.dumps(value) if name in _JSON and value is not None else value
        for name, value in values.items()
    }
    connection.execute(
        f"UPDATE sync_core SET {', '.join(f'{name} = ?' for name in written)}",
        tuple(written.values()),
    )


def _mark(value: Any) -> Mark | None:
    return None if value is None else (value[0], value[1])
