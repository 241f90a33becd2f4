"""Where importers are called: they may be other packages', and what fails in one stays there."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from clankers import _paths
from clankers.errors import ImporterError
from clankers.importers import agents, importer
from clankers.importing._report import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clankers.importers import Batch, Collection, Entry, Importer, Resume
    from clankers.importing._report import ImportReport


def chosen(names: Iterable[str] | None, report: ImportReport) -> list[Importer]:
    """The importers of these agents, or all that load.

    Raises:
        UnknownAgentError: no importer has one of the names.
        ImporterError: one that was named does not load.
    """
    if names is not None:
        wanted = dict.fromkeys([names] if isinstance(names, str) else names)
        if wanted:
            return [_loaded(name) for name in wanted]
    found = []
    for name in agents():
        try:
            found.append(_loaded(name))
        except ImporterError as problem:
            report.failures.append(Failure(name, str(problem)))
    return found


def roots_of(one: Importer, report: ImportReport) -> list[Path]:
    """The folders an importer names as its agent's own."""
    try:
        with _blamed_on(one.agent):
            return list(one.roots(_paths.environment(), Path.home()))
    except ImporterError as problem:
        report.failures.append(Failure(one.agent, str(problem)))
        return []


def files_below(one: Importer, root: Path, report: ImportReport) -> Iterator[str]:
    """What an importer finds, as names; a listing that fails is reported and ends there."""
    try:
        with _blamed_on(one.agent):
            yield from map(os.fspath, one.find(root))
    except ImporterError as problem:
        report.failures.append(Failure(root, str(problem)))


def is_recognised(one: Importer, path: Path) -> bool:
    """False also where looking failed; reading the file will say why."""
    try:
        with _blamed_on(one.agent):
            return one.recognises(path)
    except ImporterError:
        return False


def batches(one: Importer, path: Path, resume: Resume, entry: str | None = None) -> Iterator[Batch]:
    """What a file says, or of many sessions in it the one that `entry` names.

    Raises:
        ImporterError: the file cannot be read, or its importer failed on it.
    """
    with _blamed_on(one.agent):
        if entry is None:
            yield from one.read(path, resume)
        else:
            yield from cast("Collection", one).read_entry(path, entry)


def entries(one: Importer, path: Path) -> Iterable[Entry] | None:
    """The sessions in a file or folder that holds many; None for a file that holds one.

    Raises:
        ImporterError: it cannot be looked through.
    """
    if not hasattr(one, "entries"):
        return None
    with _blamed_on(one.agent):
        listed = cast("Collection", one).entries(path)
        # While it is listed its owner may not be able to cut its log.
        return None if listed is None else list(listed)


def _loaded(name: str) -> Importer:
    with _blamed_on(name):
        return importer(name)


@contextmanager
def _blamed_on(agent: str) -> Iterator[None]:
    try:
        yield
    except ImporterError:
        raise
    except OSError as problem:
        raise ImporterError(problem.strerror or str(problem)) from problem
    except Exception as problem:
        raise ImporterError(f"the {agent} importer failed: {problem!r}") from problem
