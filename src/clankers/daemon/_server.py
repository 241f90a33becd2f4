"""The socket: connections, their limits, and the order of their answers."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from clankers._rpc.framing import FrameError, Frames, framed
from clankers.errors import DaemonError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Answer = Callable[[bytes], Awaitable[bytes | None]]

MOST_CONNECTIONS = 512
# What a connection may have unanswered; until then nothing more of it is read.
MOST_UNANSWERED = 128
MOST_BYTES_UNANSWERED = 32 * 1024 * 1024
# The same of all connections together.
MOST_OF_ALL = 16_384
MOST_BYTES_OF_ALL = 128 * 1024 * 1024
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
        self._allowance = _Allowance(MOST_OF_ALL, MOST_BYTES_OF_ALL)

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
        listening.setblocking(False)
        self._identity = self._found()
        self._server = await asyncio.start_unix_server(self._take, sock=listening, backlog=_BACKLOG)

    async def keep(self) -> None:
        """Listens again where somebody removed the socket."""
        if self._found() is None:
            await self._shut()
            await self.open()

    async def close(self) -> None:
        """Takes no more, answers what was asked, and removes the socket."""
        if self._found() == self._identity:
            with suppress(OSError):
                self.path.unlink()
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
        except OSError:
            return None
        return status.st_dev, status.st_ino

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            await _Connection(reader, writer, self._answer, self._allowance).run()
        finally:
            self._connections.discard(task)


class _Allowance:
    """How many requests, and how many bytes of them, may be unanswered at once."""

    def __init__(self, count: int, size: int) -> None:
        self._count = count
        self._size = size
        self._has_eased = asyncio.Event()
        self._held = 0
        self._bytes = 0

    async def take(self, size: int) -> None:
        """Waits until there is room; a request that stands alone always has it."""
        while self._held and (self._held >= self._count or self._bytes + size > self._size):
            self._has_eased.clear()
            await self._has_eased.wait()
        self._held += 1
        self._bytes += size

    def give(self, size: int) -> None:
        self._held -= 1
        self._bytes -= size
        self._has_eased.set()


class _Connection:
    """One client: messages are answered in their order, though worked on at once."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Answer,
        allowance: _Allowance,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._frames = Frames()
        # What is to be answered in this order, and the bytes that it was asked in.
        self._asked: asyncio.Queue[tuple[asyncio.Task[bytes | None], int] | None] = asyncio.Queue()
        self._allowances = (_Allowance(MOST_UNANSWERED, MOST_BYTES_UNANSWERED), allowance)

    async def run(self) -> None:
        """Until the client is done, and has its answers where it waits for them.

        When it is cancelled it reads no more; what was asked is done and answered.
        """
        sending = asyncio.create_task(self._send_all())
        with suppress(FrameError, OSError, TimeoutError, asyncio.CancelledError):
            await self._read_all()
        self._asked.put_nowait(None)
        await sending
        with suppress(OSError):
            self._writer.close()

    async def _read_all(self) -> None:
        now = asyncio.get_running_loop().time
        began = now()
        while True:
            until = began + SECONDS_WITHIN if self._frames.is_within else now() + SECONDS_IDLE
            async with asyncio.timeout_at(until):
                piece = await self._reader.read(_PIECE)
            if not piece:
                return
            if not self._frames.is_within:
                began = now()
            for body in self._frames.feed(piece):
                for allowance in self._allowances:
                    await allowance.take(len(body))
                task = asyncio.create_task(self._call(body))
                self._asked.put_nowait((task, len(body)))
                began = now()

    async def _call(self, body: bytes) -> bytes | None:
        return await self._answer(body)

    async def _send_all(self) -> None:
        is_there = True
        while (asked := await self._asked.get()) is not None:
            task, size = asked
            answer = await task
            try:
                if answer is not None and is_there:
                    self._writer.write(framed(answer))
                    async with asyncio.timeout(SECONDS_TO_SEND):
                        await self._writer.drain()
            except (OSError, TimeoutError):
                # Gone without waiting, or not reading: what it asked is done all the same.
                is_there = False
                self._writer.transport.abort()
            finally:
                for allowance in self._allowances:
                    allowance.give(size)


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
    if folder.st_uid not in (os.geteuid(), 0):
        raise DaemonError(
            f"{path.parent} belongs to another user, who could put a socket of theirs there",
            hint="name another path with --socket",
        )
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
