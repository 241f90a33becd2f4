"""How versions merge: examples by hand, rules by random versions, and the model beside it."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import pytest
from conftest import TOOLS
from hypothesis import given
from hypothesis import strategies as st

from clankers.wire import ZERO, Stamp, Version, merge

A1, A5, A9 = Stamp(1, "A", 1), Stamp(5, "A", 1), Stamp(9, "A", 1)
B5 = Stamp(5, "B", 1)


def session(stamp: Stamp, **fields: Any) -> Version:
    return Version(fields, stamp)


class TestFields:
    def test_the_greater_stamp_wins_in_any_order(self) -> None:
        """Each field by itself: title of the one, status of the other."""
        old = Version({"title": "old", "status": "done"}, A5, {"status": A9})
        new = session(Stamp(7, "B", 1), title="new", status="open")
        expected = Version({"title": "new", "status": "done"}, A9, {"title": Stamp(7, "B", 1)})
        assert merge("sessions", old, new) == expected
        assert merge("sessions", new, old) == expected

    def test_a_later_device_and_edition_break_a_tie(self) -> None:
        """Stamps compare by time, then device, then edition."""
        first, second = session(A5, title="z"), session(B5, title="a")
        assert merge("sessions", first, second).fields == {"title": "a"}
        later = session(Stamp(5, "A", 2), title="b")
        assert merge("sessions", first, later).fields == {"title": "b"}

    def test_equal_stamps_take_the_greater_value(self) -> None:
        """By its canonical form, and on a device the server's whatever it is."""
        low, high = session(A5, title="a"), session(A5, title="b")
        assert merge("sessions", high, low).fields == {"title": "b"}
        assert merge("sessions", low, high).fields == {"title": "b"}
        assert merge("sessions", high, low, trusts_said=True).fields == {"title": "a"}

    def test_what_is_not_said_is_left(self) -> None:
        """A device that sends no texts takes none away."""
        stored = session(A5, title="T", status="open")
        found = merge("sessions", stored, session(A9, status="done"))
        assert found == Version({"title": "T", "status": "done"}, A9, {"title": A5})

    def test_null_is_said(self) -> None:
        """A field that was cleared stays so against what is older."""
        cleared = merge("sessions", session(A5, title="T"), session(A9, title=None))
        assert cleared.fields == {"title": None}
        assert merge("sessions", cleared, session(A1, title="old")).fields == {"title": None}

    def test_the_smallest_beginning_stands(self) -> None:
        """Whoever said it when; its stamp is the newest of both."""
        early, late = session(A1, created_at=100), session(A9, created_at=200)
        expected = Version({"created_at": 100}, A9)
        assert merge("sessions", early, late) == expected
        assert merge("sessions", late, early) == expected


class TestTombstones:
    def test_a_newer_tombstone_ends_a_record(self) -> None:
        """Nothing is left but the tombstone."""
        dead = merge("sessions", session(A5, title="T"), Version(deleted_at=A9, purge=True))
        assert dead == Version(deleted_at=A9, purge=True)
        assert not dead.is_alive

    def test_an_older_tombstone_does_not(self) -> None:
        """What is older than it counts as said with it."""
        stored = Version({"title": "T", "status": "s"}, A9, {"title": A1})
        found = merge("sessions", stored, Version(deleted_at=A5))
        assert found == Version({"title": "T", "status": "s"}, A9, {"title": A5}, A5)
        assert found.is_alive

    def test_a_newer_edit_revives(self) -> None:
        """With what it says alone."""
        dead = Version(deleted_at=A5)
        assert merge("sessions", dead, session(A9, title="again")) == Version(
            {"title": "again"}, A9, {}, A5
        )
        assert merge("sessions", dead, session(A1, title="late")) == dead

    def test_purge_wins_of_two_that_are_alike(self) -> None:
        """The same tombstone from two sides; an older purge is forgotten."""
        plain, purge = Version(deleted_at=A5), Version(deleted_at=A5, purge=True)
        assert merge("tools", plain, purge).purge
        assert merge("tools", purge, plain).purge
        assert not merge("tools", purge, Version(deleted_at=A9)).purge

    def test_a_beginning_of_before_the_tombstone_is_none(self) -> None:
        """The smallest of those that were said after it."""
        dead = Version(deleted_at=A5)
        revived = merge("sessions", dead, session(A9, created_at=900))
        found = merge("sessions", revived, session(A1, created_at=100))
        assert found.fields == {"created_at": 900}


def usage(stamp: Stamp, output: int, *, estimated: int = 0, at: int = 10, of: str = "s") -> Version:
    fields = {
        "session_id": of,
        "session_at": at,
        "message_id": f"{of}:m",
        "output_tokens": output,
        "input_tokens": output * 2,
        "estimated": estimated,
    }
    return Version(fields, stamp)


class TestUsage:
    def test_the_greater_output_wins_whole(self) -> None:
        """Not field by field: the numbers of one response belong together."""
        small, great = usage(A9, 3), usage(A1, 30)
        for found in (merge("usage", small, great), merge("usage", great, small)):
            assert (found.fields["output_tokens"], found.fields["input_tokens"]) == (30, 60)

    def test_what_was_measured_beats_an_estimate(self) -> None:
        """However large the estimate is, and however new."""
        measured, guessed = usage(A1, 3), usage(A9, 300, estimated=1)
        assert merge("usage", guessed, measured).fields["output_tokens"] == 3
        assert merge("usage", measured, guessed).fields["output_tokens"] == 3

    def test_the_earliest_session_has_it(self) -> None:
        """With the message in it, whichever reading is the better one."""
        early, late = usage(A1, 3, at=10, of="first"), usage(A9, 30, at=20, of="fork")
        for found in (merge("usage", early, late), merge("usage", late, early)):
            assert found.fields["session_id"] == "first"
            assert found.fields["session_at"] == 10
            assert found.fields["message_id"] == "first:m"
            assert found.fields["output_tokens"] == 30

    def test_a_session_without_beginning_comes_last(self) -> None:
        """Nobody knows that it was earlier."""
        known, unknown = usage(A1, 3, at=10, of="z"), usage(A9, 3, of="a")
        unknown.fields["session_at"] = None
        assert merge("usage", unknown, known).fields["session_id"] == "z"


STAMPS = st.builds(Stamp, st.integers(1, 4), st.sampled_from("AB"), st.integers(1, 2))
VALUES = st.sampled_from(["a", "b", None])
SESSIONS = st.builds(
    lambda fields, deleted: Version(
        {name: value for name, (value, _stamp) in fields.items()},
        max((stamp for _value, stamp in fields.values()), default=ZERO),
        {
            name: stamp
            for name, (_value, stamp) in fields.items()
            if stamp != max(one for _other, one in fields.values())
        },
        deleted,
    ),
    st.dictionaries(st.sampled_from(["title", "status"]), st.tuples(VALUES, STAMPS)),
    st.one_of(st.just(ZERO), STAMPS),
)


@given(versions=st.lists(SESSIONS.filter(lambda one: one.deleted_at == ZERO), max_size=4))
def test_every_order_comes_to_the_same(versions: list[Version]) -> None:
    """Two devices that hear the same things in another order have the same record.

    Of records that were deleted in between this holds because they are then sent whole, which
    the histories of the model try.
    """
    found = []
    for order in itertools.permutations(versions):
        merged = Version()
        for one in order:
            merged = merge("sessions", merged, one)
        found.append((merged.fields, merged.stamps()))
    assert all(one == found[0] for one in found)


@given(version=SESSIONS)
def test_hearing_it_again_changes_nothing(version: Version) -> None:
    """A repeated record is no news."""
    once = merge("sessions", Version(), version)
    once = merge("sessions", once, Version())
    again = merge("sessions", once, version)
    assert (again.fields, again.stamps(), again.deleted_at) == (
        once.fields,
        once.stamps(),
        once.deleted_at,
    )


@given(stored=SESSIONS, said=SESSIONS, trusts_said=st.booleans())
def test_the_model_agrees(stored: Version, said: Version, *, trusts_said: bool) -> None:
    """The merge of the executable model, of the same two versions."""
    if not (TOOLS / "sync_model").is_dir():
        pytest.skip(f"needs the model at {TOOLS}, which is not in this repository")
    folder = str(TOOLS / "sync_model")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import model  # type: ignore[import-not-found]

    stored = merge("sessions", Version(), stored)
    if not stored.is_alive:
        stored = Version(deleted_at=stored.deleted_at)
    fields, stamps, deleted_at, is_alive = model.merge(
        model.Fix.all(),
        "sessions",
        stored.fields,
        stored.stamps(),
        stored.deleted_at,
        said.fields,
        said.stamps(),
        said.deleted_at,
        trusts_said,
    )
    found = merge("sessions", stored, said, trusts_said=trusts_said)
    assert found.is_alive == is_alive
    assert found.deleted_at == deleted_at
    if is_alive:
        assert found.fields == fields
        assert found.stamps() == stamps
