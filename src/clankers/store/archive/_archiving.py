"""Putting old sessions into the archive, and having them back."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from clankers import errors
from clankers.store._connection import translated
from clankers.store._files import archive_path
from clankers.store._reads import Reads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from clankers.models import Session
    from clankers.store._removal import RemovedSession
    from clankers.store.archive._archive import Archive

# So much goes in one transaction: others must not wait for long.
_MOVED_TOGETHER = 50
_BYTES_TOGETHER = 20_000_000
_SETTLED_TOGETHER = 500
_AMONG = "(SELECT value FROM json_each(?))"


class Archived(NamedTuple):
    """What went into the archive, or would go.

    `rows` counts by table, images and documents that no other session shows included.
    `bytes` is their text and content.
    """

    sessions: list[RemovedSession]
    rows: dict[str, int]
    bytes: int


class Archiving(Reads):
    """The archive beside an open database; see `Store`."""

    _archive_beside: Archive | None = None
    _archive_place: str | None = None
    _archive_identity: tuple[int, int] | None = None
    _archive_seen: tuple[int, bool] = (-1, False)

    def close(self) -> None:
        self._close_archive()
        super().close()

    @property
    def has_archive(self) -> bool:
        """Whether anything was ever put into the archive of this database."""
        # Quicker than `stat`, which raises where there is none, as for most there is.
        return os.access(self._archive_path(), os.F_OK)

    @property
    def is_archive(self) -> bool:
        """Whether this is itself the archive of another database."""
        return self.connection.table_exists("main", "archive_moving")

    def archive(
        self,
        *,
        before: int | None = None,
        session_ids: Iterable[str] | None = None,
        dry_run: bool = False,
    ) -> Archived:
        """Moves sessions with their subagents into the archive beside the database; which ones.

        The archive of ``clankers.db`` is ``clankers.archive.db``: a database of the same
        kind, made when it is first needed. What was used stays, so that no total changes.
        Sync does not take the move for a change. A session comes back by `bring_back`, and
        by itself when it goes on. The database keeps its size until `vacuum`.

        Args:
            before: epoch ms; sessions in which nothing happened at or after it, nor in
                their subagents.
            session_ids: of these only, each by its id or a unique beginning.
            dry_run: says what would go, and moves nothing.

        Raises:
            UnknownSessionError: an id names none, or several; nothing was moved.
            StoreError: neither says which sessions are to go, or a transaction is open.
        """
        from clankers.store import _removal

        with translated(self.path):
            going = _removal.planned(self.connection, self._chosen(before, session_ids))
        if dry_run or not going.sessions:
            return Archived(going.sessions, going.rows, going.bytes)
        if self._writing().in_transaction:
            raise errors.StoreError(
                f"nothing can be archived from {self.path} inside a transaction",
                hint="end atomic() first",
            )
        return self._move_out(_families(going.sessions), before)

    def archived_sessions(
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
        """The sessions in the archive, in the order and by the filters of `sessions`."""
        archive = self._archive()
        if archive is None:
            return
        found = archive.sessions(
            source=source, project=project, model=model, since=since, until=until, title=title
        )
        # After an older copy was restored a session may stand in both.
        only_there = (one for one in found if not self._real([one.id]))
        yield from islice(only_there, offset, None if limit is None else offset + limit)

    def bring_back(self, session_ids: Iterable[str]) -> list[str]:
        """Moves sessions with their subagents back from the archive; the ids of all that came.

        Raises:
            UnknownSessionError: an id names none that is archived, or several.
            StoreError: one of them was deleted, here or on another device.
        """
        from clankers.store import _removal
        from clankers.store.archive import _moving

        self._writing()
        self.settle_archive()
        wanted = [self._archived_id(one) for one in session_ids]
        archive = self._archive()
        if archive is None or not wanted:
            return []
        living = _moving.alive(self, archive, wanted)
        for one in wanted:
            if one not in living:
                raise errors.StoreError(
                    f"session {one} was deleted, and is only kept in the archive",
                    hint="'clankers-cli query --archive' and 'search --archive' still show it",
                )
        below = _removal.with_subagents(archive.connection, wanted)
        coming = _moving.alive(self, archive, below)
        described = _removal.planned(archive.connection, coming).sessions
        for chunk in _chunks(_families(described)):
            self._come_back([one.id for family in chunk for one in family])
        return [one.id for one in described]

    def archived_among(self, session_ids: Iterable[str]) -> set[str]:
        """Those of the sessions that are archived, and were not deleted since.

        None, where the archive is damaged: what happens now must be recorded all the same.
        """
        try:
            archive = self._archive()
        except (errors.NotADatabaseError, errors.NewerSchemaError):
            return set()
        if archive is None:
            return set()
        from clankers.store.archive import _moving

        ids = set(session_ids)
        missing = ids - self._real(ids)
        return set(_moving.alive(self, archive, missing)) if missing else missing

    def archived_owners(self, prefixes: Iterable[str]) -> set[str]:
        """The archived sessions that have rows whose id begins so."""
        archive = self._archive()
        owners = set() if archive is None else archive.owners(prefixes)
        return self.archived_among(owners) if owners else owners

    def known_among(self, session_ids: Iterable[str]) -> set[str]:
        """Those of the sessions that are here, placeholders left out."""
        return self._real(session_ids)

    def return_touched(self, session_ids: Iterable[str]) -> None:
        """Brings back those of the sessions that are archived and not deleted.

        Their subagents come too, and the session that they are subagents of. What writes to
        a session calls this before; the rows are part of the transaction that is open.
        """
        if not (found := self.archived_among(session_ids)):
            return
        from clankers.store import _removal
        from clankers.store.archive import _moving

        archive = self._archive()
        if archive is not None:
            above = _removal.with_parents(archive.connection, found)
            family = _removal.with_subagents(archive.connection, above)
            self._come_back(_moving.alive(self, archive, family))

    def return_covered(self, session_ids: Iterable[str]) -> None:
        """Brings back what is archived of sessions that live again after they were deleted.

        What was deleted by itself stays away. The rows are part of the open transaction.
        """
        from clankers.store.archive import _moving

        with suppress(errors.NotADatabaseError, errors.NewerSchemaError):
            archive = self._archive()
            if archive is not None and (found := _moving.covered(self, archive, session_ids)):
                self._come_back(found)

    def would_change(self, groups: Mapping[str, Mapping[str, Sequence[Any]]]) -> set[str]:
        """Of archived sessions those whose records say more than the archive has.

        `groups` has by session and table the records that are to be written. The caller has
        a transaction open.
        """
        archive = self._archive()
        if archive is None:
            return set()
        from clankers.store.archive import _rehearsal

        return _rehearsal.changed(archive, groups, self.device_id)

    def opened_archive(self, *, create: bool = False) -> Archive | None:
        """The archive, for those who move single rows; None where there is none."""
        return self._archive(create=create)

    def settle_archive(self) -> None:
        """Ends moves between the database and its archive that were broken off.

        Every use of the archive begins with it. Inside a transaction it does nothing.
        """
        archive = self._archive()
        if archive is None or self._read_only or self.connection.in_transaction:
            return
        from clankers.store.archive import _moving

        if noted := archive.moving():
            self._end_moves(archive, list(noted), _moving.in_both(self, archive))

    # Below

    def _chosen(self, before: int | None, session_ids: Iterable[str] | None) -> list[str]:
        from clankers.store import _removal

        if session_ids is None:
            if before is None:
                raise errors.StoreError(
                    "nothing says which sessions are to be archived", hint="give a time, or ids"
                )
            return _removal.chosen(
                self.connection, source=None, project=None, model=None, before=before, empty=False
            )
        ids: list[str] = []
        for one in session_ids:
            family = _removal.with_subagents(self.connection, [self.session(one).id])
            if before is None or _removal.is_untouched(self.connection, family, before):
                ids += family
        return list(dict.fromkeys(ids))

    def _move_out(self, families: list[list[RemovedSession]], before: int | None) -> Archived:
        self.settle_archive()
        archive = self._archive(create=True)
        if archive is None:
            raise errors.StoreError(f"the archive of {self.path} could not be made")
        moved: list[RemovedSession] = []
        rows: dict[str, int] = {}
        digests: set[str] = set()
        for chunk in _chunks(families):
            gone, counts, referred = self._move_chunk(archive, chunk, before)
            moved += gone
            digests |= referred
            rows = {table: rows.get(table, 0) + number for table, number in counts.items()}
            archive.update_index()
            self._update_index()
        attached = self._attached()
        self._end_moves(archive, [one.id for one in moved], digests)
        number, size = self._attached()
        rows["attachments"] = attached[0] - number
        return Archived(moved, rows, sum(one.bytes for one in moved) + attached[1] - size)

    def _move_chunk(
        self, archive: Archive, families: list[list[RemovedSession]], before: int | None
    ) -> tuple[list[RemovedSession], dict[str, int], set[str]]:
        from clankers.store.archive import _moving

        with self.quietly():
            # Others may have written since they were chosen.
            going = {
                one.id: one
                for family in families
                if self._is_still(family, before)
                for one in family
            }
            ids = list(going)
            counts, digests = _moving.copy_out(self, archive, ids)
            _moving.leave(self, ids)
        return [going[one] for one in ids], counts, digests

    def _end_moves(self, archive: Archive, ids: list[str], digests: set[str]) -> None:
        from clankers.store.archive import _moving

        with self.quietly():
            _moving.drop_attachments(self, archive, digests)
        for start in range(0, len(ids), _SETTLED_TOGETHER):
            some = ids[start : start + _SETTLED_TOGETHER]
            is_last = start + len(some) == len(ids)
            with self.quietly():
                _moving.settle(self, archive, some, digests if is_last else set())

    def _come_back(self, ids: list[str]) -> None:
        """Copies sessions back; they go from the archive once that is committed."""
        from clankers.store.archive import _moving

        archive = self._archive()
        if archive is None or not ids:
            return
        with self.quietly():
            with archive.transaction():
                archive.note_moving(ids)
            digests = _moving.copy_back(self, archive, ids)
            self._afterwards.append(partial(self._settle, ids, digests))

    def _settle(self, ids: list[str], digests: set[str]) -> None:
        from clankers.store.archive import _moving

        archive = self._archive()
        if archive is None:
            return
        # What cannot be done now is done by the next use of the archive.
        with suppress(errors.StoreError):
            self.make_durable()
            with self.quietly():
                _moving.settle(self, archive, ids, digests)

    def make_durable(self) -> None:
        """Has what was committed written to the disk, so that no power cut takes it back."""
        before = self.connection.pragma("synchronous")
        self.connection.pragma("synchronous", "full")
        try:
            with self.atomic():
                self.connection.execute("UPDATE sync_core SET seq = seq")
        finally:
            self.connection.pragma("synchronous", before)

    def _update_index(self) -> None:
        from clankers.store.search._index import update_index

        with self.atomic():
            update_index(self.connection)

    def _attached(self) -> tuple[int, int]:
        number, size = self.connection.execute(
            "SELECT count(*), coalesce(sum(octet_length(data)), 0) FROM attachments"
        ).get
        return number, size

    def _archived_id(self, given: str) -> str:
        archive = self._archive()
        if archive is None:
            raise errors.UnknownSessionError(
                f"no session {given!r} is in the archive, for there is none",
                hint="'clankers-cli archive --older-than 90d' puts old sessions into one",
            )
        return archive.session(given).id

    def _real(self, ids: Iterable[str]) -> set[str]:
        """Those of the sessions that are in the main database, placeholders left out."""
        query = f"SELECT id FROM sessions WHERE id IN {_AMONG} AND NOT placeholder"
        return {str(one) for (one,) in self._rows(query, (json.dumps(list(ids)),))}

    def _is_still(self, family: list[RemovedSession], before: int | None) -> bool:
        from clankers.store import _removal

        ids = {one.id for one in family}
        return set(_removal.with_subagents(self.connection, ids)) == ids and (
            self._real(ids) != set()
            and (before is None or _removal.is_untouched(self.connection, list(ids), before))
        )

    def _may_have_archived(self) -> bool:
        """Whether there is an archive, seen once a transaction: nobody else fills one meanwhile."""
        seen_in, is_there = self._archive_seen
        if seen_in != self._transactions:
            is_there = self.has_archive
            self._archive_seen = self._transactions, is_there
        return is_there

    def _archive(self, *, create: bool = False) -> Archive | None:
        """The archive, opened once; None where there is none."""
        identity = self._archive_status()
        if identity != self._archive_identity:
            # Somebody moved the file away, or brought one.
            self._close_archive()
        if self._archive_beside is None and (create or identity is not None):
            from clankers.store.archive._archive import Archive

            self._archive_beside = Archive.beside(self, create=create)
            self._archive_identity = self._archive_status()
        return self._archive_beside

    def _archive_status(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._archive_path())
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _archive_path(self) -> str:
        if self._archive_place is None:
            self._archive_place = str(archive_path(self.path))
        return self._archive_place

    def _close_archive(self) -> None:
        if self._archive_beside is not None:
            self._archive_beside.close()
            self._archive_beside = None


def _families(sessions: list[RemovedSession]) -> list[list[RemovedSession]]:
    """Sessions with those that are below them, in the order in which they came."""
    parents = {one.id: one.parent_id for one in sessions}
    families: dict[str, list[RemovedSession]] = {}
    for one in sessions:
        root, seen = one.id, {one.id}
        while (above := parents.get(root)) in parents and above not in seen:
            root = above or root
            seen.add(root)
        families.setdefault(root, []).append(one)
    return list(families.values())


def _chunks(families: list[list[RemovedSession]]) -> Iterator[list[list[RemovedSession]]]:
    """Families that go together; a large one goes alone."""
    chunk: list[list[RemovedSession]] = []
    sessions = size = 0
    for family in families:
        more = sum(one.bytes for one in family)
        if chunk and (sessions + len(family) > _MOVED_TOGETHER or size + more > _BYTES_TOGETHER):
            yield chunk
            chunk, sessions, size = [], 0, 0
        chunk.append(family)
        sessions += len(family)
        size += more
    if chunk:
        yield chunk
