"""Several tenants of one service do whatever they like; nothing of one shows in another."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.server import Operator, Settings
from server._running import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

EXAMPLES = int(os.environ.get("CLANKERS_TEST_EXAMPLES", "12"))
# A word stands in all that its tenant writes, and in the ids that it alone has.
WORDS = ("quagmire", "zeppelin", "labyrinth")
NOBODY = "xylophon"
_LIMITS = {
    f"CLANKERS_SERVER_LIMIT_{name}": "1000000000"
    for name in ("BATCH_ROWS", "BATCH_BYTES", "AUTH", "API", "PULLS", "FAILED_AUTH")
}
_OF_ONE_ANSWER = {"x-request-id", "date"}
_FIRST = 1_700_000_000_000


@define
class Tenant:
    """One tenant as it should be: what it wrote, and what it was told is its own."""

    service: Service
    word: str
    token: str
    name: str
    secrets: set[str]
    store: str = ""
    sessions: dict[str, int] = field(factory=dict)
    deleted: dict[str, int] = field(factory=dict)
    messages: dict[str, tuple[str, int]] = field(factory=dict)
    tokens: set[str] = field(factory=set)
    used: set[str] = field(factory=set)
    written: int = 0

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        given = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body)
        url = self.service.url + path
        return self.service.http.request(method, url, data=sent, headers=given, timeout=30)

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def shown(self) -> set[str]:
        """The messages that no tombstone covers."""
        return {
            one
            for one, (session, stamp) in self.messages.items()
            if session in self.sessions or stamp > self.deleted.get(session, 0)
        }


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """A service in token mode, and the token of its operator."""
    folder = tmp_path_factory.mktemp("isolation") / "served"
    folder.mkdir()
    operator = Operator(Settings(data=folder, auth="token"))
    token, _info = operator.create_token("operator", scopes=("operator",))
    variables = {**_LIMITS, "HOME": str(folder.parent)}
    with Service(folder, "--auth", "token", variables=variables) as running:
        yield running, token


def _fresh(service: Service, operator: str) -> list[Tenant]:
    made = []
    for word in WORDS:
        given = {"Authorization": f"Bearer {operator}"}
        offered = service.post("/api/profiles", {"name": word}, headers=given).json()
        token, name = offered["profile"]["token"], offered["tenant"]
        tenant = Tenant(service, word, token, name, {word, token, name})
        tenant.tokens = {one["id"] for one in tenant.get("/api/tokens")["tokens"]}
        tenant.store = tenant.get("/sync/status")["store"]
        tenant.secrets |= {tenant.store, *tenant.tokens}
        made.append(tenant)
    return made


_SESSIONS = st.sampled_from(["s1", "s2", *(f"{word}-s" for word in WORDS)])
_MESSAGES = st.sampled_from(["m1", "m2", *(f"{word}-m" for word in WORDS)])
_STEPS = st.lists(
    st.tuples(
        st.integers(0, len(WORDS) - 1),
        st.one_of(
            st.tuples(st.just("session"), _SESSIONS),
            st.tuples(st.just("message"), _MESSAGES, _SESSIONS),
            st.tuples(st.just("delete session"), _SESSIONS, st.booleans()),
            st.tuples(st.just("delete message"), _MESSAGES),
            st.tuples(st.just("token")),
            st.tuples(st.just("look")),
        ),
    ),
    min_size=3,
    max_size=14,
)


@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(_STEPS)
def test_isolation(operated: tuple[Service, str], steps: list[tuple[int, tuple[Any, ...]]]) -> None:
    """Whatever others do under the same ids, a tenant has what it wrote and sees nothing else."""
    tenants = _fresh(*operated)
    for number, (who, (kind, *values)) in enumerate(steps, 1):
        acting = tenants[who]
        if kind == "look":
            _look(acting, tenants)
        elif kind == "token":
            _make_token(acting, number)
        else:
            _write(acting, tenants, number, kind, *values)
    for tenant in tenants:
        _look(tenant, tenants)
        _try_what_others_have(tenant, tenants)


def _write(tenant: Tenant, tenants: list[Tenant], number: int, kind: str, *values: Any) -> None:
    """One batch; the batch_ids of all tenants are the same and their contents are not."""
    stamp = _FIRST + number
    tenant.written += 1
    tenant.used |= {value for value in values if isinstance(value, str)}
    text = f"{tenant.word} at {number}"
    stamped = {"changed_at": stamp, "device_id": "d", "edition": 0}
    body: dict[str, Any] = {"batch_id": f"b{tenant.written}", "store": tenant.store}
    record: dict[str, Any] = {"id": values[0], **stamped}
    if kind == "session":
        body["sessions"] = [{**record, "title": text, "created_at": stamp}]
        tenant.sessions[values[0]] = stamp
    elif kind == "message":
        told = {"role": "user", "text_content": text, "created_at": stamp}
        body["messages"] = [{**record, "session_id": values[1], **told}]
        tenant.messages[values[0]] = values[1], stamp
    else:
        table = "sessions" if kind == "delete session" else "messages"
        body["deletes"] = [{"table": table, "purge": values[-1] is True, **record}]
        _forget(tenant, table, values[0], stamp, purge=values[-1] is True)
    answer = tenant.ask("POST", "/sync/batch", body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["tenant"] == tenant.name
    assert answer.json()["rejected"] == []
    _check(answer, tenant, tenants)


def _forget(tenant: Tenant, table: str, record_id: str, stamp: int, *, purge: bool) -> None:
    if table == "messages":
        tenant.messages.pop(record_id, None)
        return
    tenant.sessions.pop(record_id, None)
    tenant.deleted[record_id] = stamp
    if purge:
        gone = [one for one, (session, _at) in tenant.messages.items() if session == record_id]
        for one in gone:
            del tenant.messages[one]


def _make_token(tenant: Tenant, number: int) -> None:
    answer = tenant.ask("POST", "/api/tokens", {"name": f"{tenant.word} {number}"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["info"]["tenant"] == tenant.name
    tenant.tokens.add(made["info"]["id"])
    tenant.secrets |= {made["info"]["id"], made["token"], made["info"]["hint"]}


def _look(tenant: Tenant, tenants: list[Tenant]) -> None:
    """Rows, counts and hits are the tenant's own, all of them."""
    shown = tenant.shown()
    status = tenant.get("/sync/status")
    assert (status["tenant"], status["store"]) == (tenant.name, tenant.store)
    assert (status["total_sessions"], status["total_messages"]) == (
        len(tenant.sessions),
        len(shown),
    )
    for path in ("/query/sessions", "/api/sessions", f"/query/sessions?search={tenant.word}"):
        listed = tenant.get(path)
        assert {one["id"] for one in listed["sessions"]} == set(tenant.sessions)
        assert listed["total"] == len(tenant.sessions)
    for session in tenant.sessions:
        own = {one for one in shown if tenant.messages[one][0] == session}
        found = tenant.get(f"/query/sessions/{session}")
        assert {one["id"] for one in found["messages"]} == own
    hits = tenant.get(f"/api/search?q={tenant.word}&limit=100")["hits"]
    found = {(one["place"], one["id"]) for one in hits}
    assert {one for place, one in found if place == "messages"} == shown
    assert {one for place, one in found if place == "titles"} == set(tenant.sessions)
    tokens = tenant.get("/api/tokens")["tokens"]
    assert {one["id"] for one in tokens} == tenant.tokens
    for path in ("/sync/changes", "/sync/status", "/api/tokens", "/api/stats", "/query/sessions"):
        _check(tenant.ask("GET", path), tenant, tenants)


def _check(answer: requests.Response, tenant: Tenant, tenants: list[Tenant]) -> None:
    """No word, id, token or store of another; but an id that the tenant used itself is its own."""
    told = answer.text + str(dict(answer.headers))
    for one in tenant.used:
        told = told.replace(one, "")
    for other in tenants:
        if other is not tenant:
            assert not [secret for secret in other.secrets if secret in told]


def _try_what_others_have(tenant: Tenant, tenants: list[Tenant]) -> None:
    """What only others have is answered to the byte as what nobody has."""
    for other in tenants:
        if other is tenant:
            continue
        for session in other.sessions.keys() - tenant.used:
            for path in ("/query/sessions/", "/api/sessions/"):
                _same(tenant, "GET", path + session, path + NOBODY)
        for token in sorted(other.tokens):
            unknown = "tok_" + "0" * 16
            _same(tenant, "DELETE", f"/api/tokens/{token}", f"/api/tokens/{unknown}")
            paths = [f"/api/tokens/{one}/rotate" for one in (token, unknown)]
            _same(tenant, "POST", *paths, body={})
        for name in (other.name, "0" * 16):
            assert tenant.ask("DELETE", f"/api/profiles/{name}").status_code == 403
        stores = other.store, "0" * 16
        _same(tenant, "GET", *(f"/sync/changes?store={store}" for store in stores))
        _same(tenant, "POST", "/sync/batch", "/sync/batch", bodies=[{"store": s} for s in stores])
        _same(tenant, "GET", *(f"/api/search?q={word}" for word in (other.word, NOBODY)))
        _same(
            tenant, "GET", *(f"/query/sessions?search={word} at" for word in (other.word, NOBODY))
        )
        assert other.ask("GET", "/sync/status").status_code == 200


def _same(
    tenant: Tenant,
    method: str,
    theirs: str,
    nobodys: str,
    *,
    body: Any = None,
    bodies: list[Any] | None = None,
) -> None:
    first, second = bodies or (body, body)
    one, two = tenant.ask(method, theirs, first), tenant.ask(method, nobodys, second)
    assert (one.status_code, one.content) == (two.status_code, two.content)
    assert _headers(one) == _headers(two)


def _headers(answer: requests.Response) -> list[tuple[str, str]]:
    named = [(name.lower(), value) for name, value in answer.headers.items()]
    return [
        (name, value)
        for name, value in named
        if name not in _OF_ONE_ANSWER and not name.startswith("x-ratelimit-")
    ]
