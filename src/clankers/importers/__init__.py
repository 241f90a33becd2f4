"""One importer per agent: where its files are, and what a line of them means.

An importer yields records and knows nothing of the store. Every module here whose name has
no underscore in front is the importer of one agent. Other packages add agents of their own
by an entry point in the group ``clankers.importers``.

The names that this package brings are what importers are written with. They load when they
are touched, since finding out that nothing changed must not pay for reading.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from clankers.errors import ImporterError, UnknownAgentError

if TYPE_CHECKING:
    from clankers.importers._attachments import Attachments
    from clankers.importers._batch import Batch, Collection, Importer
    from clankers.importers._blocks import Block
    from clankers.importers._documents import WHOLE, damaged, give, load_document
    from clankers.importers._files import beginning, beside
    from clankers.importers._jsonl import decode_value
    from clankers.importers._lines import LineReader, Outcome, read_lines
    from clankers.importers._rows import (
        Memory,
        Rows,
        flat,
        member,
        objects,
        path_in,
        remembered,
        unfolded,
    )
    from clankers.importers._sqlite import columns, digest, snapshot
    from clankers.importers._sqlite_header import is_sqlite
    from clankers.importers._tally import Tally
    from clankers.importers._values import (
        count,
        first_line,
        json_text,
        microdollars,
        milliseconds,
        path_name,
        provider_and_model,
        row_id,
        text,
        tokens,
    )

_HOMES = {
    "_attachments": ("Attachments",),
    "_batch": ("Batch", "Collection", "Importer"),
    "_blocks": ("Block",),
    "_documents": ("WHOLE", "damaged", "give", "load_document"),
    "_files": ("beginning", "beside"),
    "_jsonl": ("decode_value",),
    "_lines": ("LineReader", "Outcome", "read_lines"),
    "_rows": (
        "Memory",
        "Rows",
        "flat",
        "member",
        "objects",
        "path_in",
        "remembered",
        "unfolded",
    ),
    "_sqlite": ("columns", "digest", "snapshot"),
    "_sqlite_header": ("is_sqlite",),
    "_tally": ("Tally",),
    "_values": (
        "count",
        "first_line",
        "json_text",
        "microdollars",
        "milliseconds",
        "path_name",
        "provider_and_model",
        "row_id",
        "text",
        "tokens",
    ),
}

__all__ = [
    "WHOLE",
    "Attachments",
    "Batch",
    "Block",
    "Collection",
    "Entry",
    "Importer",
    "LineReader",
    "Memory",
    "Outcome",
    "Resume",
    "Rows",
    "Tally",
    "agents",
    "beginning",
    "beside",
    "columns",
    "count",
    "damaged",
    "decode_value",
    "digest",
    "first_line",
    "flat",
    "give",
    "importer",
    "is_sqlite",
    "json_text",
    "load_document",
    "member",
    "microdollars",
    "milliseconds",
    "objects",
    "path_in",
    "path_name",
    "provider_and_model",
    "read_lines",
    "remembered",
    "row_id",
    "snapshot",
    "text",
    "tokens",
    "unfolded",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        for module, names in _HOMES.items():
            if name in names:
                found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
                globals()[name] = found
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


ENTRY_POINT_GROUP = "clankers.importers"


class Entry(NamedTuple):
    """One session in a file or folder that holds many, and how far it is.

    A session is read when its entry is not what it was at the last import, so whatever
    happens to a session must change one of the two numbers.

    Attributes:
        key: names the session in its database or folder, always in the same way.
        updated_at: its latest change as far as that can be told, in epoch ms or any unit
            of the agent's.
        rows: how many rows or bytes it has, which tells of what is gone.
    """

    key: str
    updated_at: int
    rows: int = 0


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
    built_in = _built_in()
    return [*built_in, *sorted(set(_plugins()) - set(built_in))]


def importer(agent: str) -> Importer:
    """The importer of an agent.

    Raises:
        UnknownAgentError: no importer has that name.
        ImporterError: the package that brings it fails to load.
    """
    built_in = _built_in()
    if module := built_in.get(agent):
        return cast("Importer", importlib.import_module(module).IMPORTER)
    plugins = _plugins()
    if agent not in plugins:
        known = ", ".join([*built_in, *sorted(plugins)])
        raise UnknownAgentError(f"no importer for {agent!r}", hint=f"known agents: {known}")
    return _load(agent, plugins[agent])


@functools.cache
def _built_in() -> dict[str, str]:
    """Agent -> module: every file or package here without an underscore is an agent's importer."""
    names = sorted(name.partition(".")[0] for name in os.listdir(os.path.dirname(__file__)))
    return {
        name.replace("_", "-"): f"{__name__}.{name}" for name in names if not name.startswith("_")
    }


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
