"""What the daemon answers: JSON-RPC 2.0, https://www.jsonrpc.org/specification."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec

from clankers._rpc.upserts import UPSERTS
from clankers.errors import ClankersError, InvalidParamsError, MissingFieldError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from clankers.daemon._log import Log
    from clankers.daemon._writer import Writer

    Method = Callable[[Any], Awaitable[Any]]

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
INVALID_PAYLOAD = 4001
MOST_TOGETHER = 1_000
_UNANSWERED = object()


class Service:
    """Answers requests, one body after the other.

    Args:
        changed: takes the path of a transcript that is said to have changed.
        health: what `health` says beside ``ok``.
        database: the path of the database, and whether the daemon made it.
    """

    def __init__(
        self,
        writer: Writer,
        log: Log,
        *,
        changed: Callable[[str], object],
        health: Callable[[], Mapping[str, Any]],
        database: tuple[str, bool],
    ) -> None:
        self._writer = writer
        self._log = log
        self._changed = changed
        self._health = health
        self._path, self._is_new = database
        self._methods: dict[str, Method] = {
            "health": self._tell_health,
            "ensureDb": self._ensure_database,
            "getDbPath": self._tell_path,
            "log.write": self._write_log,
            "transcriptChanged": self._hear_of_transcript,
            **{name: self._upsert(name) for name in UPSERTS},
        }

    async def answer(self, body: bytes) -> bytes | None:
        """The answer to a request or to an array of them; None where none is to be given."""
        try:
            asked = _decoded(body)
        except ValueError:
            return _encoded(_error(None, PARSE_ERROR, "parse error"))
        if not isinstance(asked, list):
            answer = await self._one(asked)
            return None if answer is _UNANSWERED else _encoded(answer)
        if not asked or len(asked) > MOST_TOGETHER:
            wrong = "more than 1,000 in an array" if asked else "an empty array"
            return _encoded(_error(None, INVALID_REQUEST, f"invalid request: {wrong}"))
        answers = await asyncio.gather(*map(self._one, asked))
        given = [one for one in answers if one is not _UNANSWERED]
        return _encoded(given) if given else None

    async def _one(self, request: Any) -> Any:
        if (wrong := _what_is_wrong(request)) is not None:
            return _error(_id_of(request), INVALID_REQUEST, f"invalid request: {wrong}")
        answer = await self._call(request)
        return answer if "id" in request else _UNANSWERED

    async def _call(self, request: Mapping[str, Any]) -> Any:
        number, name = request.get("id"), request["method"]
        method = self._methods.get(name)
        if method is None:
            return _error(number, METHOD_NOT_FOUND, f"method not found: {name}")
        try:
            result = await method(request.get("params"))
        except MissingFieldError as problem:
            return _error(number, INVALID_PAYLOAD, str(problem), {"field": problem.field})
        except InvalidParamsError as problem:
            return _error(number, INVALID_PARAMS, str(problem))
        except ClankersError as problem:
            self._log.write("error", f"{name}: {problem}")
            return _error(number, INTERNAL_ERROR, str(problem))
        except Exception as problem:  # noqa: BLE001 - the edge: no request ends the daemon
            self._log.write("error", f"{name}: unexpected {type(problem).__name__}: {problem}")
            return _error(number, INTERNAL_ERROR, "internal error")
        return {"jsonrpc": "2.0", "id": number, "result": result}

    async def _tell_health(self, _params: Any) -> Any:
        return {"ok": True, **self._health()}

    async def _ensure_database(self, _params: Any) -> Any:
        # Made by now: only the first who asks learns that it is new.
        is_new, self._is_new = self._is_new, False
        return {"dbPath": self._path, "created": is_new}

    async def _tell_path(self, _params: Any) -> Any:
        return {"dbPath": self._path}

    async def _hear_of_transcript(self, params: Any) -> Any:
        path = _object(params).get("path")
        if not isinstance(path, str):
            raise InvalidParamsError("invalid params: path must be a string")
        self._changed(path)
        return {"ok": True}

    def _upsert(self, name: str) -> Method:
        upsert = UPSERTS[name]

        async def write(params: Any) -> Any:
            record = upsert.read(_object(params))
            await asyncio.wrap_future(self._writer.put(record))
            return {"ok": True}

        return write

    async def _write_log(self, params: Any) -> Any:
        given = _object(params)
        entry = given.get("entry")
        if not isinstance(entry, dict):
            raise InvalidParamsError("invalid params: entry must be an object")
        for name in ("level", "message"):
            if not isinstance(entry.get(name), str):
                raise InvalidParamsError(f"invalid params: entry.{name} must be a string")
        client = given.get("client")
        named = client.get("name") if isinstance(client, dict) else None
        context = entry.get("context")
        self._log.write(
            entry["level"],
            entry["message"],
            component=str(entry.get("component") or named or "plugin"),
            timestamp=None if entry.get("timestamp") is None else str(entry["timestamp"]),
            request_id=None if entry.get("requestId") is None else str(entry["requestId"]),
            context=context if isinstance(context, dict) else None,
        )
        return {"ok": True}


def _object(params: Any) -> Mapping[str, Any]:
    if params is None:
        raise InvalidParamsError("missing params")
    if not isinstance(params, dict):
        raise InvalidParamsError("invalid params: params must be an object")
    return params


def _decoded(body: bytes) -> Any:
    """JSON; a half of a UTF-16 pair passes, which JavaScript leaves where it cuts a text.

    Raises:
        ValueError: it is none.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            return json.loads(body, parse_constant=_refuse)
        except RecursionError as problem:
            raise ValueError("too deep") from problem


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _what_is_wrong(request: Any) -> str | None:
    if not isinstance(request, dict):
        return "not an object"
    if request.get("jsonrpc") != "2.0":
        return "jsonrpc must be 2.0"
    if not isinstance(request.get("method"), str):
        return "method must be a string"
    if "id" in request and not _is_id(request["id"]):
        return "id must be a string or a number"
    return None


def _is_id(value: Any) -> bool:
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))


def _id_of(request: Any) -> Any:
    found = request.get("id") if isinstance(request, dict) else None
    return found if _is_id(found) else None


def _error(number: Any, code: int, message: str, data: Any = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": number, "error": error}


def _encoded(answer: Any) -> bytes:
    try:
        return msgspec.json.encode(answer)
    except UnicodeEncodeError:
        return json.dumps(answer).encode()
