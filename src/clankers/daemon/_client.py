"""A Python program's side of the socket."""

from __future__ import annotations

import json
import os
import socket
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from clankers import _paths
from clankers._rpc.framing import FrameError, Frames, framed
from clankers.errors import DaemonError

if TYPE_CHECKING:
    from types import TracebackType

_SECONDS = 10.0
_PIECE = 65_536


class Client:
    """A connection to the daemon, opened with the first call and used for all that follow.

    Args:
        path: its socket; by default where the user's own is.
        timeout: seconds to wait for an answer.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, timeout: float = _SECONDS
    ) -> None:
        self.path = os.fspath(path if path is not None else _paths.socket_path())
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._frames = Frames()
        self._waiting: list[bytes] = []
        self._ids = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def call(self, method: str, /, **params: Any) -> Any:
        """The result of a method, with parameters as the contract names them.

        A connection that the daemon has closed since the last call, as it does with one that is
        idle for long or when it is started anew, is opened again.

        Raises:
            DaemonError: no daemon listens, it did not answer in time, or it refused; then
                `code` is that of its error.
        """
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        body = framed(json.dumps(request).encode())
        is_open = self._socket is not None
        try:
            try:
                answer = json.loads(self._asked(body))
            except ConnectionError:
                if not is_open:
                    raise
                self.close()
                answer = json.loads(self._asked(body))
        except (OSError, ValueError, FrameError) as problem:
            self.close()
            raise self._failure(problem) from problem
        if (error := answer.get("error")) is not None:
            raise DaemonError(str(error.get("message")), code=error.get("code"))
        return answer.get("result")

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._frames, self._waiting = Frames(), []
            opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            opened.settimeout(self._timeout)
            try:
                opened.connect(self.path)
            except OSError:
                opened.close()
                raise
            self._socket = opened
        return self._socket

    def _asked(self, message: bytes) -> bytes:
        connection = self._connected()
        connection.sendall(message)
        while not self._waiting:
            piece = connection.recv(_PIECE)
            if not piece:
                raise ConnectionError("the connection was closed")
            self._waiting += self._frames.feed(piece)
        return self._waiting.pop(0)

    def _failure(self, problem: Exception) -> DaemonError:
        if isinstance(problem, FileNotFoundError | ConnectionRefusedError):
            return DaemonError(
                f"no daemon listens at {self.path}", hint="'clankers-cli daemon start' starts one"
            )
        if isinstance(problem, TimeoutError):
            return DaemonError(
                f"the daemon at {self.path} did not answer within {self._timeout:g} s",
                hint="'clankers-cli daemon logs' shows what it does",
            )
        return DaemonError(f"the daemon at {self.path} does not answer: {problem}")
