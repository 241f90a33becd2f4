"""What requests send of a token, and where they send it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import requests
from server._answering import Answer, Answering, Asked

from clankers.auth import NoAuth, TokenAuth
from clankers.errors import AuthError, InsecureTransportError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "clk_0123456789ABCDEFGHIJKLMNOPQRSTUV4SdKNX"
BASIC = "Basic YWRhOnNlY3JldA=="


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering(lambda _asked: Answer(200, {})) as running:
        yield running


@pytest.fixture
def netrc(home: Path) -> None:
    """A password for every host that has none of its own."""
    (home / ".netrc").write_text("default login ada password secret\n")
    (home / ".netrc").chmod(0o600)


def sent(server: Answering) -> str | None:
    (asked,) = server.asked
    return asked.headers.get("authorization")


def prepared(auth: TokenAuth, url: str) -> str:
    return requests.Request("GET", url, auth=auth).prepare().headers["Authorization"]


class TestNetrc:
    @pytest.mark.usefixtures("netrc")
    def test_without_an_object(self, server: Answering) -> None:
        """What the others are for: requests alone sends what the netrc file says."""
        requests.get(server.url, timeout=5)
        assert sent(server) == BASIC

    @pytest.mark.usefixtures("netrc")
    def test_no_auth(self, server: Answering) -> None:
        """NoAuth sends nothing."""
        requests.get(server.url, auth=NoAuth(), timeout=5)
        assert sent(server) is None

    @pytest.mark.usefixtures("netrc")
    def test_token(self, server: Answering) -> None:
        """The token is not overridden, neither of one request nor of a session."""
        auth = TokenAuth(TOKEN, endpoint=server.url)
        requests.get(server.url + "/sync/status", auth=auth, timeout=5)
        with requests.Session() as session:
            session.auth = auth
            session.post(server.url + "/sync/batch", json={}, timeout=5)
        assert [asked.headers["authorization"] for asked in server.asked] == [f"Bearer {TOKEN}"] * 2


class TestWhere:
    @pytest.mark.parametrize(
        "url",
        [
            "http://example.com",
            "http://192.168.1.2:8750",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://128.0.0.1",
            "http://[2001:db8::1]:8750",
        ],
    )
    def test_plain_http(self, url: str) -> None:
        """Plain http to another machine is refused before anything is sent."""
        with pytest.raises(InsecureTransportError):
            requests.get(url + "/sync/status", auth=TokenAuth(TOKEN, endpoint=url), timeout=5)

    @pytest.mark.parametrize(
        "url",
        [
            "https://example.com",
            "https://192.168.1.2:8750",
            "http://localhost:8750",
            "http://LOCALHOST:8750",
            "http://127.0.0.1:8750",
            "http://127.1.2.3",
            "http://[::1]:8750",
        ],
    )
    def test_safe(self, url: str) -> None:
        """Over https, or within this machine, the token goes."""
        assert prepared(TokenAuth(TOKEN, endpoint=url), url + "/x") == f"Bearer {TOKEN}"

    def test_ipv6_loopback(self) -> None:
        """A server at ::1 is on this machine."""
        try:
            serving = Answering(lambda _asked: Answer(200, {}), "::1")
        except OSError:
            pytest.skip("this machine has no IPv6")
        with serving as server:
            auth = TokenAuth(TOKEN, endpoint=server.url)
            requests.get(server.url + "/x", auth=auth, timeout=5)
            assert sent(server) == f"Bearer {TOKEN}"

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example.org/",
            "https://sync.example.com.evil.example.org/",
            "https://sync.example.com:8443/",
            "http://localhost/",
            "https://sync.example.com@evil.example.org/",
            "https://example.com/",
            "https://evil.example.org/https://sync.example.com/",
            "https://evil.example.org?https://sync.example.com",
            "https://evil.example.org#@sync.example.com",
        ],
    )
    def test_another_server(self, url: str) -> None:
        """To any other scheme, host or port nothing is sent, and the error is without the token."""
        auth = TokenAuth(TOKEN, endpoint="https://sync.example.com")
        with pytest.raises(AuthError) as found:
            requests.get(url, auth=auth, timeout=5)
        assert TOKEN not in str(found.value) + found.value.hint

    @pytest.mark.parametrize(
        "url",
        [
            "https://sync.example.com/sync/batch",
            "https://SYNC.Example.com:443/",
            "https://sync.example.com?after=1",
        ],
    )
    def test_the_same_server(self, url: str) -> None:
        """However its address is spelled."""
        auth = TokenAuth(TOKEN, endpoint="https://sync.example.com/some/path")
        assert prepared(auth, url) == f"Bearer {TOKEN}"

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    def test_redirect(self, host: str) -> None:
        """A server that sends one on, to another host or another port, does not pass the token on."""
        assert socket.gethostbyname("localhost") == "127.0.0.1"
        with Answering(lambda _asked: Answer(200, {})) as other:
            target = f"http://{host}:{other.port}/taken"

            def redirect(_asked: Asked) -> Answer:
                return Answer(302, "", (("location", target),))

            with Answering(redirect) as server:
                auth = TokenAuth(TOKEN, endpoint=server.url)
                requests.get(server.url, auth=auth, timeout=5)
            assert sent(server) == f"Bearer {TOKEN}"
            assert other.lines == ["GET /taken"]
            assert sent(other) is None


def test_repr() -> None:
    """The token does not show where the object is printed."""
    auth = TokenAuth(TOKEN, endpoint="https://sync.example.com")
    assert repr(auth) == "TokenAuth(endpoint='https://sync.example.com')"
    assert TOKEN not in f"{auth}"


def test_equal() -> None:
    """Two of the same token and server are equal, two of different tokens are not."""
    one = TokenAuth(TOKEN, endpoint="https://sync.example.com")
    assert one == TokenAuth(TOKEN, endpoint="https://sync.example.com")
    assert one != TokenAuth("clk_other", endpoint="https://sync.example.com")
