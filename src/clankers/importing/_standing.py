"""The agents' places while they are watched: what is in them, and whose a change is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clankers.importing._discover import Places
from clankers.importing._edges import files_below, roots_of
from clankers.importing._report import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clankers.importers import Importer
    from clankers.importing._discover import Listing
    from clankers.importing._report import ImportReport, SourceReport

# Beside a database; its index is written by who reads, too.
_LOGS = ("-wal", "-journal")
_INDEX = "-shm"
_MOST_IGNORED = 5_000
# Where roots may be changes less often than whether they are there, and takes longer to ask.
_LOOKS_BETWEEN_NAMINGS = 10


class Root:
    """One place of one agent.

    Attributes:
        path: the place as its importer names it, absolute.
        files: the files its importer finds there, by place, as they were come upon.
        is_watched: file events tell what happens in it.
        scan_at: when all of its files are looked at again.
        list_at: when its files may be listed again, as is done when one is new.
    """

    def __init__(self, importer: Importer, path: str) -> None:
        self.importer = importer
        self.path = path
        self.files: dict[str, str] = {}
        self.identity: tuple[int, int] | None = None
        self.is_watched = False
        self.scan_at = self.list_at = 0.0
        self._names = Places()
        self._strange: set[str] = set()
        self._ignored: set[str] = set()

    @property
    def is_there(self) -> bool:
        return self.identity is not None

    @property
    def has_strangers(self) -> bool:
        """Something is there, or gone, of which only a new list can tell what it is."""
        return bool(self._strange)

    def scan(self, listing: Listing, report: ImportReport) -> SourceReport:
        """Looks at all files, and learns which there are."""
        before = len(listing.found)
        self._names = Places()
        found = files_below(self.importer, Path(self.path), report)
        counts = listing.add(self.importer, Path(self.path), found)
        self._learn({one.place: one.name for one in listing.found[before:]})
        return counts

    def relist(self, report: ImportReport) -> list[str]:
        """Lists all files and looks at none; the places of the new ones."""
        names = files_below(self.importer, Path(self.path), report)
        listed = {self._names.of(name): name for name in names}
        new = [place for place in listed if place not in self.files]
        self._learn(listed)
        return new

    def concern(self, path: str) -> str | None:
        """The place of the file, or of the folder of sessions, that a changed path belongs to.

        None where there is none, or none that is known: then the files are listed again.
        """
        if path.endswith(_INDEX):
            return None
        place = self._names.of(path)
        for log in _LOGS:
            if place.endswith(log) and place.removesuffix(log) in self.files:
                return place.removesuffix(log)
        if place in self.files:
            if not os.path.lexists(path):
                self._strange.add(place)
            return place
        if (whole := self._whole_of(place)) is not None:
            return whole
        if place not in self._ignored and self._holds(path, place) and os.path.lexists(path):
            self._strange.add(place)
        return None

    def _whole_of(self, place: str) -> str | None:
        return next((folder for folder in _folders_above(place) if folder in self.files), None)

    def _holds(self, path: str, place: str) -> bool:
        return any(
            self.path in (name, *_folders_above(name)) for name in dict.fromkeys((path, place))
        ) or os.path.realpath(self.path) in _folders_above(place)

    def _learn(self, files: dict[str, str]) -> None:
        self.files = files
        if len(self._ignored) > _MOST_IGNORED:
            self._ignored.clear()
        self._ignored |= self._strange - files.keys()
        self._strange.clear()


class Standing:
    """All roots of some importers."""

    def __init__(self, importers: Sequence[Importer]) -> None:
        self._importers = importers
        self._roots: dict[tuple[str, str], Root] = {}
        self._looks = 0

    def __iter__(self) -> Iterator[Root]:
        return iter([root for root in self._roots.values() if root.is_there])

    def look(self, report: ImportReport) -> bool:
        """Sees which roots are there now; True when one came, went, or was replaced."""
        has_changed = self._looks % _LOOKS_BETWEEN_NAMINGS == 0 and self._name(report)
        self._looks += 1
        for root in self._roots.values():
            identity = _identity(root.path, report)
            if identity != root.identity:
                root.identity = identity
                root.scan_at = 0.0
                has_changed = True
        return has_changed

    def _name(self, report: ImportReport) -> bool:
        """Asks the importers which roots there may be; True when one is none any more."""
        named = {
            (one.agent, os.path.abspath(path)): one
            for one in self._importers
            for path in roots_of(one, report)
        }
        gone = [self._roots.pop(key) for key in [*self._roots] if key not in named]
        for key, importer in named.items():
            self._roots.setdefault(key, Root(importer, key[1]))
        return any(root.is_there for root in gone)

    def concern(self, path: str) -> Iterator[str]:
        """The places that a changed path belongs to."""
        for root in self:
            place = root.concern(path)
            if place is not None:
                yield place


def _identity(path: str, report: ImportReport) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        report.failures.append(Failure(Path(path), problem.strerror or str(problem)))
        return None
    return status.st_dev, status.st_ino


def _folders_above(path: str) -> Iterator[str]:
    folder = os.path.dirname(path)
    while folder and folder != os.path.dirname(folder):
        yield folder
        folder = os.path.dirname(folder)
