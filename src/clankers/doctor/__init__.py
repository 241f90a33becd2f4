"""Doctor: what is here, what is wrong with it, and what to do."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from clankers import __version__, _paths
from clankers.config import Config
from clankers.doctor._agents import examine_agents
from clankers.doctor._database import examine_backups, examine_database
from clankers.doctor._finding import Finding
from clankers.doctor._live import examine_live
from clankers.errors import ClankersError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Finding", "examine"]


def examine(
    *,
    database: str | Path | None = None,
    config: str | Path | None = None,
    profile: str | None = None,
    thorough: bool = False,
) -> list[Finding]:
    """Looks at versions, paths, settings, the database and the agents; changes nothing.

    Args:
        database: the file to look at; by default the one that the settings name.
        config: the config file, by default clankers.json in the data directory.
        profile: the profile, by default the active one.
        thorough: checks every page and index of the database, the search index included,
            which takes some seconds per hundred megabytes.
    """
    found = [_versions(), Finding("ok", "data", str(_paths.data_dir()))]
    place = _paths.database_path()
    try:
        settings = Config.load(Path(config).expanduser() if config else None, profile=profile)
        place = settings.database_path()
        found.extend(_config(settings))
    except ClankersError as problem:
        found.append(Finding("error", "config", str(problem), problem.hint))
    if database is not None:
        place = Path(database).expanduser()
    return [
        *found,
        *examine_database(place, thorough=thorough),
        *examine_backups(place),
        *_fetched_prices(),
        *examine_live(),
        *examine_agents(),
    ]


def _versions() -> Finding:
    return Finding(
        "ok",
        "versions",
        f"clankers {__version__}, Python {platform.python_version()},"
        f" SQLite {apsw.sqlite_lib_version()}, apsw {apsw.apsw_version()}",
    )


def _config(config: Config) -> Iterator[Finding]:
    exists = "" if config.path.exists() else " (not made yet: defaults are in effect)"
    yield Finding("ok", "config", f"{config.path}{exists}, profile {config.active_profile}")
    # Values of the environment are looked at one by one, where the file is as a whole.
    config.entries()
    if unknown := config.unknown_keys():
        yield Finding("note", "config", f"keys this version does not know: {', '.join(unknown)}")


def _fetched_prices() -> Iterator[Finding]:
    """A damaged list stops no import, and is said nowhere else."""
    from clankers.usage._catalogue import parse_list
    from clankers.usage._price_list import fetched_path, package_version

    path = fetched_path(package_version())
    try:
        parse_list(path.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        yield Finding(
            "warning",
            "prices",
            f"{path} cannot be read as a price list; those of the package are in force",
            "'clankers-cli prices update' fetches it again",
        )
