"""When a file may be read: by a clock that the tests turn."""

from __future__ import annotations

import math

from clankers.importing._pace import Pace, delay


def test_a_change_is_read_at_once() -> None:
    """Who has not changed for a while does not wait."""
    pace = Pace()
    pace.want("a", 100)
    assert pace.next_due() == 100
    assert pace.take_due(100) == ["a"]
    assert pace.take_due(100) == []
    assert pace.next_due() == math.inf


def test_one_that_changes_all_the_time() -> None:
    """The next time comes a third of a second later, however many changes there are."""
    pace = Pace()
    pace.read("a", 0.001, 100)
    for change in range(100):
        pace.want("a", 100 + change / 1000)
    assert not pace.is_free("a", 100.29)
    assert pace.take_due(100.29) == []
    assert pace.take_due(100.31) == ["a"]


def test_one_that_takes_long() -> None:
    """Reading it takes at most a tenth of the time."""
    pace = Pace()
    pace.read("a", 2, 100)
    pace.want("a", 101)
    assert pace.next_due() == 118


def test_others_do_not_wait() -> None:
    """Each file has a pace of its own."""
    pace = Pace()
    pace.read("a", 2, 100)
    pace.want("a", 101)
    pace.want("b", 101)
    assert pace.take_due(101) == ["b"]


def test_it_is_looked_at_once_more() -> None:
    """After a second, for the last event of a burst may be lost; a folder of sessions is not."""
    pace = Pace()
    pace.read("a", 0.001, 100)
    pace.read("folder", 0.001, 100, look_again=False)
    assert pace.take_due(100.9) == []
    assert pace.take_due(101) == ["a"]
    assert pace.next_due() == math.inf


def test_a_failure_is_tried_again_ever_later() -> None:
    """After 0.5 s, 1 s, 2 s and so on; also when the file changes meanwhile."""
    pace = Pace()
    pace.fail("a", 100)
    pace.want("a", 100.1)
    assert pace.take_due(100.4) == []
    assert pace.take_due(100.5) == ["a"]
    pace.fail("a", 100.5)
    assert pace.next_due() == 101.5
    assert pace.take_due(101.5) == ["a"]
    pace.read("a", 0.001, 101.5)
    pace.fail("a", 110)
    assert pace.next_due() == 110.5


def test_the_longest_delay() -> None:
    """Ten minutes, however often it failed."""
    assert [delay(failures) for failures in (0, 1, 2, 10, 11, 5_000)] == [0.5, 1, 2, 512, 600, 600]


def test_what_is_gone() -> None:
    """Nothing is kept of it."""
    pace = Pace()
    pace.fail("a", 100)
    pace.drop("a")
    assert pace.next_due() == math.inf
    assert pace.is_free("a", 100)
