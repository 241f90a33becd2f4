"""Where things live: data directory, database, config, logs, per platform.

The variables and their order are the daemon contract's, so that every program
that speaks to one installation agrees on its files.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

TYPE_CHECKING = False  # typing itself is slow to import, and every command starts here

if TYPE_CHECKING:
    from collections.abc import Mapping


def environment() -> Mapping[str, str]:
    """The process environment; the one place it is read for paths and importers."""
    return os.environ


def data_root() -> Path:
    """`CLANKERS_DATA_PATH`, else the platform's folder for application data."""
    if given := os.environ.get("CLANKERS_DATA_PATH"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def data_dir() -> Path:
    return data_root() / "clankers"


def database_path() -> Path:
    """`CLANKERS_DB_PATH`, else `clankers.db` in the data directory; a profile's `db` comes between."""
    if given := os.environ.get("CLANKERS_DB_PATH"):
        return Path(given).expanduser()
    return data_dir() / "clankers.db"


def config_path() -> Path:
    return data_dir() / "clankers.json"


def logs_dir() -> Path:
    """`CLANKERS_LOG_PATH`, else `logs` in the data directory."""
    if given := os.environ.get("CLANKERS_LOG_PATH"):
        return Path(given).expanduser()
    return data_dir() / "logs"


def socket_path() -> Path:
    """`CLANKERS_SOCKET_PATH`, else `dxta-clankers.sock` in the data directory."""
    if given := os.environ.get("CLANKERS_SOCKET_PATH"):
        return Path(given).expanduser()
    return data_dir() / "dxta-clankers.sock"


def make_private_dir(path: Path) -> None:
    """Creates `path` for its owner alone and takes rights of others away where they have some."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    tighten(path, 0o700)


def tighten(path: Path, mode: int) -> None:
    """Removes every right beyond `mode` that others have; on Windows the profile folder does that."""
    if sys.platform == "win32":
        return
    found = path.stat()
    if found.st_uid == os.geteuid() and found.st_mode & 0o777 & ~mode:
        path.chmod(mode)
