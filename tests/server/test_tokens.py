"""Tokens and the tenants they open, on a running service and beside it."""

from __future__ import annotations

import hashlib
import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from clankers.auth import new_token
from clankers.errors import ServerError
from clankers.server import Operator, Settings
from server._running import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

# Nobody has it: its checksum is right.
STRANGER = "clk_0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNX"
UNLIMITED = {"CLANKERS_SERVER_LIMIT_AUTH": "100000", "CLANKERS_SERVER_LIMIT_FAILED_AUTH": "100000"}
REFUSED = {
    "error": {
        "code": "unauthorized",
        "message": "a valid token is needed: Authorization: Bearer clk_...",
        "details": {},
    }
}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that only its operator gives tokens to."""
    folder = tmp_path_factory.mktemp("closed")
    variables = {**UNLIMITED, "HOME": str(folder)}
    with Service(folder / "served", "--auth", "token", variables=variables) as running:
        yield running


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with open registration; a test says by X-Forwarded-For which address it has."""
    folder = tmp_path_factory.mktemp("opened")
    options = ("--auth", "token", "--open-registration", "--trusted-proxy", "127.0.0.1")
    variables = {
        "CLANKERS_SERVER_LIMIT_REGISTRATIONS": "8",
        "CLANKERS_SERVER_LIMIT_AUTH": "100000",
        "HOME": str(folder),
    }
    with Service(folder / "served", *options, variables=variables) as running:
        yield running


def operator(service: Service) -> Operator:
    return Operator(Settings(data=service.folder))


def shown(token: str, address: str = "10.0.0.1") -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "X-Forwarded-For": address}


def status(service: Service, token: str) -> requests.Response:
    return service.get("/sync/status", headers=shown(token))


def push(service: Service, token: str, session: str = "s", **more: str) -> requests.Response:
    batch = {"sessions": [{"id": session}]}
    return service.post("/sync/batch", batch, headers=shown(token, **more))


def said(answer: requests.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def registry(service: Service) -> apsw.Connection:
    return apsw.Connection(str(service.folder / "tenants" / "re" / "ck-registry.db"))


class TestTenants:
    def test_first_token(self, closed: Service) -> None:
        """A first token's tenant is the first sixteen digits of its SHA-256."""
        token, info = operator(closed).create_token("laptop")
        tenant = hashlib.sha256(token.encode()).hexdigest()[:16]
        assert info.tenant == tenant
        assert info.scopes == ["read", "write"]
        assert info.hint == f"{token[:8]}...{token[-4:]}"
        found = status(closed, token).json()
        assert (found["tenant"], found["total_sessions"]) == (tenant, 0)

    def test_further_token(self, closed: Service) -> None:
        """A further token of a tenant sees what the first one wrote; another tenant's does not."""
        first, info = operator(closed).create_token("laptop")
        further, more = operator(closed).create_token("desktop", tenant=info.tenant)
        stranger, _other = operator(closed).create_token("someone else")
        assert more.tenant == info.tenant
        assert push(closed, first).status_code == 200
        assert status(closed, further).json()["total_sessions"] == 1
        assert status(closed, stranger).json()["total_sessions"] == 0
        assert closed.get("/query/sessions/s", headers=shown(stranger)).status_code == 404

    def test_named_tenant(self, closed: Service) -> None:
        """A token for a tenant that is not there makes it."""
        token, info = operator(closed).create_token("laptop", tenant="team-one")
        assert info.tenant == "team-one"
        assert status(closed, token).json()["tenant"] == "team-one"

    def test_dropped_tenant(self, closed: Service) -> None:
        """The tokens of a dropped tenant are revoked within five seconds, and it is not made again."""
        token, info = operator(closed).create_token("laptop")
        assert push(closed, token).status_code == 200
        operator(closed).drop_tenant(info.tenant)
        wait_until_refused(closed, token)
        assert info.tenant not in [one.tenant for one in operator(closed).tenants()]


class TestScopes:
    @pytest.mark.parametrize(
        ("scopes", "method", "path", "needed"),
        [
            (["read"], "POST", "/sync/batch", "write"),
            (["write"], "GET", "/sync/status", "read"),
            (["write"], "GET", "/sync/changes", "read"),
            (["write"], "GET", "/query/sessions", "read"),
            (["write"], "GET", "/api/sessions", "read"),
            (["write"], "GET", "/api/search?q=x", "read"),
            (["write"], "GET", "/api/stats", "read"),
            (["operator"], "GET", "/sync/status", "read"),
            (["operator"], "POST", "/sync/batch", "write"),
            (["operator"], "GET", "/api/tokens", "admin"),
            (["read", "write"], "GET", "/api/tokens", "admin"),
            (["read", "write"], "POST", "/api/tokens", "admin"),
            (["read", "write"], "DELETE", "/api/tokens/tok_1", "admin"),
            (["read", "write"], "POST", "/api/tokens/tok_1/rotate", "admin"),
            (["read", "write", "admin"], "POST", "/api/profiles", "operator"),
            (["read", "write", "admin"], "DELETE", "/api/profiles/t", "operator"),
        ],
    )
    def test_missing(
        self, closed: Service, scopes: list[str], method: str, path: str, needed: str
    ) -> None:
        """A token without the scope is told which one it lacks."""
        token, _info = operator(closed).create_token("x", tenant="scopes", scopes=scopes)
        payload = {"name": "x"} if method == "POST" else None
        answer = closed.http.request(
            method, closed.url + path, json=payload, headers=shown(token), timeout=30
        )
        assert said(answer) == (403, "forbidden", f"this needs the scope '{needed}'")
        assert answer.headers["WWW-Authenticate"] == (
            f'Bearer realm="clankers", error="insufficient_scope", scope="{needed}"'
        )

    def test_each_is_enough(self, closed: Service) -> None:
        """Read is enough to read, write to write, and an admin may do both."""
        reading, _r = operator(closed).create_token("r", tenant="enough", scopes=["read"])
        writing, _w = operator(closed).create_token("w", tenant="enough", scopes=["write"])
        admin, _a = operator(closed).create_token("a", tenant="enough", scopes=["admin"])
        assert push(closed, writing).status_code == 200
        assert status(closed, reading).json()["total_sessions"] == 1
        assert push(closed, admin, "s2").status_code == 200
        assert status(closed, admin).json()["total_sessions"] == 2

    def test_unknown_scope(self, closed: Service) -> None:
        """There is no token of a scope that does not exist."""
        with pytest.raises(ServerError, match="there is no scope 'root'"):
            operator(closed).create_token("x", tenant="unknown-scope", scopes=["read", "root"])


class TestRefusal:
    def test_always_the_same(self, closed: Service) -> None:
        """Unknown, mistyped, revoked and expired tokens, and none, are answered alike."""
        revoked, info = operator(closed).create_token("revoked")
        operator(closed).revoke_token(info.id)
        expired, gone = operator(closed).create_token("expired", expires_seconds=1 * 86_400)
        expire(closed, gone.id, -1)
        good, _info = operator(closed).create_token("good")
        tries = {
            "none": {},
            "unknown": shown(STRANGER),
            "mistyped": shown(good[:-1] + ("a" if good[-1] != "a" else "b")),
            "cut off": shown(good[:-1]),
            "revoked": shown(revoked),
            "expired": shown(expired),
            "tenant": shown(info.tenant),
            "basic": {"Authorization": f"Basic {good}"},
            "bare": {"Authorization": good},
            "empty": {"Authorization": "Bearer "},
            "non-ASCII": {"Authorization": "Bearer clk_\u00e9".encode("latin-1")},
            "two at once": shown(f"{good} {good}"),
        }
        for name, headers in tries.items():
            for answer in (
                closed.get("/sync/status", headers=headers),
                closed.post("/sync/batch", {}, headers=headers),
            ):
                assert (answer.status_code, answer.json()) == (401, REFUSED), name
                assert answer.headers["WWW-Authenticate"] == (
                    'Bearer realm="clankers", error="invalid_token"'
                )
        assert status(closed, good).status_code == 200

    def test_spelling_of_the_scheme(self, closed: Service) -> None:
        """Bearer may be written in any case."""
        token, _info = operator(closed).create_token("laptop")
        for scheme in ("bearer", "BEARER", "Bearer"):
            headers = {"Authorization": f"{scheme} {token}"}
            assert closed.get("/sync/status", headers=headers).status_code == 200

    def test_two_headers(self, closed: Service) -> None:
        """Two Authorization headers are refused, even if both are good."""
        token, _info = operator(closed).create_token("laptop")
        host, port = closed.url.removeprefix("http://").split(":")
        with closing(http.client.HTTPConnection(host, int(port), timeout=30)) as connection:
            connection.putrequest("GET", "/sync/status")
            connection.putheader("Authorization", f"Bearer {token}")
            connection.putheader("Authorization", f"Bearer {token}")
            connection.endheaders()
            assert connection.getresponse().status == 401

    def test_expiry(self, closed: Service) -> None:
        """A token ends at its time, also one that the service knows from a moment before."""
        token, info = operator(closed).create_token("short", expires_seconds=90 * 86_400)
        assert info.expires_at == pytest.approx(info.created_at + 7_776_000_000, abs=1_000)
        expire(closed, info.id, 1_500)
        assert status(closed, token).status_code == 200
        time.sleep(1.6)
        assert status(closed, token).status_code == 401


def expire(service: Service, token_id: str, after_ms: int) -> None:
    """Moves the end of a token, since the least that can be asked for is a day."""
    with closing(registry(service)) as database, database:
        at = time.time_ns() // 1_000_000 + after_ms
        database.execute("UPDATE tokens SET expires_at = ? WHERE id = ?", (at, token_id))


def wait_until_refused(service: Service, token: str) -> None:
    """Fails when a token is still good after five seconds and a little."""
    until = time.monotonic() + 5.5
    while status(service, token).status_code != 401:
        assert time.monotonic() < until, "the token is still good after five seconds"
        time.sleep(0.1)


class TestEnding:
    def test_revoked_elsewhere(self, closed: Service) -> None:
        """A token that another process revokes or rotates ends within five seconds."""
        revoked, info = operator(closed).create_token("revoked")
        rotated, other = operator(closed).create_token("rotated")
        assert status(closed, revoked).status_code == 200
        assert status(closed, rotated).status_code == 200
        operator(closed).revoke_token(info.id)
        operator(closed).rotate_token(other.id)
        wait_until_refused(closed, revoked)
        wait_until_refused(closed, rotated)

    def test_revoked_twice(self, closed: Service) -> None:
        """A token is revoked once; neither it nor an unknown one can be revoked or rotated."""
        _token, info = operator(closed).create_token("revoked")
        assert operator(closed).revoke_token(info.id).revoked_at is not None
        for token_id in (info.id, "tok_unknown"):
            with pytest.raises(ServerError, match=f"there is no token '{token_id}' in use"):
                operator(closed).revoke_token(token_id)
            with pytest.raises(ServerError, match=f"there is no token '{token_id}' in use"):
                operator(closed).rotate_token(token_id)

    def test_rotation_keeps_the_tenant(self, closed: Service) -> None:
        """A rotated token has the tenant, name, scopes and end of the old one, which is gone."""
        old, info = operator(closed).create_token(
            "laptop", scopes=["read"], expires_seconds=7 * 86_400
        )
        new, more = operator(closed).rotate_token(info.id)
        assert new != old
        assert more.id != info.id
        assert (more.tenant, more.name, more.scopes, more.expires_at) == (
            info.tenant,
            "laptop",
            ["read"],
            info.expires_at,
        )
        assert status(closed, new).json()["tenant"] == info.tenant
        assert status(closed, old).status_code == 401

    def test_rotation_with_grace(self, closed: Service) -> None:
        """With a grace the old token is good until it is over, and both open the same tenant."""
        old, info = operator(closed).create_token("laptop")
        new, _more = operator(closed).rotate_token(info.id, grace_seconds=2)
        assert push(closed, new).status_code == 200
        assert status(closed, old).json()["total_sessions"] == 1
        time.sleep(2.1)
        assert status(closed, old).status_code == 401
        assert status(closed, new).status_code == 200

    def test_grace_does_not_prolong(self, closed: Service) -> None:
        """A token in its grace can be revoked at once."""
        old, info = operator(closed).create_token("laptop")
        operator(closed).rotate_token(info.id, grace_seconds=3_600)
        operator(closed).revoke_token(info.id)
        assert status(closed, old).status_code == 401


class TestUse:
    def test_noted_once_a_minute(self, closed: Service) -> None:
        """A use is noted where the last one is a minute old or there was none, else it is not."""
        admin = operator(closed)
        tokens = [admin.create_token(name, tenant="uses") for name in ("new", "recent", "long ago")]
        now = time.time_ns() // 1_000_000
        with closing(registry(closed)) as database, database:
            for (_token, info), age in zip(tokens[1:], (50_000, 61_000), strict=True):
                sql = "UPDATE tokens SET last_used_at = ? WHERE id = ?"
                database.execute(sql, (now - age, info.id))
        for token, _info in tokens * 2:
            assert status(closed, token).status_code == 200
        used = {one.name: one.last_used_at or 0 for one in admin.tokens("uses")}
        assert used["recent"] == now - 50_000
        assert now <= used["new"] <= now + 30_000
        assert now <= used["long ago"] <= now + 30_000
        for token, _info in tokens:
            assert status(closed, token).status_code == 200
        assert {one.name: one.last_used_at for one in admin.tokens("uses")} == used

    def test_no_plaintext_anywhere(self, closed: Service) -> None:
        """No file of the service, its log included, holds a token that it took or gave."""
        token, _info = operator(closed).create_token("boss", tenant="plain", scopes=["admin"])
        made = closed.post("/api/tokens", {"name": "further"}, headers=shown(token)).json()
        wrong = new_token()
        for one in (token, made["token"], wrong):
            push(closed, one)
        files = [path for path in closed.folder.rglob("*") if path.is_file()]
        assert any(b"further" in path.read_bytes() for path in files)
        for one in (token, made["token"], wrong):
            assert not [path for path in files if one[4:].encode() in path.read_bytes()]
            assert one[4:] not in closed.log()


class TestRoutes:
    def test_admin(self, closed: Service) -> None:
        """An admin lists, makes, rotates and revokes the tokens of the own tenant, at once."""
        token, info = operator(closed).create_token("boss", tenant="routes", scopes=["admin"])
        headers = shown(token)
        answer = closed.post(
            "/api/tokens",
            {"name": "laptop", "scopes": ["read"], "expires_days": 2},
            headers=headers,
        )
        assert answer.status_code == 201
        made = answer.json()
        laptop = made["info"]
        assert (laptop["tenant"], laptop["name"], laptop["scopes"]) == (
            "routes",
            "laptop",
            ["read"],
        )
        assert laptop["expires_at"] - laptop["created_at"] == pytest.approx(172_800_000, abs=1_000)
        assert status(closed, made["token"]).status_code == 200

        listed = closed.get("/api/tokens", headers=headers).json()["tokens"]
        assert [one["id"] for one in listed] == [info.id, laptop["id"]]
        assert "token" not in listed[0]
        assert "hash" not in listed[0]

        rotated = closed.post(f"/api/tokens/{laptop['id']}/rotate", {}, headers=headers).json()
        assert status(closed, made["token"]).status_code == 401
        assert status(closed, rotated["token"]).json()["tenant"] == "routes"

        ended = closed.http.delete(
            f"{closed.url}/api/tokens/{rotated['info']['id']}", headers=headers, timeout=30
        )
        assert ended.status_code == 200
        assert ended.json()["revoked_at"] is not None
        assert status(closed, rotated["token"]).status_code == 401

    def test_another_tenants(self, closed: Service) -> None:
        """An admin neither sees nor ends the tokens of another tenant."""
        token, _info = operator(closed).create_token("boss", tenant="one", scopes=["admin"])
        theirs, other = operator(closed).create_token("laptop", tenant="another")
        headers = shown(token)
        listed = closed.get("/api/tokens", headers=headers).json()["tokens"]
        assert other.id not in [one["id"] for one in listed]
        address = f"/api/tokens/{other.id}"
        ended = closed.http.delete(closed.url + address, headers=headers, timeout=30)
        rotated = closed.post(f"{address}/rotate", {}, headers=headers)
        assert said(ended) == said(rotated) == (404, "not_found", "there is no such token")
        assert status(closed, theirs).status_code == 200

    @pytest.mark.parametrize(
        "wanted",
        [
            {"name": "x", "scopes": ["operator"]},
            {"name": "x", "scopes": ["read", "operator"]},
            {"name": "x", "scopes": ["root"]},
            {"name": "x", "scopes": []},
            {"name": "", "scopes": ["read"]},
            {"name": "x", "expires_days": 0},
            {"scopes": ["read"]},
        ],
    )
    def test_what_is_not_given(self, closed: Service, wanted: dict[str, Any]) -> None:
        """An admin cannot give the operator's scope, nor one that is not there, nor none."""
        token, _info = operator(closed).create_token("boss", tenant="given", scopes=["admin"])
        answer = closed.post("/api/tokens", wanted, headers=shown(token))
        assert said(answer)[:2] == (400, "invalid_request")
        assert {one.name for one in operator(closed).tokens("given")} == {"boss"}


class TestRegistration:
    def test_closed(self, closed: Service) -> None:
        """Without open registration an unknown token makes no tenant."""
        before = operator(closed).tenants()
        assert push(closed, new_token()).status_code == 401
        assert operator(closed).tenants() == before

    def test_open(self, opened: Service) -> None:
        """With it the first write of a new token makes a tenant of its own, which it administers."""
        token = new_token()
        assert status(opened, token).status_code == 401
        answer = push(opened, token, address="10.0.1.1")
        tenant = hashlib.sha256(token.encode()).hexdigest()[:16]
        assert (answer.status_code, answer.json()["tenant"]) == (200, tenant)
        assert status(opened, token).json()["total_sessions"] == 1
        (listed,) = opened.get("/api/tokens", headers=shown(token)).json()["tokens"]
        assert (listed["tenant"], listed["scopes"]) == (tenant, ["read", "write", "admin"])

    @pytest.mark.parametrize("text", ["hunter2", "clk_" + "a" * 38, "clk_", "x" * 1_000])
    def test_only_tokens_register(self, opened: Service, text: str) -> None:
        """A text that has not the form of a token makes no tenant."""
        before = operator(opened).tenants()
        assert push(opened, text, address="10.0.1.2").status_code == 401
        assert operator(opened).tenants() == before

    def test_at_the_same_time(self, opened: Service) -> None:
        """Six first writes with one token at once all succeed, and make one tenant."""
        token = new_token()

        def first(number: int) -> requests.Response:
            return push(opened, token, f"s{number}", address="10.0.1.3")

        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(first, range(6)))
        assert [answer.status_code for answer in answers] == [200] * 6
        assert status(opened, token).json()["total_sessions"] == 6

    def test_revoked_never_registers_again(self, opened: Service) -> None:
        """A token that ended makes no new tenant, whether it was revoked or its tenant dropped."""
        revoked, dropped = new_token(), new_token()
        for token in (revoked, dropped):
            assert push(opened, token, address="10.0.1.4").status_code == 200
        (listed,) = opened.get("/api/tokens", headers=shown(revoked)).json()["tokens"]
        address = f"{opened.url}/api/tokens/{listed['id']}"
        opened.http.delete(address, headers=shown(revoked), timeout=30)
        operator(opened).drop_tenant(hashlib.sha256(dropped.encode()).hexdigest()[:16])
        assert push(opened, revoked, address="10.0.1.4").status_code == 401
        until = time.monotonic() + 5.5
        while push(opened, dropped, address="10.0.1.5").status_code != 401:
            assert time.monotonic() < until
            time.sleep(0.6)
        tenants = {one.tenant for one in operator(opened).tenants()}
        assert hashlib.sha256(dropped.encode()).hexdigest()[:16] not in tenants

    def test_limit(self, opened: Service) -> None:
        """An address registers eight tenants an hour here, by tokens and by profiles together."""
        for number in range(4):
            assert push(opened, new_token(), address="10.0.1.6").status_code == 200
            assert profile(opened, f"p{number}", address="10.0.1.6").status_code == 201
        refused = push(opened, new_token(), address="10.0.1.6")
        assert said(refused)[:2] == (429, "rate_limited")
        assert int(refused.headers["Retry-After"]) <= 450
        assert said(profile(opened, "p", address="10.0.1.6"))[:2] == (429, "rate_limited")
        assert push(opened, new_token(), address="10.0.1.7").status_code == 200

    def test_many_bad_tokens(self, opened: Service) -> None:
        """After ten bad tokens from an address it has to wait, and others have not."""
        statuses = [
            opened.get("/sync/status", headers=shown(new_token(), "10.0.1.8")).status_code
            for _try in range(12)
        ]
        assert statuses == [401] * 10 + [429] * 2
        other = opened.get("/sync/status", headers=shown(new_token(), "10.0.1.9"))
        assert other.status_code == 401


def profile(service: Service, name: str, token: str = "", address: str = "") -> requests.Response:
    headers = shown(token, address) if token else {"X-Forwarded-For": address}
    return service.post("/api/profiles", {"name": name}, headers=headers)


class TestProfiles:
    def test_operator(self, closed: Service) -> None:
        """The operator makes a tenant, whose profile has a token that is its admin."""
        boss, _info = operator(closed).create_token("boss", tenant="ops", scopes=["operator"])
        answer = profile(closed, "Team One", boss)
        assert answer.status_code == 201
        made = answer.json()
        token = made["profile"].pop("token")
        assert made["profile"].keys() == {"name", "endpoint", "auth"}
        assert (made["profile"]["name"], made["profile"]["auth"]) == ("Team One", "token")
        assert status(closed, token).json()["tenant"] == made["tenant"]
        assert push(closed, token).status_code == 200
        assert closed.get("/api/tokens", headers=shown(token)).status_code == 200

    def test_endpoint(self, closed: Service) -> None:
        """The endpoint of a profile is the address at which the service listens."""
        boss, _info = operator(closed).create_token("boss", tenant="ops", scopes=["operator"])
        assert profile(closed, "x", boss).json()["profile"]["endpoint"] == closed.url

    def test_open_registration(self, opened: Service) -> None:
        """With open registration nothing has to be shown, but what is shown must be good."""
        made = profile(opened, "mine", address="10.0.2.1")
        assert made.status_code == 201
        assert push(opened, made.json()["profile"]["token"]).status_code == 200
        assert profile(opened, "mine", STRANGER, "10.0.2.2").status_code == 401

    def test_closed_registration(self, closed: Service) -> None:
        """Without it somebody who shows nothing is refused."""
        assert profile(closed, "mine").status_code == 401

    @pytest.mark.parametrize("name", ["", " x", "../x", "a\nb", "x" * 65, "🦜", 7, None])
    def test_name(self, opened: Service, name: Any) -> None:
        """A name is of plain letters, digits and a few signs, and not too long."""
        headers = {"X-Forwarded-For": "10.0.2.3"}
        answer = opened.post("/api/profiles", {"name": name}, headers=headers)
        assert said(answer)[:2] == (400, "invalid_request")

    def test_retired_and_restored(self, closed: Service) -> None:
        """A retired tenant is not found for thirty days, and restored it has all that it had."""
        boss, _info = operator(closed).create_token("boss", tenant="ops", scopes=["operator"])
        made = profile(closed, "short", boss).json()
        tenant, token = made["tenant"], made["profile"]["token"]
        assert push(closed, token).status_code == 200

        before = time.time_ns() // 1_000_000
        answer = retire(closed, tenant, boss)
        assert answer.status_code == 200
        assert answer.json()["tenant"] == tenant
        until = answer.json()["recoverable_until"]
        assert until - before == pytest.approx(2_592_000_000, abs=30_000)
        for found in (status(closed, token), push(closed, token), retire(closed, tenant, boss)):
            assert said(found)[:2] == (404, "tenant_not_found")
        with pytest.raises(ServerError, match="is retired"):
            operator(closed).create_tenant(tenant)

        operator(closed).restore_tenant(tenant)
        deadline = time.monotonic() + 5.5
        while status(closed, token).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert status(closed, token).json()["total_sessions"] == 1

    def test_unknown_tenant(self, closed: Service) -> None:
        """There is nothing to retire or restore where there never was a tenant."""
        boss, _info = operator(closed).create_token("boss", tenant="ops", scopes=["operator"])
        assert said(retire(closed, "nobody", boss))[:2] == (404, "tenant_not_found")
        with pytest.raises(ServerError, match="there is no tenant 'nobody'"):
            operator(closed).restore_tenant("nobody")

    def test_auth_none(self, service: Service) -> None:
        """A service with auth none has one tenant and no tokens."""
        answers = (
            service.post("/api/profiles", {"name": "x"}),
            service.http.delete(service.url + "/api/profiles/default", timeout=30),
            service.get("/api/tokens"),
            service.post("/api/tokens", {"name": "x"}),
        )
        assert [said(answer)[:2] for answer in answers] == [(403, "forbidden")] * 4
        assert service.get("/sync/status").json()["tenant"] == "default"


def retire(service: Service, tenant: str, token: str) -> requests.Response:
    address = f"{service.url}/api/profiles/{tenant}"
    return service.http.delete(address, headers=shown(token), timeout=30)
