"""Folders as Cursor writes them: addresses, or objects of its editor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from clankers.errors import ImporterError
from clankers.importers._documents import load_document
from clankers.importers._rows import member
from clankers.importers._values import text

if TYPE_CHECKING:
    from pathlib import Path

_DRIVE = re.compile(r"/[A-Za-z]:")


def folder_of(address: Any) -> str | None:
    """The path in an address such as `file:///home/ada/engine`; a path is itself."""
    given = text(address)
    if given is None or "://" not in given:
        return given
    try:
        path = unquote(urlsplit(given).path)
    except ValueError:
        return None
    return path[1:] if _DRIVE.match(path) else path or None


def folder_in(record: Any) -> str | None:
    """The folder that a conversation's `workspaceIdentifier` names."""
    uri = member(member(record, "workspaceIdentifier"), "uri")
    return text(uri.get("fsPath")) or text(uri.get("path")) or folder_of(uri.get("external"))


def folder_of_workspace(database: Path, workspace: Any = None) -> str | None:
    """The folder of a workspace: of the database's own, or of another in the same editor."""
    folder = database.parent
    if workspace is not None:
        name = text(workspace)
        # The name comes from a database, and must not lead anywhere else.
        if name is None or not name.isalnum():
            return None
        folder = database.parent.parent / "workspaceStorage" / name
    try:
        found = load_document(folder / "workspace.json")
    except (OSError, ImporterError):
        return None
    return folder_of(found.get("folder")) if isinstance(found, dict) else None
