"""Which of several stores a session is read from: the editor's, the command line's, a transcript.

All three name it by the same id, and none of the messages: read from two, each would be
there twice. So a worse store is read only as long as no better one of the same installation
has said anything; and when a better one comes later, what the worse ones said is taken away.
It is decided when a file is read, not when it is found: what was read once from a better
store stays so when that store is emptied, since the transcript has not changed and is not
looked at again.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from clankers.errors import ImporterError
from clankers.importers._documents import load_document
from clankers.importers._sqlite import is_damaged, snapshot
from clankers.importers.cursor._shape import has_values, is_chat_database
from clankers.importers.cursor._values import is_told

# How the native ids of a transcript's lines begin, and those of the command line's messages.
LINE, MESSAGE = "line-", "blob-"
_OWN = ("acp-sessions", "chats", "projects")
_DATABASE = Path("User", "globalStorage", "state.vscdb")
_EDITORS = (
    Path("Library", "Application Support", "Cursor"),
    Path(".config", "Cursor"),
    Path("AppData", "Roaming", "Cursor"),
    Path("Cursor"),
)


def is_in_editor(path: Path, session: str) -> bool:
    """True when the editor of the same home has said something in this session.

    Raises:
        ImporterError: its database is there and cannot be read now, so that nobody knows.
    """
    return any(_holds(database, session) for database in _editors(path))


def is_in_better_store(path: Path, session: str) -> bool:
    """True when a transcript's session is told by the editor or the command line."""
    return is_in_editor(path, session) or any(
        _says_something(store) for store in _folders(path, session)
    )


def told_beside(path: Path, session: str) -> dict[str, Any]:
    """What the command line's small file says of a session of which it keeps no store."""
    for store in _folders(path, session):
        if found := read_beside(store):
            return found
    return {}


def read_beside(store: Path) -> dict[str, Any]:
    """The small file beside a store: title, folder and times."""
    try:
        found = load_document(store.with_name("meta.json"))
    except (OSError, ImporterError):
        return {}
    return found if isinstance(found, dict) else {}


def _holds(database: Path, session: str) -> bool:
    try:
        with snapshot(database) as connection:
            return has_values(connection) and is_told(connection, session)
    except ImporterError as problem:
        # What is damaged for good will never tell the session any better.
        if is_damaged(problem):
            return False
        raise


def _folders(path: Path, session: str) -> list[Path]:
    """Where the command line's store of a session would be."""
    own = _own_folder(path)
    # A name that leads anywhere else is none.
    if own is None or Path(session).name != session:
        return []
    found = [own / "acp-sessions" / session / "store.db"]
    with suppress(OSError):
        found += [one / session / "store.db" for one in sorted((own / "chats").iterdir())]
    return found


def _says_something(store: Path) -> bool:
    from clankers.importers._values import text
    from clankers.importers.cursor._chats import blobs_of, read_meta
    from clankers.importers.cursor._state import has_messages

    if not (store.is_file() and is_chat_database(store)):
        return False
    with snapshot(store) as connection:
        fetch = blobs_of(connection)
        root = fetch(text((read_meta(connection) or {}).get("latestRootBlobId")) or "")
        return root is not None and has_messages(root, fetch)


def _editors(path: Path) -> list[Path]:
    own = _own_folder(path)
    if own is None:
        return []
    found = [own.parent / folder / _DATABASE for folder in _EDITORS]
    return [one for one in found if one.is_file()]


def _own_folder(path: Path) -> Path | None:
    """The command line's folder that a file stands below, usually `~/.cursor`."""
    for folder in path.absolute().parents:
        if folder.name in _OWN and not _is_project_of_that_name(folder):
            return folder.parent
    return None


def _is_project_of_that_name(folder: Path) -> bool:
    return folder.parent.name in _OWN
