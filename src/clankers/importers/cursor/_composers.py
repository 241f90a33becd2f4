"""One conversation of the editor, which it calls a composer, with its bubbles."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

from clankers.importers._rows import Memory, Rows, member, objects
from clankers.importers._sqlite import columns, snapshot
from clankers.importers._tally import Tally
from clankers.importers._values import milliseconds, row_id, text
from clankers.importers.cursor._bubbles import name_model, take_bubble
from clankers.importers.cursor._elsewhere import LINE, MESSAGE
from clankers.importers.cursor._places import folder_in, folder_of_workspace
from clankers.importers.cursor._spoken import take_state
from clankers.importers.cursor._values import (
    BLOB,
    BUBBLE,
    COMPOSER,
    bubble_ids,
    decoded,
    has_bubbles,
    has_words,
    raw_value,
    value,
)
from clankers.models import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import apsw

    from clankers.importers._batch import Batch

AGENT = "cursor"
_BUBBLES_TOGETHER = 100
_NO_STATUS = ("none", "")
_CHILDREN = ("subComposerIds", "subagentComposerIds")


class Piece(NamedTuple):
    """One bubble and its place in the conversation; `kind` is its type in the list."""

    native_id: str
    bubble: Any
    kind: Any = None
    undone: bool = False


class Composer(NamedTuple):
    """A conversation without what was said in it.

    `listed` are the ids of its bubbles in their order, with the type that the list has;
    `undone` are those of bubbles that are still there and belong to it no longer.
    """

    native_id: str
    record: dict[str, Any] | None
    head: dict[str, Any]
    workspace: Any
    has_bubbles: bool
    listed: dict[str, Any]
    undone: list[str]


def read_composer(path: Path, native_id: str) -> Iterator[Batch]:
    """What one conversation says.

    Bubbles are read some at a time: where the editor keeps no log, it cannot write while a
    transaction is open. What it changes meanwhile is seen next time, by another entry.
    """
    with snapshot(path) as connection:
        composer = _composer(connection, native_id)
    record, head = composer.record or {}, composer.head
    rows, tally = Rows(AGENT, Memory()), Tally()
    rows.identify(native_id)
    if composer.has_bubbles or has_words(record):
        rows.replace(LINE)
        rows.replace(MESSAGE)
    tally.add("malformed" if composer.record is None else "imported")
    rows.place(folder_in(record) or folder_in(head))
    rows.place(folder_of_workspace(path, composer.workspace) if composer.workspace else None)
    describe(rows, record, head)
    yield from _said(path, composer, rows, tally)
    finish(rows, record, head)
    yield tally.batch(rows)


def describe(rows: Rows, record: dict[str, Any], head: dict[str, Any]) -> None:
    """Takes what a conversation's own record says of it, before its first bubble."""
    session = rows.session
    rows.date(milliseconds(record.get("createdAt")) or milliseconds(head.get("createdAt")))
    rows.name(text(head.get("name")) or text(record.get("name")))
    name_model(rows, member(record, "modelConfig").get("modelName"))
    session.model = rows.memory.model
    session.git_branch = _branch(record) or _branch(head)
    status = text(record.get("status"))
    session.status = status if status not in _NO_STATUS else None
    session.permission_mode = text(record.get("unifiedMode")) or text(record.get("forceMode"))
    info = member(record, "subagentInfo") or member(head, "subagentInfo")
    rows.belongs_to(text(info.get("parentComposerId")), "subagent")
    for name in _CHILDREN:
        children = record.get(name)
        for child in children if isinstance(children, list) else []:
            _mention(rows, text(child))


def finish(rows: Rows, record: dict[str, Any], head: dict[str, Any]) -> None:
    """Takes the time of the last change, which is no bubble's."""
    for at in (milliseconds(record.get("lastUpdatedAt")), milliseconds(head.get("lastUpdatedAt"))):
        rows.date(at)


def take_pieces(pieces: Iterator[Piece], rows: Rows, tally: Tally) -> Iterator[Batch]:
    for piece in pieces:
        if piece.bubble is None:
            # A row without a value is what is left of a bubble that was taken away.
            tally.add("noise")
            continue
        native_id, bubble, kind, undone = piece
        tally.add(take_bubble(rows, native_id, bubble, kind, undone=undone))
        if tally.is_enough(rows):
            yield tally.batch(rows)


def inline_pieces(record: dict[str, Any]) -> Iterator[Piece]:
    """The bubbles inside a conversation's own record, as old versions kept them."""
    by_id = member(record, "conversationMap")
    listed = record.get("conversation")
    found = listed if isinstance(listed, list) else list(by_id.values())
    for number, bubble in enumerate(found):
        native_id = text(bubble.get("bubbleId")) if isinstance(bubble, dict) else None
        yield Piece(native_id or str(number), False if bubble is None else bubble)


def _said(path: Path, composer: Composer, rows: Rows, tally: Tally) -> Iterator[Batch]:
    record = composer.record or {}
    if composer.has_bubbles:
        yield from take_pieces(_stored_pieces(path, composer), rows, tally)
        model = rows.session.model
        yield from take_pieces(_undone_pieces(path, composer), rows, tally)
        rows.session.model = model
    elif record.get("conversation") or record.get("conversationMap"):
        yield from take_pieces(inline_pieces(record), rows, tally)
    elif root := _root(record.get("conversationState")):
        with snapshot(path) as connection:
            yield from take_state(
                root, lambda name: raw_value(connection, BLOB + name), rows, tally
            )


def _composer(connection: apsw.Connection, native_id: str) -> Composer:
    found = value(connection, COMPOSER + native_id)
    record = found if isinstance(found, dict) else None
    stored = bubble_ids(connection, native_id)
    listed = _listed(connection, native_id, record or {}, stored)
    undone = [name for name in stored if name not in listed]
    head, workspace = _head(connection, native_id)
    has_any = has_bubbles(connection, native_id)
    return Composer(native_id, record, head, workspace, has_any, listed, undone)


def _listed(
    connection: apsw.Connection, composer: str, record: dict[str, Any], stored: list[str]
) -> dict[str, Any]:
    """The bubbles in the order of the conversation's list; without one, as they were written."""
    headers = objects(record.get("fullConversationHeadersOnly"))
    if not headers:
        return dict.fromkeys(stored)
    known = set(stored) | set(member(record, "conversationMap"))
    wanted = {
        name: one.get("type") for one in headers if isinstance(name := one.get("bubbleId"), str)
    }
    # A few bubbles are kept under another id than their own.
    keys = _keys_by_id(connection, composer, known - set(wanted)) if set(wanted) - known else {}
    named = ((name if name in known else keys.get(name), kind) for name, kind in wanted.items())
    return {name: kind for name, kind in named if name is not None}


def _keys_by_id(connection: apsw.Connection, composer: str, names: set[str]) -> dict[str, str]:
    found = {}
    for name in sorted(names):
        bubble = value(connection, f"{BUBBLE}{composer}:{name}")
        own = bubble.get("bubbleId") if isinstance(bubble, dict) else None
        if isinstance(own, str):
            found[own] = name
    return found


def _stored_pieces(path: Path, composer: Composer) -> Iterator[Piece]:
    inline = member(composer.record, "conversationMap")
    for native_id, bubble in _bubbles(path, composer.native_id, list(composer.listed)):
        found = inline.get(native_id) if bubble is None else bubble
        yield Piece(native_id, found, composer.listed[native_id])


def _undone_pieces(path: Path, composer: Composer) -> Iterator[Piece]:
    """The bubbles that no longer belong to the conversation, after those that do."""
    for native_id, bubble in _bubbles(path, composer.native_id, composer.undone):
        yield Piece(native_id, bubble, undone=True)


def _bubbles(path: Path, composer: str, names: list[str]) -> Iterator[tuple[str, Any]]:
    """Each bubble; False, which is none, for one that is damaged, None for one that is gone."""
    for start in range(0, len(names), _BUBBLES_TOGETHER):
        some = names[start : start + _BUBBLES_TOGETHER]
        with snapshot(path) as connection:
            written = [raw_value(connection, f"{BUBBLE}{composer}:{name}") for name in some]
        for name, one in zip(some, written, strict=True):
            found = decoded(one)
            yield name, False if found is None and one else found


def _head(connection: apsw.Connection, composer: str) -> tuple[dict[str, Any], Any]:
    """What the newer table of conversations says of one, and the workspace it names."""
    known = columns(connection, "composerHeaders")
    if not {"composerId", "value"} <= known:
        return {}, None
    names = [name for name in ("workspaceId", "createdAt", "lastUpdatedAt") if name in known]
    found = connection.execute(
        f"SELECT CAST(value AS BLOB), {', '.join([*names, '1'])}"
        " FROM composerHeaders WHERE composerId = ?",
        (composer,),
    ).fetchone()
    if found is None:
        return {}, None
    written = decoded(found[0])
    head = written if isinstance(written, dict) else {}
    known_values = dict(zip(names, found[1:], strict=False))
    return {**known_values, **head}, known_values.get("workspaceId")


def _branch(record: dict[str, Any]) -> str | None:
    if branch := text(record.get("createdOnBranch")) or text(
        member(record, "activeBranch").get("branchName")
    ):
        return branch
    for repository in objects(record.get("trackedGitRepos")):
        for one in objects(repository.get("branches")):
            if branch := text(one.get("branchName")):
                return branch
    return None


def _mention(rows: Rows, child: str | None) -> None:
    if child and row_id(child) != rows.session.id:
        rows.mention(
            Session(row_id(child), source=AGENT, parent_id=rows.session.id, relationship="subagent")
        )


def _root(state: Any) -> bytes:
    """The root of the agent's memory: base64 behind a tilde, else hexadecimal."""
    written = text(state) or ""
    try:
        if written.startswith("~"):
            return base64.b64decode(written[1:] + "=" * (-len(written[1:]) % 4))
        return bytes.fromhex(written)
    except (binascii.Error, ValueError):
        return b""
