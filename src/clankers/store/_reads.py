"""Reading records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers import errors
from clankers.store._opened import Opened
from clankers.store._prefix import after_all_with
from clankers.store._usage_rows import COUNTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.models import (
        Attachment,
        Compaction,
        Message,
        Session,
        SessionError,
        ToolCall,
        Usage,
    )

_SHOWN_IDS = 5


class Reads(Opened):
    """What can be read of an open database; see `Store`."""

    def session(self, session_id: str) -> Session:
        """The session with that id, or the only one whose id begins so.

        A session's subagents, whose ids begin with its own, stand back behind it.

        Raises:
            UnknownSessionError: there is none, or there are several.
        """
        found = self._beginning_with(session_id)
        for one in found:
            if one.id == session_id or len(found) == 1:
                return one
        if not found:
            raise errors.UnknownSessionError(
                f"no session {session_id!r}",
                hint="'clankers-cli sessions list' shows the ids, and 'clankers-cli archive list'"
                " those in the archive",
            )
        more = ", ..." if len(found) > _SHOWN_IDS else ""
        shown = ", ".join(one.id for one in found[:_SHOWN_IDS])
        raise errors.UnknownSessionError(
            f"{session_id!r} begins more than one id: {shown}{more}", hint="give more of the id"
        )

    def _beginning_with(self, prefix: str) -> list[Session]:
        """A few of the sessions whose id begins so, in order: an exact match comes first."""
        if not prefix:
            return []
        above = after_all_with(prefix)
        below = "" if above is None else " AND id < ?"
        return list(
            self._records(
                "sessions",
                f"WHERE id >= ?{below} AND NOT placeholder"
                " AND (substr(parent_id, 1, length(?)) IS NOT ?"
                " OR substr(id, 1, length(parent_id) + 1) IS NOT parent_id || ':')"
                f" ORDER BY id LIMIT {_SHOWN_IDS + 1}",
                (prefix, *(() if above is None else (above,)), prefix, prefix),
            )
        )

    def sessions(
        self,
        *,
        source: str | None = None,
        project: str | None = None,
        model: str | None = None,
        since: int | None = None,
        until: int | None = None,
        title: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[Session]:
        """Sessions, those in which something happened last first, then by id.

        Args:
            source: the agent.
            project: a project's name or its whole path.
            model: a model's name or the beginning of one.
            since: epoch ms; sessions that went on at or after it.
            until: epoch ms; sessions that began before it.
            title: text that the title contains, ASCII letters in either case.
            limit: at most so many; None for all.
            offset: so many are left out first.
        """
        conditions: list[tuple[str, Any]] = [
            ("source = ?", source),
            ("? IN (project_name, project_path)", project),
            ("substr(model, 1, length(?)) = ?", model),
            ("coalesce(updated_at, ended_at, created_at) >= ?", since),
            ("created_at < ?", until),
            ("instr(lower(title), lower(?)) > 0", title),
        ]
        given = [(sql, value) for sql, value in conditions if value is not None]
        where = " AND ".join(["NOT placeholder", *(sql for sql, _value in given)])
        values = [value for sql, value in given for _mark in range(sql.count("?"))]
        yield from self._records(
            "sessions",
            f"WHERE {where} ORDER BY coalesce(updated_at, ended_at, created_at) DESC, id LIMIT ? OFFSET ?",
            (*values, -1 if limit is None else limit, offset),
        )

    def messages(self, session_id: str) -> Iterator[Message]:
        """The messages of a session in their order; one without a place stands by its time."""
        yield from self._records(
            "messages",
            f"WHERE session_id = ? ORDER BY {self._order('messages', session_id)}",
            (session_id,),
        )

    def tools(
        self, session_id: str | None = None, *, name: str | None = None, success: bool | None = None
    ) -> Iterator[ToolCall]:
        """Tool calls of one session in their order, or of all."""
        conditions: list[tuple[str, Any]] = [
            ("session_id = ?", session_id),
            ("tool_name = ?", name),
            ("success = ?", success),
        ]
        given = [(sql, value) for sql, value in conditions if value is not None]
        where = " AND ".join(sql for sql, _value in given) or "1"
        order = "n" if session_id is None else self._order("tools", session_id)
        yield from self._records(
            "tools", f"WHERE {where} ORDER BY {order}", tuple(value for _sql, value in given)
        )

    def _order(self, table: str, session_id: str) -> str:
        """The index has the rows in order, unless some came live, with their time only."""
        places = self._rows(
            f"SELECT 1 FROM {table} WHERE session_id = ? AND seq IS NULL LIMIT 1", (session_id,)
        )
        return "coalesce(seq, created_at), n" if next(places, None) else "seq, n"

    def errors(self, session_id: str) -> Iterator[SessionError]:
        """What failed in a session, by time."""
        return self._records(
            "session_errors", "WHERE session_id = ? ORDER BY created_at, n", (session_id,)
        )

    def compactions(self, session_id: str) -> Iterator[Compaction]:
        """When a session's context was compacted, by time."""
        return self._records(
            "compaction_events", "WHERE session_id = ? ORDER BY created_at, n", (session_id,)
        )

    def usage(self, session_id: str) -> Iterator[Usage]:
        """What each response of a session used, by time; its sum is the session's totals.

        Estimates are left out once something was measured.
        """
        return self._records(
            "usage", f"WHERE session_id = ? AND {COUNTED} ORDER BY occurred_at, n", (session_id,)
        )

    def attachment(self, sha256: str) -> Attachment | None:
        """An image or document by its hash, which message `content` refers to."""
        return next(self._records("attachments", "WHERE sha256 = ?", (sha256,)), None)
