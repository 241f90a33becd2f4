"""What must not leave does not: looked for in every byte the service has on disk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from server._running import Service

from clankers import Store, models, wire
from clankers.auth import NoAuth
from clankers.sync import Policy, SyncManager
from sync._secrets import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT = 1_790_000_000_000
RECORDS: dict[str, Any] = {
    "sessions": models.Session,
    "messages": models.Message,
    "tools": models.ToolCall,
    "session_errors": models.SessionError,
    "compaction_events": models.Compaction,
    "usage": models.Usage,
}
# By these records are found; what stands in them was made by a program.
REFERENCES = {
    "child_session_id",
    "message_id",
    "native_id",
    "origin_device",
    "parent_id",
    "parent_native_id",
    "session_id",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "clankers.db") as opened:
        yield opened


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    limits = {"CLANKERS_SERVER_LIMIT_BATCH_ROWS": "100000000"}
    with Service(tmp_path / "served", variables=limits) as running:
        yield running


def text_fields(table: str) -> list[str]:
    return [
        name
        for name, field in wire.FIELDS[table].items()
        if field.kind == "text" and name not in REFERENCES
    ]


def record(table: str, record_id: str, session_id: str, **values: Any) -> Any:
    needed: dict[str, Any] = {"id": record_id}
    if table != "sessions":
        needed["session_id"] = session_id
    needed["occurred_at" if table == "usage" else "created_at"] = AT
    return RECORDS[table](**needed, **values)


def forms(text: str) -> list[str]:
    """As it is, as JSON, and as JSON inside a text of JSON."""
    inner = json.dumps({"command": text})
    return [text, inner, json.dumps({"content": [{"text": inner}]})]


def disk(service: Service) -> bytes:
    service.stop()
    return b"".join(
        path.read_bytes() for path in sorted(service.folder.rglob("*")) if path.is_file()
    )


def spellings(secret: str) -> list[bytes]:
    once = json.dumps(secret)[1:-1]
    return [one.encode() for one in {secret, once, json.dumps(once)[1:-1]}]


def test_no_secret_in_any_field(store: Store, service: Service) -> None:
    """Every kind of secret in every text field, plain and inside JSON: none is on the server's disk."""
    records: list[Any] = []
    for number, secret in enumerate(SECRETS):
        for form, text in enumerate(forms(secret.text)):
            name = f"{number}-{form}"
            records += [
                record(
                    table,
                    f"{table}-{name}",
                    f"sessions-{name}",
                    **dict.fromkeys(text_fields(table), text),
                )
                for table in RECORDS
            ]
    store.upsert_many(records)
    done = SyncManager(store, NoAuth(), service.url).sync_now()
    assert (done.sent, done.refused) == (len(records), 0)
    written = disk(service)
    assert b"[redacted:" in written
    found = [one.kind for one in SECRETS for form in spellings(one.secret) if form in written]
    assert found == []


def test_the_local_text_stays(store: Store, service: Service) -> None:
    """Nothing here is changed by what was sent, nor by pulling it back."""
    secret = SECRETS[0]
    store.upsert_many(
        [
            record("sessions", "s", "s", title=secret.text),
            record("messages", "m", "s", text_content=secret.text),
        ]
    )
    manager = SyncManager(store, NoAuth(), service.url)
    manager.sync_now()
    manager.reset()
    manager.pull()
    assert store.session("s").title == secret.text
    assert [one.text_content for one in store.messages("s")] == [secret.text]


def test_a_title_that_is_cut_inside_a_secret(store: Store, service: Service) -> None:
    """The beginning of a prompt is a title; the beginning of a secret is none to any rule."""
    secret = next(one for one in SECRETS if len(one.secret) > 30)
    prompt = f"Please deploy this with {secret.text} as soon as you can"
    cut = prompt[: prompt.index(secret.secret) + 12]
    store.upsert_many(
        [
            record("sessions", "s", "s", title=cut),
            record("messages", "m", "s", role="user", seq=1, text_content=prompt),
        ]
    )
    SyncManager(store, NoAuth(), service.url).sync_now()
    assert secret.secret[:12].encode() not in disk(service)


# What metrics-only may say in words: what kind of thing it was, made by which program.
KINDS = {
    "sessions": {
        "source",
        "status",
        "model",
        "provider",
        "permission_mode",
        "relationship",
        "agent_version",
    },
    "messages": {"role", "model", "source"},
    "tools": {"tool_name"},
    "session_errors": {"error_type"},
    "compaction_events": set(),
    "usage": {
        "source",
        "provider",
        "model",
        "service_tier",
        "speed",
        "cost_source",
        "price_version",
    },
}


def test_metrics_only(store: Store, service: Service) -> None:
    """Usage, counts and times arrive; no text does, nor what it was about."""
    word = "xylophonequark"
    store.upsert_many(
        [
            record(
                table,
                f"{table}-1",
                "sessions-1",
                **dict.fromkeys(set(text_fields(table)) - kinds, word),
            )
            for table, kinds in KINDS.items()
        ]
    )
    manager = SyncManager(store, NoAuth(), service.url, policy=Policy(metrics_only=True))
    assert manager.sync_now().sent == 6
    assert word.encode() not in disk(service)


def test_an_excluded_project(store: Store, service: Service) -> None:
    """Nothing of it leaves, nor of a session whose project nobody knows; what is known later goes then."""
    store.upsert_many(
        [
            record(
                "sessions", "mine", "mine", project_path="/home/me/secret/deep", title="walrusone"
            ),
            record("messages", "m1", "mine", text_content="walrustwo"),
            record("messages", "m2", "unknown", text_content="walrusthree"),
            record("usage", "u1", "mine", raw="walrusfour"),
            record("sessions", "open", "open", project_path="/home/me/open", title="visible"),
            record("messages", "m3", "open", text_content="visible too"),
        ]
    )
    policy = Policy(exclude=("/home/me/secret",))
    manager = SyncManager(store, NoAuth(), service.url, policy=policy)
    assert manager.sync_now().sent == 2
    assert {name: one.held for name, one in manager.pending().counts.items() if one.held} == {
        "sessions": 1,
        "messages": 2,
        "usage": 1,
    }
    store.upsert(record("sessions", "unknown", "unknown", project_path="/home/me/other"))
    assert manager.sync_now().sent == 2
    written = disk(service)
    assert b"walrusthree" in written
    assert not any(word in written for word in (b"walrusone", b"walrustwo", b"walrusfour"))


def test_rules_that_become_stricter(store: Store, service: Service) -> None:
    """What was sent under looser rules is replaced by what the new ones make of it."""
    secret = SECRETS[0]
    store.upsert_many(
        [
            record("sessions", "s", "s", title="t"),
            record("messages", "m", "s", text_content=secret.text),
        ]
    )
    loose = SyncManager(store, NoAuth(), service.url, policy=Policy(redaction=False))
    assert loose.sync_now().sent == 2
    strict = SyncManager(store, NoAuth(), service.url)
    assert strict.sync_now().sent == 1
    shown = service.get("/query/sessions/s").json()["messages"]
    assert "[redacted:" in shown[0]["text_content"]
    assert strict.sync_now().sent == 0


def test_preview_is_what_arrives(store: Store, service: Service) -> None:
    """`preview` shows the records as they then leave, and sends nothing."""
    store.upsert_many(
        [
            record("sessions", "s", "s", title=SECRETS[0].text),
            record("messages", "m", "s", role="user"),
        ]
    )
    manager = SyncManager(store, NoAuth(), service.url)
    shown = manager.preview()
    assert [(table, one["id"]) for table, one in shown] == [("sessions", "s"), ("messages", "m")]
    assert service.get("/sync/status").json()["total_sessions"] == 0
    manager.sync_now()
    title = service.get("/query/sessions/s").json()["session"]["title"]
    assert title == shown[0][1]["title"]
    assert SECRETS[0].secret not in title
