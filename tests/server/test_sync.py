"""The protocol over HTTP, on files and on a libSQL server: each rule by an example."""

from __future__ import annotations

import gzip
import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import zstandard

from clankers import wire
from server._running import Service, Sqld
from server.conftest import require_sqld

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_LIMITS = {
    f"CLANKERS_SERVER_LIMIT_{name}": "1000000000"
    for name in ("API", "AUTH", "PULLS", "FAILED_AUTH", "BATCH_ROWS", "BATCH_BYTES")
}
T = 1_790_000_000_000
_NAMES = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "turso"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """One running service for all tests here, which use ids of their own."""
    folder = tmp_path_factory.mktemp("served")
    if request.param == "sqlite":
        with Service(folder / "data", variables=NO_LIMITS) as running:
            yield running
        return
    require_sqld()
    with Sqld(folder / "sqld") as sqld:
        variables = {**NO_LIMITS, **sqld.variables}
        with Service(folder / "data", *sqld.options, variables=variables) as running:
            yield running


@pytest.fixture
def sid() -> str:
    """A session's id that no other test uses."""
    return f"session{next(_NAMES)}"


def stamp(at: int = 0, device: str = "d", edition: int = 1) -> dict[str, Any]:
    return {"changed_at": T + at, "device_id": device, "edition": edition}


def push(service: Service, **batch: Any) -> Any:
    answer = service.post("/sync/batch", batch)
    assert answer.status_code == 200, answer.text
    return answer.json()


def changes(service: Service, after: int = 0, **query: Any) -> list[Any]:
    """All changes after a revision, page by page."""
    found: list[Any] = []
    while True:
        page = service.get("/sync/changes", params={"after": after, "limit": 7, **query}).json()
        found += page["changes"]
        after = page["next"]
        if not page["more"]:
            return found


def change(service: Service, table: str, record_id: str) -> Any:
    (found,) = [one for one in changes(service) if (one["table"], one["id"]) == (table, record_id)]
    return found


def message(service: Service, session_id: str, message_id: str) -> Any:
    detail = service.get(f"/query/sessions/{session_id}").json()
    (found,) = [one for one in detail["messages"] if one["id"] == message_id]
    return found


class TestScripts:
    def test_the_smallest_body(self, service: Service, sid: str) -> None:
        """Sessions and messages without stamps; counts of what is stored come back."""
        answer = push(
            service,
            sessions=[{"id": sid, "title": "First"}],
            messages=[{"id": f"{sid}-m", "session_id": sid, "role": "user", "text_content": "Hi"}],
            sync_timestamp="2026-01-29T14:30:00Z",
        )
        assert answer["sessions_synced"] == 1
        assert answer["messages_synced"] == 1
        assert answer["tenant"] == "default"
        assert answer["rejected"] == []
        assert abs(answer["server_time"] - time.time() * 1000) < 60_000
        detail = service.get(f"/query/sessions/{sid}").json()
        assert detail["session"]["title"] == "First"
        assert [one["text_content"] for one in detail["messages"]] == ["Hi"]

    def test_upsert_rules(self, service: Service, sid: str) -> None:
        """Empty changes nothing, created_at keeps the smallest, updated_at the greatest."""
        push(
            service,
            sessions=[
                {"id": sid, "title": "T", "status": "open", "created_at": T, "updated_at": T}
            ],
        )
        push(
            service,
            sessions=[
                {
                    "id": sid,
                    "title": "Untitled Session",
                    "status": "",
                    "model": "m",
                    "created_at": T + 5,
                    "updated_at": T - 5,
                }
            ],
        )
        found = service.get(f"/query/sessions/{sid}").json()["session"]
        assert (found["title"], found["status"], found["model"]) == ("T", "open", "m")
        assert (found["created_at"], found["updated_at"]) == (T, T)

    def test_totals_become_an_estimate(self, service: Service, sid: str) -> None:
        """Of a session whose messages say no tokens; of the messages as soon as one does."""
        push(
            service,
            sessions=[{"id": sid, "prompt_tokens": 70, "completion_tokens": 7, "cost": 0.5}],
        )
        stats = service.get(f"/query/sessions/{sid}").json()["stats"]
        assert stats == {"message_count": 0, "total_tokens": 77, "total_cost": 0.5}
        push(
            service,
            messages=[
                {"id": f"{sid}-m", "session_id": sid, "prompt_tokens": 5, "completion_tokens": 1}
            ],
        )
        stats = service.get(f"/query/sessions/{sid}").json()["stats"]
        assert stats == {"message_count": 1, "total_tokens": 6, "total_cost": None}

    def test_an_estimate_counts_no_more_once_something_was_measured(
        self, service: Service, sid: str
    ) -> None:
        push(service, sessions=[{"id": sid, "prompt_tokens": 70}])
        push(service, usage=[{"id": f"{sid}-u", "session_id": sid, "output_tokens": 3}])
        detail = service.get(f"/query/sessions/{sid}").json()
        assert detail["stats"]["total_tokens"] == 3

    def test_an_estimate_follows_what_was_said_last(self, service: Service, sid: str) -> None:
        """Also where it is smaller, comes in parts, or does not name the session again."""
        push(service, sessions=[{"id": sid, "prompt_tokens": 100}])
        push(service, sessions=[{"id": sid, "completion_tokens": 50}])
        stats = service.get(f"/query/sessions/{sid}").json()["stats"]
        assert stats["total_tokens"] == 150
        row = {"id": f"{sid}-m", "session_id": sid, "text_content": "x"}
        push(service, messages=[row])
        push(service, messages=[{"id": f"{sid}-m", "completion_tokens": 500}])
        stats = service.get(f"/query/sessions/{sid}").json()["stats"]
        assert stats["total_tokens"] == 500
        push(service, messages=[{"id": f"{sid}-m", "completion_tokens": 50}])
        stats = service.get(f"/query/sessions/{sid}").json()["stats"]
        assert stats["total_tokens"] == 50

    def test_a_script_deletes(self, service: Service, sid: str) -> None:
        """Without a stamp the server makes one."""
        push(service, sessions=[{"id": sid, "title": "T"}])
        answer = push(service, deletes=[{"table": "sessions", "id": sid}])
        assert answer["deletes_synced"] == 1
        assert service.get(f"/query/sessions/{sid}").status_code == 404


class TestMerging:
    def test_a_stale_write_never_overwrites(self, service: Service, sid: str) -> None:
        """It is acknowledged, and changes nothing; a field it alone has is taken."""
        push(service, sessions=[{"id": sid, "title": "new", **stamp(9)}])
        answer = push(service, sessions=[{"id": sid, "title": "old", "status": "s", **stamp(1)}])
        assert answer["sessions_synced"] == 1
        found = service.get(f"/query/sessions/{sid}").json()["session"]
        assert (found["title"], found["status"]) == ("new", "s")
        assert change(service, "sessions", sid)["at"] == {
            "title": [T + 9, "d", 1],
            "status": [T + 1, "d", 1],
        }

    def test_a_delta(self, service: Service, sid: str) -> None:
        """Applies to the record with that hash, and to no other."""
        push(service, sessions=[{"id": sid, "title": "a", "status": "open", **stamp(1)}])
        base = wire.record_hash("sessions", sid, {"title": "a", "status": "open"})
        delta = {"id": sid, "base": base, "changes": {"title": "b"}, **stamp(2)}
        assert push(service, sessions=[delta])["rejected"] == []
        assert service.get(f"/query/sessions/{sid}").json()["session"]["title"] == "b"
        again = {**delta, "changes": {"title": "c"}, **stamp(3)}
        (rejected,) = push(service, sessions=[again])["rejected"]
        assert (rejected["table"], rejected["id"], rejected["code"]) == (
            "sessions",
            sid,
            "base_mismatch",
        )

    def test_a_bad_record_is_rejected_alone(self, service: Service, sid: str) -> None:
        answer = push(
            service,
            messages=[
                {"id": f"{sid}-1", "session_id": sid, "text_content": "one", **stamp()},
                {"id": f"{sid}-2", "session_id": sid, "text_content": 5, **stamp()},
                "nonsense",
                {"id": f"{sid}-3", "session_id": sid, "text_content": "three", **stamp()},
            ],
            deletes=[{"table": "nowhere", "id": "x"}],
        )
        assert answer["messages_synced"] == 2
        assert [(one["id"], one["code"]) for one in answer["rejected"]] == [
            (f"{sid}-2", "invalid_field"),
            ("", "invalid_record"),
            ("x", "unknown_table"),
        ]
        push(service, sessions=[{"id": sid, "title": "T"}])
        assert message(service, sid, f"{sid}-3")["text_content"] == "three"

    def test_unknown_fields_stay(self, service: Service, sid: str) -> None:
        """A newer program's field comes back to every device."""
        push(service, sessions=[{"id": sid, "title": "T", "mood": {"of": ["x"]}, **stamp()}])
        assert change(service, "sessions", sid)["fields"]["mood"] == {"of": ["x"]}

    def test_usage_merges_whole(self, service: Service, sid: str) -> None:
        """The greater output wins, the earliest session has it."""
        first = {"session_id": f"{sid}-a", "session_at": T, "output_tokens": 5, "input_tokens": 1}
        second = {
            "session_id": f"{sid}-b",
            "session_at": T + 9,
            "output_tokens": 9,
            "input_tokens": 2,
        }
        push(service, usage=[{"id": f"{sid}-u", **first, **stamp(1)}])
        push(service, usage=[{"id": f"{sid}-u", **second, **stamp(0)}])
        fields = change(service, "usage", f"{sid}-u")["fields"]
        assert fields["session_id"] == f"{sid}-a"
        assert (fields["output_tokens"], fields["input_tokens"]) == (9, 2)

    def test_any_text_comes_back_as_it_was(self, service: Service, sid: str) -> None:
        """Quotes, NUL, line separators, emoji, half pairs (which become U+FFFD), 1 MB."""
        text = "a'b\"c\\ \0 \u2028 \U0001f600 \x1f ß 日本" + "x" * 1_000_000
        push(service, messages=[{"id": f"{sid}-m", "session_id": sid, "text_content": text}])
        push(service, sessions=[{"id": sid, "title": "T"}])
        assert message(service, sid, f"{sid}-m")["text_content"] == text
        raw = json.dumps({"sessions": [{"id": sid, "title": "half \ud800 pair"}]})
        answer = service.post("/sync/batch", data=raw, headers={"content-type": "application/json"})
        assert answer.json()["rejected"] == []
        assert (
            service.get(f"/query/sessions/{sid}").json()["session"]["title"] == "half \ufffd pair"
        )

    def test_whole_numbers_stay_whole(self, service: Service, sid: str) -> None:
        """Sixty-four bits, also where JSON readers keep fifty-three."""
        push(service, usage=[{"id": f"{sid}-u", "session_id": sid, "cost": 2**63 - 1, **stamp()}])
        found = service.get("/sync/changes", params={"limit": 5_000})
        fields = [
            one["fields"]
            for one in msgspec.json.decode(found.content)["changes"]
            if one["id"] == f"{sid}-u"
        ]
        assert fields == [{**fields[0], "cost": 2**63 - 1}]


class TestTombstones:
    def test_a_deleted_session_covers_what_is_not_newer(self, service: Service, sid: str) -> None:
        """What others had in it is out of sight until the session lives again."""
        rows = [
            {"id": f"{sid}-old", "session_id": sid, "text_content": f"oldword{sid}", **stamp(1)},
            {"id": f"{sid}-new", "session_id": sid, "text_content": f"newword{sid}", **stamp(9)},
        ]
        push(service, sessions=[{"id": sid, "title": "T", **stamp(1)}], messages=rows)
        before = service.get("/sync/status").json()["counts"]
        push(service, deletes=[{"table": "sessions", "id": sid, **stamp(5)}])
        after = service.get("/sync/status").json()["counts"]
        assert before["sessions"] - after["sessions"] == 1
        assert before["messages"] - after["messages"] == 1
        assert service.get(f"/query/sessions/{sid}").status_code == 404
        assert found(service, f"oldword{sid}") == []
        assert found(service, f"newword{sid}") == [f"{sid}-new"]
        mark = max(one["revision"] for one in changes(service))
        push(service, sessions=[{"id": sid, "title": "again", **stamp(7)}])
        assert found(service, f"oldword{sid}") == [f"{sid}-old"]
        told = {(one["table"], one["id"]) for one in changes(service, mark)}
        assert told == {
            ("sessions", sid),
            ("messages", f"{sid}-old"),
            ("messages", f"{sid}-new"),
        }

    def test_what_comes_late_into_a_deleted_session_is_covered(
        self, service: Service, sid: str
    ) -> None:
        push(service, deletes=[{"table": "sessions", "id": sid, **stamp(5)}])
        late = {"session_id": sid, "text_content": f"late{sid}"}
        push(service, messages=[{"id": f"{sid}-m", **late, **stamp(3)}])
        assert found(service, f"late{sid}") == []
        told = change(service, "messages", f"{sid}-m")
        assert told["fields"]["text_content"] == f"late{sid}"

    def test_usage_stays(self, service: Service, sid: str) -> None:
        """What was spent was spent."""
        push(
            service,
            sessions=[{"id": sid, "title": "T", **stamp(1)}],
            usage=[{"id": f"{sid}-u", "session_id": sid, "output_tokens": 5, **stamp(1)}],
        )
        push(service, deletes=[{"table": "sessions", "id": sid, **stamp(5)}])
        assert change(service, "usage", f"{sid}-u")["fields"]["output_tokens"] == 5

    def test_a_purge_erases_what_it_covers(self, service: Service, sid: str) -> None:
        """Also the rows that the device which purges does not know."""
        rows = [{"id": f"{sid}-m", "session_id": sid, "text_content": "secret", **stamp(1)}]
        push(service, sessions=[{"id": sid, "title": "T", **stamp(1)}], messages=rows)
        purge = {"table": "sessions", "id": sid, "purge": True, **stamp(5)}
        push(service, deletes=[purge])
        told = change(service, "messages", f"{sid}-m")
        assert (told["fields"], told["at"], told["purge"]) == ({}, {}, True)
        assert told["deleted_at"] == [T + 5, "d", 1]
        push(service, sessions=[{"id": sid, "title": "again", **stamp(9)}])
        assert service.get(f"/query/sessions/{sid}").json()["messages"] == []

    def test_tombstones_come_in_any_order(self, service: Service, sid: str) -> None:
        """Before what they delete, and after."""
        push(service, deletes=[{"table": "messages", "id": f"{sid}-m", **stamp(5)}])
        row = {"id": f"{sid}-m", "session_id": sid, "text_content": "x"}
        push(service, messages=[{**row, **stamp(3)}])
        assert change(service, "messages", f"{sid}-m")["fields"] == {}
        push(service, messages=[{**row, **stamp(8)}])
        told = change(service, "messages", f"{sid}-m")
        assert told["fields"] == {"session_id": sid, "text_content": "x"}
        assert told["deleted_at"] == [T + 5, "d", 1]

    def test_one_that_lived_again_is_told_at_its_last_revision(
        self, service: Service, sid: str
    ) -> None:
        """Also where it was covered meanwhile, and its old tombstone stands before it in a page."""
        row = {"id": f"{sid}-m", "session_id": sid, "text_content": "x"}
        push(service, deletes=[{"table": "messages", "id": f"{sid}-m", **stamp(1)}])
        before = max(one["revision"] for one in changes(service)) - 1
        push(service, messages=[{**row, **stamp(3)}])
        push(service, deletes=[{"table": "sessions", "id": sid, **stamp(5)}])
        push(service, sessions=[{"id": sid, "title": "again", **stamp(7)}])
        push(service, sessions=[{"id": f"{sid}z", "title": "later", **stamp(7)}])
        page = service.get("/sync/changes", params={"after": before, "limit": 100}).json()
        told = {one["id"]: one for one in page["changes"]}
        assert list(told) == [sid, f"{sid}-m", f"{sid}z"]
        assert told[f"{sid}-m"]["fields"] == {"session_id": sid, "text_content": "x"}
        assert told[f"{sid}-m"]["deleted_at"] == [T + 1, "d", 1]

    def test_what_comes_late_into_a_purged_session_is_erased(
        self, service: Service, sid: str
    ) -> None:
        """As if it had been there before; what is newer than the purge stays."""
        push(service, deletes=[{"table": "sessions", "id": sid, "purge": True, **stamp(5)}])
        rows = [
            {"id": f"{sid}-{at}", "session_id": sid, "text_content": "secret", **stamp(at)}
            for at in (3, 9)
        ]
        assert push(service, messages=rows)["messages_synced"] == 2
        assert change(service, "messages", f"{sid}-3")["fields"] == {}
        assert change(service, "messages", f"{sid}-3")["purge"] is True
        assert change(service, "messages", f"{sid}-9")["fields"]["text_content"] == "secret"


class TestHistory:
    def test_a_repeated_batch_is_answered_as_before(self, service: Service, sid: str) -> None:
        """The same bytes under the same id; another body under it is a conflict."""
        body = {"batch_id": f"{sid}-b", "sessions": [{"id": sid, "title": "T", **stamp()}]}
        first = push(service, **body)
        push(service, sessions=[{"id": sid, "title": "later", **stamp(9)}])
        assert push(service, **body) == first
        assert push(service, **body, marks=[first["mark"]]) == first
        other = {**body, "sessions": []}
        refused = service.post("/sync/batch", other)
        assert refused.status_code == 409
        assert refused.json()["error"]["details"] == {"reason": "batch_reused"}

    def test_an_unknown_store_or_mark(self, service: Service, sid: str) -> None:
        """The server was restored or made anew: nothing is applied."""
        answer = push(service, sessions=[{"id": sid, "title": "T", **stamp()}])
        store, (revision, nonce) = answer["store"], answer["mark"]
        assert push(service, store=store, marks=[[revision, nonce], [0, ""]])["rejected"] == []
        for batch in (
            {"store": "other", "marks": []},
            {"store": store, "marks": [[revision, "forged"]]},
            {"store": store, "marks": [[revision, nonce], [revision + 1_000, nonce]]},
        ):
            refused = service.post(
                "/sync/batch", {**batch, "sessions": [{"id": f"{sid}x", "title": "T"}]}
            )
            assert refused.status_code == 409
            assert refused.json()["error"]["details"] == {
                "reason": "store_changed",
                "store": store,
            }
        assert service.get(f"/query/sessions/{sid}x").status_code == 404
        pulled = service.get("/sync/changes", params={"store": "other"})
        assert pulled.status_code == 409
        assert pulled.json()["error"]["details"]["reason"] == "store_changed"
        known = service.get(
            "/sync/changes", params={"store": store, "marks": json.dumps([[revision, nonce]])}
        )
        assert known.status_code == 200

    def test_a_clock_that_is_ahead(self, service: Service, sid: str) -> None:
        """More than a day is refused whole, with the time that it is."""
        ahead = int(time.time() * 1000) + 25 * 3_600_000
        row = {"id": sid, "title": "T", "changed_at": ahead, "device_id": "d", "edition": 1}
        refused = service.post("/sync/batch", {"sessions": [row]})
        assert refused.status_code == 409
        details = refused.json()["error"]["details"]
        assert details["reason"] == "clock_ahead"
        assert abs(details["server_time"] - time.time() * 1000) < 60_000
        row["changed_at"] = ahead - 2 * 3_600_000
        assert push(service, sessions=[row])["clock"] == ahead - 2 * 3_600_000

    def test_pages_of_changes(self, service: Service, sid: str) -> None:
        """Each record at its last revision, in order, none twice, placeholders not."""
        rows = [{"id": f"{sid}-{n}", "session_id": f"{sid}-p", **stamp()} for n in range(20)]
        push(service, messages=rows)
        push(service, messages=[{**rows[0], "role": "user", **stamp(1)}])
        mine = [one for one in changes(service) if one["id"].startswith(f"{sid}-")]
        assert [one["id"] for one in mine] == [
            *(f"{sid}-{n}" for n in range(1, 20)),
            f"{sid}-0",
        ]
        revisions = [one["revision"] for one in changes(service)]
        assert revisions == sorted(set(revisions))


class TestBodies:
    @pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
    def test_packed(self, service: Service, sid: str, encoding: str) -> None:
        """gzip always, zstd too."""
        body = json.dumps(
            {"sessions": [{"id": f"{sid}{encoding}", "title": "T" * 10_000}]}
        ).encode()
        packed = {
            "gzip": gzip.compress(body),
            "zstd": zstandard.ZstdCompressor().compress(body),
            "identity": body,
        }[encoding]
        headers = {"content-type": "application/json", "content-encoding": encoding}
        answer = service.post("/sync/batch", data=packed, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["sessions_synced"] == 1

    def test_a_large_batch(self, service: Service, sid: str) -> None:
        """Five thousand records, and a page with more than a libSQL server answers at once."""
        rows = [
            {"id": f"{sid}-{n}", "session_id": sid, "text_content": f"{n} " * 500, **stamp()}
            for n in range(5_000)
        ]
        assert push(service, messages=rows)["messages_synced"] == 5_000
        push(service, sessions=[{"id": sid, "title": "T"}])
        detail = service.get(f"/query/sessions/{sid}").json()
        assert detail["stats"]["message_count"] == 5_000
        assert len(detail["messages"]) == 5_000


class TestSearch:
    def test_words_parts_and_other_scripts(self, service: Service, sid: str) -> None:
        """The search of the archive, whatever the backend; changed texts are found anew."""
        push(
            service,
            sessions=[{"id": sid, "title": f"About {sid}quux"}],
            messages=[
                {"id": f"{sid}-1", "session_id": sid, "text_content": f"Ein größerer{sid} Satz"},
                {"id": f"{sid}-2", "session_id": sid, "text_content": f"日本語の{sid}テスト"},
            ],
            tools=[
                {
                    "id": f"{sid}-3",
                    "session_id": sid,
                    "tool_name": "Bash",
                    "tool_input": json.dumps({"command": f"cat\nfoo_{sid}.py"}),
                }
            ],
        )
        assert found(service, f"größerer{sid}") == [f"{sid}-1"]
        assert found(service, f"本語の{sid}") == [f"{sid}-2"]
        assert found(service, f"foo_{sid}.py") == [f"{sid}-3"]
        assert found(service, f"{sid}quux") == [sid]
        nul = json.dumps({"command": f"a\0b\nnul{sid}"})
        push(service, tools=[{"id": f"{sid}-3", "tool_input": f"{nul}\0\\nbehind{sid}"}])
        assert found(service, f"behind{sid}") == [f"{sid}-3"]
        push(service, tools=[{"id": f"{sid}-3", "tool_input": "other"}])
        assert found(service, f"behind{sid}") == []
        push(service, messages=[{"id": f"{sid}-1", "text_content": f"superchanged{sid}"}])
        assert found(service, f"erchanged{sid}") == [f"{sid}-1"]
        push(service, messages=[{"id": f"{sid}-1", "text_content": f"changed{sid}"}])
        assert found(service, f"größerer{sid}") == []
        assert found(service, f"changed{sid}") == [f"{sid}-1"]


def found(service: Service, text: str) -> list[str]:
    answer = service.get("/api/search", params={"q": text, "everything": "true"})
    assert answer.status_code == 200, answer.text
    return [hit["id"] for hit in answer.json()["hits"]]
