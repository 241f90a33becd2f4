"""Where a database is used, so that a copy of it somewhere else is another device."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def machine_hash(database: Path) -> str:
    """The same as long as a database stays in its place; says nothing of machine or place.

    A copy beside it is another device too: two that give out the same stamps could not be
    told apart.
    """
    said = f"{_machine()}\0{database.resolve()}"
    return hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()


def _machine() -> str:
    for place in _IDS:
        try:
            if found := Path(place).read_text(encoding="ascii").strip():
                return found
        except (OSError, UnicodeDecodeError):
            continue
    # The address of a network card; where there is none it is made up, and the name must do.
    node = uuid.getnode()
    is_made_up = bool(node >> 40 & 1)
    return os.uname().nodename if is_made_up else f"{node:012x}"
