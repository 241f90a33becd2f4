"""What the global options mean: the database, the settings and the zone of a run.

A command asks only for what it needs; nothing here loads records.
"""

from __future__ import annotations

import sys
from pathlib import Path

from clankers.config import Config
from clankers.errors import ConfigError, StoreError

TYPE_CHECKING = False  # typing itself is slow to import, and every command starts here

if TYPE_CHECKING:
    from argparse import Namespace
    from datetime import tzinfo


def config(args: Namespace, *, may_be_new: bool = False) -> Config:
    """The settings, of `--config` and `--profile` where they are given.

    A file that was named must exist, unless the command is there to write it.
    """
    path = None if args.config is None else _path(args.config)
    if path is not None and not may_be_new and not path.exists():
        raise ConfigError(
            f"there is no config file at {path}",
            hint=f"'clankers-cli --config {path} config set KEY VALUE' makes one",
        )
    return Config.load(path, profile=args.profile)


def database_path(args: Namespace) -> Path:
    """`--db`, else `CLANKERS_DB_PATH`, else the profile's `db`, else the data directory's."""
    if args.db is not None:
        return _path(args.db)
    return config(args).database_path()


def asked_path(args: Namespace) -> Path:
    """The database that is asked: with `--archive` the one of archived sessions beside it.

    Raises:
        StoreError: there is no archive yet.
    """
    path = database_path(args)
    if not args.archive:
        return path
    from clankers.store import archive_path  # only who asks for it pays

    archive = archive_path(path)
    if not archive.exists():
        raise StoreError(
            f"there is no archive yet at {archive}",
            hint="'clankers-cli archive --older-than 90d' puts old sessions into one",
        )
    return archive


def moment(args: Namespace, text: str | None) -> int | None:
    """The time that an option names, in epoch milliseconds; None where it was not given."""
    if text is None:
        return None
    from clankers.times import parse_when  # only who asks for a time needs it

    return parse_when(text, zone=zone(args))


def zone(args: Namespace) -> tzinfo:
    """The zone that dates are read and written in."""
    return config(args).zone()


def shown_zone(args: Namespace) -> tzinfo | None:
    """The zone that times are written in; None for the system's, see `short_time`."""
    return config(args).shown_zone()


def hint_at_agent(name: str | None) -> None:
    """Says on stderr that no agent is called so, where nothing was found for one; else nothing."""
    from clankers.importers import agents

    if name is None or name in agents():
        return
    from difflib import get_close_matches

    from clankers.formats import visible

    near = get_close_matches(name.lower(), agents(), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else "'clankers-cli doctor' lists the agents"
    print(f"no agent is called {visible(name)!r}; {hint}", file=sys.stderr)


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as problem:
        raise ConfigError(f"{text} is in the home of a user who is not there") from problem
