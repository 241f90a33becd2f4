"""The conversation of a task, as the model had it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from clankers.importers import Block, Rows, _anthropic, member, objects, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.importers import Outcome
    from clankers.importers._vscode._reading import Models, Times

# Models without calls of their own write them as tags. What is inside may hold any text.
_CALL = re.compile(
    r"<(execute_command|read_file|write_to_file|replace_in_file|apply_diff|insert_content|"
    r"search_and_replace|search_files|list_files|list_code_definition_names|browser_action|"
    r"use_mcp_tool|access_mcp_resource|ask_followup_question|attempt_completion|"
    r"plan_mode_respond|act_mode_respond|new_task|load_mcp_documentation|web_fetch|web_search|"
    r"switch_mode|update_todo_list|codebase_search|fetch_instructions|condense|new_rule|"
    r"report_bug|edit_file|delete_file|summarize_task|use_skill|generate_image|"
    r"run_slash_command|use_subagents|generate_explanation)>"
)
_ARGUMENT = re.compile(r"<(\w+)>(.*?)</\1>", re.DOTALL)
_RESULT = re.compile(r"\[(\w+)(?: [^\n]*?)?\] Result:\s*")
_TYPED = re.compile(
    r"<(task|feedback|user_message|answer|user_input)(?: [^>]*)?>\s*(.*?)\s*</\1>", re.DOTALL
)
# In the result of a call, which may hold any file, only where the program says whose words they are.
_FEEDBACK = re.compile(
    r"(?:\A\s*<(?:answer|user_message)>|The user [^<]*<feedback>)\s*(.*?)\s*"
    r"</(?:answer|user_message|feedback)>",
    re.DOTALL,
)
_FOLDER = re.compile(r"# Current (?:Working|Workspace) Directory \((.+?)\) Files")
_MODEL = re.compile(r"<model>([^<\n]+)</model>")
_ENVIRONMENT = "<environment_details>"
# How a text begins that the program wrote in the user's name.
_ADDED = (_ENVIRONMENT, "[", "# ", "<explicit_instructions", "<system-reminder>", "<slash_command")


def environment_of(message: Any) -> dict[str, str]:
    """Folder and model, which the program tells the model in each prompt."""
    found: dict[str, str] = {}
    if not isinstance(message, dict) or message.get("role") != "user":
        return found
    for part in _anthropic.parts(message.get("content")):
        words = text(part.get("text")) or ""
        if _ENVIRONMENT in words:
            for name, pattern in (("folder", _FOLDER), ("model", _MODEL)):
                if match := pattern.search(words):
                    found[name] = match[1].strip()
    return found


class Conversation:
    """Says the messages, joins calls with their results, and tells the user's words apart."""

    def __init__(self, rows: Rows, said: list[Any], times: Times, models: Models) -> None:
        self._rows, self._said = rows, said
        self._times, self._models = times, models
        self._ids: dict[str, int] = {}
        # The call that was written as a tag and has no result yet.
        self._pending: str | None = None

    def outcomes(self) -> Iterator[Outcome]:
        for number, message in enumerate(self._said):
            yield self._take(message, number) if isinstance(message, dict) else "unknown"

    def _take(self, message: dict[str, Any], number: int) -> Outcome:
        at, role = self._times.of(number), message.get("role")
        native = self._native_id(message, number)
        if role == "assistant" or message.get("type") == "reasoning":
            self._answer(message, native, at)
        elif role in ("user", "tool"):
            self._rows.place(environment_of(message).get("folder"))
            self._prompt(message, native, at)
        else:
            return "unknown"
        return "imported"

    def _native_id(self, message: dict[str, Any], number: int) -> str:
        """A message's time, which names it; its place for versions that wrote no times."""
        stated = message.get("ts")
        native = str(stated) if type(stated) is int else str(number)
        self._ids[native] = times = self._ids.get(native, 0) + 1
        return native if times == 1 else f"{native}#{times}"

    def _answer(self, message: dict[str, Any], native: str, at: int | None) -> None:
        rows = self._rows
        seq = rows.next_seq(at)
        said = [
            Block("thinking", words)
            for words in (text(message.get("reasoning_content")), _reasoning(message))
            if words
        ]
        for number, part in enumerate(_anthropic.parts(message.get("content"))):
            kind, words = text(part.get("type")), text(part.get("text")) or ""
            if kind == "text":
                said += self._written(words, native, at)
            elif kind in ("thinking", "reasoning"):
                said.append(Block("thinking", text(part.get("thinking")) or words))
            elif kind in ("tool_use", "tool-call"):
                call = _call_id(part) or f"{native}-{number}"
                name = text(part.get("name")) or text(part.get("toolName"))
                said.append(rows.call(call, name, part.get("input"), at, message=native))
            elif kind == "image":
                said.append(_anthropic.image(rows, part))
        said = [block for block in said if block.text or block.reference is not None]
        if said:
            model = text(member(message, "modelInfo").get("modelId")) or self._models.at(at)[0]
            role = "system" if message.get("isSummary") is True else "assistant"
            model = model if role == "assistant" else None
            rows.say(native, role, said, at, seq=seq, model=model)

    def _written(self, words: str, native: str, at: int | None) -> list[Block]:
        """The blocks of a text, in which a call may be written as a tag."""
        opened = _CALL.search(words)
        closed = -1 if opened is None else words.rfind(f"</{opened[1]}>")
        if opened is None or closed < opened.end():
            return [Block("text", words.strip())]
        self._pending = f"{native}-call"
        given = _arguments(words[opened.end() : closed])
        call = self._rows.call(self._pending, opened[1], given, at, message=native)
        rest = words[closed + len(f"</{opened[1]}>") :]
        return [Block("text", words[: opened.start()].strip()), call, Block("text", rest.strip())]

    def _prompt(self, message: dict[str, Any], native: str, at: int | None) -> None:
        found = _Prompt()
        for number, part in enumerate(_anthropic.parts(message.get("content"))):
            kind = text(part.get("type"))
            if kind in ("tool_result", "tool-result"):
                self._result(part, f"{native}-{number}", at, found)
            elif kind == "image" and found.result is None:
                found.typed.append(_anthropic.image(self._rows, part))
            elif kind == "image" and found.result is not None:
                found.result.append(part)
            elif kind == "text":
                found.add(text(part.get("text")) or "", is_expected=self._pending is not None)
        if found.result is not None and self._pending is not None:
            self._finish(self._pending, found.result, at, None)
            found.typed += _feedback(found.result)
            self._pending = None
        is_added = message.get("isSummary") is True or message.get("isTruncationMarker") is True
        added = found.added + (found.typed if is_added else [])
        typed = [] if is_added else found.typed
        if typed and added:
            self._rows.say(f"{native}#context", "system", added, at)
        if typed or added:
            self._rows.say(native, "user" if typed else "system", typed or added, at)

    def _result(self, part: dict[str, Any], native: str, at: int | None, found: _Prompt) -> None:
        content = part.get("content", part.get("output"))
        if isinstance(content, dict) and "value" in content:
            content = content["value"]
        self._finish(_call_id(part) or native, content, at, part.get("is_error"))
        found.typed += _feedback(content)

    def _finish(self, call: str, content: Any, at: int | None, is_error: Any) -> None:
        output = _anthropic.output(self._rows, content)
        if isinstance(output, list) and all(isinstance(one, str) for one in output):
            output = "\n\n".join(output)
        success = _anthropic.succeeded(content, is_error=is_error)
        self._rows.answer(call, output, at, success=success)


class _Prompt:
    """What a message in the user's name is made of.

    Attributes:
        result: the parts of a call's result; None as long as none began.
    """

    def __init__(self) -> None:
        self.typed: list[Block] = []
        self.added: list[Block] = []
        self.result: list[Any] | None = None

    def add(self, words: str, *, is_expected: bool) -> None:
        """Takes a text; a result is only one when there was a call."""
        begun = _RESULT.match(words) if is_expected else None
        if begun is not None:
            self.result = self.result or []
            if rest := words[begun.end() :].strip():
                self.result.append(rest)
        elif words.lstrip().startswith(_ENVIRONMENT):
            self.added.append(Block("text", words.strip()))
        elif self.result is not None:
            self.result.append(words)
        elif quoted := _quoted(words):
            self.typed += quoted
            if rest := _TYPED.sub("", words).strip():
                self.added.append(Block("text", rest))
        elif words.lstrip().startswith(_ADDED):
            self.added.append(Block("text", words.strip()))
        elif words.strip():
            self.typed.append(Block("text", words.strip()))


def _quoted(words: str) -> list[Block]:
    """What the user typed, where the program marks it in a text of its own."""
    return [Block("text", found[2]) for found in _TYPED.finditer(words) if found[2]]


def _feedback(content: Any) -> list[Block]:
    """What the user typed in answer to a call."""
    words = [text(part.get("text")) or "" for part in _anthropic.parts(content)]
    words += [one for one in content if isinstance(one, str)] if isinstance(content, list) else []
    return [Block("text", found[1]) for one in words if (found := _FEEDBACK.search(one))]


def _arguments(written: str) -> dict[str, str]:
    """The arguments of a call that is written as tags; the text of a file may hold any tag."""
    found: dict[str, str] = {}
    for name in ("content", "diff", "result", "arguments", "args"):
        opened, closed = written.find(f"<{name}>"), written.rfind(f"</{name}>")
        if 0 <= opened < closed:
            found[name] = written[opened + len(name) + 2 : closed].strip("\n")
            written = written[:opened] + written[closed + len(name) + 3 :]
    return {match[1]: match[2].strip("\n") for match in _ARGUMENT.finditer(written)} | found


def _call_id(part: dict[str, Any]) -> str | None:
    names = ("tool_use_id", "toolCallId", "id")
    return next((found for name in names if (found := text(part.get(name)))), None)


def _reasoning(message: dict[str, Any]) -> str | None:
    """What a record of reasoning alone says; most are encrypted."""
    if message.get("type") != "reasoning":
        return None
    words = [text(one.get("text")) or "" for one in objects(message.get("summary"))]
    return text(message.get("text")) or "\n\n".join(filter(None, words)) or None
