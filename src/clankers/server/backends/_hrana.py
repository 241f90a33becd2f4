"""SQL over HTTP: one request that runs a whole transaction and leaves nothing open.

The protocol is Hrana 3, which Turso and libSQL servers speak:
https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md. A batch has steps with
conditions, so that BEGIN, the statements, and COMMIT or ROLLBACK travel together; a stream
that is closed in the same request never keeps a lock.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from clankers import errors
from clankers.server.backends._port import Rows, SqlValue, Statement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

_PIPELINE = "/v3/pipeline"
_CURSOR = "/v3/cursor"
# A server refuses to build a larger answer in memory; it streams any size.
_TOO_LARGE = "RESPONSE_TOO_LARGE"
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "TRANSACTION_TIMEOUT", "TRANSACTION_BUSY", "SQLITE_FULL")
_BEYOND_INTEGERS = 2**63


class TokenRefusedError(errors.BackendError):
    """The database server did not take the token; nothing was run."""


async def run(
    client: httpx.AsyncClient,
    address: str,
    headers: Mapping[str, str],
    statements: Sequence[Statement],
    *,
    begin: str,
) -> list[Rows]:
    """Runs statements in one transaction at `address`; the rows of each."""
    batch = {"steps": _steps(statements, begin)}
    body = {"baton": None, "requests": [{"type": "batch", "batch": batch}, {"type": "close"}]}
    found = await _post(client, address + _PIPELINE, headers, body)
    try:
        first = found["results"][0]
        if first["type"] == "error":
            if first["error"].get("code") == _TOO_LARGE and begin == "BEGIN":
                return await _streamed(client, address, headers, batch)
            raise _translated(first["error"])
        result = first["response"]["result"]
        _raise_first([problem for problem in result["step_errors"] if problem])
        return [_rows(step) for step in result["step_results"][1:-2]]
    except (LookupError, TypeError, AttributeError, ValueError):
        raise _other_form() from None


def _steps(statements: Sequence[Statement], begin: str) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [{"stmt": {"sql": begin, "want_rows": False}}]
    for sql, values in [*statements, Statement("COMMIT")]:
        steps.append(
            {
                "stmt": {"sql": sql, "args": [_encoded(value) for value in values]},
                "condition": {"type": "ok", "step": len(steps) - 1},
            }
        )
    committed = {"type": "ok", "step": len(steps) - 1}
    steps.append({"stmt": {"sql": "ROLLBACK"}, "condition": {"type": "not", "cond": committed}})
    return steps


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What stands between line feeds; httpx also breaks lines at characters that JSON leaves in texts."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line
    yield rest


async def _streamed(
    client: httpx.AsyncClient, address: str, headers: Mapping[str, str], batch: dict[str, Any]
) -> list[Rows]:
    """The same by the cursor of the protocol, one JSON text a line; only for what reads."""
    found: list[Rows] = [[] for _step in batch["steps"]]
    problems: list[Any] = []
    place = ended = 0
    body = msgspec.json.encode({"baton": None, "batch": batch})
    request = client.build_request(
        "POST", address + _CURSOR, content=body, headers={**headers, **_JSON}
    )
    try:
        response = await client.send(request, stream=True)
        try:
            if response.status_code != httpx.codes.OK:
                await response.aread()
                _refuse(response)
            async for line in _lines(response.aiter_bytes()):
                entry = msgspec.json.decode(line) if line else {}
                match entry.get("type"):
                    case "step_begin":
                        place = entry["step"]
                    case "step_end":
                        ended += 1
                    case "row":
                        found[place].append(tuple(map(_decoded, entry["row"])))
                    case "step_error" | "error":
                        problems.append(entry["error"])
        finally:
            await response.aclose()
    except httpx.HTTPError as problem:
        raise _unreachable(problem) from problem
    except (LookupError, TypeError, AttributeError, ValueError):
        raise _other_form() from None
    _raise_first(problems)
    # Each statement, BEGIN and COMMIT: a stream that stops before is not the whole of it.
    if ended < len(batch["steps"]) - 1:
        raise _other_form()
    return found[1:-2]


_JSON = {"content-type": "application/json"}


async def _post(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: dict[str, Any]
) -> Any:
    try:
        response = await client.post(
            url, content=msgspec.json.encode(body), headers={**headers, **_JSON}
        )
    except httpx.HTTPError as problem:
        raise _unreachable(problem) from problem
    if response.status_code != httpx.codes.OK:
        _refuse(response)
    try:
        return msgspec.json.decode(response.content)
    except msgspec.DecodeError as problem:
        raise errors.BackendUnavailableError(
            f"the database server answered what is no JSON: {problem}", is_unknown=True
        ) from problem


def _other_form() -> errors.BackendUnavailableError:
    return errors.BackendUnavailableError(
        "the database server answered in another form than its protocol says", is_unknown=True
    )


def _unreachable(problem: httpx.HTTPError) -> errors.BackendUnavailableError:
    never_sent = isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return errors.BackendUnavailableError(
        f"the database server cannot be reached: {str(problem) or type(problem).__name__}",
        is_unknown=not never_sent,
    )


def _refuse(response: httpx.Response) -> None:
    """Raises what a status other than 200 means; the body is the server's own words."""
    status = response.status_code
    said = response.text[:200].replace("\n", " ")
    message = f"the database server answered {status}: {said}"
    if status == httpx.codes.NOT_FOUND:
        raise errors.NoSuchTenantError(message)
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise TokenRefusedError(message, hint="check the token of the database server")
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise errors.BackendUnavailableError(
            message, is_unknown=status >= httpx.codes.INTERNAL_SERVER_ERROR
        )
    raise errors.BackendError(message)


def _raise_first(problems: Sequence[Any]) -> None:
    if problems:
        raise _translated(problems[0])


def _translated(problem: Mapping[str, Any]) -> errors.BackendError:
    code, message = str(problem.get("code") or ""), str(problem.get("message") or "no reason given")
    is_too_large = code == "SQLITE_TOOBIG" or "too big" in message
    if is_too_large or code.startswith("SQLITE_CONSTRAINT") or code == "SQLITE_MISMATCH":
        return errors.ConstraintError(message)
    if code.startswith(_BUSY) or "database is locked" in message:
        return errors.BackendUnavailableError(message)
    if code in ("BLOCKED", "STREAM_EXPIRED") or code.startswith("SQLITE_IOERR"):
        return errors.BackendUnavailableError(message)
    return errors.BackendError(f"{message} ({code})" if code else message)


def _rows(step: Any) -> Rows:
    return [tuple(map(_decoded, row)) for row in (step or {}).get("rows", ())]


def _encoded(value: SqlValue) -> dict[str, Any]:
    if value is None:
        return {"type": "null"}
    if isinstance(value, str):
        return {"type": "text", "value": value}
    if isinstance(value, int):
        if not -_BEYOND_INTEGERS <= value < _BEYOND_INTEGERS:
            raise errors.BackendError("an integer does not fit 64 bits")
        # As text: JSON's readers keep only 53 bits of a number.
        return {"type": "integer", "value": str(int(value))}
    if isinstance(value, float):
        return {"type": "float", "value": value}
    return {"type": "blob", "base64": base64.b64encode(value).decode()}


def _decoded(value: Any) -> SqlValue:
    match value["type"]:
        case "null":
            return None
        case "integer":
            return int(value["value"])
        case "float":
            return float(value["value"])
        case "blob":
            coded = value["base64"]
            return base64.b64decode(coded + "=" * (-len(coded) % 4))
    text: str = value["value"]
    return text
