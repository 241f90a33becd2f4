"""Sessions that nobody went on with for so many days move to the archive by themselves."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from clankers import Store
from clankers.daemon._archiving import Archiving
from clankers.daemon._log import Log
from clankers.testing import make_session

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400_000


def archived(path: Path) -> list[str]:
    with Store.open(path) as store:
        return [one.id for one in store.archived_sessions()]


def test_by_setting(tmp_path: Path) -> None:
    """Nothing moves without the setting; with it what is older does, and what is younger stays."""
    now = time.time_ns() // 1_000_000
    database, config = tmp_path / "clankers.db", tmp_path / "clankers.json"
    with Store.open(database) as store:
        for number, days in ((1, 40), (2, 20)):
            at = now - days * DAY
            store.upsert(make_session(number, created_at=at, updated_at=at, ended_at=at))
    config.write_text(json.dumps({"profiles": {"default": {}}}))
    log = Log(tmp_path / "logs", level="info")
    log.open()
    stop = threading.Event()
    archiving = Archiving(database, log, stop=stop, config=config, first=0.01, again=0.05)
    archiving.start()
    time.sleep(0.3)
    assert archived(database) == []
    config.write_text(json.dumps({"profiles": {"default": {"archive_after_days": 30}}}))
    until = time.monotonic() + 20
    while not archived(database) and time.monotonic() < until:
        time.sleep(0.05)
    stop.set()
    archiving.join()
    log.close()
    assert archived(database) == ["session-1"]
    written = "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert "archived 1 sessions older than 30 days" in written
