"""A server that answers as a test tells it, and remembers what it was asked."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STATUS = {"tenant": "default", "store": "s1", "counts": {}}
TAKEN = {"store": "s1", "mark": [1, "x"], "clock": 1, "rejected": []}
PAGE = {"changes": [], "next": 1, "more": False, "store": "s1", "mark": [1, "x"], "clock": 1}


class Says(NamedTuple):
    """An answer: what is no bytes goes as JSON; `missing` bytes of it never come."""

    status: int
    body: Any = b""
    headers: Mapping[str, str] = {}
    missing: int = 0


class Asked(NamedTuple):
    """A request, its body unpacked."""

    path: str
    headers: Mapping[str, str]
    body: bytes


def conflict(reason: str, **details: Any) -> Says:
    error = {"code": "conflict", "message": "", "details": {"reason": reason, **details}}
    return Says(409, {"error": error})


class Hostile:
    """A well-behaved server, but for the paths in `answers`."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, Callable[[Asked], Says]] = {}
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(one.path == path for one in self.asked)

    def answer(self, asked: Asked) -> Says:
        self.asked.append(asked)
        if asked.path in self.answers:
            return self.answers[asked.path](asked)
        usual = {
            "/health": {"status": "healthy", "version": "1"},
            "/sync/status": STATUS,
            "/sync/batch": TAKEN,
            "/sync/changes": PAGE,
        }
        return Says(200, usual[asked.path])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_why: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_args: object) -> None:
        """Who hangs up may."""


def _handler(hostile: Hostile) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            pass

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if self.headers.get("Content-Encoding") == "zstd":
                body = zstandard.ZstdDecompressor().decompress(body)
            path = self.path.partition("?")[0]
            said = hostile.answer(Asked(path, dict(self.headers), body))
            sent = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent) + said.missing))
            self.end_headers()
            self.wfile.write(sent)
            self.close_connection = said.missing > 0

        def do_POST(self) -> None:
            self.do_GET()

    return Handler
