"""Whose words a text is: the person's, or Codex's own put in the person's name."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any

from clankers.importers._values import text
from clankers.importers.codex._lines import elements, member

_KEY_BYTES = 8
_IMAGES = "images:"
_PROGRAM_OPENINGS = (
    "<environment_context>",
    "<user_instructions>",
    "# AGENTS.md instructions",
    "<INSTRUCTIONS>",
    "<turn_aborted>",
    "<recommended_plugins>",
    "<codex_internal_context",
    "<skills_instructions>",
    "<apps_instructions>",
    "<plugins_instructions>",
    "<permissions instructions>",
    "<collaboration_mode>",
    "<model_switch>",
    "<personality_spec>",
    "<subagent_notification>",
    "<goal_context>",
    "<hook_prompt ",
    "<user_action>",
    "Warning: apply_patch was requested via ",
    "Warning: The maximum number of unified exec processes you can keep open is",
)
# Tags a person might type too: Codex's own text also ends with them.
_PROGRAM_ENVELOPES = (("<skill>", "</skill>"), ("<external_", ">"))
_USER_KINDS = ("user.", "images.", "audio.")
_SHELL_OPENING = "<user_shell_command>"
_EDITOR_REQUEST = "## My request for Codex:"
_UNSPOKEN = re.compile(
    r"<(oai-mem-citation|proposed_plan)>.*?(?:</\1>|\Z)|</?image\b[^<>]*>", re.DOTALL
)
_IMAGE_TAG = re.compile(r"\s*</?image\b[^>]*>\s*")


def is_programs(words: str) -> bool:
    """True for context that Codex writes as if the user had said it."""
    start = words.lstrip()
    if start.startswith(_PROGRAM_OPENINGS):
        return True
    return any(
        start.startswith(opening) and start.rstrip().endswith(closing)
        for opening, closing in _PROGRAM_ENVELOPES
    )


def stated_authors(payload: dict[str, Any]) -> list[bool] | None:
    """For each content block whether Codex says that it is its own; None where it says nothing."""
    noted = member(payload, "internal_chat_message_metadata_passthrough")
    kinds = elements(noted.get("content_item_kinds"))
    if not kinds or len(kinds) != len(elements(payload.get("content"))):
        return None
    return [not _is_users_kind(text(kind) or "") for kind in kinds]


def _is_users_kind(kind: str) -> bool:
    return kind in ("", "unknown") or kind.startswith(_USER_KINDS)


def is_image_tag(words: str) -> bool:
    """True for the tags that Codex sets around an image."""
    return _IMAGE_TAG.fullmatch(words) is not None


def titled(words: str) -> str:
    """The part of a prompt that makes a title; "" when none does."""
    if words.lstrip().startswith(_SHELL_OPENING):
        return ""
    return words.rpartition(_EDITOR_REQUEST)[2]


def key(words: str) -> str:
    """What two records of one text have in common, "" when they are not to be compared.

    Events come without plans, citations and image tags, and join blocks in another way.
    All of the text counts: many texts of one session begin alike.
    """
    spoken = "".join(_UNSPOKEN.sub("", words).split())
    return _digest(spoken) if spoken else ""


def images_key(references: list[dict[str, Any]]) -> str:
    """The same for a message of images alone; "" when there are none.

    An event may name a local file whose bytes only the item has. Such a key has no digest
    and says no more than how many images there are.
    """
    if not references:
        return ""
    named = [one.get("attachment") or one.get("url") or "" for one in references]
    is_certain = all(one.get("attachment") or "://" in one.get("url", "") for one in references)
    return f"{_IMAGES}{len(named)}:{_digest(chr(10).join(named)) if is_certain else ''}"


def is_same(one: str, other: str) -> bool:
    """True when two keys may stand for the same thing said."""
    if one == other:
        return True
    is_open = one.endswith(":") or other.endswith(":")
    return is_open and one.rpartition(":")[0] == other.rpartition(":")[0]


def _digest(words: str) -> str:
    return blake2b(words.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).hexdigest()
