"""File events: what has changed below some folders, where the system tells.

They come by the package watchfiles. Without it, or where a folder cannot be watched,
nothing comes, and whoever waits has to look for himself. Events also get lost: on network
folders, and when there are more than the system keeps.
"""

from __future__ import annotations

import os
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from watchfiles._rust_notify import RustNotify

# Changes that follow each other within a step come together, for as long as `_TOGETHER_MS`.
# A stop is noticed after a step, which costs a twentieth of a millisecond each time.
_STEP_MS = 50
_TOGETHER_MS = 200
_LONGEST_WAIT_MS = 60_000
# What was watched is given back by another thread, soon after it was closed.
_RELEASE = 0.05
# Each folder costs the system memory, and it allows each user some ten thousands or fewer.
_MOST_FOLDERS = 10_000


def has_file_events() -> bool:
    """Whether the package that brings file events is installed (the extra `watch`)."""
    return _notifier() is not None


class Stop:
    """What was given to ask whether to stop, asked while somebody waits."""

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        self.is_set = is_wanted

    def wait(self, seconds: float) -> bool:
        """Waits for so long, or until it is time to stop; True when it is."""
        end = monotonic() + seconds
        while not (is_wanted := self.is_set()) and (rest := end - monotonic()) > 0:
            sleep(min(rest, _STEP_MS / 1000))
        return is_wanted


class FileEvents:
    """Tells what has changed below some folders; a context manager.

    Waiting ends soon after it is time to stop.

    Attributes:
        has_failed: no events come any more, until `watch` is called again.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._source: RustNotify | None = None
        self._missed: set[str] = set()
        self.has_failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def watch(self, folders: Sequence[str]) -> dict[str, str]:
        """Watches these folders with all below them, and no others any more.

        No event is lost while that changes, unless the system's limit is near. Returns the
        folders that cannot be watched, and why.
        """
        notifier = _notifier()
        if notifier is None:
            return dict.fromkeys(folders, "the package watchfiles is not installed")
        refused = {
            one: f"there are more than {_MOST_FOLDERS:,} folders in it"
            for one in folders
            if not _is_small(one)
        }
        wanted = [one for one in folders if one not in refused]
        opened = _opened(notifier, wanted)
        if self._source is not None:
            self._missed |= self._asked(self._source, 1)
        self._close()
        if isinstance(opened, str):
            self._source, failed = _opened_in_part(notifier, wanted)
            refused |= failed
        else:
            self._source = opened
        self.has_failed = False
        return refused

    def wait(self, seconds: float) -> set[str]:
        """The paths of what changed; none when nothing did for as long as that."""
        found, self._missed = self._missed, set()
        if found or seconds <= 0:
            return found
        if self._source is None:
            self._stop.wait(seconds)
            return found
        return self._asked(self._source, min(round(seconds * 1000) + 1, _LONGEST_WAIT_MS))

    def _asked(self, source: RustNotify, milliseconds: int) -> set[str]:
        try:
            found = source.watch(_TOGETHER_MS, _STEP_MS, milliseconds, self._stop)
        # What it did not expect of the system, such as a new folder above the limit.
        except RuntimeError:
            self.has_failed = True
            self._close()
            return set()
        if isinstance(found, set):
            return {path for _kind, path in found}
        if found == "signal":
            # Python's own handler has raised it, and it was held back.
            raise KeyboardInterrupt
        return set()

    def _close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None


def _notifier() -> Any:
    try:
        # Its own `watch` has one timeout for good, and this waits for the next thing to do.
        from watchfiles._rust_notify import RustNotify
    except ImportError:
        return None
    return RustNotify


def _opened_in_part(
    notifier: Any, folders: Iterable[str]
) -> tuple[RustNotify | None, dict[str, str]]:
    """Leaves out what cannot be watched: mostly what would be above the system's limit."""
    taken: list[str] = []
    refused: dict[str, str] = {}
    for folder in folders:
        found = _opened(notifier, [*taken, folder])
        if isinstance(found, str):
            refused[folder] = found
        else:
            taken.append(folder)
            found.close()
            sleep(_RELEASE)
    source = _opened(notifier, taken)
    if isinstance(source, str):
        return None, dict.fromkeys(folders, source)
    return source, refused


def _is_small(top: str) -> bool:
    count, waiting = 0, [top]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                waiting += [one.path for one in entries if one.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        count += 1
        if count + len(waiting) > _MOST_FOLDERS:
            return False
    return True


def _opened(notifier: Any, folders: Iterable[str]) -> RustNotify | str:
    """Watches all of the folders, or says why not."""
    try:
        # An option to go on after a folder that may not be read would hide every other failure.
        source: RustNotify = notifier([*folders], False, False, 1, True, False)
    # It has an error of its own for what it did not expect of the system.
    except (OSError, RuntimeError) as problem:
        sleep(_RELEASE)
        return str(problem)
    return source
