"""How a tool call ended, where Codex's own words say so."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from attrs import define

from clankers.importers._jsonl import decode_line, decode_value
from clankers.importers._values import LARGEST_INTEGER, count, text
from clankers.importers.codex._lines import member, objects

ERROR_CHARACTERS = 2_000
_NANOSECONDS = 1_000_000
_HEADER_LINES = 8
_EXIT_CODE = re.compile(r"(?:Exit code:|Process exited with code) (-?\d{1,9})")
_WALL_TIME = re.compile(r"Wall time:? (\d{1,9}(?:\.\d{1,9})?) seconds?")
_SCRIPT = re.compile(r"Script (completed|failed|terminated)")
_OTHER_HEADER = (
    "Chunk ID: ",
    "Original token count: ",
    "Total output lines: ",
    "Process running with session ID ",
    "Script running with cell ID ",
)
_OUTPUT = "Output:"
# What Codex itself answers in place of an output when a call could not be made.
_REFUSALS = (
    "aborted by user",
    "apply_patch verification failed",
    "err: ",
    "exec_command failed for ",
    "execution error: ",
    "failed to parse function arguments",
    "failed to parse exec arguments",
    "patch rejected",
    "exec command rejected by user",
    "tool call error: ",
    "unsupported call: ",
    "unsupported custom tool call: ",
)
_ENDED = {
    "completed": True,
    "success": True,
    "succeeded": True,
    "failed": False,
    "error": False,
    "errored": False,
    "declined": False,
    "incomplete": False,
}


@define
class Outcome:
    """What is known of a call's end; None where nothing says it."""

    success: bool | None = None
    duration_ms: int | None = None
    error: str | None = None


def outcome_of(output: Any) -> Outcome:
    """How the output that the model was given says the call went."""
    if isinstance(output, str):
        return _of_text(output)
    if isinstance(output, dict):
        return _of_object(output)
    parts = objects(output)
    first = text(parts[0].get("text")) if parts else None
    return _of_text(first, "\n".join(_texts(parts[1:]))) if first else Outcome()


def ended(status: Any) -> bool | None:
    """Success by a status word such as ``completed`` or ``failed``."""
    return _ENDED.get(status.lower()) if isinstance(status, str) else None


def duration_ms(value: Any) -> int | None:
    """Milliseconds of ``{secs, nanos}``; 0 is a duration too."""
    if not isinstance(value, dict) or not ("secs" in value or "nanos" in value):
        return None
    found = count(value.get("secs")) * 1000 + count(value.get("nanos")) // _NANOSECONDS
    return min(found, LARGEST_INTEGER)


def shortened(words: str | None) -> str | None:
    """The beginning of an error's text."""
    return (words or "").strip()[:ERROR_CHARACTERS] or None


def _of_object(output: dict[str, Any]) -> Outcome:
    content = output.get("content", output.get("output"))
    found = outcome_of(content) if isinstance(content, str | list) else Outcome()
    metadata = member(output, "metadata")
    code = metadata.get("exit_code", output.get("exit_code", output.get("exitCode")))
    if type(code) is int:
        found.success = code == 0
    elif type(output.get("success")) is bool:
        found.success = output["success"]
    seconds = metadata.get("duration_seconds")
    if isinstance(seconds, int | float) and 0 <= seconds < LARGEST_INTEGER // 1000:
        found.duration_ms = round(seconds * 1000)
    if found.success is False:
        found.error = found.error or shortened(_flat(content))
    return found


def _of_text(output: str, rest: str = "") -> Outcome:
    if output.startswith('{"'):
        structured = _structured(output)
        if structured is not None:
            return _of_object(structured)
    if output.startswith(_REFUSALS):
        return Outcome(success=False, error=shortened(output))
    return _of_header(output, rest)


class _Structured(msgspec.Struct):
    """The ``{"output", "metadata"}`` that the shell tools of 2025 wrote as text."""

    metadata: Any = None
    output: msgspec.Raw = msgspec.Raw(b"null")


_structured_decoder = msgspec.json.Decoder(_Structured)


def _structured(output: str) -> dict[str, Any] | None:
    found = decode_line(_structured_decoder, output.encode())
    if found is None or not isinstance(found.metadata, dict):
        return None
    # The output itself is large and only a failure's is looked at.
    if found.metadata.get("exit_code") == 0:
        return {"metadata": found.metadata}
    return {"metadata": found.metadata, "content": decode_value(found.output)}


def _of_header(output: str, rest: str) -> Outcome:
    """Reads the lines above ``Output:``; other text, whatever it says, is no header."""
    found = Outcome()
    lines = output.split("\n", _HEADER_LINES)
    for number, line in enumerate(lines[:_HEADER_LINES]):
        if line.rstrip() == _OUTPUT and number:
            body = "\n".join([*lines[number + 1 :], rest])
            found.error = shortened(body) if found.success is False else None
            return found
        if code := _EXIT_CODE.fullmatch(line):
            found.success = int(code[1]) == 0
        elif wall := _WALL_TIME.fullmatch(line):
            found.duration_ms = round(float(wall[1]) * 1000)
        elif script := _SCRIPT.fullmatch(line):
            found.success = script[1] == "completed"
        elif not line.startswith(_OTHER_HEADER):
            break
    return Outcome()


def _texts(parts: list[dict[str, Any]]) -> list[str]:
    return [words for part in parts if (words := text(part.get("text")))]


def _flat(content: Any) -> str | None:
    return content if isinstance(content, str) else "\n".join(_texts(objects(content)))
