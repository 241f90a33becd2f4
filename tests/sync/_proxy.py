"""A TCP proxy that loses, cuts, delays, repeats and spoils what goes through it.

It stands between a client and a server that speak HTTP/1.1, and knows requests and replies as
whole units (by Content-Length, chunks or the end of the connection). What no fault is due for
passes byte for byte; the ends see each other's closing as they would without it. Every request
draws the same amount of chance, so that a seed gives the n-th request the same luck whatever
became of those before it.
"""

from __future__ import annotations

import asyncio
import math
import random
import socket
import struct
import sys
import threading
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Coroutine

_Result = TypeVar("_Result")
# A request has at most one of these; the others may come on top.
ENDINGS = (
    "drop_request",
    "cut_request",
    "drop_reply",
    "cut_reply",
    "reset",
    "mangle",
    "refuse",
)
EXTRAS = ("delay", "duplicate", "late_twin")
_LATEST_TWIN = 20
_LARGEST_HEAD = 2**20
_PATIENCE = 30.0
# The last two: what came was no HTTP.
_BROKEN = (OSError, EOFError, asyncio.LimitOverrunError, ValueError, IndexError)
_BODILESS = frozenset({204, 304})
_REFUSED = b"<html><body><h1>%d</h1><p>No backend is available.</p></body></html>\n"
_LINGER_0 = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


@dataclass(frozen=True)
class Faults:
    """How likely each fault is, from 0 to 1.

    Attributes:
        drop_request: the connection closes before the server sees anything.
        cut_request: the server gets a part of the bytes, then both connections close.
        drop_reply: the server answers, the client sees its connection close.
        cut_reply: the client gets a part of the answer.
        reset: the client gets a RST, half the time before the server sees anything, half the
            time after it answered.
        mangle: some bytes of the reply's body are others; its length and head stay.
        refuse: 502 or 503 with HTML; the server sees nothing.
        delay: request or reply waits, up to `longest_delay` seconds.
        duplicate: the server gets the request a second time on another connection, before,
            after or together with the first; nobody sees that answer.
        late_twin: a copy arrives again, 1 to 20 requests later.
        path: only requests whose target begins so have faults, and draw any.
    """

    drop_request: float = 0.0
    cut_request: float = 0.0
    drop_reply: float = 0.0
    cut_reply: float = 0.0
    reset: float = 0.0
    mangle: float = 0.0
    refuse: float = 0.0
    delay: float = 0.0
    longest_delay: float = 0.05
    duplicate: float = 0.0
    late_twin: float = 0.0
    path: str = ""

    def __post_init__(self) -> None:
        if sum(getattr(self, name) for name in ENDINGS) > 1 + 1e-9:
            raise ValueError(f"{', '.join(ENDINGS)} exclude each other: at most 1 together")

    @classmethod
    def none(cls) -> Faults:
        """All goes well."""
        return cls()

    @classmethod
    def all(cls, share: float, **given: Any) -> Faults:
        """Every fault but `mangle`, which only some tests can stand, with one probability."""
        shares = dict.fromkeys((*ENDINGS, *EXTRAS), share)
        return cls(**{**shares, "mangle": 0.0, **given})


class _Luck(NamedTuple):
    """What happens to one request; `place` says where, between 0 and 1."""

    ending: str = ""
    place: float = 0.5
    delay: float = 0.0
    delays_reply: bool = False
    duplicate: str = ""
    twin_after: int = 0
    noise: int = 0

    @property
    def is_late_reset(self) -> bool:
        return self.ending == "reset" and self.place >= 0.5


class _Unit(NamedTuple):
    """One request or reply: its bytes, where its body's own bytes are, and what its head says."""

    raw: bytes
    first_line: list[bytes]
    payload: list[range]
    is_last: bool


class _Twin(NamedTuple):
    due: int
    request: _Unit


class _Peer:
    """One connection; what was sent is with the kernel when `send` returns."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer
        writer.transport.set_write_buffer_limits(0)

    async def send(self, raw: bytes) -> None:
        self._writer.write(raw)
        await self._writer.drain()

    async def ask(self, request: _Unit) -> _Unit:
        await self.send(request.raw)
        return await _read_reply(self.reader, request)

    def close(self) -> None:
        self._writer.transport.abort()

    def reset(self) -> None:
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        self.close()


class _Upstream(NamedTuple):
    target: str
    peer: _Peer


class _Line:
    """A client's connection, and the server's that belongs to it once there was a request."""

    def __init__(self, client: _Peer) -> None:
        self.client = client
        self.server: _Upstream | None = None

    async def next_request(self) -> _Unit:
        """The next request; EOFError when either side has closed."""
        reading = asyncio.ensure_future(_read_request(self.client.reader))
        waiting: list[asyncio.Future[Any]] = [reading]
        if self.server is not None:
            waiting.append(asyncio.ensure_future(self.server.peer.reader.read(1)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                raise EOFError
            return reading.result()
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def to_server(self, target: str) -> _Peer:
        if self.server is not None and self.server.target != target:
            self.server.peer.close()
            self.server = None
        if self.server is None:
            self.server = _Upstream(target, await _connect(target))
        return self.server.peer

    def close(self) -> None:
        self.client.close()
        if self.server is not None:
            self.server.peer.close()


class Proxy:
    """A proxy before one server, in a thread of its own; a context manager.

    Nothing that a client or a server does ends it. A client whose server cannot be reached
    sees its connection close. A client must not wait for ``100 Continue``.

    Attributes:
        target: the server's URL, which may change while it runs.
        faults: what may go wrong, which may change while it runs.
        port: where it listens on 127.0.0.1; the same for its whole life.
        url: of that port.
    """

    def __init__(self, target: str, faults: Faults | None = None, *, seed: int = 0) -> None:
        self.target = target
        self.faults = faults or Faults.none()
        self._random = random.Random(seed)
        self._planned: deque[str] = deque()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._requests = 0
        self._twins: list[_Twin] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._bound = _bind(0)
        self.port: int = self._bound.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def counts(self) -> dict[str, int]:
        """How often each fault was made; copies count once the server answered them."""
        with self._lock:
            return dict(self._counts)

    @property
    def requests(self) -> int:
        """How many whole requests came from clients."""
        return self._requests

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._serving)

    @property
    def waiting_twins(self) -> int:
        """How many copies are still to come: never more than 20, as each request brings one."""
        return len(self._twins)

    def plan(self, *names: str) -> None:
        """The next requests have these faults, one each in this order, whatever `faults` says.

        "" stands for a request that passes; requests outside `faults.path` do not count.
        """
        if unknown := {*names} - {*ENDINGS, *EXTRAS, ""}:
            raise ValueError(f"there is no fault {min(unknown)!r}")
        self._planned.extend(names)

    def close_all(self) -> None:
        """Cuts every connection at once, in the middle of whatever it does."""
        self._call(self._cut())

    def pause(self) -> None:
        """Is offline: cuts every connection and refuses new ones."""
        self._call(self._stop_listening())

    def resume(self) -> None:
        """Is online again, at the same port."""
        self._call(self._listen())

    def deliver_twins(self) -> int:
        """Delivers the copies that are still to come now; how many the server answered."""
        return self._call(self._deliver_twins(all_of_them=True))

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(ready)), name="proxy", daemon=True
        )
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_why: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _call(self, act: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(_PATIENCE * 2)

    # In the loop

    async def _run(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        await self._listen()
        ready.set()
        await self._ended.wait()
        await self._stop_listening()
        self._bound.close()

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(
                self._accept, sock=self._bound, limit=_LARGEST_HEAD
            )

    async def _stop_listening(self) -> None:
        """A port that is bound and not listened at refuses, and stays ours."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            self._bound = _bind(self.port)
        await self._cut()

    async def _cut(self) -> None:
        serving = list(self._serving)
        for one in serving:
            one.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        # The transports tell their ends in the loop's next round.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = _Line(_Peer(reader, writer))
        if self._listener is None:
            line.close()
            return
        serving = self._loop.create_task(self._serve(line))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, line: _Line) -> None:
        try:
            while await self._pass_one(line):
                pass
        except _BROKEN:
            pass
        finally:
            line.close()

    async def _pass_one(self, line: _Line) -> bool:
        """One request and its reply; False when the client's connection is over."""
        request = await line.next_request()
        self._requests += 1
        luck = self._luck_of(request)
        await self._deliver_twins()
        self._keep_twin(request, luck)
        if luck.delay and not luck.delays_reply:
            await self._delay(luck)
        if luck.ending in ("drop_request", "refuse", "cut_request") or (
            luck.ending == "reset" and not luck.is_late_reset
        ):
            return await self._withhold(line, request, luck)
        reply = await self._answer(line, request, luck)
        if luck.delay and luck.delays_reply:
            await self._delay(luck)
        return await self._hand_back(line.client, reply, luck) and not request.is_last

    async def _withhold(self, line: _Line, request: _Unit, luck: _Luck) -> bool:
        """The server does not get the request, or only a part of it."""
        if luck.ending == "cut_request":
            server = await line.to_server(self.target)
            await server.send(_beginning(request.raw, luck.place))
        self._count(luck.ending)
        if luck.ending == "reset":
            line.client.reset()
        if luck.ending == "refuse":
            await line.client.send(_refusal(502 if luck.place < 0.5 else 503))
        return luck.ending == "refuse" and not request.is_last

    async def _answer(self, line: _Line, request: _Unit, luck: _Luck) -> _Unit:
        server = await line.to_server(self.target)
        if luck.duplicate == "before":
            await self._deliver("duplicate", request)
        if luck.duplicate == "together":
            return await self._answer_both(server, request)
        reply = await server.ask(request)
        if luck.duplicate == "after":
            await self._deliver("duplicate", request)
        return reply

    async def _answer_both(self, server: _Peer, request: _Unit) -> _Unit:
        copying = asyncio.ensure_future(self._deliver("duplicate", request))
        try:
            return await server.ask(request)
        except asyncio.CancelledError:
            copying.cancel()
            raise
        finally:
            await asyncio.gather(copying, return_exceptions=True)

    async def _hand_back(self, client: _Peer, reply: _Unit, luck: _Luck) -> bool:
        match luck.ending:
            case "drop_reply":
                self._count("drop_reply")
                return False
            case "reset":
                self._count("reset")
                client.reset()
                return False
            case "cut_reply":
                self._count("cut_reply")
                await client.send(_beginning(reply.raw, luck.place))
                return False
            case "mangle" if reply.payload:
                self._count("mangle")
                await client.send(_mangled(reply, luck.noise))
            case _:
                await client.send(reply.raw)
        return not reply.is_last

    async def _delay(self, luck: _Luck) -> None:
        self._count("delay")
        await asyncio.sleep(luck.delay)

    # Copies

    def _keep_twin(self, request: _Unit, luck: _Luck) -> None:
        if luck.twin_after:
            self._twins.append(_Twin(self._requests + luck.twin_after, request))

    async def _deliver_twins(self, *, all_of_them: bool = False) -> int:
        until = math.inf if all_of_them else self._requests
        due = [one for one in self._twins if one.due <= until]
        self._twins = [one for one in self._twins if one.due > until]
        return sum([await self._deliver("late_twin", one.request) for one in due])

    async def _deliver(self, fault: str, request: _Unit) -> bool:
        """Sends a copy on a connection of its own; True when the server answered it."""
        with suppress(*_BROKEN):
            async with asyncio.timeout(_PATIENCE):
                server = await _connect(self.target)
                try:
                    await server.ask(request)
                finally:
                    server.close()
            self._count(fault)
            return True
        return False

    # Chance

    def _luck_of(self, request: _Unit) -> _Luck:
        faults = self.faults
        if not request.first_line[1].decode("latin-1").startswith(faults.path):
            return _Luck()
        drawn = _drawn(self._random, faults)
        if not self._planned:
            return drawn
        name = self._planned.popleft()
        certain: dict[str, Any] = {name: 1.0} if name else {}
        calm = Faults(longest_delay=faults.longest_delay)
        return _drawn(random.Random(drawn.noise), replace(calm, **certain))

    def _count(self, fault: str) -> None:
        with self._lock:
            self._counts[fault] += 1


def _drawn(chance: random.Random, faults: Faults) -> _Luck:
    """As many numbers for each request, be they used or not."""
    ending, place, delay, length, side, duplicate, kind, twin, later, noise = (
        chance.random() for _number in range(10)
    )
    return _Luck(
        ending=_ending(faults, ending),
        place=place,
        delay=length * faults.longest_delay if delay < faults.delay else 0.0,
        delays_reply=side < 0.5,
        duplicate=("before", "after", "together")[int(kind * 3)]
        if duplicate < faults.duplicate
        else "",
        twin_after=1 + int(later * _LATEST_TWIN) if twin < faults.late_twin else 0,
        noise=int(noise * 2**32),
    )


def _ending(faults: Faults, roll: float) -> str:
    above = 0.0
    for name in ENDINGS:
        above += getattr(faults, name)
        if roll < above:
            return name
    return ""


def _beginning(raw: bytes, share: float) -> bytes:
    """At least one byte, and never all of them."""
    return raw[: 1 + int(share * (len(raw) - 1))]


def _mangled(reply: _Unit, noise: int) -> bytes:
    """Other bytes at up to five places of the body; where chunks begin and end stays readable."""
    chance, raw = random.Random(noise), bytearray(reply.raw)
    for _place in range(chance.randint(1, 5)):
        part = chance.choice(reply.payload)
        # The same place twice must not give the old byte back.
        place = chance.choice(part)
        raw[place] = reply.raw[place] ^ chance.randint(1, 255)
    return bytes(raw)


def _refusal(status: int) -> bytes:
    body = _REFUSED % status
    reason = b"Bad Gateway" if status == 502 else b"Service Unavailable"
    head = b"HTTP/1.1 %d %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
    return head % (status, reason, len(body)) + body


# The framing of HTTP/1.1


async def _connect(target: str) -> _Peer:
    address = urlsplit(target)
    return _Peer(
        *await asyncio.open_connection(address.hostname, address.port, limit=_LARGEST_HEAD)
    )


async def _read_request(reader: asyncio.StreamReader) -> _Unit:
    head = await reader.readuntil(b"\r\n\r\n")
    first_line, said = _parsed(head)
    rest, payload = await _read_body(reader, said, len(head), is_open=False)
    return _Unit(head + rest, first_line, payload, _is_last(first_line[2], said))


async def _read_reply(reader: asyncio.StreamReader, request: _Unit) -> _Unit:
    raw, status = b"", 100
    while 100 <= status < 200:
        head = await reader.readuntil(b"\r\n\r\n")
        raw += head
        first_line, said = _parsed(head)
        status = int(first_line[1])
    if request.first_line[0] == b"HEAD" or status in _BODILESS:
        return _Unit(raw, first_line, [], _is_last(first_line[0], said))
    is_open = not said.keys() & {b"content-length", b"transfer-encoding"}
    rest, payload = await _read_body(reader, said, len(raw), is_open=is_open)
    return _Unit(raw + rest, first_line, payload, is_open or _is_last(first_line[0], said))


def _parsed(head: bytes) -> tuple[list[bytes], dict[bytes, bytes]]:
    first, *lines = head.rstrip(b"\r\n").split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return first.split(b" ", 2), {name.lower(): value.strip() for name, _, value in pairs}


def _is_last(version: bytes, said: dict[bytes, bytes]) -> bool:
    return version != b"HTTP/1.1" or said.get(b"connection", b"").lower() == b"close"


async def _read_body(
    reader: asyncio.StreamReader, said: dict[bytes, bytes], start: int, *, is_open: bool
) -> tuple[bytes, list[range]]:
    """The bytes after a head that ends at `start`, and where in the whole the body's own are."""
    if is_open:
        rest = await reader.read()
    elif said.get(b"transfer-encoding", b"").lower().endswith(b"chunked"):
        return await _read_chunks(reader, start)
    else:
        rest = await reader.readexactly(int(said.get(b"content-length", 0)))
    return rest, [range(start, start + len(rest))] if rest else []


async def _read_chunks(reader: asyncio.StreamReader, start: int) -> tuple[bytes, list[range]]:
    raw, payload = bytearray(), []
    while True:
        line = await reader.readuntil(b"\r\n")
        raw += line
        size = int(line.partition(b";")[0], 16)
        if not size:
            break
        begin = start + len(raw)
        payload.append(range(begin, begin + size))
        raw += await reader.readexactly(size + 2)
    while line != b"\r\n":
        line = await reader.readuntil(b"\r\n")
        raw += line
    return bytes(raw), payload


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
