"""Which project a row belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clankers.store.capture._rows import Local
    from clankers.sync._local import Database
    from clankers.sync._policy import Policy


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
        return self._of_session(local.fields()["session_id"])

    def are_kept_back(self, local: Local, policy: Policy) -> bool:
        """Whether a row stays here: for its session's project, or its own, where it names one."""
        own = local.fields().get("project_path") if local.table == "usage" else None
        if own is None:
            return policy.keeps_back(self.of(local))
        # A response says by itself where it was made; its session may be another's by now.
        session = self.of(local)
        return policy.keeps_back(own) or (session is not None and policy.keeps_back(session))

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
