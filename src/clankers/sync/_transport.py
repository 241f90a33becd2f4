"""The requests of the protocol, and what their answers mean."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import zstandard
from attrs import frozen

from clankers import _http, errors, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from requests.auth import AuthBase

    from clankers.store.capture._state import Mark

T = TypeVar("T")
_ZSTD_LEVEL = 3
# Smaller bodies are not worth packing.
_PACKED_FROM = 512
_BUSY = frozenset({408, 425, 429, 502, 503, 504})
_NOT_LET_IN = frozenset({401, 403})
_REFUSED = frozenset({400, 413, 422, 500})
# What a server says of a body that it cannot read, and others of one they do not know.
_NONSENSE = frozenset({400, 422})
_SERVER_ERROR = 500
_BATCH = "/sync/batch"


class BatchRefusedError(errors.SyncError):
    """The server takes a batch as little as any that is like it.

    Attributes:
        status: its HTTP status.
        code: what it calls the reason.
    """

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ConflictError(errors.SyncError):
    """The server's history or clock is not what this side thinks.

    Attributes:
        reason: ``store_changed``, ``batch_reused`` or ``clock_ahead``.
        store: the store there is now.
        server_time: the server's clock, in epoch ms.
    """

    def __init__(self, message: str, *, reason: str, store: str | None, server_time: int) -> None:
        super().__init__(message)
        self.reason = reason
        self.store = store
        self.server_time = server_time


@frozen
class Reply:
    """The answer to a batch."""

    store: str
    mark: Mark
    clock: int
    rejected: list[wire.Rejection]


@frozen
class Page:
    """Some changes, the oldest first."""

    changes: list[dict[str, Any]]
    next: int
    more: bool
    store: str
    mark: Mark
    clock: int


@frozen
class ServerStatus:
    """What a server says of the tenant."""

    tenant: str
    store: str
    counts: dict[str, int]


class _Line:
    """What one request at a time may use; it stays connected between two."""

    def __init__(self, auth: AuthBase, endpoint: str) -> None:
        self.session = _http.session_with(auth, endpoint)
        # A compressor that two threads share ends the process.
        self.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)


class Transport:
    """Speaks to one server. May be used by several threads at once."""

    def __init__(self, endpoint: str, auth: AuthBase) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._auth = auth
        self._idle: list[_Line] = []
        self._packs_zstd = True

    def close(self) -> None:
        """Hangs up; whoever goes on connects anew."""
        while self._idle:
            self._idle.pop().session.close()

    def status(self) -> ServerStatus:
        """The tenant that the credential is for, its store, and how much it has."""
        said = self._get("/sync/status")
        return _structured(
            lambda: ServerStatus(str(said["tenant"]), _store(said["store"]), dict(said["counts"]))
        )

    def version(self) -> str | None:
        """The server's version; None where it does not feel well or says none."""
        try:
            with self._line() as line:
                answer = _http.exchange(line.session, "GET", f"{self.endpoint}/health")
            said = json.loads(answer.body)
            return str(said["version"]) if said["status"] == "healthy" else None
        except (errors.ClankersError, ValueError, LookupError, TypeError):
            return None

    def push(self, body: bytes) -> Reply:
        """Sends a batch.

        Raises:
            UnreachableError: there was no answer, or one that asks for patience.
            UnauthorizedError: the credential is no good.
            BatchRefusedError: the batch as a whole is not taken.
            ConflictError: the two sides must agree anew first.
        """
        answer = self._post(body)
        if self._packs_zstd and _dislikes_zstd(answer):
            self._packs_zstd = False
            answer = self._post(body)
        said = self._said(answer, _BATCH)
        return _structured(
            lambda: Reply(
                _store(said["store"]),
                wire.read_mark(said["mark"]),
                _clock(said["clock"]),
                [_rejection(one) for one in said["rejected"]],
            )
        )

    def changes(self, after: int, limit: int, *, store: str | None, marks: Sequence[Mark]) -> Page:
        """A page of what changed on the server after a revision.

        Raises:
            UnreachableError, UnauthorizedError, ConflictError: as `push`.
        """
        query: dict[str, int | str] = {"after": after, "limit": limit}
        if store is not None:
            query |= {"store": store, "marks": msgspec.json.encode(marks).decode()}
        said = self._get("/sync/changes", query)
        return _structured(
            lambda: Page(
                list(said["changes"]),
                _revision(said["next"]),
                bool(said["more"]),
                _store(said["store"]),
                wire.read_mark(said["mark"]),
                _clock(said["clock"]),
            )
        )

    def _get(self, path: str, query: Any = None) -> Any:
        from urllib.parse import urlencode

        asked = f"?{urlencode(query)}" if query else ""
        with self._line() as line:
            answer = _http.exchange(line.session, "GET", f"{self.endpoint}{path}{asked}")
        return self._said(answer, path)

    def _post(self, body: bytes) -> _http.Answer:
        headers = {"Content-Type": "application/json"}
        url = f"{self.endpoint}{_BATCH}"
        with self._line() as line:
            if len(body) >= _PACKED_FROM:
                body, headers["Content-Encoding"] = self._packed(body, line)
            return _http.exchange(line.session, "POST", url, body=body, headers=headers)

    def _packed(self, body: bytes, line: _Line) -> tuple[bytes, str]:
        if not self._packs_zstd:
            import gzip

            return gzip.compress(body, 6), "gzip"
        packed: bytes = line.compressor.compress(body)
        return packed, "zstd"

    @contextmanager
    def _line(self) -> Iterator[_Line]:
        """The line that was used last, which is connected, or another one where all are in use."""
        try:
            line = self._idle.pop()
        except IndexError:
            line = _Line(self._auth, self.endpoint)
        try:
            yield line
        finally:
            self._idle.append(line)

    def _said(self, answer: _http.Answer, path: str) -> Any:
        """The JSON of an answer; everything but 200 is raised."""
        url = f"{self.endpoint}{path}"
        if answer.status == _OK:
            try:
                return msgspec.json.decode(answer.body)
            except msgspec.DecodeError as problem:
                raise errors.UnreachableError(
                    f"{url} answers what is no JSON: {problem}",
                    hint="is this the address of a clankers server?",
                ) from None
        code, message, details = _problem(answer.body)
        said = f"{url} answers {answer.status} {code}: {message}".rstrip(": ")
        if answer.status in _BUSY:
            raise errors.UnreachableError(said, retry_after=answer.retry_after)
        if answer.status in _NOT_LET_IN:
            raise errors.UnauthorizedError(
                said, hint="'clankers-cli token set' sets another token for this server"
            )
        if answer.status == _CONFLICT:
            raise _conflict(said, details)
        if answer.status in _NONSENSE and not code:
            # Of a machine in between, which says nothing about any row.
            raise errors.UnreachableError(said)
        if answer.status in _REFUSED and path == _BATCH:
            raise BatchRefusedError(said, status=answer.status, code=code)
        if answer.status >= _SERVER_ERROR:
            raise errors.UnreachableError(said, retry_after=answer.retry_after)
        raise errors.SyncError(said, hint="is this the address of a clankers server?")


_OK, _CONFLICT, _UNSUPPORTED = 200, 409, 415


def _dislikes_zstd(answer: _http.Answer) -> bool:
    """A server that cannot unpack it says so; a machine in between may only call it bad."""
    if answer.status == _UNSUPPORTED:
        return True
    return answer.status in _NONSENSE and not _problem(answer.body)[0]


def _problem(body: bytes) -> tuple[str, str, dict[str, Any]]:
    """Code, message and details of an error; empty where a machine in between made it."""
    try:
        error = json.loads(body)["error"]
        details = error.get("details") or {}
        return (
            str(error["code"]),
            str(error["message"]),
            details if isinstance(details, dict) else {},
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", "", {}


def _conflict(said: str, details: dict[str, Any]) -> errors.SyncError:
    """What the two sides must agree on anew; what makes no sense counts as no answer."""
    reason, store, at = (details.get(name) for name in ("reason", "store", "server_time"))
    is_time = type(at) is int and _EARLIEST <= at <= _LATEST
    is_store = type(store) is str and 0 < len(store) <= _LONGEST
    if (reason == "clock_ahead" and not is_time) or (reason == "store_changed" and not is_store):
        return errors.UnreachableError(f"{said}; the server does not say what is so")
    return ConflictError(
        said,
        reason=str(reason),
        store=store if is_store else None,
        server_time=int(at) if is_time and at is not None else 0,
    )


# Times in ms, of this century and some; a store's or mark's id.
_EARLIEST, _LATEST, _LONGEST = 10**11, 2**47 - 1, 128


def _store(said: Any) -> str:
    if type(said) is not str or not 0 < len(said) <= _LONGEST:
        raise ValueError("a store has a short name")
    return said


def _revision(said: Any) -> int:
    if type(said) is not int or not 0 <= said < _MOST_REVISIONS:
        raise ValueError("a revision is a whole number")
    return said


_MOST_REVISIONS = 2**53


def _clock(said: Any) -> int:
    """A server's clock may be ahead, but no clock is ahead for years: it would bind ours to it."""
    latest = time.time_ns() // 1_000_000 + 2 * wire.FARTHEST_AHEAD_MS
    return min(int(said), latest)


def _rejection(said: Any) -> wire.Rejection:
    return wire.Rejection(
        str(said["table"]), str(said["id"]), str(said["code"]), str(said["message"])
    )


def _structured(build: Callable[[], T]) -> T:
    try:
        return build()
    except (LookupError, TypeError, ValueError) as problem:
        raise errors.UnreachableError(
            f"the answer is not what the protocol says: {problem!r}",
            hint="is this the address of a clankers server?",
        ) from None
