"""Any field may be anything, and any record damaged."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.store import Store

from ._sessions import (
    SESSION,
    Database,
    Storage,
    answer,
    at,
    batches_of,
    imported,
    text,
    tokens,
    tool,
    user,
)

if TYPE_CHECKING:
    from clankers.importers import Batch

    from ._sessions import Record

SPENT = tokens(100, 40, 10, 500, 30, total=680)
ERROR = {"name": "APIError", "data": {"message": "Overloaded"}}
FILE = {"type": "file", "mime": "image/png", "filename": "p", "url": "data:image/png;base64,AAAA"}
MESSAGES: list[Record] = [
    user(1, agent="build"),
    answer(2, SPENT, cost=0.5, error=ERROR, summary=True, finish="stop"),
]
PARTS: list[Record] = [
    text("Hello", synthetic=False),
    {"type": "reasoning", "text": "Hm"},
    tool("c", "task", metadata={"exit": 1, "sessionId": "ses_x"}, attachments=[FILE]),
    FILE,
    {"type": "step-finish", "cost": 0.5, "tokens": SPENT},
    {"type": "patch", "hash": "abc", "files": ["a"]},
    {"type": "agent", "name": "general"},
    {"type": "subtask", "prompt": "p", "description": "d", "agent": "a"},
    {"type": "compaction", "auto": True},
    {"type": "retry", "error": ERROR, "time": {"created": at(3)}},
    {"type": "step-start"},
]
INFO: Record = {
    "id": SESSION,
    "directory": "/a",
    "title": "T",
    "version": "1",
    "parentID": "ses_0",
    "time": {"created": at(0), "updated": at(9)},
}
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["", "\ud800", "/", "..", -1, 2**70, "1e999", 10**15]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a value, itself included."""
    found = [path]
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in inner:
            found += places(one, (*path, key))
    return found


@st.composite
def mangled(draw: st.DrawFn, record: Record) -> str:
    """The record as JSON with junk at one place, or cut anywhere."""
    if draw(st.integers(0, 5)) == 0:
        whole = json.dumps(record)
        return whole[: draw(st.integers(0, len(whole) - 1))]
    place = draw(st.sampled_from(places(record)))
    junk = draw(JUNK)
    if not place:
        return json.dumps(junk)
    changed = json.loads(json.dumps(record))
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = junk
    return json.dumps(changed)


def lines_of(batches: list[Batch]) -> int:
    for batch in batches:
        assert len(batch.malformed) == len(set(batch.malformed))
    return sum(one.lines for one in batches)


MESSAGE = st.sampled_from(MESSAGES).flatmap(mangled)
PART = st.sampled_from(PARTS).flatmap(mangled)


@settings(deadline=None, max_examples=30)
@given(info=mangled(INFO), message=MESSAGE, parts=st.lists(PART, max_size=4))
def test_mangled_records(info: str, message: str, parts: list[str]) -> None:
    """Nothing raises, every record is counted, and the store takes what is left."""
    whole = [json.dumps(one) for one in PARTS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database(folder / "opencode.db")
        database.session()
        storage = Storage(folder / "storage")
        storage.write(f"session/p1/{SESSION}.json", info)
        for number, content in enumerate([message, json.dumps(MESSAGES[1])]):
            database.message(f"m{number}", content)
            storage.write(f"message/{SESSION}/m{number}.json", content)
            for place, part in enumerate([*parts, *whole]):
                database.part(f"m{number}p{place:02}", f"m{number}", part)
                storage.write(f"part/m{number}/p{place:02}.json", part)
        expected = 1 + 2 * (1 + len(parts) + len(whole))
        assert lines_of(batches_of(database.path)) == expected
        # A message may name another one's parts in a file, and then has those.
        if '"id"' not in message:
            assert lines_of(batches_of(storage.path)) == expected
        with Store.open(folder / "clankers.db") as store:
            imported(store, folder)
        database.connection.close()


@settings(deadline=None, max_examples=20)
@given(
    values=st.lists(st.none() | st.integers(-5, 2**62) | st.text() | st.binary(), min_size=9),
    as_text=st.booleans(),
)
def test_mangled_rows(values: list[Any], *, as_text: bool) -> None:
    """Columns of a database may be of any type too."""
    with tempfile.TemporaryDirectory() as name:
        schema = """
        CREATE TABLE project (id, worktree, time_updated);
        CREATE TABLE session (id, project_id, parent_id, directory, title, version,
            time_created, time_updated);
        CREATE TABLE message (id, session_id, time_created, time_updated, data);
        CREATE TABLE part (id, message_id, session_id, time_created, time_updated, data);
        """
        database = Database(Path(name) / "opencode.db", schema)
        one, two, three, four, five, six, seven, eight, nine = values[:9]
        session = (one, "p1", two, three, four, five, six, seven)
        database.run("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *session)
        database.run("INSERT INTO message VALUES (?, ?, ?, ?, ?)", two, one, three, four, eight)
        database.run(
            "INSERT INTO message VALUES ('m', ?, ?, ?, ?)", one, six, nine, '{"role":"user"}'
        )
        database.run("INSERT INTO part VALUES (?, 'm', ?, ?, ?, ?)", five, one, two, three, nine)
        if as_text:
            database.run("UPDATE session SET id = CAST(id AS TEXT), title = CAST(title AS TEXT)")
            database.run("UPDATE message SET id = CAST(id AS TEXT), data = CAST(data AS TEXT)")
            database.run("UPDATE part SET id = CAST(id AS TEXT), data = CAST(data AS TEXT)")
        with Store.open(Path(name) / "clankers.db") as store:
            imported(store, database.path)
        database.connection.close()
