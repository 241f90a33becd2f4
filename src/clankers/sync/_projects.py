"""Which project a row belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clankers.store.capture._rows import Local
    from clankers.sync._local import Database


class Projects:
    """Looks up the project of rows by their sessions, which may be archived or deleted by now."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, str | None] = {}

    def forget(self) -> None:
        """Looks everything up anew."""
        self._known.clear()

    def of(self, local: Local) -> str | None:
        """The path of a row's project; None where nobody knows it."""
        if local.table == "sessions":
            return None if local.is_placeholder else local.fields()["project_path"]
        values = local.fields()
        # A response says by itself where it was made.
        own = values.get("project_path")
        return own or self._of_session(values["session_id"])

    def _of_session(self, session_id: str) -> str | None:
        if session_id not in self._known:
            self._known[session_id] = self._read(session_id)
        return self._known[session_id]

    def _read(self, session_id: str) -> str | None:
        found = self._database.identified("sessions", [session_id]).get(session_id)
        if found is not None and not found.is_placeholder:
            path: str | None = found.fields()["project_path"]
            return path
        dead = self._database.tombstones("sessions", [session_id]).get(session_id)
        return None if dead is None else dead.project
