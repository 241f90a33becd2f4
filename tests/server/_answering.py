"""A small web server that answers as a test wants, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Asked(NamedTuple):
    """One request as it arrived; the names of headers are in small letters."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"

    def json(self) -> Any:
        return json.loads(self.body)


class Answer(NamedTuple):
    """What is answered; `DROPPED` closes the connection after the request was read."""

    status: int = 200
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


DROPPED = Answer(0)


class Answering:
    """A server on a free loopback port; `answer` may be exchanged while it runs."""

    def __init__(self, answer: Callable[[Asked], Answer], host: str = "127.0.0.1") -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._server = _Server((host, 0), _handler(self))
        self.port: int = self._server.server_address[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}"

    @property
    def lines(self) -> list[str]:
        return [asked.line for asked in self.asked]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_why: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)


def _handler(server: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            server.asked.append(asked)
            answer = server.answer(asked)
            self.close_connection = True
            if answer is DROPPED:
                return
            body = answer.body
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
            self.send_response(answer.status)
            self.send_header("content-length", str(len(body)))
            self.send_header("connection", "close")
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - their names there

        def log_message(self, *_words: object) -> None:
            pass

    return Handler
