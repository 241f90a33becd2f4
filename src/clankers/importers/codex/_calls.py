"""Tool calls and their results, from response items, from events and from completed items.

A response item is what the model asked for and was told; an event is what Codex noted while
it did so. Both carry one call id. Where both are there the model's words are kept and the
event adds what only it knows: how long it took, whether it worked, which file it changed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import define

from clankers.importers._values import count, json_text, row_id, text
from clankers.importers.codex._lines import elements, member, objects
from clankers.importers.codex._outcomes import duration_ms, ended, outcome_of, shortened
from clankers.importers.codex._records import update
from clankers.importers.codex._state import Origin

if TYPE_CHECKING:
    from clankers.importers.codex._records import Records

_PATCHED_FILE = re.compile(r"\*\*\* (?:Add|Update|Delete) File: ([^\r\n]+)")
_PATCH = "*** Begin Patch"
_PATH_ARGUMENTS = ("file_path", "path")
_PATH_TOOLS = frozenset({"view_image", "read_file", "list_dir", "grep_files"})
_HIDDEN_NAMESPACE = "functions"
_WEB_SEARCH = "web_search"
_IMAGE_GENERATION = "image_generation"
_KEY_CHARACTERS = 200
_CALL_NAMES = {
    "image_generation_call": _IMAGE_GENERATION,
    "local_shell_call": "local_shell",
    "tool_search_call": "tool_search",
    "web_search_call": _WEB_SEARCH,
}


@define
class Noted:
    """What an event says of a call."""

    name: str
    given: Any = None
    output: Any = None
    success: bool | None = None
    error: str | None = None
    path: str | None = None
    child: str | None = None


class Calls:
    """Turns what lines say of tools into the calls of a batch."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._state = records.state

    # What the model asked for

    def ask(self, payload: dict[str, Any], number: int) -> bool:
        """A call as a response item."""
        kind = text(payload.get("type")) or ""
        place = self._state.place(number)
        item_id = text(payload.get("id"))
        call_id = text(payload.get("call_id")) or item_id or place
        self._state.unnamed_call = call_id if call_id == place else None
        given = _asked(payload, kind)
        if kind == "web_search_call" and self._is_known_search(payload, call_id, number):
            return False
        tool = self._records.call(
            call_id,
            item_id or place,
            "item",
            tool_name=_CALL_NAMES.get(kind) or _named(payload),
            tool_input=_input(given),
            file_path=_path_in(_named(payload), given),
        )
        if kind in ("web_search_call", "image_generation_call"):
            update(tool, success=ended(payload.get("status")), tool_output=self._picture(payload))
        return True

    def answer(self, payload: dict[str, Any], number: int) -> None:
        """A result as a response item; whatever follows it is another response of the model."""
        self._records.close_answer()
        state = self._state
        call_id = text(payload.get("call_id")) or text(payload.get("id")) or state.unnamed_call
        tool = self._records.tool(call_id or state.place(number))
        state.unnamed_call = None
        if call_id is None:
            update(tool, tool_name=text(payload.get("name")), seq=state.next_seq())
        output = _first(payload.get("output"), payload.get("result"), payload.get("tools"))
        outcome = outcome_of(output)
        update(
            tool,
            tool_output=self._output(output),
            success=_first(outcome.success, ended(payload.get("status"))),
            duration_ms=outcome.duration_ms,
            error_message=outcome.error,
        )

    def _is_known_search(self, payload: dict[str, Any], call_id: str, number: int) -> bool:
        """Searches without an id are told apart by what they looked for."""
        if text(payload.get("id")) or text(payload.get("call_id")):
            return False
        origin = Origin(call_id, "item", number)
        return self._state.is_repeat(_WEB_SEARCH, _looked_for(payload), origin) is not None

    # What Codex noted

    def knows(self, kind: str) -> bool:
        """Whether events or items of that kind are about tool calls."""
        return kind in _NOTES

    def note(self, kind: str, payload: dict[str, Any], number: int) -> bool:
        """An event or a completed item of a tool; True when it says something of a call."""
        call_id = (
            text(payload.get("call_id")) or text(payload.get("callId")) or text(payload.get("id"))
        )
        if call_id is None:
            return False
        if kind in _SEARCHES and self._is_repeated_search(payload, call_id, number):
            return False
        self._note(call_id, kind, payload, _NOTES[kind](payload))
        return True

    def _is_repeated_search(self, payload: dict[str, Any], call_id: str, number: int) -> bool:
        if call_id in self._state.calls:
            return False
        origin = Origin(call_id, "event", number)
        return self._state.is_repeat(_WEB_SEARCH, _looked_for(payload), origin) is not None

    def _note(self, call_id: str, kind: str, payload: dict[str, Any], noted: Noted) -> None:
        """Adds to the model's own call, or stands for it where no response item told of one."""
        if call_id not in self._state.calls:
            self._records.call(call_id, None, "event", tool_name=noted.name)
        tool = self._records.tool(call_id)
        is_models = self._state.calls[call_id] == "item"
        if not is_models:
            update(tool, tool_input=_input(noted.given))
        if not is_models or kind in _OUTPUT_ONLY_HERE:
            update(tool, tool_output=self._picture(payload) or self._output(noted.output))
        success = _first(noted.success, ended(payload.get("status")))
        update(
            tool,
            success=success,
            duration_ms=_first(duration_ms(payload.get("duration")), _between(payload)),
            error_message=shortened(noted.error) if success is False else None,
            file_path=noted.path,
            child_session_id=noted.child and row_id(noted.child),
        )

    def _picture(self, payload: dict[str, Any]) -> str | None:
        """The output of a call whose result is an image's own bytes."""
        if not (text(payload.get("type")) or "").startswith(_IMAGE_GENERATION):
            return None
        data = text(payload.get("result"))
        made = data and self._records.attachments.image({"data": data})
        return json_text({"type": "image", **made}) if made else None

    def _output(self, output: Any) -> str | None:
        if output is None:
            return None
        return json_text(self._records.attachments.without_bytes(output))


def _asked(payload: dict[str, Any], kind: str) -> Any:
    if kind in ("local_shell_call", "web_search_call"):
        return payload.get("action")
    if kind == "image_generation_call":
        return {"prompt": payload.get("revised_prompt")}
    return payload.get("input") if "input" in payload else payload.get("arguments")


def _input(given: Any) -> str | None:
    """Arguments as JSON: a text that is JSON stays that JSON, any other becomes a JSON string."""
    if given is None:
        return None
    if isinstance(given, str) and given.lstrip().startswith(("{", "[")):
        try:
            msgspec.json.decode(given)
        except (msgspec.DecodeError, RecursionError):
            return json_text(given)
        return given
    return json_text(given)


def _named(payload: dict[str, Any]) -> str:
    name = text(payload.get("name")) or text(member(payload, "function").get("name")) or ""
    namespace = text(payload.get("namespace"))
    if namespace is None or namespace == _HIDDEN_NAMESPACE:
        return name
    return f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}.{name}"


def _path_in(name: str, given: Any) -> str | None:
    """The first file of a patch, or the file that a reading tool names."""
    if isinstance(given, str) and _PATCH in given:
        found = _PATCHED_FILE.search(given.replace("\\n", "\n"))
        return found[1].strip() if found else None
    if name not in _PATH_TOOLS:
        return None
    if isinstance(given, str):
        try:
            given = msgspec.json.decode(given)
        except (msgspec.DecodeError, RecursionError):
            return None
    named = given if isinstance(given, dict) else {}
    return next((path for one in _PATH_ARGUMENTS if (path := text(named.get(one)))), None)


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _command(payload: dict[str, Any]) -> Noted:
    code = payload.get("exit_code")
    printed = "".join(text(payload.get(one)) or "" for one in ("stdout", "stderr"))
    output = text(payload.get("aggregated_output")) or text(payload.get("formatted_output"))
    given = {"command": payload.get("command"), "cwd": payload.get("cwd")}
    return Noted(
        "shell",
        {name: value for name, value in given.items() if value is not None},
        output or printed or None,
        code == 0 if type(code) is int else None,
        text(payload.get("stderr")) or output,
    )


def _patch(payload: dict[str, Any]) -> Noted:
    changes, success = payload.get("changes"), payload.get("success")
    paths = (
        list(changes)
        if isinstance(changes, dict)
        else [path for one in objects(changes) if (path := text(one.get("path")))]
    )
    printed, complained = text(payload.get("stdout")), text(payload.get("stderr"))
    return Noted(
        "apply_patch",
        {"changes": changes},
        printed or complained,
        success if type(success) is bool else None,
        complained or printed,
        paths[0] if paths else None,
    )


def _mcp(payload: dict[str, Any]) -> Noted:
    asked = member(payload, "invocation") or payload
    result = payload.get("result")
    refusal = member(payload, "result").get("Err") or payload.get("error")
    if isinstance(result, dict) and "Ok" in result:
        result = result["Ok"]
    is_told = isinstance(result, dict) or refusal is not None
    states = member(result)
    failed = refusal is not None or True in (states.get("isError"), states.get("is_error"))
    return Noted(
        f"mcp__{text(asked.get('server')) or ''}__{text(asked.get('tool')) or ''}",
        asked.get("arguments"),
        result if refusal is None else refusal,
        not failed if is_told else None,
        _complaint(refusal) or _flat(states.get("content")),
    )


def _search(payload: dict[str, Any]) -> Noted:
    action = payload.get("action")
    given = {"query": payload.get("query")} if action is None else action
    return Noted(text(payload.get("kind")) or _WEB_SEARCH, given, payload.get("results"))


def _viewed(payload: dict[str, Any]) -> Noted:
    path = text(payload.get("path"))
    return Noted("view_image", {"path": path}, path=path)


def _image(payload: dict[str, Any]) -> Noted:
    given = {"prompt": payload.get("revised_prompt")}
    return Noted(_IMAGE_GENERATION, given, path=text(payload.get("saved_path")))


def _dynamic(payload: dict[str, Any]) -> Noted:
    success, error = payload.get("success"), payload.get("error")
    output = payload.get("content_items")
    return Noted(
        _named({**payload, "name": payload.get("tool")}),
        payload.get("arguments"),
        error if output is None else output,
        success if type(success) is bool else None,
        _complaint(error) or _flat(output),
    )


def _delegated(payload: dict[str, Any]) -> Noted:
    """A call to another agent; one that starts an agent names the session it made."""
    told = text(payload.get("tool")) or _AGENT_CALLS.get(text(payload.get("type")) or "", "")
    name, prompt = _snake(told), payload.get("prompt")
    made = text(payload.get("new_thread_id")) or next(
        (text(one) for one in elements(payload.get("receiver_thread_ids"))), None
    )
    return Noted(
        name,
        None if prompt is None else {"prompt": prompt},
        _first(payload.get("agent_statuses"), payload.get("agents_states")),
        child=made if name == "spawn_agent" else None,
    )


def _between(payload: dict[str, Any]) -> int | None:
    """The duration of a completed item, from the times that stand around it."""
    started, completed = count(payload.get("started_at_ms")), count(payload.get("completed_at_ms"))
    return completed - started if 0 < started <= completed else None


def _complaint(value: Any) -> str | None:
    return text(value.get("message") if isinstance(value, dict) else value)


def _flat(content: Any) -> str | None:
    return "\n".join(words for one in objects(content) if (words := text(one.get("text")))) or None


def _looked_for(payload: dict[str, Any]) -> str:
    return json_text(payload.get("action"))[:_KEY_CHARACTERS]


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


_AGENT_CALLS = {
    "collab_agent_spawn_end": "spawn_agent",
    "collab_agent_interaction_end": "send_input",
    "collab_waiting_end": "wait",
    "collab_close_end": "close_agent",
    "collab_resume_end": "resume_agent",
}
_SEARCHES = frozenset({"web_search_end", "web_search"})
# Calls that no response item gives a result of.
_OUTPUT_ONLY_HERE = _SEARCHES | {"extension", "image_generation", "image_generation_end"}
_NOTES = {
    **dict.fromkeys(_AGENT_CALLS, _delegated),
    "collab_agent_tool_call": _delegated,
    "collab_tool_call": _delegated,
    "command_execution": _command,
    "dynamic_tool_call": _dynamic,
    "dynamic_tool_call_request": _dynamic,
    "dynamic_tool_call_response": _dynamic,
    "exec_command_end": _command,
    "extension": _search,
    "file_change": _patch,
    "image_generation": _image,
    "image_generation_end": _image,
    "image_view": _viewed,
    "mcp_tool_call": _mcp,
    "mcp_tool_call_end": _mcp,
    "patch_apply_end": _patch,
    "view_image_tool_call": _viewed,
    "web_search": _search,
    "web_search_end": _search,
}
