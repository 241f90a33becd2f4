"""Scripts that write: tried, confirmed, copied before, run, and written down."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import apsw

from clankers import errors
from clankers.query._audit import Audit
from clankers.query._changes import is_same
from clankers.query._script import Script
from clankers.store._backup import back_up_before_write
from clankers.store._connection import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clankers.query._changes import Changes
    from clankers.query._run import Bindings

    Confirm = Callable[[Changes], bool]


class Writing:
    """A writing connection, and what scripts on it have in common."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self.connection = connection
        self._copy: Path | None = None
        self._untold: Path | None = None
        self._path = path

    def execute(
        self,
        text: str,
        bindings: Bindings,
        *,
        confirm: Confirm | None,
        dry_run: bool,
        unsafe: bool,
        backup: bool | None,
        timeout: float | None,
    ) -> Changes:
        """See `Query.execute`."""
        script = Script(self.connection, self._path, text, bindings, unsafe=unsafe, timeout=timeout)
        trial = self._try(script)
        if dry_run or not trial.writes or not _is_confirmed(trial, confirm):
            return trial
        self._back_up(trial, backup)
        changes = self._commit(script, trial, unsafe=unsafe)._replace(
            committed=True, backup=self._untold
        )
        self._untold = None
        return changes

    def close(self) -> None:
        self.connection.close()

    def _try(self, script: Script) -> Changes:
        """Runs the script and takes everything back; no transaction is open afterwards."""
        with self._transaction():
            trial = script.run()
            self.connection.execute("ROLLBACK")
        return trial

    def _commit(self, script: Script, trial: Changes, *, unsafe: bool) -> Changes:
        with self._transaction():
            changes = script.run()
            if not is_same(changes, trial):
                raise errors.WriteConflictError(
                    "the script would no longer change what its trial changed; nothing was changed",
                    hint="another program wrote meanwhile, or the script depends on time or"
                    f" chance; run it again{self._told_copy()}",
                )
            audit = Audit(self._path, unsafe=unsafe)
            audit.note(changes)
            try:
                self.connection.execute("COMMIT")
            except BaseException as problem:
                # Ctrl-C is seen when SQLite has done its work, which then stands.
                if isinstance(problem, apsw.Error) or self.connection.in_transaction:
                    audit.take_back()
                    raise
        return changes

    def _back_up(self, trial: Changes, wanted: bool | None) -> None:  # noqa: FBT001
        """Makes a copy, where this is the first write that should have one."""
        if self._copy is None and (bool(trial.dangers) if wanted is None else wanted):
            self._copy = self._untold = back_up_before_write(self._path)

    def _told_copy(self) -> str:
        return "" if self._untold is None else f"; a copy of before is {self._untold}"

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Rolled back by any error, Ctrl-C too; the block ends it where it goes well."""
        connection = self.connection
        with translated(self._path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                # A full disk may make SQLite roll back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")


def _is_confirmed(trial: Changes, confirm: Confirm | None) -> bool:
    if not trial.dangers:
        return True
    if confirm is None:
        raise errors.ConfirmationError(
            f"nothing was changed: the script {'; '.join(trial.dangers)}",
            hint="--yes does it without a question, --dry-run shows what it would change;"
            " from Python: execute(..., confirm=...)",
        )
    return confirm(trial)
