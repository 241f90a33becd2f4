"""What a service refuses: hostile and broken requests, each with its documented answer."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import zlib
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import pytest
import zstandard

from clankers.server import Operator, Settings
from server._running import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests

_PLENTY = {
    f"CLANKERS_SERVER_LIMIT_{name}": "1000000000"
    for name in ("BATCH_ROWS", "BATCH_BYTES", "AUTH", "API", "PULLS", "FAILED_AUTH")
}
_JSON = {"Content-Type": "application/json"}
_MEGABYTE = 1024 * 1024


def in_gzip(body: bytes) -> bytes:
    """Always the same bytes: without the time."""
    return gzip.compress(body, mtime=0)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Served:
    """A service in token mode, with an admin of one tenant and what another tenant has."""

    def __init__(self, folder: Path) -> None:
        operator = Operator(Settings(data=folder, auth="token"))
        everything = ("read", "write", "admin")
        self.token, mine = operator.create_token("mine", scopes=everything)
        self.others, other = operator.create_token("theirs", scopes=everything)
        self.others_id = other.id
        self.reader, _info = operator.create_token("r", tenant=mine.tenant, scopes=("read",))
        self.writer, _info = operator.create_token("w", tenant=mine.tenant, scopes=("write",))
        self.expired, _info = operator.create_token(
            "e", tenant=mine.tenant, expires_seconds=-1 * 86_400
        )
        self.revoked, gone = operator.create_token("g", tenant=mine.tenant)
        operator.revoke_token(gone.id)
        self.service = Service(folder, "--auth", "token", variables=_variables(folder))

    def get(self, path: str, *, token: str | None = None) -> requests.Response:
        return self.service.get(path, headers=_bearer(token or self.token))

    def delete(self, path: str) -> requests.Response:
        return self.service.http.delete(
            self.service.url + path, headers=_bearer(self.token), timeout=30
        )

    def post(
        self, path: str, body: object = b"", *, token: str | None = None, **headers: str
    ) -> requests.Response:
        """Bytes go as they are, anything else as JSON; `content_type` names a header."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {**_JSON, **_bearer(token or self.token), **named}
        return self.service.post(path, data=sent, headers=given)

    def batch(self, body: object = b"{}", **headers: str) -> requests.Response:
        return self.post("/sync/batch", body, **headers)

    def raw(self, line: str, *headers: str, body: bytes = b"", host: bool = True) -> Answer:
        """A request as it stands, with a good token unless a header says otherwise."""
        lines = [line, *([f"Host: {self.service.url[7:]}"] if host else []), *headers]
        if not any(one.lower().startswith("authorization") for one in headers):
            lines.append(f"Authorization: Bearer {self.token}")
        lines.append("Connection: close")
        head = "".join(f"{one}\r\n" for one in lines) + "\r\n"
        return self.raw_bytes(head.encode("latin-1") + body)

    def raw_bytes(self, data: bytes) -> Answer:
        with self._connected() as connection:
            connection.sendall(data)
            answer = HTTPResponse(connection)
            answer.begin()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())

    def cut_off(self, data: bytes) -> bytes:
        """What comes back when the sender ends in the middle of its request."""
        with self._connected() as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65_536), b""))

    def _connected(self) -> socket.socket:
        host, _, port = self.service.url[7:].partition(":")
        return socket.create_connection((host, int(port)), timeout=30)


def _variables(folder: Path) -> dict[str, str]:
    """Room for the whole table, and a home that is not the user's."""
    return {**_PLENTY, "HOME": str(folder.parent)}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for the whole table; after all of it the service is as well as before."""
    folder = tmp_path_factory.mktemp("refusals") / "served"
    folder.mkdir()
    made = Served(folder)
    with made.service:
        theirs = {
            "sessions": [{"id": "theirs", "title": "their secret"}],
            "messages": [{"id": "m", "session_id": "theirs", "text_content": "their secret"}],
        }
        assert made.batch(theirs, authorization=f"Bearer {made.others}").status_code == 200
        yield made
        assert made.service.get("/health").json()["status"] == "healthy"
        assert made.batch({"sessions": [{"id": "after"}]}).json()["sessions_synced"] == 1
        assert made.service.process.poll() is None


@pytest.fixture(scope="module")
def open_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with auth none."""
    folder = tmp_path_factory.mktemp("open") / "served"
    with Service(folder, variables=_variables(folder)) as running:
        yield running


def refused(answer: Answer | requests.Response, status: int, code: str) -> dict[str, Any]:
    """The error of an answer, which has the documented form and nothing else."""
    if isinstance(answer, Answer):
        found, kind, body = answer.status, answer.headers.get("content-type"), answer.body
    else:
        found, kind, body = answer.status_code, answer.headers["content-type"], answer.content
    assert found == status, body[:300]
    assert kind == "application/json"
    whole = json.loads(body)
    assert list(whole) == ["error"]
    error: dict[str, Any] = whole["error"]
    assert set(error) == {"code", "message", "details"}
    assert error["code"] == code
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["details"], dict)
    return error


NOWHERE = "there is nothing at this address"
NO_SESSION = "there is no such session"


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("/../etc/passwd", NOWHERE),
            ("/%2e%2e/%2e%2e/etc/passwd", NOWHERE),
            ("/docs/../metrics", NOWHERE),
            ("/api/sessions/../tokens", NOWHERE),
            ("/api/sessions/..%2ftokens", NOWHERE),
            ("/api/sessions/%2e%2e%2ftokens", NOWHERE),
            ("/api/sessions/..", NO_SESSION),
            ("/api/sessions/%2e%2e", NO_SESSION),
            ("/api/sessions/%252e%252e%252ftokens", NO_SESSION),
            ("/api/sessions/..;", NO_SESSION),
            ("/api/sessions/..%5c..%5cserver", NO_SESSION),
            ("/query/sessions/%00", NO_SESSION),
            ("/query/sessions/theirs%00", NO_SESSION),
            ("/query/sessions/%ff%fe", NO_SESSION),
            ("/query/sessions/%ed%a0%80", NO_SESSION),
            ("/query/sessions/%zz", NO_SESSION),
            ("/query/sessions/%", NO_SESSION),
            ("/query/sessions/%0d%0aX-Evil:%201", NO_SESSION),
            ("/query/sessions/" + "a" * 20_000, NO_SESSION),
            ("/query/sessions/" + "%41" * 10_000, NO_SESSION),
            ("/" + "a/" * 5_000, NOWHERE),
            ("/sync\\status", NOWHERE),
            ("/SYNC/STATUS", NOWHERE),
            ("/.git/config", NOWHERE),
            ("/tenants/registry.db", NOWHERE),
            ("*", NOWHERE),
        ],
    )
    def test_leads_nowhere(self, served: Served, path: str, message: str) -> None:
        """No spelling of a path reaches anything but a route, or an id as it was spelt."""
        answer = served.raw(f"GET {path} HTTP/1.1")
        assert refused(answer, 404, "not_found")["message"] == message
        assert "x-evil" not in answer.headers

    @pytest.mark.parametrize("path", ["//api//tokens", "/api/tokens/", "/api%2ftokens"])
    def test_other_spellings_need_the_same_scope(self, served: Served, path: str) -> None:
        """A spelling that reaches a route passes all that the route asks for."""
        answer = served.raw(f"GET {path} HTTP/1.1", f"Authorization: Bearer {served.reader}")
        refused(answer, 403, "forbidden")

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PUT", "/sync/batch"),
            ("PATCH", "/sync/batch"),
            ("DELETE", "/sync/batch"),
            ("GET", "/sync/batch"),
            ("POST", "/sync/status"),
            ("TRACE", "/health"),
            ("DELETE", "/query/sessions/theirs"),
            ("GET", "/api/tokens/tok_0"),
        ],
    )
    def test_method(self, served: Served, method: str, path: str) -> None:
        """A route answers to its own methods alone."""
        answer = served.raw(f"{method} {path} HTTP/1.1", *_json_of(b"{}"), body=b"{}")
        refused(answer, 405, "invalid_request")


def _json_of(body: bytes) -> tuple[str, str]:
    return "Content-Type: application/json", f"Content-Length: {len(body)}"


class TestOtherTenants:
    @pytest.mark.parametrize("path", ["/query/sessions/theirs", "/api/sessions/theirs"])
    def test_session(self, served: Served, path: str) -> None:
        """Another tenant's session is no session."""
        assert refused(served.get(path), 404, "not_found")["message"] == NO_SESSION
        assert served.get(path, token=served.others).status_code == 200

    def test_token(self, served: Served) -> None:
        """Another tenant's token can be neither ended nor replaced."""
        path = f"/api/tokens/{served.others_id}"
        refused(served.delete(path), 404, "not_found")
        refused(served.post(f"{path}/rotate", {}), 404, "not_found")
        assert served.get("/sync/status", token=served.others).status_code == 200

    def test_store(self, served: Served) -> None:
        """Another tenant's store is an unknown store, and only the own one is named."""
        status = served.get("/sync/status", token=served.others).json()
        own = served.get("/sync/status").json()["store"]
        error = refused(served.batch({"store": status["store"]}), 409, "conflict")
        assert error["details"] == {"reason": "store_changed", "store": own}
        changes = served.get(f"/sync/changes?store={status['store']}")
        error = refused(changes, 409, "conflict")
        assert error["details"] == {"reason": "store_changed", "store": own}

    def test_named_tenant(self, served: Served) -> None:
        """No parameter, member or header chooses the tenant."""
        theirs = served.get("/sync/status", token=served.others).json()["tenant"]
        own = served.get("/sync/status").json()["tenant"]
        assert served.get(f"/sync/status?tenant={theirs}").json()["tenant"] == own
        assert served.batch({"tenant": theirs}, x_tenant=theirs).json()["tenant"] == own

    def test_search(self, served: Served) -> None:
        """What another tenant wrote is not found."""
        assert served.get("/api/search?q=secret").json()["hits"] == []
        assert len(served.get("/api/search?q=secret", token=served.others).json()["hits"]) == 2


class TestHeaders:
    @pytest.mark.parametrize(
        "host",
        [
            ["evil.example"],
            ["127.0.0.1.evil.example"],
            ["evil.example:80@127.0.0.1"],
            ["[::2]"],
            [""],
            ["127.0.0.1", "127.0.0.1"],
            ["127.0.0.1", "evil.example"],
            ["evil.example", "127.0.0.1"],
            ["127.0.0.1, evil.example"],
            [],
        ],
    )
    def test_host(self, served: Served, host: list[str]) -> None:
        """A host that is not the server's, none at all, or two, is refused."""
        lines = [f"Host: {one}" for one in host]
        answer = served.raw("GET /sync/status HTTP/1.1", *lines, host=False)
        refused(answer, 421, "invalid_request")

    @pytest.mark.parametrize("header", ["X-Forwarded-Host: 127.0.0.1", "Forwarded: host=127.0.0.1"])
    def test_forwarded_host(self, served: Served, header: str) -> None:
        """A client that is no trusted proxy cannot say which host it asked for."""
        answer = served.raw("GET /health HTTP/1.1", "Host: evil.example", header, host=False)
        refused(answer, 421, "invalid_request")

    @pytest.mark.parametrize(
        "origin",
        [
            "null",
            "",
            "https://evil.example",
            "http://127.0.0.1",
            "http://127.0.0.1:1",
            "http://127.0.0.1:{port}.evil.example",
            "http://evil.example@127.0.0.1:{port}",
            "file://127.0.0.1:{port}",
            "http://[",
            "http://127.0.0.1:{port}, https://evil.example",
        ],
    )
    @pytest.mark.parametrize("path", ["/sync/status", "/health"])
    def test_origin(self, served: Served, origin: str, path: str) -> None:
        """A page of another origin is refused, even when it only reads."""
        port = served.service.url.rpartition(":")[2]
        answer = served.raw(f"GET {path} HTTP/1.1", f"Origin: {origin.format(port=port)}")
        refused(answer, 403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers

    def test_two_origins(self, served: Served) -> None:
        """One good origin does not make up for a foreign one."""
        own = f"Origin: {served.service.url}"
        foreign = "Origin: https://evil.example"
        assert served.raw("GET /health HTTP/1.1", own).status == 200
        refused(served.raw("GET /health HTTP/1.1", own, foreign), 403, "forbidden")

    @pytest.mark.parametrize(
        "kind",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonx",
            "application/vnd.api+json",
            "application/json, text/plain",
            "json",
            "",
        ],
    )
    @pytest.mark.parametrize("path", ["/sync/batch", "/api/tokens"])
    def test_content_type(self, served: Served, kind: str, path: str) -> None:
        """What a form of a web page could send is refused."""
        refused(served.post(path, b"{}", content_type=kind), 415, "invalid_request")

    @pytest.mark.parametrize(
        "lines", [(), ("Content-Type: application/json", "Content-Type: text/plain")]
    )
    def test_content_types(self, served: Served, lines: tuple[str, ...]) -> None:
        """No type is refused, and so are two."""
        answer = served.raw("POST /sync/batch HTTP/1.1", *lines, "Content-Length: 2", body=b"{}")
        refused(answer, 415, "invalid_request")

    @pytest.mark.parametrize(
        "encoding", ["br", "deflate", "x-gzip", "gzip, gzip", "zstd, gzip", "gzip;q=1", "*", ""]
    )
    def test_content_encoding(self, served: Served, encoding: str) -> None:
        """Only gzip and zstd are unpacked, and only once."""
        refused(served.batch(b"{}", content_encoding=encoding), 415, "invalid_request")

    @pytest.mark.parametrize("given", ["a\u00e9", "a b", "<script>", "x" * 65, ""])
    def test_request_id(self, served: Served, given: str) -> None:
        """An odd request id is replaced, never repeated."""
        answer = served.raw("GET /health HTTP/1.1", f"X-Request-Id: {given}")
        assert answer.status == 200
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])

    @pytest.mark.parametrize("length", ["8388609", "67108865", "99999999999"])
    def test_announced_length(self, served: Served, length: str) -> None:
        """A body that is announced as too large is refused before it comes."""
        packed = ("Content-Type: application/json", "Content-Encoding: gzip")
        answer = served.raw("POST /sync/batch HTTP/1.1", *packed, f"Content-Length: {length}")
        refused(answer, 413, "payload_too_large")

    def test_length_below_the_body(self, served: Served) -> None:
        """What goes beyond its announced length is no part of the body."""
        answer = served.raw(
            "POST /sync/batch HTTP/1.1", *_JSON_LINE, "Content-Length: 1", body=b"{}"
        )
        refused(answer, 400, "invalid_request")

    def test_no_length(self, served: Served) -> None:
        """Without a length there is no body."""
        refused(served.raw("POST /sync/batch HTTP/1.1", *_JSON_LINE), 400, "invalid_request")

    def test_cut_off(self, served: Served) -> None:
        """A body shorter than announced stores nothing, and is no error of the service."""
        before = len(served.service.log())
        head = (
            f"POST /sync/batch HTTP/1.1\r\nHost: {served.service.url[7:]}\r\n"
            f"Authorization: Bearer {served.token}\r\nContent-Type: application/json\r\n"
            "Content-Length: 1000\r\n\r\n"
        )
        served.cut_off(head.encode() + b'{"sessions": [{"id": "cut"}]}')
        refused(served.get("/query/sessions/cut"), 404, "not_found")
        assert "internal error" not in served.service.log()[before:]


_JSON_LINE = ("Content-Type: application/json",)


class TestBrokenHttp:
    @pytest.mark.parametrize(
        "data",
        [
            b"nonsense\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
            b"GET  HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"FROB / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"GET /query/sessions/a\x00b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"GET /query/sessions/\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"GET /health HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
            b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\n\r\n",
        ],
    )
    def test_request(self, served: Served, data: bytes) -> None:
        """What is no HTTP is refused before anything looks at it."""
        assert served.raw_bytes(data).status == 400

    @pytest.mark.parametrize(
        "lines",
        [
            ["Content-Length: 2", "Content-Length: 3"],
            ["Content-Length: 2", "Transfer-Encoding: chunked"],
            ["Content-Length: -1"],
            ["Content-Length: +2"],
            ["Content-Length: 0x2"],
            ["Content-Length: 1e3"],
            ["Content-Length: many"],
            ["Content-Length: 99999999999999999999999"],
            ["Transfer-Encoding: chunked"],
        ],
    )
    def test_length(self, served: Served, lines: list[str]) -> None:
        """A length that two readers could read differently is refused."""
        answer = served.raw("POST /sync/batch HTTP/1.1", *_JSON_LINE, *lines, body=b"{}zz\r\n")
        assert answer.status == 400


GOOD_FORM = "clk_" + "A" * 32
UNAUTHORIZED = {
    "error": {
        "code": "unauthorized",
        "message": "a valid token is needed: Authorization: Bearer clk_...",
        "details": {},
    }
}


class TestTokens:
    @pytest.mark.parametrize(
        "line",
        [
            "",
            "Authorization:",
            "Authorization: Bearer",
            "Authorization: Bearer ",
            "Authorization: {token}",
            "Authorization: Basic {token}",
            "Authorization: Token {token}",
            "Authorization: Bearer Bearer {token}",
            "Authorization: Bearer {token} {token}",
            "Authorization: Bearer {token},",
            "Authorization: Bearer {token}\r\nAuthorization: Bearer {token}",
            "Authorization: Bearer {token}\r\nAuthorization: Basic eDp5",
            "Authorization: Bearer {expired}",
            "Authorization: Bearer {revoked}",
            "Authorization: Bearer {cut}",
            "Authorization: Bearer {token}A",
            "Authorization: Bearer {upper}",
            "Authorization: Bearer {mistyped}",
            "Authorization: Bearer {forged}",
            "Authorization: Bearer {bad_checksum}",
            "Authorization: Bearer {tenant}",
            "Authorization: Bearer {token_id}",
            "Authorization: Bearer clk_",
            "Authorization: Bearer hunter2",
            "Authorization: Bearer ' OR 1=1 --",
            "Authorization: Bearer %00",
            "Authorization: Bearer clk_\u00e9\u00ff\u00fc",
            "Authorization: Bearer {token}\u00ff",
            "Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
            "X-Authorization: Bearer {token}\r\nAuthorization: x",
            "Cookie: token={token}\r\nAuthorization: x",
            "Authorization: Bearer {megabyte}",
        ],
    )
    def test_always_the_same(self, served: Served, line: str) -> None:
        """Whatever is wrong with a token, the answer is the same to the byte."""
        sent = line.format(**_tokens(served)) or "Authorization-: "
        answer = served.raw("GET /sync/status HTTP/1.1", *sent.split("\r\n"))
        plain = served.service.get("/sync/status")
        assert json.loads(answer.body) == UNAUTHORIZED
        assert (answer.status, answer.body) == (401, plain.content)
        assert answer.headers["www-authenticate"] == (
            'Bearer realm="clankers", error="invalid_token"'
        )

    @pytest.mark.parametrize("path", ["/sync/status?token=", "/sync/status?access_token="])
    def test_in_the_query(self, served: Served, path: str) -> None:
        """A token in the address, which others log, is none."""
        answer = served.service.get(path + served.token)
        refused(answer, 401, "unauthorized")
        assert served.token not in served.service.log()

    @pytest.mark.parametrize(
        ("method", "path", "who"),
        [
            ("POST", "/sync/batch", "reader"),
            ("POST", "/api/tokens", "reader"),
            ("GET", "/api/tokens", "reader"),
            ("DELETE", "/api/tokens/tok_0", "writer"),
            ("GET", "/sync/status", "writer"),
            ("GET", "/sync/changes", "writer"),
            ("GET", "/api/search?q=a", "writer"),
            ("GET", "/metrics", "token"),
            ("POST", "/api/profiles", "token"),
            ("DELETE", "/api/profiles/default", "token"),
        ],
    )
    def test_scope(self, served: Served, method: str, path: str, who: str) -> None:
        """A token does what its scopes allow and nothing else."""
        token = f"Authorization: Bearer {getattr(served, who)}"
        body = b'{"name": "x"}' if method == "POST" else b""
        lines = _json_of(body) if body else ()
        answer = served.raw(f"{method} {path} HTTP/1.1", token, *lines, body=body)
        refused(answer, 403, "forbidden")
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def _tokens(served: Served) -> dict[str, str]:
    token = served.token
    other = "B" if token[10] != "B" else "C"
    body = GOOD_FORM.encode()
    number, check = zlib.crc32(body), ""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    for _place in range(6):
        number, digit = divmod(number, 62)
        check = digits[digit] + check
    return {
        "token": token,
        "expired": served.expired,
        "revoked": served.revoked,
        "cut": token[:-1],
        "upper": token.upper(),
        "mistyped": token[:10] + other + token[11:],
        "forged": GOOD_FORM + check,
        "bad_checksum": GOOD_FORM + "000000",
        "tenant": served.get("/sync/status").json()["tenant"],
        "token_id": served.others_id,
        "megabyte": "clk_" + "A" * _MEGABYTE,
    }


class TestQueries:
    @pytest.mark.parametrize(
        "path",
        [
            "/query/sessions?limit=0",
            "/query/sessions?limit=201",
            "/query/sessions?limit=-1",
            "/query/sessions?limit=many",
            "/query/sessions?limit=1.5",
            "/query/sessions?limit=",
            "/query/sessions?limit=1%3B%20DROP%20TABLE%20sessions",
            "/query/sessions?limit=99999999999999999999",
            "/query/sessions?limit=" + "9" * 5_000,
            "/sync/changes?after=9223372036854775807",
            "/query/sessions?to_date=9999-12-31T23:59:59-14:00",
            "/query/sessions?from_date=0001-01-01T00:00:00%2B14:00",
            "/query/sessions?offset=-1",
            "/query/sessions?offset=x",
            "/query/sessions?offset=1000000001",
            "/query/sessions?search=" + "a" * 257,
            "/query/sessions?from_date=yesterday",
            "/query/sessions?from_date=2026-13-01",
            "/query/sessions?from_date=1700000000",
            "/query/sessions?from_date=-1700000000000",
            "/query/sessions?from_date=9999999999999999",
            "/query/sessions?from_date=%D9%A1%D9%A2",
            "/query/sessions?from_date=" + "1" * 41,
            "/query/sessions?to_date=NaN",
            "/query/sessions?to_date=1e12",
            "/api/sessions?limit=0",
            "/api/sessions?source=" + "a" * 257,
            "/api/sessions?to_date=%27",
            "/api/search",
            "/api/search?q=",
            "/api/search?q=" + "a" * 2_001,
            "/api/search?q=a&limit=0",
            "/api/search?q=a&limit=101",
            "/api/search?q=a&everything=perhaps",
            "/api/stats?from_date=x",
            "/api/stats?to_date=0",
            "/sync/changes?after=-1",
            "/sync/changes?after=x",
            "/sync/changes?after=9223372036854775808",
            "/sync/changes?limit=0",
            "/sync/changes?limit=5001",
            "/sync/changes?store=" + "x" * 129,
            "/sync/changes?marks=x",
            "/sync/changes?marks=1",
            "/sync/changes?marks={}",
            "/sync/changes?marks=[1]",
            "/sync/changes?marks=[[1]]",
            "/sync/changes?marks=[[-1,%22a%22]]",
            "/sync/changes?marks=[[true,%22a%22]]",
            "/sync/changes?marks=[[1,null]]",
            "/sync/changes?marks=[[1e400,%22a%22]]",
            "/sync/changes?marks=[[NaN,%22a%22]]",
            "/sync/changes?marks=[[9223372036854775808,%22a%22]]",
            "/sync/changes?marks=[[1,%22%5Cud800%22]]",
            "/sync/changes?marks=" + "[" * 5_000,
        ],
    )
    def test_wrong(self, served: Served, path: str) -> None:
        """A parameter that cannot be understood is refused, never guessed."""
        refused(served.get(path), 400, "invalid_request")

    @pytest.mark.parametrize(
        "path",
        [
            "/query/sessions?search=%ff%fe",
            "/query/sessions?search=%ed%a0%80",
            "/query/sessions?nosuch=1&%00=2",
            "/api/search?q=%ff",
            "/api/search?q=" + "a+" * 900,
            "/api/search?q=" + "%F0%9F%98%80" * 1_000,
        ],
    )
    def test_odd(self, served: Served, path: str) -> None:
        """What is odd but says something is answered."""
        assert served.get(path).status_code == 200


SQL = [
    "'; DROP TABLE sessions; --",
    "' OR '1'='1",
    '" OR ""="',
    "x') UNION SELECT * FROM tenants --",
    "1; ATTACH DATABASE '/tmp/x' AS x",
    "%' ESCAPE '",
    "100%_\\",
    "?1 :name @name $name",
    "$.x[0]->>'y'",
    '"unbalanced',
    "NEAR(a b, 2) AND NOT",
    "title : (a OR b) *",
    "^a + b -",
    "((((",
    "*",
    "AND OR NOT",
    "-- /* x */",
    "{{7*7}} ${7*7} %s %n",
    "<script>alert(1)</script>",
    "line\nbreak\ttab\r\u2028\u202e",
    "a\u0000b",
]
_TEXTS = {
    "sessions": ("title", "project_path", "project_name", "model", "source", "git_branch"),
    "messages": ("role", "text_content", "model"),
    "tools": ("tool_name", "tool_input", "tool_output"),
    "session_errors": ("error_message",),
}


class TestSql:
    @pytest.mark.parametrize("text", SQL)
    def test_stored(self, served: Served, text: str) -> None:
        """SQL and search syntax in any field is text, and comes back as it went."""
        number = SQL.index(text)
        session_id = f"sql {number} " + text.replace("/", "").replace("\0", "")
        records = {
            table: [
                {"id": f"{table} {number}", "session_id": session_id, "created_at": 10**12}
                | dict.fromkeys(names, text)
            ]
            for table, names in _TEXTS.items()
        }
        records["sessions"][0]["id"] = session_id
        del records["sessions"][0]["session_id"]
        answer = served.batch({"device_id": f"device {number}", **records}).json()
        assert answer["rejected"] == []
        found = served.get(f"/api/sessions/{quote(session_id, safe='')}").json()
        shown = {
            "sessions": found["session"],
            "messages": found["messages"][0],
            "tools": found["tools"][0],
            "session_errors": found["errors"][0],
        }
        for table, names in _TEXTS.items():
            assert {name: shown[table][name] for name in names} == dict.fromkeys(names, text)

    @pytest.mark.parametrize("text", SQL)
    def test_asked(self, served: Served, text: str) -> None:
        """SQL and search syntax in any parameter is looked for as text."""
        given = quote(text, safe="")
        for name in ("search", "source", "project", "model"):
            assert served.get(f"/api/sessions?{name}={given}").status_code == 200, name
        for path in (f"/query/sessions?search={given}", f"/api/search?q={given}"):
            assert served.get(path).status_code == 200, path
        for path in ("/query/sessions?from_date=", "/api/stats?to_date=", "/sync/changes?after="):
            refused(served.get(path + given), 400, "invalid_request")
        refused(served.get(f"/sync/changes?store={given}"), 409, "conflict")
        refused(served.delete(f"/api/tokens/{quote(text.replace('/', ''))}"), 404, "not_found")
        assert served.get("/query/sessions/theirs", token=served.others).status_code == 200

    def test_wildcards(self, served: Served) -> None:
        """The wildcards of LIKE stand for themselves."""
        served.batch(
            {"sessions": [{"id": "like1", "title": "a%z"}, {"id": "like2", "title": "abz"}]}
        )
        found = served.get("/query/sessions?search=a%25z").json()["sessions"]
        assert [one["id"] for one in found] == ["like1"]


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def _record(member: bytes) -> bytes:
    return b'{"sessions": [{"id": "whole", ' + member + b"}]}"


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" ",
            b"null",
            b"[]",
            b'"x"',
            b"1",
            b"{",
            b"{}{}",
            b"{'a': 1}",
            b'{"a": 1,}',
            b"\xff\xfe{",
            b"\x00",
            b"a=1&b=2",
            b"<xml/>",
            _record(b'"title": NaN'),
            _record(b'"title": Infinity'),
            _record(b'"title": -Infinity'),
            _record(b'"created_at": 0x10'),
            _record(b'"created_at": 01'),
            _record(b'"title": "\n"'),
            _record(b'"title": "\\x"'),
            b'{"batch_id": "\xff"}',
            # Deeper than any reader goes: nobody can tell where the record ends.
            b'{"sessions": [{"id": "whole", "x": ' + _nested(5_000) + b"}]}",
            b'{"marks": [[1, "\xff"]]}',
            _nested(20_000),
            b'{"x": ' + _nested(20_000) + b"}",
            b'{"sessions": ' + _nested(20_000) + b"}",
            b'{"marks": ' + _nested(20_000) + b"}",
            b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
        ],
    )
    def test_no_json(self, served: Served, body: bytes) -> None:
        """A body that is no JSON object in UTF-8, or nested without end, is refused whole."""
        refused(served.batch(body), 400, "invalid_request")
        refused(served.get("/query/sessions/whole"), 404, "not_found")

    @pytest.mark.parametrize(
        "name",
        [
            "sessions",
            "messages",
            "tools",
            "session_errors",
            "compaction_events",
            "usage",
            "deletes",
        ],
    )
    @pytest.mark.parametrize("value", ["{}", '"x"', "1", "true", '""', "-0.5"])
    def test_list_of_another_type(self, served: Served, name: str, value: str) -> None:
        """A table's records are a list."""
        error = refused(served.batch(f'{{"{name}": {value}}}'.encode()), 400, "invalid_request")
        assert error["message"] == f"{name} must be a list"

    @pytest.mark.parametrize("name", ["batch_id", "device_id", "store"])
    @pytest.mark.parametrize("value", ["{}", "[]", "1", "true", '""', f'"{"a" * 129}"'])
    def test_text_of_another_type(self, served: Served, name: str, value: str) -> None:
        """What names the batch, the device and the store is a short text."""
        error = refused(served.batch(f'{{"{name}": {value}}}'.encode()), 400, "invalid_request")
        assert error["message"] == f"{name} must be a text of 1 to 128 characters"

    @pytest.mark.parametrize(
        "value",
        [
            *("{}", '"x"', "1", "true", "[1]", "[null]", "[[]]", '[["a", 1]]', '[[1, "a", 2]]'),
            *('[[-1, "a"]]', '[[1.5, "a"]]', '[[true, "a"]]', '[[9223372036854775808, "a"]]'),
        ],
    )
    def test_marks(self, served: Served, value: str) -> None:
        """A mark is a revision and a text."""
        refused(served.batch(f'{{"marks": {value}}}'.encode()), 400, "invalid_request")

    def test_too_many(self, served: Served) -> None:
        """A batch has at most 5,000 records, all tables together, good or bad."""
        body = {"sessions": [1] * 2_500, "deletes": [1] * 2_501}
        error = refused(served.batch(body), 413, "payload_too_large")
        assert error["message"] == "a batch has at most 5,000 records, not 5,001"
        assert len(served.batch({"sessions": [1] * 5_000}).json()["rejected"]) == 5_000

    def test_large_but_allowed(self, served: Served) -> None:
        """A batch of a few megabytes is stored: the limit is 64 MB."""
        record = {"id": "large", "title": "a" * 2 * _MEGABYTE}
        answer = served.batch({"sessions": [record]})
        assert answer.status_code == 200, answer.text[:200]
        assert answer.json()["sessions_synced"] == 1

    def test_too_large_record(self, served: Served) -> None:
        """A record over 16 MB is rejected alone."""
        records = [{"id": "huge", "x": "a" * 16 * _MEGABYTE}, {"id": "beside huge"}]
        answer = served.batch({"sessions": records})
        assert answer.status_code == 200, answer.text[:200]
        assert answer.json()["sessions_synced"] == 1
        assert [(one["id"], one["code"]) for one in answer.json()["rejected"]] == [
            ("huge", "too_large")
        ]

    @pytest.mark.parametrize(
        ("body", "encoding"),
        [
            (os.urandom(8 * _MEGABYTE + 1), "gzip"),
            (os.urandom(8 * _MEGABYTE + 1), "zstd"),
            (b" " * (64 * _MEGABYTE + 1), "identity"),
            (in_gzip(b" " * (64 * _MEGABYTE + 1)), "gzip"),
            (zstandard.compress(b" " * (64 * _MEGABYTE + 1)), "zstd"),
            (zstandard.compress(b" " * (1024 * _MEGABYTE)), "zstd"),
        ],
        ids=["gzip", "zstd", "plain", "gzip bomb", "zstd bomb", "zstd great bomb"],
    )
    def test_too_large(self, served: Served, body: bytes, encoding: str) -> None:
        """8 MB packed and 64 MB unpacked are the most, however little the bomb weighs."""
        answer = served.batch(body, content_encoding=encoding)
        refused(answer, 413, "payload_too_large")

    def test_too_large_in_chunks(self, served: Served) -> None:
        """A body that never says how long it is ends at the same limit."""
        chunk = b"100000\r\n" + b" " * _MEGABYTE + b"\r\n"
        last = b"1\r\n \r\n0\r\n\r\n"
        lines = ("Content-Type: application/json", "Transfer-Encoding: chunked")
        gzipped = (*lines, "Content-Encoding: gzip")
        answer = served.raw("POST /sync/batch HTTP/1.1", *gzipped, body=chunk * 8 + last)
        refused(answer, 413, "payload_too_large")

    @pytest.mark.parametrize(
        ("body", "encoding"),
        [
            (b"", "gzip"),
            (b"{}", "gzip"),
            (in_gzip(b"{}")[:-1], "gzip"),
            (in_gzip(b"{}")[:-8], "gzip"),
            (in_gzip(b"{}")[:5], "gzip"),
            (in_gzip(b"{}") + b"more", "gzip"),
            (in_gzip(b"{}")[:-8] + b"\0" * 8, "gzip"),
            (in_gzip(in_gzip(b"{}")), "gzip"),
            (zlib.compress(b"{}"), "gzip"),
            (zstandard.compress(b"{}"), "gzip"),
            (b"", "zstd"),
            (b"{}", "zstd"),
            (zstandard.compress(b"{}" * 500)[:-1], "zstd"),
            (zstandard.compress(b"{}" * 500)[:5], "zstd"),
            (zstandard.compress(b"{}") + b"more", "zstd"),
            (in_gzip(b"{}"), "zstd"),
            (in_gzip(b"{}"), "identity"),
        ],
    )
    def test_does_not_unpack(self, served: Served, body: bytes, encoding: str) -> None:
        """A body that is cut, spoilt, followed by more, or packed in another way, is refused."""
        refused(served.batch(body, content_encoding=encoding), 400, "invalid_request")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b"{}",
            b'{"name": ""}',
            b'{"name": 5}',
            b'{"name": null}',
            b'{"name": NaN}',
            b'{"name": "\\ud800"}',
            b'{"name": "\xff"}',
            b'{"name": "' + b"a" * 101 + b'"}',
            b'{"name": "x", "scopes": []}',
            b'{"name": "x", "scopes": "read"}',
            b'{"name": "x", "scopes": [1]}',
            b'{"name": "x", "scopes": ["root"]}',
            b'{"name": "x", "scopes": ["admin", "operator"]}',
            b'{"name": "x", "expires_days": 0}',
            b'{"name": "x", "expires_days": -1}',
            b'{"name": "x", "expires_days": 3651}',
            b'{"name": "x", "expires_days": 1.5}',
            b'{"name": "x", "expires_days": 100000000000000000000000}',
            _nested(20_000),
            b'{"name": ' + _nested(20_000) + b"}",
        ],
    )
    def test_token(self, served: Served, body: bytes) -> None:
        """A token is asked for in one way; no further one is made by a broken request."""
        before = len(served.get("/api/tokens").json()["tokens"])
        refused(served.post("/api/tokens", body), 400, "invalid_request")
        assert len(served.get("/api/tokens").json()["tokens"]) == before

    def test_large_token_request(self, served: Served) -> None:
        """Where no batch is taken a body has at most 64 KB."""
        answer = served.post("/api/tokens", {"name": "x", "more": "a" * 65_536})
        refused(answer, 413, "payload_too_large")


AT = 1_700_000_000_000
STAMP = b'"changed_at": 1700000000000'


class TestRecords:
    @pytest.mark.parametrize(
        ("table", "record", "code"),
        [
            ("sessions", b"null", "invalid_record"),
            ("sessions", b"[]", "invalid_record"),
            ("sessions", b"1", "invalid_record"),
            ("sessions", b'"x"', "invalid_record"),
            ("deletes", b"[1]", "invalid_record"),
            ("sessions", b"{}", "missing_field"),
            ("sessions", b'{"id": null}', "missing_field"),
            ("sessions", b'{"id": ""}', "missing_field"),
            ("sessions", b'{"id": 5}', "invalid_field"),
            ("sessions", b'{"id": ["bad"]}', "invalid_field"),
            ("sessions", b'{"id": "a\\u0000b"}', "invalid_field"),
            ("sessions", b'{"id": "' + b"a" * 1_025 + b'"}', "invalid_field"),
            ("sessions", b'{"id": "bad", "created_at": 1700000000}', "invalid_field"),
            ("sessions", b'{"id": "bad", "updated_at": 1700000000}', "invalid_field"),
            ("sessions", b'{"id": "bad", "created_at": 1700000000000000}', "invalid_field"),
            ("sessions", b'{"id": "bad", "created_at": -1}', "invalid_field"),
            ("sessions", b'{"id": "bad", "created_at": "2026-01-01"}', "invalid_field"),
            ("sessions", b'{"id": "bad", "created_at": 1700000000000.5}', "invalid_field"),
            ("sessions", b'{"id": "bad", "created_at": true}', "invalid_field"),
            ("sessions", b'{"id": "bad", "created_at": ' + b"9" * 30 + b"}", "invalid_field"),
            ("sessions", b'{"id": "bad", "created_at": ' + b"9" * 5_000 + b"}", "invalid_record"),
            ("sessions", b'{"id": "bad", "created_at": 1e400}', "invalid_record"),
            ("sessions", b'{"id": "bad", "title": "\xff"}', "invalid_record"),
            ("sessions", b'{"id": "bad", "title": "\xed\xa0\x80"}', "invalid_record"),
            ("sessions", b'{"id": "bad", "\xc0\x80": 1}', "invalid_record"),
            ("sessions", b'{"id": "bad", "title": 1}', "invalid_field"),
            ("sessions", b'{"id": "bad", "title": ["a"]}', "invalid_field"),
            ("sessions", b'{"id": "bad", "title": {"a": 1}}', "invalid_field"),
            ("sessions", b'{"id": "bad", "title": false}', "invalid_field"),
            ("sessions", b'{"id": "bad", "parent_id": 5}', "invalid_field"),
            ("sessions", b'{"id": "bad", "prompt_tokens": -1}', "invalid_field"),
            ("sessions", b'{"id": "bad", "cost": -1}', "invalid_field"),
            ("sessions", b'{"id": "bad", "cost": "1"}', "invalid_field"),
            ("sessions", b'{"id": "bad", "cost": 1e300}', "invalid_field"),
            ("sessions", b'{"id": "bad", "": 1}', "invalid_field"),
            ("sessions", b'{"id": "bad", "' + b"k" * 129 + b'": 1}', "invalid_field"),
            ("sessions", b'{"id": "bad", "x": ' + _nested(64) + b"}", "invalid_field"),
            ("sessions", b'{"id": "bad", "x": ' + _nested(500) + b"}", "invalid_field"),
            ("sessions", b'{"id": "bad", "title": ' + _nested(100) + b"}", "invalid_field"),
            ("sessions", b'{"id": "bad", "changed_at": "now"}', "invalid_field"),
            ("sessions", b'{"id": "bad", "changed_at": -1}', "invalid_field"),
            ("sessions", b'{"id": "bad", "changed_at": 1.5}', "invalid_field"),
            ("sessions", b'{"id": "bad", "changed_at": true}', "invalid_field"),
            ("sessions", b'{"id": "bad", "changed_at": 9007199254740993}', "invalid_field"),
            ("sessions", b'{"id": "bad", ' + STAMP + b', "device_id": 3}', "invalid_field"),
            ("sessions", b'{"id": "bad", ' + STAMP + b', "edition": -1}', "invalid_field"),
            ("sessions", b'{"id": "bad", ' + STAMP + b', "edition": "1"}', "invalid_field"),
            ("sessions", b'{"id": "bad", ' + STAMP + b', "at": [1]}', "invalid_field"),
            ("sessions", b'{"id": "bad", ' + STAMP + b', "at": {"title": 5}}', "invalid_field"),
            ("sessions", b'{"id": "bad", ' + STAMP + b', "at": {"x": [1, "d"]}}', "invalid_field"),
            ("sessions", b'{"id": "bad", "base": 1, "changes": {}}', "invalid_field"),
            ("sessions", b'{"id": "bad", "changes": {"title": "x"}}', "invalid_field"),
            ("sessions", b'{"id": "bad", "base": "x", "changes": []}', "invalid_field"),
            ("sessions", b'{"id": "bad", "base": "x", "changes": {}}', "missing_field"),
            (
                "sessions",
                b'{"id": "bad", "base": "x", "changes": {"title": "x"}, ' + STAMP + b"}",
                "base_mismatch",
            ),
            ("messages", b'{"id": "bad"}', "missing_field"),
            ("messages", b'{"id": "bad", "session_id": ""}', "missing_field"),
            ("messages", b'{"id": "bad", "session_id": null}', "invalid_field"),
            ("messages", b'{"id": "bad", "session_id": 5}', "invalid_field"),
            ("messages", b'{"id": "bad", "session_id": "s", "prompt_tokens": -1}', "invalid_field"),
            ("messages", b'{"id": "bad", "session_id": "s", "seq": "1"}', "invalid_field"),
            ("tools", b'{"id": "bad", "session_id": "s"}', "missing_field"),
            ("tools", b'{"id": "bad", "tool_name": "x"}', "missing_field"),
            (
                "tools",
                b'{"id": "bad", "session_id": "s", "tool_name": "x", "output_bytes": -1}',
                "invalid_field",
            ),
            ("session_errors", b'{"id": "bad"}', "missing_field"),
            ("compaction_events", b'{"id": "bad"}', "missing_field"),
            ("usage", b'{"id": "bad"}', "missing_field"),
            ("usage", b'{"id": "bad", "session_id": "s", "output_tokens": -5}', "invalid_field"),
            ("usage", b'{"id": "bad", "session_id": "s", "estimated": 2}', "invalid_field"),
            (
                "usage",
                b'{"id": "bad", "session_id": "s", "input_tokens": 9223372036854775808}',
                "invalid_field",
            ),
            ("deletes", b'{"id": "bad"}', "unknown_table"),
            ("deletes", b'{"table": "tokens", "id": "bad"}', "unknown_table"),
            ("deletes", b'{"table": "sessions; --", "id": "bad"}', "unknown_table"),
            ("deletes", b'{"table": ["sessions"], "id": "bad"}', "unknown_table"),
            ("deletes", b'{"table": {}, "id": "bad"}', "unknown_table"),
            ("deletes", b'{"table": "sessions"}', "missing_field"),
            ("deletes", b'{"table": "sessions", "id": 1}', "invalid_field"),
            ("deletes", b'{"table": "sessions", "id": "bad", "purge": "yes"}', "invalid_field"),
            ("deletes", b'{"table": "sessions", "id": "bad", "changed_at": "x"}', "invalid_field"),
        ],
    )
    def test_rejected_alone(self, served: Served, table: str, record: bytes, code: str) -> None:
        """A bad record is rejected with its code; its neighbours in every table are stored."""
        name = f"beside {table} {zlib.crc32(record)}"
        before, after = (f'{{"id": "{name} {end}"}}'.encode() for end in ("before", "after"))
        if table == "sessions":
            lists = b'"sessions": [' + b", ".join((before, record, after)) + b"]"
        else:
            lists = b'"sessions": [' + before + b", " + after + b"], "
            lists += b'"' + table.encode() + b'": [' + record + b"]"
        answer = served.batch(b"{" + lists + b"}")
        assert answer.status_code == 200, answer.text[:300]
        found = answer.json()
        assert [(one["table"], one["code"]) for one in found["rejected"]] == [
            ("" if code == "invalid_record" and table == "deletes" else _named(table, record), code)
        ]
        assert found["sessions_synced"] == 2
        for end in ("before", "after"):
            assert served.get(f"/query/sessions/{quote(f'{name} {end}')}").status_code == 200
        refused(served.get("/query/sessions/bad"), 404, "not_found")

    @pytest.mark.parametrize(
        ("record", "title"),
        [
            (b'{"id": "odd1", "title": "a", "title": "b"}', "b"),
            (b'{"id": "x", "id": "odd2", "title": "b"}', "b"),
            (b'{"id": "odd3", "title": "\\ud800"}', "\ufffd"),
            (b'{"id": "odd4", "title": "\\udc00\\ud800x"}', "\ufffd\ufffdx"),
            (b'{"id": "odd5", "title": "\\ud83d\\ude00"}', "\U0001f600"),
            (b'{"id": "odd6", "title": "\\u0000"}', "\0"),
            (b'{"id": "odd7", "title": "x", "more": 123456789012345678901234567890}', "x"),
            (b'{"id": "odd8", "title": "x", "more": ' + _nested(61) + b"}", "x"),
            (b'{"id": "odd9", "title": "x", "created_at": 1700000000000.0}', "x"),
            (b'{"id": "odd10", "title": "x", "n": -1, "placeholder": 1}', "x"),
            (b'{"id": "odd11", "title": "x", "__proto__": {"a": 1}}', "x"),
            (b'{"id": "odd12", "title": "x", "revision": 1, "extra": "y"}', "x"),
        ],
    )
    def test_odd_but_stored(self, served: Served, record: bytes, title: str) -> None:
        """Repeated names count once, the last; half a character is U+FFFD; more is kept."""
        number = re.search(rb"odd\d+", record)
        assert number is not None
        answer = served.batch(b'{"sessions": [' + record + b"]}").json()
        assert answer["rejected"] == []
        assert answer["sessions_synced"] == 1
        found = served.get(f"/query/sessions/{number[0].decode()}").json()
        assert found["session"]["title"] == title
        assert served.get("/sync/changes?limit=5000").status_code == 200

    def test_repeated_members(self, served: Served) -> None:
        """Of two lists of one name the last counts."""
        body = b'{"sessions": [{"id": "twice1"}], "sessions": [{"id": "twice2"}]}'
        assert served.batch(body).json()["sessions_synced"] == 1
        refused(served.get("/query/sessions/twice1"), 404, "not_found")
        assert served.get("/query/sessions/twice2").status_code == 200

    def test_clock_ahead(self, served: Served) -> None:
        """A stamp more than a day ahead stops its batch, and says what the time is."""
        far = {"id": "far", "changed_at": 253_402_300_799_999, "device_id": "d", "edition": 0}
        error = refused(served.batch({"sessions": [far]}), 409, "conflict")
        assert error["details"]["reason"] == "clock_ahead"
        assert error["details"]["server_time"] > AT
        refused(served.get("/query/sessions/far"), 404, "not_found")

    def test_batch_reused(self, served: Served) -> None:
        """A batch_id names one body."""
        body = {"batch_id": "reused", "sessions": [{"id": "reused"}]}
        first = served.batch(body)
        assert served.batch(body).content == first.content
        other = {"batch_id": "reused", "sessions": [{"id": "other"}]}
        error = refused(served.batch(other), 409, "conflict")
        assert error["details"] == {"reason": "batch_reused"}

    def test_greatest_numbers(self, served: Served) -> None:
        """Sums of the greatest numbers that are taken break no answer."""
        most = 2**63 - 1
        usage = [
            {"id": f"most{one}", "session_id": "most", "created_at": AT, "occurred_at": AT}
            | {"input_tokens": most, "output_tokens": most, "cache_read_tokens": most}
            for one in range(3)
        ]
        answer = served.batch({"sessions": [{"id": "most"}], "usage": usage}).json()
        assert answer["rejected"] == []
        for path in ("/api/stats", "/query/sessions", "/query/sessions/most", "/sync/changes"):
            assert served.get(path).status_code == 200, path


def _named(table: str, record: bytes) -> str:
    """Of a delete the table that it names, where it names one."""
    if table != "deletes":
        return table
    named = json.loads(record).get("table")
    return named if isinstance(named, str) else ""


class TestWithoutAuth:
    """Being reached only from this machine is no protection."""

    def test_host(self, open_service: Service) -> None:
        """A name that was pointed at this machine is refused."""
        answer = open_service.get("/query/sessions", headers={"Host": "evil.example"})
        refused(answer, 421, "invalid_request")

    @pytest.mark.parametrize("origin", ["https://evil.example", "null"])
    def test_origin(self, open_service: Service, origin: str) -> None:
        """A web page may neither read nor write."""
        given = {"Origin": origin}
        refused(open_service.get("/query/sessions", headers=given), 403, "forbidden")
        answer = open_service.post("/sync/batch", {"sessions": []}, headers=given)
        refused(answer, 403, "forbidden")

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
    def test_form(self, open_service: Service, kind: str) -> None:
        """What a page can send without asking is refused."""
        answer = open_service.post("/sync/batch", data=b"{}", headers={"Content-Type": kind})
        refused(answer, 415, "invalid_request")

    def test_tokens(self, open_service: Service) -> None:
        """There are no tokens and no further tenants."""
        refused(open_service.get("/api/tokens"), 403, "forbidden")
        refused(open_service.post("/api/tokens", {"name": "x"}), 403, "forbidden")
        refused(open_service.post("/api/profiles", {"name": "x"}), 403, "forbidden")


def test_limits(tmp_path: Path) -> None:
    """What is too much is answered 429, with what is left and when to come again."""
    folder = tmp_path / "served"
    folder.mkdir()
    operator = Operator(Settings(data=folder, auth="token"))
    token, _info = operator.create_token("limited", scopes=("read", "write", "admin"))
    rows = {"CLANKERS_SERVER_LIMIT_BATCH_ROWS": "1"}
    with Service(folder, "--auth", "token", variables=rows) as running:
        _failed_auth_is_limited(running, token)
        _api_is_limited(running, token)
        _making_tokens_is_limited(running, token)
        _batches_are_limited(running, token)
        assert running.get("/health").json()["status"] == "healthy"


def _limited(answer: requests.Response, limit: str, retry_after: range) -> None:
    refused(answer, 429, "rate_limited")
    assert answer.headers["X-RateLimit-Limit"] == limit
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert int(answer.headers["X-RateLimit-Reset"]) > 0
    assert int(answer.headers["Retry-After"]) in retry_after


def _failed_auth_is_limited(running: Service, token: str) -> None:
    """Ten bad tokens a minute by address, whatever address a client claims to come from."""
    for number in range(11):
        given = {**_bearer("wrong"), "X-Forwarded-For": f"10.0.0.{number}", "X-Real-IP": "10.0.0.1"}
        answer = running.get("/sync/status", headers=given)
        if number < 10:
            refused(answer, 401, "unauthorized")
    _limited(answer, "10", range(1, 7))
    assert running.get("/sync/status", headers=_bearer(token)).status_code == 200


def _api_is_limited(running: Service, token: str) -> None:
    answer = running.get("/query/sessions", headers=_bearer(token))
    assert answer.headers["X-RateLimit-Limit"] == "120"
    assert answer.headers["X-RateLimit-Remaining"] == "119"
    assert answer.headers["X-RateLimit-Reset"] == "1"
    for _more in range(180):
        answer = running.get("/api/sessions", headers=_bearer(token))
        if answer.status_code != 200:
            break
    _limited(answer, "120", range(1, 2))


def _making_tokens_is_limited(running: Service, token: str) -> None:
    for _more in range(11):
        answer = running.post("/api/tokens", {"name": "x"}, headers=_bearer(token))
    _limited(answer, "10", range(1, 7))


def _batches_are_limited(running: Service, token: str) -> None:
    """Rows are counted, not requests: a batch that took more than there was is paid off first."""
    body = {"sessions": [{"id": f"s{number}"} for number in range(12)]}
    answer = running.post("/sync/batch", body, headers=_bearer(token))
    assert answer.status_code == 200
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    answer = running.post("/sync/batch", body, headers=_bearer(token))
    _limited(answer, "10", range(170, 181))
