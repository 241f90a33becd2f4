"""The device: a random id made once per database, with a name that gives nothing away."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apsw

_FIRST = (
    "amber",
    "brisk",
    "calm",
    "dusty",
    "early",
    "fern",
    "gentle",
    "hazel",
    "idle",
    "jolly",
    "keen",
    "lunar",
    "mellow",
    "noble",
)
_SECOND = (
    "otter",
    "heron",
    "maple",
    "comet",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbor",
    "island",
    "jetty",
    "kettle",
    "lark",
)


def add_device(connection: apsw.Connection) -> None:
    name = f"{secrets.choice(_FIRST)}-{secrets.choice(_SECOND)}-{secrets.randbelow(100):02}"
    connection.execute(
        "INSERT INTO device(id, name, created_at) VALUES (?, ?, ?)",
        (str(uuid.uuid4()), name, int(time.time() * 1000)),
    )
