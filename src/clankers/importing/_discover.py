"""Which files there are to import, and whose they are."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clankers.errors import ImporterError
from clankers.importing._edges import files_below, roots_of
from clankers.importing._owners import by_owner
from clankers.importing._report import Failure, SourceReport, shown
from clankers.store._sources import Identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clankers.importers import Importer
    from clankers.importing._report import ImportReport

_DATABASES = (".db", ".vscdb", ".sqlite", ".sqlite3")


class Found(NamedTuple):
    """A session file as it is now, and the report it is counted in.

    `name` is the file as it was come upon, and `place` its one name in the store: links
    to its folder are resolved, and bytes that are no text are spelled out. `entry` is the
    key of one session of many in it. `is_folder` is for folders, of which nobody can tell
    by themselves whether something in them has changed.
    """

    importer: Importer
    name: str
    place: str
    identity: Identity
    report: SourceReport
    entry: str | None = None
    is_folder: bool = False

    @property
    def path(self) -> Path:
        # Made when a file is read; of thousands that need no reading it would cost the most.
        return Path(self.name)


def installed(importers: Sequence[Importer], report: ImportReport) -> list[Found]:
    """The files in the agents' own places."""
    listing = Listing(report)
    for one in importers:
        for root in roots_of(one, report):
            if _is_there(root, report):
                place = Path(os.path.abspath(root))
                listing.add(one, place, files_below(one, place, report))
    return listing.found


def below(path: Path, importers: Sequence[Importer], report: ImportReport) -> list[Found]:
    """The files at or below a path, each with the importer that recognises it.

    A file that none recognises (an empty or damaged one) goes with the files beside it;
    alone it is another program's. Of a single importer everything that it finds is taken.

    Raises:
        ImporterError: there is no such path, it cannot be read, or nothing below it is a
            transcript.
    """
    root = Path(os.path.abspath(path.expanduser()))
    _check_readable(root, path)
    failures = len(report.failures)
    listed = {one.agent: list(files_below(one, root, report)) for one in importers}
    if len(importers) > 1:
        listed = by_owner(importers, listed)
    listing = Listing(report)
    for one in importers:
        if files := listed[one.agent]:
            listing.add(one, root, files)
    if not any(listed.values()) and len(report.failures) == failures:
        names = ", ".join(one.agent for one in importers)
        raise ImporterError(
            f"no transcripts of {names} at or below {shown(path)}",
            hint="give the folder where the agent keeps its sessions, or name the agent",
        )
    return listing.found


class Listing:
    """Collects files, each once, however many roots, links or names lead to it."""

    def __init__(self, report: ImportReport) -> None:
        self.found: list[Found] = []
        self._report = report
        self._seen: set[tuple[int, int]] = set()
        self._places = Places()

    def add(self, importer: Importer, root: Path, files: Iterable[str]) -> SourceReport:
        """Takes the files of one root, which gets a report of its own."""
        counts = SourceReport(importer.agent, root)
        self._report.sources.append(counts)
        for name in files:
            try:
                status = os.stat(name)
            except OSError as problem:
                reason = problem.strerror or str(problem)
                self._report.failures.append(Failure(Path(name), reason))
                continue
            is_folder = stat.S_ISDIR(status.st_mode) and hasattr(importer, "entries")
            # Opening a pipe would wait for a writer that never comes.
            if not (is_folder or stat.S_ISREG(status.st_mode)):
                self._report.failures.append(Failure(Path(name), "is not a regular file"))
            elif self._is_new(status):
                identity = _identity(importer, name, status)
                place = self._places.of(name)
                self.found.append(
                    Found(importer, name, place, identity, counts, is_folder=is_folder)
                )
                counts.files += 1
        return counts

    def _is_new(self, status: os.stat_result) -> bool:
        key = (status.st_dev, status.st_ino)
        # Some file systems number nothing.
        if not status.st_ino:
            return True
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


class Places:
    """The one name in the store of each file; a folder is resolved once, so keep none for long."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: str) -> str:
        folder, _, name = path.rpartition(os.sep)
        resolved = self._folders.get(folder)
        if resolved is None:
            resolved = os.path.join(os.path.realpath(folder + os.sep), "")
            self._folders[folder] = resolved
        return shown(resolved + name)


def _identity(importer: Importer, name: str, status: os.stat_result) -> Identity:
    """What tells that a file has changed; of a database its log has a part in it."""
    size, mtime_ns = status.st_size, status.st_mtime_ns
    if name.endswith(_DATABASES):
        try:
            log = os.stat(name + "-wal")
        except OSError:
            pass
        else:
            size, mtime_ns = size + log.st_size, max(mtime_ns, log.st_mtime_ns)
    return Identity(importer.version, size, mtime_ns, status.st_ino)


def _is_there(root: Path, report: ImportReport) -> bool:
    try:
        os.stat(root)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as problem:
        report.failures.append(Failure(root, problem.strerror or str(problem)))
        return False
    return True


def _check_readable(root: Path, given: Path) -> None:
    try:
        with os.scandir(root):
            pass
    except NotADirectoryError:
        if not os.access(root, os.R_OK):
            raise ImporterError(f"{shown(given)} cannot be read", hint="check its rights") from None
    except FileNotFoundError as problem:
        raise ImporterError(
            f"there is nothing at {shown(given)}", hint="check the path"
        ) from problem
    except OSError as problem:
        raise ImporterError(
            f"{shown(given)} cannot be read: {problem.strerror}", hint="check its rights"
        ) from problem
