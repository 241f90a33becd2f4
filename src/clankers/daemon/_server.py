"""The socket: connections, their limits, and the order of their answers."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from clankers.daemon._framing import FrameError, Frames, framed
from clankers.errors import DaemonError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Answer = Callable[[bytes], Awaitable[bytes | None]]

MOST_CONNECTIONS = 512
# What a connection may have unanswered; until then nothing more of it is read.
MOST_UNANSWERED = 128
# A message that has begun must end within this; a connection may be idle much longer.
SECONDS_WITHIN = 30.0
SECONDS_IDLE = 600.0
SECONDS_TO_SEND = 30.0
_PIECE = 65_536
_LONGEST_PATH = 107
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_BACKLOG = 256


class Server:
    """Listens on a Unix socket that only its user may enter."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self.path = path
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._identity: tuple[int, int] | None = None

    async def open(self) -> None:
        """Begins to listen; a socket that a dead daemon left is replaced.

        Raises:
            DaemonError: the path is too long, its folder is open to others, or something else
                stands there.
        """
        check_place(self.path)
        with suppress(FileNotFoundError):
            self.path.unlink()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o077)
        try:
            listening.bind(str(self.path))
        finally:
            os.umask(before)
        os.chmod(self.path, stat.S_IRUSR | stat.S_IWUSR)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
        self._identity = self._found()
        self._server = await asyncio.start_unix_server(self._take, sock=listening)

    async def keep(self) -> None:
        """Listens again where somebody removed the socket."""
        if self._found() is None:
            await self._shut()
            await self.open()

    async def close(self) -> None:
        """Takes no more, answers what was asked, and removes the socket."""
        if self._found() == self._identity:
            self.path.unlink(missing_ok=True)
        await self._shut()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def connections(self) -> int:
        """How many clients there are."""
        return len(self._connections)

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _found(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            await _Connection(reader, writer, self._answer).run()
        finally:
            self._connections.discard(task)


class _Connection:
    """One client: messages are answered in their order, though worked on at once."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._frames = Frames()
        self._asked: asyncio.Queue[asyncio.Task[bytes | None] | None] = asyncio.Queue(
            MOST_UNANSWERED
        )

    async def run(self) -> None:
        """Until the client is done, and has its answers where it waits for them."""
        sending = asyncio.create_task(self._send_all())
        try:
            await self._read_all()
        except (FrameError, OSError, TimeoutError):
            pass  # It is dropped, and others are served.
        finally:
            await self._end(sending)

    async def _end(self, sending: asyncio.Task[None]) -> None:
        """Also when the daemon ends: what was asked is done and answered."""
        with suppress(asyncio.CancelledError):
            await self._asked.put(None)
            await asyncio.shield(sending)
        if not sending.done():
            await sending
        with suppress(OSError):
            self._writer.close()

    async def _read_all(self) -> None:
        while True:
            seconds = SECONDS_WITHIN if self._frames.is_within else SECONDS_IDLE
            async with asyncio.timeout(seconds):
                piece = await self._reader.read(_PIECE)
            if not piece:
                return
            for body in self._frames.feed(piece):
                await self._asked.put(asyncio.create_task(self._call(body)))

    async def _call(self, body: bytes) -> bytes | None:
        return await self._answer(body)

    async def _send_all(self) -> None:
        is_there = True
        while (task := await self._asked.get()) is not None:
            answer = await task
            if answer is None or not is_there:
                continue
            try:
                self._writer.write(framed(answer))
                async with asyncio.timeout(SECONDS_TO_SEND):
                    await self._writer.drain()
            except (OSError, TimeoutError):
                is_there = False  # Gone without waiting: what it asked is done all the same.


def check_place(path: Path) -> None:
    """Whether a socket may be made there.

    Raises:
        DaemonError: it may not.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise DaemonError(
            f"{path} is too long for a socket: {len(os.fsencode(path))} bytes of {_LONGEST_PATH}",
            hint="set CLANKERS_SOCKET_PATH, or give a shorter --socket",
        )
    try:
        folder = os.stat(path.parent)
    except OSError as problem:
        raise DaemonError(f"{path.parent} cannot be used: {problem.strerror}") from problem
    if folder.st_mode & _OTHERS_WRITE:
        raise DaemonError(
            f"others may write in {path.parent}, and could put a socket of theirs there",
            hint="take these rights away, or name another path with --socket",
        )
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path, follow_symlinks=False).st_mode):
            raise DaemonError(
                f"{path} is no socket; it was left as it is", hint="name another with --socket"
            )
