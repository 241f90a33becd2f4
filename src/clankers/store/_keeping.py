"""Keeping a database in shape: copies, its size, and taking sessions out of it."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from clankers import errors
from clankers.store import _files
from clankers.store._connection import translated
from clankers.store.archive._archiving import Archiving
from clankers.store.capture._deleted import clock, note_purged, sequence

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from clankers.store._backup import Backup
    from clankers.store._removal import Removal
    from clankers.store._size import Size
    from clankers.store._vacuum import Vacuumed

_LARGEST = 10


class Keeping(Archiving):
    """Copies, size and removals of an open database; see `Store`."""

    def back_up(self, path: str | Path | None = None) -> Path:
        """Makes a verified copy of what is committed, while others read and write; its path.

        It goes to `path`, or under a name made of the time into that folder; by default
        into `backups` beside the database. No file is replaced.

        Raises:
            StoreError: there is already a file at `path`.
            ReadOnlyError: the folder cannot be written.
            DiskFullError: there is no room for it.
            NotADatabaseError: the database is damaged, and so would be the copy.
        """
        from clankers.store._backup import back_up

        return back_up(self.path, None if path is None else _files.place(path))

    def back_up_before_write(self) -> Path:
        """As `back_up`, for a copy that may go again: older ones of its kind are thinned.

        The three newest stay, and the last of each of the seven latest days that have one.
        """
        from clankers.store._backup import back_up_before_write

        return back_up_before_write(self.path)

    def backups(self) -> list[Backup]:
        """The copies in `backups` beside the database, the newest first."""
        from clankers.store._backup import backups

        return backups(self.path)

    def size(self, *, largest: int = _LARGEST) -> Size:
        """What takes the room: tables, indexes, free pages, the log, copies.

        So many of the largest sessions, projects and agents are named; with 0 their texts
        are not looked at. Every page of the file is read.
        """
        from clankers.store._size import measure

        with translated(self.path):
            return measure(self.connection, self.path, largest=largest)

    def vacuum(self) -> Vacuumed:
        """Gives what is free in the file back to the disk, and renews its statistics.

        The same is done to the archive, where there is one; the numbers are of both. Each
        Needs room for a second copy among the temporary files and a third in the log.

        Raises:
            DiskFullError: there is no such room; nothing was done.
            DatabaseBusyError: another process kept writing for the whole timeout.
        """
        from clankers.store._vacuum import vacuum

        self._writing()
        self.settle_archive()
        done = vacuum(self.connection, self.path)
        archive = self._archive()
        if archive is None:
            return done
        more = vacuum(archive.connection, archive.path)
        return done._replace(
            before=done.before + more.before,
            after=done.after + more.after,
            is_complete=done.is_complete and more.is_complete,
        )

    def prune(
        self,
        *,
        source: str | None = None,
        project: str | None = None,
        model: str | None = None,
        before: int | None = None,
        empty: bool = False,
        among: Iterable[str] | None = None,
        unsent: bool = False,
        dry_run: bool = False,
    ) -> Removal:
        """Removes the sessions that fit all filters, with their subagents; what went.

        Usage stays, so that no total changes. Neither an import nor a pull brings the
        sessions back, unless they go on: then what is newer comes. Servers and other
        devices keep them. The file keeps its size until `vacuum`.

        Args:
            source: the agent.
            project: a project's name or its whole path.
            model: a model's name or the beginning of one.
            before: epoch ms; sessions in which nothing happened at or after it.
            empty: sessions without any message.
            among: ids; of all others none goes, so that what was shown is what goes.
            unsent: takes those too of which something waits to be synced.
            dry_run: says what would go, and removes nothing.

        Raises:
            StoreError: there is no filter.
        """
        from clankers.store import _removal

        shown = None if among is None else set(among)

        def ids() -> list[str]:
            found = _removal.chosen(
                self.connection,
                source=source,
                project=project,
                model=model,
                before=before,
                empty=empty,
            )
            return [one for one in found if shown is None or one in shown]

        def without_unsent(found: list[str]) -> tuple[list[str], int]:
            staying = set() if unsent else _removal.unsent(self.connection, found)
            return [one for one in found if one not in staying], len(staying)

        if dry_run:
            with translated(self.path):
                going, staying = without_unsent(ids())
                return _removal.planned(self.connection, going)._replace(unsent=staying)
        self.settle_archive()
        with self.quietly():
            going, staying = without_unsent(ids())
            removal = _removal.planned(self.connection, going)
            _removal.forget_stamps(self.connection, going)
            _removal.remove(self.connection, going)
            return removal._replace(unsent=staying)

    def delete(
        self, session_ids: Iterable[str], *, purge: bool = False, dry_run: bool = False
    ) -> Removal:
        """Removes sessions, each by its id or a unique beginning, with their subagents.

        As `prune` does, and usage loses the JSON that the agent wrote. With `purge` no
        byte of the file says what was removed: what was derived from it is erased, and the
        file written anew, which takes as long and as much room as `vacuum`. Other
        copies of the words, such as transcripts, backups and forks, are not touched.
        `purge` also takes sessions that were removed before. Sessions in the archive are
        removed there, and a purge writes its file anew as well.

        Raises:
            UnknownSessionError: an id names none, or several; nothing was removed.
            DiskFullError: there is no room for a purge; nothing was removed.
        """
        from clankers.store import _removal

        wanted = list(session_ids)
        if dry_run:
            with translated(self.path):
                return self._planned(self._named(wanted, purge=purge))
        self.settle_archive()
        if purge:
            return self._purge(wanted)
        with self.atomic():
            ids = self._named(wanted, purge=False)
            _removal.blank_usage(self.connection, ids)
            return self._remove(ids)

    def _purge(self, wanted: list[str]) -> Removal:
        from clankers.store import _purge, _removal
        from clankers.store._vacuum import check_room

        connection = self._writing()
        if connection.in_transaction:
            raise errors.StoreError(
                f"nothing can be purged from {self.path} inside a transaction",
                hint="end atomic() first",
            )
        archive = self._archive()
        with ExitStack() as overwriting:
            overwriting.enter_context(translated(self.path))
            overwriting.enter_context(_purge.overwriting(connection))
            check_room(connection, self.path)
            if archive is not None:
                overwriting.enter_context(_purge.overwriting(archive.connection))
                check_room(archive.connection, archive.path)
            with self.atomic():
                ids = self._named(wanted, purge=True)
                before = sequence(connection)
                _removal.blank_usage(connection, ids)
                removal = self._remove(ids)
                note_purged(connection, before)
                _purge.erase_words(connection, ids)
            is_erased = _purge.erase_traces(connection, self.path)
            if archive is not None:
                is_erased &= _purge.erase_archive(archive, ids)
            return removal._replace(is_erased=is_erased)

    def erase_traces(self, session_ids: Iterable[str]) -> bool:
        """Leaves no byte in both files of sessions that are gone; False where it cannot be now.

        Takes as long and as much room as `vacuum`.
        """
        from clankers.store import _purge

        connection = self._writing()
        with translated(self.path), _purge.overwriting(connection):
            ids = list(session_ids)
            with self.atomic():
                _purge.erase_words(connection, ids)
            is_erased = _purge.erase_traces(connection, self.path)
            archive = self._archive()
            if archive is not None:
                with _purge.overwriting(archive.connection):
                    is_erased &= _purge.erase_archive(archive, ids)
            return is_erased

    def _named(self, wanted: list[str], *, purge: bool) -> list[str]:
        """The sessions that these ids or beginnings of ids name, and their subagents."""
        from clankers.store import _pruned

        ids: list[str] = []
        for one in wanted:
            try:
                ids += self._family(self._id_of(one))
            except errors.UnknownSessionError:
                if not purge or one not in _pruned.removals(self.connection):
                    raise
                ids += _pruned.remembered(self.connection, one)
        return list(dict.fromkeys(ids))

    def _family(self, session_id: str) -> list[str]:
        """A session and everything below it, whether that is archived or not."""
        from clankers.store import _removal

        archive = self._archive()
        if archive is None:
            return _removal.with_subagents(self.connection, [session_id])
        found, before = [session_id], 0
        while len(found) > before:
            before = len(found)
            below = _removal.with_subagents(self.connection, found)
            below += _removal.with_subagents(archive.connection, below)
            found = list(dict.fromkeys(below))
        return found

    def _id_of(self, given: str) -> str:
        """The session that is meant, or the very one that only other rows speak of."""
        query = "SELECT id FROM sessions WHERE id = ? AND placeholder"
        exact = next(self._rows(query, (given,)), None)
        if exact is not None:
            return str(exact[0])
        archive = self._archive()
        archived = None if archive is None else archive.find(given)
        if archived is None or (archived != given and self._beginning_with(given)):
            found = self.session(given).id
            if archived not in (None, found) and found != given:
                raise errors.UnknownSessionError(
                    f"{given!r} begins more than one id: {found}, and {archived} in the archive",
                    hint="give more of the id",
                )
            return found
        return archived

    def _planned(self, ids: list[str]) -> Removal:
        """What would go with these sessions, here and in the archive."""
        from clankers.store import _removal

        here = _removal.planned(self.connection, ids)
        archive = self._archive()
        if archive is None:
            return here
        there = _removal.planned(archive.connection, ids)
        real = self._real(ids)
        sessions = {one.id: one for one in here.sessions}
        sessions |= {one.id: one for one in there.sessions if one.id not in real}
        rows = {table: number + there.rows[table] for table, number in here.rows.items()}
        rows["sessions"] = len(sessions)
        return _removal.Removal([*sessions.values()], rows, here.bytes + there.bytes)

    def _remove(self, ids: list[str]) -> Removal:
        from clankers.store import _removal

        removal = self._planned(ids)
        self._remove_archived(ids)
        _removal.remove(self.connection, ids)
        return removal

    def _remove_archived(self, ids: list[str]) -> None:
        """Has sync told of what is archived of sessions, and removes it after the commit."""
        archive = self._archive()
        if archive is None:
            return
        from clankers.store.archive import _moving

        with archive.transaction():
            archive.note_moving(ids, removed_at=clock(self.connection))
        with self.quietly():
            _moving.stand_in(self, archive, ids)
        self._afterwards.append(partial(self._settle, ids, set()))

    def forget_pruned(self, session_id: str) -> list[str]:
        """Lets imports bring back a session that was pruned or deleted; the ids that this frees.

        Its id, or a unique beginning, stands for its subagents too where their ids begin
        with it. `import_sessions(store, full=True)` then reads it, if its transcript is
        still there.

        Raises:
            UnknownSessionError: no such session was removed, or several.
        """
        from clankers.store import _pruned

        with self.atomic():
            return _pruned.forget(self.connection, session_id)
