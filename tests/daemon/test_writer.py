"""Many upserts in one commit, each of which may fail alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from clankers.daemon._writer import Writer
from clankers.models import Session
from clankers.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def test_one_that_fails_alone(tmp_path: Path) -> None:
    """What cannot be stored takes none of its neighbours along."""
    failures: list[BaseException] = []
    writer = Writer(tmp_path / "clankers.db", on_failure=failures.append)
    writer.start()
    sessions = [Session(id=f"s{number}", created_at=1) for number in range(5)]
    sessions[2].title = cast("Any", object())
    with Store.open(tmp_path / "clankers.db") as blocking, blocking.atomic():
        blocking.connection.execute("CREATE TABLE busy(x)")
        # They wait, so that all are in one batch.
        answers = [writer.put(one) for one in sessions]
    writer.stop()
    with pytest.raises(Exception, match="object"):
        answers[2].result(timeout=10)
    for number in (0, 1, 3, 4):
        assert answers[number].result(timeout=10) is None
    assert failures == []
    with Store.open(tmp_path / "clankers.db") as store:
        assert {one.id for one in store.sessions()} == {"s0", "s1", "s3", "s4"}
