"""Which files there are to import, and whose they are."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clankers import _paths
from clankers.errors import ImporterError
from clankers.importing._report import Failure, SourceReport
from clankers.store._sources import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clankers.importers import Importer
    from clankers.importing._report import ImportReport


class Found(NamedTuple):
    """A session file as it is now, and the report it is counted in."""

    importer: Importer
    path: Path
    identity: Identity
    report: SourceReport


def installed(importers: Sequence[Importer], report: ImportReport) -> Iterator[Found]:
    """The files in the agents' own places."""
    environ, home = _paths.environment(), Path.home()
    for importer in importers:
        for root in importer.roots(environ, home):
            if root.exists():
                yield from _listed(importer, root, importer.find(root), report)


def below(path: Path, importers: Sequence[Importer], report: ImportReport) -> Iterator[Found]:
    """The files at or below a path, each with the importer that recognises it.

    A file that none recognises (an empty or damaged one) goes with the others there. Of a
    single importer everything that it finds is taken.

    Raises:
        ImporterError: there is no such path, or nothing below it is a transcript.
    """
    if not path.exists():
        raise ImporterError(f"there is nothing at {path}", hint="check the path")
    owners = _owners(path, importers)
    if not owners:
        names = ", ".join(one.agent for one in importers)
        raise ImporterError(
            f"no transcripts of {names} at or below {path}",
            hint="give the folder where the agent keeps its sessions",
        )
    for importer in importers:
        files = [file for file, owner in owners.items() if owner is importer]
        if files:
            yield from _listed(importer, path, iter(files), report)


def _owners(path: Path, importers: Sequence[Importer]) -> dict[Path, Importer]:
    if len(importers) == 1:
        return dict.fromkeys(importers[0].find(path), importers[0])
    owners: dict[Path, Importer] = {}
    strays: dict[Path, Importer] = {}
    for importer in importers:
        for file in importer.find(path):
            if file not in owners and importer.recognises(file):
                owners[file] = importer
            else:
                strays.setdefault(file, importer)
    if owners:
        (usual, _count), *_others = Counter(owners.values()).most_common(1)
        for file in strays.keys() - owners.keys():
            owners[file] = usual
    return dict(sorted(owners.items()))


def _listed(
    importer: Importer, root: Path, files: Iterator[Path], report: ImportReport
) -> Iterator[Found]:
    counts = SourceReport(importer.agent, root)
    report.sources.append(counts)
    for path in files:
        try:
            status = os.stat(path)
        except OSError as problem:
            report.failures.append(Failure(path, problem.strerror or str(problem)))
            continue
        counts.files += 1
        identity = Identity(importer.version, status.st_size, status.st_mtime_ns, status.st_ino)
        yield Found(importer, Path(os.path.abspath(path)), identity, counts)
