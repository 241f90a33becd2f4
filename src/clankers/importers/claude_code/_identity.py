"""Which session a transcript is, and where its other files are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers.importers._values import is_uuid, row_id
from clankers.importers.claude_code._lines import SidechainMeta, decoded, decoded_line
from clankers.importers.claude_code._spoken import AGENT
from clankers.importers.claude_code._state import COMMANDED, NAMED, State
from clankers.importers.claude_code._tool_results import read_plain

if TYPE_CHECKING:
    from pathlib import Path

_SUBAGENTS = "subagents"
_PREFIX = "agent-"
_LARGEST_META = 64 * 1024


def first_state(path: Path) -> State:
    """Who a transcript is, from its name and place, else from its lines.

    A file named as a UUID is that session. A file below `subagents`, or in older versions
    `agent-<x>.jsonl` beside it, is a subagent of the session whose folder it stands in, or
    of the one its lines name. Any other file is the session its lines name, or one of its own.
    """
    stem = path.stem
    folder = _parent_folder(path)
    if folder is None and is_uuid(stem):
        return State(stem, is_from_name=True)
    named = folder.name if folder else _named_session(path)
    if folder or (named and named != stem and stem.startswith(_PREFIX)):
        parent_id = row_id(named or "")
        state = State(f"{parent_id}:{row_id(stem)}", parent_id, "subagent")
        _entitle(state, path)
        return state
    if named:
        return State(row_id(named))
    import uuid  # takes 2 ms to load, and few files have no id of their own

    return State(str(uuid.uuid5(uuid.NAMESPACE_URL, f"{AGENT}:{path}")), is_guess=True)


def session_folders(path: Path, state: State) -> list[Path]:
    """The folders that belong to the session: beside its transcript, named as it."""
    folder = _parent_folder(path)
    if folder is not None:
        return [folder, path.parent / path.stem]
    name = state.session_id
    if path.stem.startswith(_PREFIX) and state.parent_id:
        name = state.parent_id
    # An id may come from a line, and "." names the whole project.
    beside = path.parent / name
    return [beside] if beside.name == name else []


def _parent_folder(path: Path) -> Path | None:
    """The folder of the session whose subagent the file is."""
    if _SUBAGENTS not in path.parts:
        return None
    for folder in path.parents:
        if folder.name == _SUBAGENTS:
            return folder.parent
        # A project or a user may be called anything.
        if folder.name == "projects":
            return None
    return None


def _named_session(path: Path) -> str | None:
    with path.open("rb") as lines:
        for line in lines:
            record = decoded_line(line)
            if record is not None and record.session_id:
                return record.session_id
    return None


def _entitle(state: State, path: Path) -> None:
    """Takes a subagent's title from the small file beside its transcript."""
    written = read_plain(path.parent, [path.with_suffix(".meta.json").name], _LARGEST_META)
    meta = decoded(SidechainMeta, written.encode()) if written else None
    if meta is None:
        return
    if meta.description:
        state.suggest_title(meta.description, NAMED)
    elif meta.agent_type:
        state.suggest_title(meta.agent_type, COMMANDED)
