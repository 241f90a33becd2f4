"""What the tables of Goose's database mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.errors import ImporterError
from clankers.importers import (
    Entry,
    Memory,
    Rows,
    Tally,
    columns,
    count,
    decode_value,
    digest,
    microdollars,
    milliseconds,
    snapshot,
    text,
)
from clankers.importers._rows import NAMED, RENAMED
from clankers.importers.goose._messages import AGENT, parts_of, role_of, usage_of
from clankers.importers.goose._names import LINE, Names, session_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import apsw

    from clankers.importers import Batch
    from clankers.importers._tally import Outcome

_SESSION = (
    *("name", "description", "user_set_name", "session_type", "working_dir", "created_at"),
    *("updated_at", "provider_name", "model_config_json", "goose_mode", "parent_session_id"),
    *("total_tokens", "input_tokens", "output_tokens", "accumulated_total_tokens"),
    *("accumulated_input_tokens", "accumulated_output_tokens"),
    *("accumulated_cache_read_tokens", "accumulated_cache_write_tokens", "accumulated_cost"),
)
_MESSAGE = ("id", "message_id", "role", "content_json", "created_timestamp", "metadata_json")
_LEDGER = (
    *("id", "created_timestamp", "model", "input_tokens", "output_tokens", "total_tokens"),
    *("cache_read_tokens", "cache_write_tokens", "cost", "cost_source", "is_compaction"),
)
_COUNTED = ("input", "output", "total", "cache_read", "cache_write")
# What a session is called before it has a name.
_NAMELESS = ("New Chat", "CLI Session", "ACP Session", "New session", "Subagent task")
_CARRIED = "carried_forward"


def is_goose(path: Path) -> bool:
    """True for a database with Goose's tables."""
    try:
        with snapshot(path) as db:
            return "content_json" in columns(db, "messages") and "working_dir" in columns(
                db, "sessions"
            )
    except ImporterError:
        return False


def list_sessions(path: Path) -> Iterator[Entry]:
    """The sessions by id. Times are whole seconds, so that all that stands in a row counts."""
    with snapshot(path) as db:
        listed = _records(db, "sessions", ("id", *_SESSION))
        found = {key: row for row in listed if (key := text(row.get("id")))}
        spoken = {table: _latest(db, table) for table in ("messages", "usage_ledger")}
    for key in sorted(found):
        facts = found[key], *(latest.get(key) for latest in spoken.values())
        yield Entry(key, milliseconds(found[key].get("updated_at")) or 0, digest(*facts))


def _latest(db: apsw.Connection, table: str) -> dict[Any, tuple[Any, ...]]:
    """By session, how many rows a table has, and the number of the last one."""
    if "session_id" not in columns(db, table):
        return {}
    sql = f"SELECT CAST(session_id AS BLOB), count(*), max(id) FROM {table} GROUP BY 1"
    return {key: tuple(counts) for key, *counts in _rows(db, sql)}


def read_session(path: Path, key: str) -> Iterator[Batch]:
    """What the database says of one session now; nothing when it is gone meanwhile."""
    with snapshot(path) as db:
        session = next(_records(db, "sessions", _SESSION, key=("id", key)), None)
        if session is not None:
            yield from _Session(db, key, session).batches()


class _Session:
    """Reads the rows of one session."""

    def __init__(self, db: apsw.Connection, key: str, row: dict[str, Any]) -> None:
        self._db, self._key, self._row = db, key, row
        self.rows = Rows(AGENT, Memory())
        self.rows.identify(session_id(key, row.get("created_at")))
        self._tally = Tally()
        self._names = Names(key, "at-")

    def batches(self) -> Iterator[Batch]:
        self._describe()
        # What a file said that Goose has taken over, under names for its lines.
        self.rows.replace(LINE)
        for message in self._select("messages", _MESSAGE, "created_timestamp"):
            self._tally.add(self._message(message))
            if self._tally.is_enough(self.rows):
                yield self._tally.batch(self.rows)
        self._use()
        yield self._tally.batch(self.rows)

    def _describe(self) -> None:
        row, rows = self._row, self.rows
        config = decode_value((text(row.get("model_config_json")) or "null").encode())
        model = config.get("model_name") if isinstance(config, dict) else None
        rows.memory.model = rows.session.model = text(model)
        rows.session.provider = text(row.get("provider_name"))
        rows.session.permission_mode = text(row.get("goose_mode"))
        rows.place(text(row.get("working_dir")))
        rows.belongs_to(self._parent(), "subagent")
        title = text(row.get("name")) or text(row.get("description")) or ""
        if not title.startswith(_NAMELESS):
            rows.name(title, RENAMED if count(row.get("user_set_name")) else NAMED)
        rows.date(milliseconds(row.get("updated_at")))
        rows.date(milliseconds(row.get("created_at")))
        self._tally.add("imported")

    def _parent(self) -> str | None:
        """The parent's id; unknown when it was deleted, since only its row says when it began."""
        key = text(self._row.get("parent_session_id"))
        if key is None:
            return None
        found = next(_records(self._db, "sessions", ("id", "created_at"), key=("id", key)), None)
        return None if found is None else session_id(key, found.get("created_at"))

    def _message(self, message: dict[str, Any]) -> Outcome:
        content = decode_value((text(message.get("content_json")) or "").encode())
        role = text(message.get("role"))
        if not isinstance(content, list):
            return "malformed"
        if role not in ("user", "assistant"):
            return "unknown"
        created = message.get("created_timestamp")
        at = milliseconds(created)
        native = self._names.name(message.get("message_id"), role, created)
        metadata = decode_value((text(message.get("metadata_json")) or "null").encode())
        seq = self.rows.next_seq(at)
        said = parts_of(self.rows, content, native, at)
        if said:
            visible = metadata if isinstance(metadata, dict) else {}
            self.rows.say(native, role_of(role, visible), said, at, seq=seq)
        return "imported"

    # Usage

    def _use(self) -> None:
        """One row for each response in the ledger, and one for what no response is known of.

        That rest is what a session had used before there was a ledger. Goose carries it over
        into the ledger later; both are the same row.
        """
        rest = {f"{name}_tokens": 0 for name in _COUNTED}
        rest_cost, listed, listed_cost = 0.0, dict(rest), 0.0
        at = None
        for entry in self._select("usage_ledger", _LEDGER, "created_timestamp"):
            self._tally.add("imported")
            carried = entry.get("cost_source") == _CARRIED
            for name in rest:
                listed[name] += count(entry.get(name))
                rest[name] += count(entry.get(name)) if carried else 0
            cost = _dollars(entry.get("cost"))
            listed_cost += cost
            rest_cost += cost if carried else 0
            if carried:
                at = at or milliseconds(entry.get("created_timestamp"))
            else:
                self._use_entry(entry)
        for name in rest:
            rest[name] += max(0, self._accumulated(name) - listed[name])
        rest_cost += max(0.0, _dollars(self._row.get("accumulated_cost")) - listed_cost)
        used = usage_of(rest)
        if any(used.values()):
            raw = {name: self._row[name] for name in self._row if name.endswith("tokens")}
            cost_ = microdollars(round(rest_cost, 9))
            when = at or self.rows.session.updated_at
            self.rows.use(self.rows.session.id, when, raw=raw, cost_reported=cost_, **used)

    def _use_entry(self, entry: dict[str, Any]) -> None:
        rows, number = self.rows, count(entry.get("id"))
        at = milliseconds(entry.get("created_timestamp"))
        if count(entry.get("is_compaction")):
            rows.compact(f"ledger-{number}", at)
        used = usage_of(entry)
        cost = microdollars(entry.get("cost"))
        if any(used.values()) or cost:
            model = text(entry.get("model"))
            key = f"{rows.session.id}:{number}"
            rows.use(key, at, raw=entry, model=model, cost_reported=cost, **used)

    def _accumulated(self, name: str) -> int:
        """What a session used so far; in old databases only the last response is known."""
        found = self._row.get(f"accumulated_{name}")
        return count(self._row.get(name) if found is None else found)

    # Rows of the database

    def _select(self, table: str, wanted: tuple[str, ...], order: str) -> Iterator[dict[str, Any]]:
        return _records(self._db, table, wanted, key=("session_id", self._key), order=order)


def _records(
    db: apsw.Connection,
    table: str,
    wanted: tuple[str, ...],
    *,
    key: tuple[str, str] | None = None,
    order: str | None = None,
) -> Iterator[dict[str, Any]]:
    """The rows of a table, with those of the wanted columns that this version has.

    `key` is a column and the value that it has in the rows.
    """
    present = columns(db, table)
    names = [name for name in wanted if name in present]
    if not names or (key is not None and key[0] not in present):
        return
    # Text comes as bytes, since text that is no UTF-8 would cost the whole session.
    values = ", ".join(f"iif(typeof({one})='text', CAST({one} AS BLOB), {one})" for one in names)
    sql = f"SELECT {values} FROM {table}" + (f" WHERE {key[0]} = ?" if key else "")
    if order in present:
        sql += f" ORDER BY {order}, id"
    for row in _rows(db, sql, *(key[1:] if key else ())):
        yield dict(zip(names, row, strict=True))


def _rows(db: apsw.Connection, sql: str, *values: str) -> Iterator[tuple[Any, ...]]:
    for row in db.execute(sql, values):
        yield tuple(
            one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in row
        )


def _dollars(value: Any) -> float:
    return (microdollars(value) or 0) / 1_000_000
