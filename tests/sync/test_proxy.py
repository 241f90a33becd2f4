"""The proxy of the sync tests does each of its faults, and nothing else."""

from __future__ import annotations

import gzip
import http.client
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pytest

from sync._proxy import Faults, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPLY = b'{"sessions_synced": 1, "padding": "' + b"x" * 400 + b'"}'
CHUNKED = b"1f;a=b\r\n" + b"c" * 31 + b"\r\n3\r\nend\r\n0\r\nTrailer: 1\r\n\r\n"
GONE = (http.client.HTTPException, OSError)


class Seen(NamedTuple):
    """A request as the server has it; `body` is short of its length where it was cut."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 20
    server: Server

    def do_POST(self) -> None:
        self._note()
        self._answer([("Content-Length", str(len(REPLY)))], REPLY)

    def do_GET(self) -> None:
        self._note()
        if self.path == "/wait":
            self.server.asked.set()
            self.server.may_answer.wait(20)
        if self.path == "/chunked":
            self._answer([("Transfer-Encoding", "chunked")], CHUNKED)
        elif self.path == "/open":
            self.close_connection = True
            self._answer([], b"until the end")
        else:
            # At /bye without saying so before.
            self.close_connection = self.path == "/bye"
            self._answer([("Content-Length", "2")], b"ok")

    def do_HEAD(self) -> None:
        self._note()
        self._answer([("Content-Length", "2")], b"")

    def _note(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while not body.endswith(b"0\r\n\r\n"):
                body += self.rfile.read1(1)
        port: int = self.client_address[1]
        self.server.note(Seen(self.requestline, dict(self.headers), body, port))

    def _answer(self, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(200)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_said: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """A small HTTP server that writes down what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.seen: list[Seen] = []
        self.asked, self.may_answer = threading.Event(), threading.Event()
        self._changed = threading.Condition()

    def note(self, seen: Seen) -> None:
        with self._changed:
            self.seen.append(seen)
            self._changed.notify_all()

    def wait_for(self, count: int) -> list[Seen]:
        """What came, once that are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.seen) >= count, 20)
            return list(self.seen)

    def bodies(self) -> list[bytes]:
        return [one.body for one in self.seen]

    def handle_error(self, *_said: Any) -> None:
        """Connections that break are what is tested here."""

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_why: object) -> None:
        self.may_answer.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class Client(http.client.HTTPConnection):
    """A keep-alive connection to a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__("127.0.0.1", proxy.port, timeout=20)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body; the connection stays open."""
        self.request(method, path, body)
        answer = self.getresponse()
        return answer.status, answer.read()

    def post(self, body: bytes) -> tuple[int, bytes]:
        return self.ask("POST", "/sync/batch", body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self.close()


def outcome(proxy: Proxy, body: bytes = b"body") -> str:
    """What one request on a connection of its own came to."""
    with Client(proxy) as client:
        try:
            status, answer = client.post(body)
        except GONE as problem:
            return type(problem).__name__
        return f"{status} {'whole' if answer == REPLY else 'other'}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.url) as running:
        yield running


class TestPassing:
    def test_requests_and_replies_are_not_touched(self, server: Server, proxy: Proxy) -> None:
        """Bodies, packed ones too, and headers arrive as they were sent."""
        packed = gzip.compress(b'{"messages": []}')
        with Client(proxy) as client:
            client.request("POST", "/sync/batch?a=b", packed, {"Content-Encoding": "gzip"})
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (200, REPLY)
        (seen,) = server.seen
        assert seen.line == "POST /sync/batch?a=b HTTP/1.1"
        assert seen.body == packed
        assert seen.headers["Content-Encoding"] == "gzip"
        assert seen.headers["Host"] == f"127.0.0.1:{proxy.port}"
        assert proxy.counts == {}
        assert proxy.requests == 1

    def test_keep_alive(self, server: Server, proxy: Proxy) -> None:
        """The requests of one client's connection have one connection to the server."""
        with Client(proxy) as client:
            for body in (b"1", b"2", b"3"):
                assert client.post(body) == (200, REPLY)
        assert server.bodies() == [b"1", b"2", b"3"]
        assert len({one.connection for one in server.seen}) == 1

    def test_each_framing_of_a_reply(self, proxy: Proxy) -> None:
        """Chunks with trailers, no body for HEAD, and a body that ends with its connection."""
        with socket.create_connection(("127.0.0.1", proxy.port), 20) as raw:
            for path in ("/chunked", "/", "/open"):
                method = "HEAD" if path == "/" else "GET"
                raw.sendall(f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            received = b"".join(iter(lambda: raw.recv(65_536), b""))
        first, second, third = received.split(b"HTTP/1.1 200 OK\r\n")[1:]
        assert first.endswith(b"\r\n\r\n" + CHUNKED)
        assert second.endswith(b"Content-Length: 2\r\n\r\n")
        assert third.endswith(b"\r\n\r\nuntil the end")

    def test_a_request_in_chunks(self, server: Server, proxy: Proxy) -> None:
        """A body whose length nobody knew before arrives in the same chunks."""
        with Client(proxy) as client:
            client.request("POST", "/", iter((b"one", b"three")), encode_chunked=True)
            assert client.getresponse().read() == REPLY
        assert server.bodies() == [b"3\r\none\r\n5\r\nthree\r\n0\r\n\r\n"]

    def test_large_bodies(self, server: Server, proxy: Proxy) -> None:
        """More than any buffer holds."""
        body = bytes(range(256)) * 40_000
        with Client(proxy) as client:
            assert client.post(body) == (200, REPLY)
        assert server.bodies() == [body]

    def test_the_server_closes(self, proxy: Proxy) -> None:
        """A client that is idle sees its connection close when the server's does."""
        with Client(proxy) as client:
            assert client.ask("GET", "/bye") == (200, b"ok")
            assert client.sock is not None
            assert client.sock.recv(1) == b""

    def test_another_target(self, server: Server, proxy: Proxy) -> None:
        """A service that starts again at another port is found by connections that are open."""
        with Server() as other, Client(proxy) as client:
            client.post(b"to the first")
            proxy.target = other.url
            assert client.post(b"to the second") == (200, REPLY)
            assert other.bodies() == [b"to the second"]
        assert server.bodies() == [b"to the first"]

    def test_a_dead_server_and_what_is_no_http(self, server: Server, proxy: Proxy) -> None:
        """Only the client's connection ends; the next one passes when the server is back."""
        proxy.target = f"http://127.0.0.1:{unused_port()}"
        assert outcome(proxy) == "RemoteDisconnected"
        proxy.target = server.url
        for nonsense in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", proxy.port), 20) as raw:
                raw.sendall(nonsense)
                assert raw.recv(1) == b""
        assert outcome(proxy) == "200 whole"
        assert len(server.seen) == 1


class TestFaults:
    def test_drop_request(self, server: Server, proxy: Proxy) -> None:
        """The server never hears of it."""
        proxy.faults = Faults(drop_request=1.0)
        assert outcome(proxy, b"lost") == "RemoteDisconnected"
        proxy.faults = Faults.none()
        assert outcome(proxy, b"next") == "200 whole"
        assert server.bodies() == [b"next"]
        assert proxy.counts == {"drop_request": 1}

    def test_cut_request(self, server: Server, proxy: Proxy) -> None:
        """The server has a beginning of it, and no more comes."""
        body = b"0123456789" * 500
        proxy.faults = Faults(cut_request=1.0)
        # Nearly all of the bytes are body, so that some cut falls into it.
        for _time in range(4):
            assert outcome(proxy, body) == "RemoteDisconnected"
        (cut, *_more) = server.wait_for(1)
        assert body.startswith(cut.body)
        assert all(len(one) < len(body) for one in server.bodies())
        assert proxy.counts == {"cut_request": 4}

    def test_drop_reply(self, server: Server, proxy: Proxy) -> None:
        """The server has answered when the client loses its connection."""
        proxy.faults = Faults(drop_reply=1.0)
        assert outcome(proxy, b"stored") == "RemoteDisconnected"
        assert server.bodies() == [b"stored"]
        assert proxy.counts == {"drop_reply": 1}

    def test_cut_reply(self, server: Server, proxy: Proxy) -> None:
        """The client gets a beginning of the answer, never all of it."""
        proxy.faults = Faults(cut_reply=1.0)
        found = [raw_answer(proxy) for _time in range(5)]
        proxy.faults = Faults.none()
        whole = raw_answer(proxy)
        assert all(0 < len(one) < len(whole) for one in found)
        # The Date may differ, in a head of the same length.
        assert len({one[:15] for one in [*found, whole] if len(one) >= 15}) == 1
        assert len(server.seen) == 6
        assert proxy.counts == {"cut_reply": 5}

    def test_reset(self, server: Server, proxy: Proxy) -> None:
        """The client gets a RST, before the server saw the request or after it answered."""
        proxy.faults = Faults(reset=1.0)
        assert [outcome(proxy) for _time in range(12)] == ["ConnectionResetError"] * 12
        assert 0 < len(server.seen) < 12
        assert proxy.counts == {"reset": 12}

    def test_mangle(self, proxy: Proxy) -> None:
        """Bytes of the body are others; its length, and where chunks end, stay."""
        proxy.faults = Faults(mangle=1.0)
        with Client(proxy) as client:
            for _time in range(5):
                status, body = client.post(b"1")
                assert (status, len(body)) == (200, len(REPLY))
                differing = [a for a, b in zip(body, REPLY, strict=True) if a != b]
                assert 1 <= len(differing) <= 5
                _status, body = client.ask("GET", "/chunked")
                assert len(body) == 34
                assert body != b"c" * 31 + b"end"
        assert proxy.counts == {"mangle": 10}

    def test_refuse(self, server: Server, proxy: Proxy) -> None:
        """Something before the server answers with HTML; the connection stays usable."""
        proxy.faults = Faults(refuse=1.0)
        with Client(proxy) as client:
            answers = {client.post(b"refused") for _time in range(12)}
            proxy.faults = Faults.none()
            assert client.post(b"taken") == (200, REPLY)
        page = b"<html><body><h1>%d</h1><p>No backend is available.</p></body></html>\n"
        assert answers == {(502, page % 502), (503, page % 503)}
        assert server.bodies() == [b"taken"]
        assert proxy.counts == {"refuse": 12}

    def test_delay(self, proxy: Proxy) -> None:
        """Nothing is lost, some of it is late."""
        proxy.faults = Faults(delay=1.0, longest_delay=0.01)
        assert [outcome(proxy) for _time in range(6)] == ["200 whole"] * 6
        assert proxy.counts == {"delay": 6}

    def test_duplicate(self, server: Server, proxy: Proxy) -> None:
        """The server gets each request twice, on two connections; the client has one answer."""
        proxy.faults = Faults(duplicate=1.0)
        with Client(proxy) as client:
            for body in (b"1", b"2", b"3", b"4", b"5", b"6"):
                assert client.post(body) == (200, REPLY)
        assert b"".join(server.bodies()) == b"112233445566"
        assert len({one.connection for one in server.seen}) == 7
        assert proxy.counts == {"duplicate": 6}

    def test_late_twin(self, server: Server, proxy: Proxy) -> None:
        """A copy comes once more, after 1 to 20 requests, so that copies overtake each other."""
        proxy.faults = Faults(late_twin=1.0)
        with Client(proxy) as client:
            for number in range(30):
                if number == 10:
                    proxy.faults = Faults.none()
                client.post(b"%d" % number)
        bodies = [int(one) for one in server.bodies()]
        assert len(bodies) == 40
        first = {number: bodies.index(number) for number in range(30)}
        copies = [number for place, number in enumerate(bodies) if place > first[number]]
        assert sorted(copies) == list(range(10))
        assert copies != sorted(copies)
        # It comes right before the request that it waited for.
        waited = [
            next(one for one in bodies[place:] if place < first[one]) - number
            for place, number in enumerate(bodies)
            if place > first[number]
        ]
        assert 1 <= min(waited) < max(waited) <= 20
        assert proxy.waiting_twins == 0
        assert proxy.counts == {"late_twin": 10}

    def test_a_request_that_was_lost_comes_late(self, server: Server, proxy: Proxy) -> None:
        """A twin is kept of what the client takes for lost, too; its tests may call for it."""
        proxy.faults = Faults(drop_request=1.0, late_twin=1.0)
        assert outcome(proxy, b"late") == "RemoteDisconnected"
        assert server.bodies() == []
        assert proxy.deliver_twins() == 1
        assert server.bodies() == [b"late"]
        assert proxy.deliver_twins() == 0

    def test_copies_do_not_pile_up(self, proxy: Proxy) -> None:
        """Those that are due are given up where the server is dead."""
        proxy.faults = Faults(refuse=1.0, late_twin=1.0)
        proxy.target = f"http://127.0.0.1:{unused_port()}"
        with Client(proxy) as client:
            for _time in range(150):
                client.post(b"1")
                assert proxy.waiting_twins <= 20
        assert proxy.deliver_twins() == 0
        assert proxy.counts == {"refuse": 150}

    def test_only_at_some_paths(self, server: Server, proxy: Proxy) -> None:
        """Requests for other paths have no fault."""
        proxy.faults = Faults(refuse=1.0, path="/sync/batch")
        with Client(proxy) as client:
            assert client.ask("GET", "/sync/status") == (200, b"ok")
            status, _page = client.post(b"1")
        assert status in (502, 503)
        assert len(server.seen) == 1

    def test_planned(self, server: Server, proxy: Proxy) -> None:
        """A test may say which request has which fault."""
        proxy.plan("drop_reply", "", "drop_request")
        found = [outcome(proxy) for _time in range(4)]
        assert found == ["RemoteDisconnected", "200 whole", "RemoteDisconnected", "200 whole"]
        assert len(server.seen) == 3
        with pytest.raises(ValueError, match="there is no fault 'drop'"):
            proxy.plan("drop")

    def test_more_than_certain(self) -> None:
        """Faults that exclude each other have at most 1 together."""
        Faults(drop_reply=0.5, refuse=0.5)
        with pytest.raises(ValueError, match="at most 1 together"):
            Faults(drop_reply=0.6, refuse=0.5)


class TestSeed:
    def run(self, server: Server, seed: int) -> tuple[list[str], dict[str, int], int]:
        server.seen.clear()
        faults = Faults.all(0.1, longest_delay=0.001)
        with Proxy(server.url, faults, seed=seed) as proxy:
            return [outcome(proxy) for _time in range(60)], proxy.counts, len(server.seen)

    def test_same_seed_same_faults(self, server: Server) -> None:
        """A run is repeated by its seed, and another seed gives another run."""
        first = self.run(server, 1)
        assert self.run(server, 1)[:2] == first[:2]
        assert self.run(server, 2)[:2] != first[:2]
        assert {"200 whole", "RemoteDisconnected", "ConnectionResetError"} < set(first[0])

    def test_luck_does_not_depend_on_earlier_faults(self, server: Server) -> None:
        """The n-th request draws the same, whatever could happen to those before it."""
        found = []
        for faults in (Faults.none(), Faults.all(0.05, longest_delay=0.001)):
            with Proxy(server.url, faults, seed=5) as proxy:
                for _time in range(10):
                    outcome(proxy)
                proxy.faults = Faults(drop_reply=0.5)
                found.append([outcome(proxy) for _time in range(20)])
        assert found[0] == found[1]
        assert set(found[0]) == {"200 whole", "RemoteDisconnected"}


class TestOffline:
    def test_pause_and_resume(self, server: Server, proxy: Proxy) -> None:
        """Offline every connection ends and new ones are refused; later the port is the same."""
        with Client(proxy) as client:
            client.post(b"1")
            assert client.sock is not None
            proxy.pause()
            assert client.sock.recv(1) == b""
        assert outcome(proxy) == "ConnectionRefusedError"
        proxy.pause()
        proxy.resume()
        proxy.resume()
        assert outcome(proxy) == "200 whole"
        assert len(server.seen) == 2

    def test_close_all(self, server: Server, proxy: Proxy) -> None:
        """A request that the server still works at loses its connection; the next one passes."""
        with Client(proxy) as client:
            client.request("GET", "/wait")
            assert server.asked.wait(20)
            proxy.close_all()
            with pytest.raises(http.client.RemoteDisconnected):
                client.getresponse()
        assert proxy.connections == 0
        assert outcome(proxy) == "200 whole"


class TestEnd:
    def test_no_thread_is_left(self, server: Server) -> None:
        """Also while connections are open and a request waits for its answer or its delay."""
        proxy = Proxy(server.url)
        with Client(proxy) as waiting, Client(proxy) as late:
            with proxy:
                waiting.request("GET", "/wait")
                assert server.asked.wait(20)
                proxy.faults = Faults(delay=1.0, longest_delay=3_600)
                late.request("GET", "/")
                until(lambda: proxy.counts == {"delay": 1})
            for one in (waiting, late):
                with pytest.raises(GONE):
                    one.getresponse()
        assert "proxy" not in {one.name for one in threading.enumerate()}

    def test_many_clients_at_once(self, server: Server) -> None:
        """Under every fault the proxy lives, and forgets each connection that ended."""
        with Proxy(server.url, Faults.all(0.08, longest_delay=0.001), seed=3) as proxy:
            threads = [
                threading.Thread(target=lambda: [outcome(proxy) for _time in range(25)])
                for _client in range(8)
            ]
            for one in threads:
                one.start()
            for one in threads:
                one.join(60)
            assert proxy.requests == 200
            proxy.faults = Faults.none()
            assert outcome(proxy) == "200 whole"
            proxy.close_all()
            assert proxy.connections == 0


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def raw_answer(proxy: Proxy) -> bytes:
    """All bytes that come back until the connection ends."""
    with socket.create_connection(("127.0.0.1", proxy.port), 20) as raw:
        raw.sendall(
            b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1"
        )
        return b"".join(iter(lambda: raw.recv(65_536), b""))


def unused_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
