"""Sync while the daemon runs, as the settings say; they may change at any time."""

from __future__ import annotations

import os
import threading
from time import monotonic
from typing import TYPE_CHECKING

from clankers import _paths
from clankers.config import Config
from clankers.errors import ClankersError, ConfigError
from clankers.store import Store
from clankers.store.capture import _queue as queue

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.config import Profile
    from clankers.daemon._log import Log
    from clankers.sync import Progress, SyncManager

_SECONDS_BETWEEN_LOOKS = 1.0
# A server that does not answer is not waited for: what is on its way is sent again.
_SECONDS_TO_END = 5.0
# Counting what waits may take no more than this part of the time.
_COUNTING_SHARE = 0.02
_SECONDS_AFTER_MISTAKE = 30.0


class Syncing:
    """A thread with a store of its own, while sync is on.

    Args:
        database: what is synced.
        log: is told when sync goes on and off, and what is in its way.
        stop: ends it.
        config: the file of the settings; None for the user's own.
        profile: which of its profiles; None for the active one.

    Attributes:
        pending: how many rows wait, as far as that was counted lately; 0 without a server.
        problem: why nothing is synced although it should be; None while all is well.
    """

    def __init__(
        self,
        database: Path,
        log: Log,
        *,
        stop: threading.Event,
        config: Path | None = None,
        profile: str | None = None,
    ) -> None:
        self.pending = 0
        self.problem: str | None = None
        self._database = database
        self._log = log
        self._stop = stop
        self._settings = _Settings(database, config or _paths.config_path(), profile)
        self._is_on_for = ""
        self._looked_at = 0.0
        self._thread = threading.Thread(target=self._run, name="clankers-sync", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """After `stop`."""
        self._thread.join(_SECONDS_TO_END)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except ClankersError as problem:
                self._fail(str(problem))
            except Exception as problem:  # noqa: BLE001 - the edge of the thread
                # Not what it says: that may quote a row.
                self._fail(f"unexpected {type(problem).__name__}")
                self._stop.wait(_SECONDS_AFTER_MISTAKE)
            self._stop.wait(_SECONDS_BETWEEN_LOOKS)

    def _follow(self) -> None:
        """Does what the settings say, until they or the database are others."""
        profile = self._settings.read()
        if profile.endpoint is None or not profile.sync_enabled:
            self._be_off()
            self.problem = None
            self._rest(counts=profile.endpoint is not None)
        else:
            self._sync(profile)

    def _be_off(self) -> None:
        if self._is_on_for:
            self._is_on_for = ""
            self._log.write("info", "sync is off", component="sync")

    def _fail(self, said: str) -> None:
        """Tells it once; sync is off until it is mended."""
        self._is_on_for = ""
        if self.problem != said:
            self.problem = said
            self._log.write("error", f"sync is off: {said}", component="sync")

    # While it is off

    def _rest(self, *, counts: bool) -> None:
        if not counts:
            self.pending = 0
            while not self._stop.wait(_SECONDS_BETWEEN_LOOKS) and not self._settings.are_others():
                pass
            return
        with Store.open(self._database, read_only=True) as store:
            counting = _Counting(store)
            is_other = _Replaced(self._database)
            while not self._settings.are_others() and not is_other():
                self.pending = counting.look()
                if self._stop.wait(_SECONDS_BETWEEN_LOOKS):
                    return

    # While it is on

    def _sync(self, profile: Profile) -> None:
        # Requests are slow to load, and most daemons never ask anybody.
        from clankers.sync import SyncManager

        with (
            Store.open(self._database) as store,
            SyncManager.of_profile(store, profile) as manager,
        ):
            wanted = f"{manager.endpoint}, profile {profile.name!r}"
            if self._is_on_for != wanted:
                self._is_on_for = wanted
                self._log.write("info", f"sync is on: {wanted}", component="sync")
            self.problem = None
            self._go_on(store, manager, profile)

    def _go_on(self, store: Store, manager: SyncManager, profile: Profile) -> None:
        counting = _Counting(store)
        is_other = _Replaced(self._database)

        def is_over() -> bool:
            if self._stop.is_set():
                return True
            if monotonic() - self._looked_at < _SECONDS_BETWEEN_LOOKS:
                return False
            self._looked_at = monotonic()
            self.pending = counting.look()
            return is_other() or self._settings.are_others()

        def synced(progress: Progress) -> None:
            counting.is_late = True
            self._tell_success(progress)

        manager.run(
            stop=is_over,
            mode=profile.sync_mode,
            interval=profile.sync_interval,
            batch_size=profile.sync_batch_size,
            pulls=profile.sync_pull,
            on_sync=synced,
            on_failure=self._tell_failure,
        )

    def _tell_success(self, progress: Progress) -> None:
        if self.problem is not None:
            self.problem = None
            self._log.write("info", "sync works again", component="sync")
        if progress.sent:
            said = f"sent {progress.sent} rows in {progress.batches} batches"
            self._log.write("debug", said, component="sync")
        if progress.refused:
            said = f"rows not taken: {progress.refused}; 'clankers-cli sync pending' shows why"
            self._log.write("warn", said, component="sync")

    def _tell_failure(self, problem: ClankersError, seconds: float) -> None:
        is_new = self.problem is None
        self.problem = str(problem)
        if is_new:
            said = f"sync fails, and is tried again in {seconds:.0f} s, then ever later: {problem}"
            self._log.write("warn", said, component="sync")


class _Settings:
    """The profile in effect, and whether another one is by now."""

    def __init__(self, database: Path, path: Path, profile: str | None) -> None:
        self._database = database
        self._path = path
        self._name = profile
        self._seen: tuple[int, ...] | None = None
        self._profile: Profile | None = None

    def read(self) -> Profile:
        """What they are now.

        Raises:
            ConfigError: they cannot be read, or are for another database.
        """
        self._seen = self._version()
        self._profile = None
        self._profile = profile = self._load()
        return profile

    def are_others(self) -> bool:
        """Looks at the file, and into it where it has changed."""
        version = self._version()
        if version == self._seen:
            return False
        try:
            profile = self._load()
        except ClankersError:
            return True
        self._seen = version
        return profile != self._profile

    def _load(self) -> Profile:
        config = Config.load(self._path, profile=self._name)
        profile = config.profile()
        is_named = config.source("db") == "profile"
        if profile.sync_enabled and is_named and profile.db.resolve() != self._database.resolve():
            # The server of one database must not get another one.
            raise ConfigError(
                f"the profile {profile.name!r} is for {profile.db}, and the daemon writes"
                f" {self._database}",
                hint="start the daemon anew",
            )
        return profile

    def _version(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class _Counting:
    """Counts what waits, when something may have changed and not too often."""

    def __init__(self, store: Store) -> None:
        self._connection = store.connection
        self._seen: object = None
        self._due = 0.0
        self._count = 0
        self.is_late = True

    def look(self) -> int:
        version = self._connection.pragma("data_version")
        if (self.is_late or version != self._seen) and monotonic() >= self._due:
            self._seen, self.is_late = version, False
            started = monotonic()
            waiting = queue.count_waiting(self._connection)
            self._count = sum(one.ready for one in waiting.values())
            self._due = monotonic() + (monotonic() - started) / _COUNTING_SHARE
        return self._count


class _Replaced:
    """Whether another file stands where the database was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._was = self._identity()

    def __call__(self) -> bool:
        return self._identity() != self._was

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino
