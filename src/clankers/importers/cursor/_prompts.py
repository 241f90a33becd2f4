"""What was typed, and what Cursor put around it before the model saw it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from clankers.importers._blocks import TEXT, Block

CONTEXT = "context"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_QUERY = re.compile(r"<user_query>\s*(.*?)\s*(?:</user_query>|\Z)", re.DOTALL)
# Tags that only Cursor writes; a prompt may begin with any other one.
_INJECTED = re.compile(
    r"\s*<(user_info|rules|git_status|project_layout|system_reminder|system-reminder"
    r"|system_notification|agent_\w+|available_\w+|attached_files|additional_data"
    r"|open_and_recently_viewed_files|environment_\w+|manually_attached_skills"
    r"|mcp_\w+|timestamp|always_applied_\w+|user_rules|conversation_summary|previous_\w+)\b"
)
_TIMESTAMP = re.compile(
    r"<timestamp>\w+, (\w{3})\w* (\d{1,2}), (\d{4}), (\d{1,2}):(\d\d) ([AP]M)"
    r" \(UTC(?:([+-]\d{1,2})(?::?(\d\d))?)?\)</timestamp>\s*"
)


class Prompt(NamedTuple):
    """A text in the user's name.

    Attributes:
        words: what the user typed; empty for what only the program said.
        context: everything else, but for the time.
        at: when it was typed, to the minute, where the text says so.
    """

    words: str
    context: str
    at: int | None

    @property
    def role(self) -> str:
        return "system" if self.context and not self.words else "user"

    @property
    def blocks(self) -> list[Block]:
        found = [Block(TEXT, self.words)] if self.words else []
        return [*found, Block(CONTEXT, self.context)] if self.context else found


def unwrapped(text: str) -> Prompt:
    """A prompt without what is around it; a text without any marks is a prompt."""
    at = _time_in(text)
    around = _TIMESTAMP.sub("", text)
    typed = [one for one in _QUERY.findall(around) if one]
    if typed or "<user_query>" in around:
        return Prompt("\n\n".join(typed), _QUERY.sub("", around).strip(), at)
    if _INJECTED.match(around):
        return Prompt("", around.strip(), at)
    return Prompt(around.strip(), "", at)


def _time_in(text: str) -> int | None:
    found = _TIMESTAMP.search(text)
    if found is None:
        return None
    month, *numbers, half, zone, minutes = found.groups()
    day, year, hour, minute = map(int, numbers)
    hour = hour % 12 + 12 * (half == "PM")
    offset = timedelta(hours=abs(int(zone or 0)), minutes=int(minutes or 0))
    try:
        zoned = timezone(-offset if zone and zone.startswith("-") else offset)
        # The names of months would follow the user's language.
        moment = datetime(year, _MONTHS.index(month) + 1, day, hour, minute, tzinfo=zoned)
        return max(0, round(moment.timestamp() * 1000))
    except (ValueError, OverflowError):
        return None
