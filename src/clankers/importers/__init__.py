"""One importer per agent: where its files are, and what a line of them means.

An importer yields records and knows nothing of the store. Other packages add agents of
their own by an entry point in the group ``clankers.importers``.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from clankers.errors import ImporterError, UnknownAgentError

if TYPE_CHECKING:
    from clankers.importers._batch import Batch, Importer

__all__ = ["Batch", "Importer", "Resume", "agents", "importer"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # Batches are attrs classes, which finding out that nothing changed does without.
        if name in {"Batch", "Importer"}:
            return getattr(importlib.import_module("clankers.importers._batch"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


ENTRY_POINT_GROUP = "clankers.importers"
_BUILT_IN = {
    "claude-code": "clankers.importers.claude_code",
    "codex": "clankers.importers.codex",
}


class Resume(NamedTuple):
    """Where an earlier reading of a file stopped.

    Attributes:
        offset: bytes up to the end of the last complete line.
        line: physical lines up to there, blank ones included.
        state: what the importer itself wrote down to go on, as its own JSON.
    """

    offset: int = 0
    line: int = 0
    state: bytes | None = None


def agents() -> list[str]:
    """The names of all agents that can be imported, those of other packages last."""
    return [*_BUILT_IN, *sorted(set(_plugins()) - set(_BUILT_IN))]


def importer(agent: str) -> Importer:
    """The importer of an agent.

    Raises:
        UnknownAgentError: no importer has that name.
        ImporterError: the package that brings it fails to load.
    """
    if module := _BUILT_IN.get(agent):
        return cast("Importer", importlib.import_module(module).IMPORTER)
    plugins = _plugins()
    if agent not in plugins:
        known = ", ".join([*_BUILT_IN, *sorted(plugins)])
        raise UnknownAgentError(f"no importer for {agent!r}", hint=f"known agents: {known}")
    return _load(agent, plugins[agent])


def _load(agent: str, reference: str) -> Importer:
    module, _, name = reference.partition(":")
    try:
        return cast("Importer", getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError) as problem:
        raise ImporterError(
            f"the importer for {agent!r} ({reference}) does not load: {problem}",
            hint="update or remove the package that brings it",
        ) from problem


def _plugins() -> dict[str, str]:
    """Agent -> "module:object" for importers of other packages.

    Asking importlib.metadata costs more than an import that finds nothing new, so it is
    asked only when some installed package names our group at all.
    """
    if not _some_package_names_the_group():
        return {}
    from importlib.metadata import entry_points

    return {found.name: found.value for found in entry_points(group=ENTRY_POINT_GROUP)}


def _some_package_names_the_group() -> bool:
    group = ENTRY_POINT_GROUP.encode()
    for folder in dict.fromkeys(sys.path):
        try:
            names = os.listdir(folder or os.curdir)
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                try:
                    declared = Path(folder, name, "entry_points.txt").read_bytes()
                except OSError:
                    continue
                if group in declared:
                    return True
    return False
