"""Whose a file is, where the files of several agents may lie together."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from clankers.importing._edges import is_recognised

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clankers.importers import Importer


def by_owner(importers: Sequence[Importer], listed: dict[str, list[str]]) -> dict[str, list[str]]:
    """The files of each agent; first those that its own importer lists, in its order."""
    everything = [file for files in listed.values() for file in files]
    owners: dict[str, str] = {}
    for one in importers:
        _recognise(one, listed[one.agent], owners)
    for one in importers:
        _recognise(one, everything, owners)
    _join_neighbours(listed, owners)
    return {
        one.agent: [
            file
            for file in dict.fromkeys([*listed[one.agent], *everything])
            if owners.get(file) == one.agent
        ]
        for one in importers
    }


def _recognise(one: Importer, files: Iterable[str], owners: dict[str, str]) -> None:
    for file in files:
        # Opening a pipe would wait for a writer that never comes.
        is_readable = os.path.isfile(file) or os.path.isdir(file)
        if file not in owners and is_readable and is_recognised(one, Path(file)):
            owners[file] = one.agent


def _join_neighbours(listed: dict[str, list[str]], owners: dict[str, str]) -> None:
    """Gives a file without owner to the agent that lists it and has the most files beside it."""
    shares = Counter((os.path.dirname(file), agent) for file, agent in owners.items())
    joined: dict[str, tuple[int, str]] = {}
    for agent, files in listed.items():
        for file in files:
            share = shares[os.path.dirname(file), agent]
            if file not in owners and share > joined.get(file, (0, ""))[0]:
                joined[file] = (share, agent)
    owners.update({file: agent for file, (_share, agent) in joined.items()})
