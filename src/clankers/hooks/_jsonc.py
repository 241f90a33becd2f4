"""JSON with comments, changed where it stands: whatever is not changed keeps every byte.

Settings of agents are written by people. They hold comments, numbers and escapes that no
parser gives back as they were, so that text is put in and taken out instead.
"""

from __future__ import annotations

import json
import re
from typing import Any

from attrs import define

_NOTHING = re.compile(r"(?:[ \t\r\n\ufeff]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_SCALAR = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null|-?Infinity|NaN")
_DECODER = json.JSONDecoder()
_INDENT = re.compile(r"\n([ \t]+)\S")


@define
class Node:
    """A value and where it stands in the text.

    Attributes:
        value: of a string, number, true, false or null.
        children: of an object or a list.
        key: of a member of an object; `start` is then that of the key.
        at: where the value itself begins.
        comma: where the comma after it stands.
    """

    start: int
    end: int
    value: Any = None
    children: list[Node] | None = None
    is_object: bool = False
    key: str | None = None
    at: int = 0
    comma: int | None = None

    def member(self, key: str) -> Node | None:
        """The value of a key; of several the last, as everywhere."""
        found = [one for one in self.children or () if one.key == key]
        return found[-1] if self.is_object and found else None

    @property
    def is_list(self) -> bool:
        return self.children is not None and not self.is_object


def parsed(text: str) -> Node:
    """The value that a text is.

    Raises:
        ValueError: it is no JSON; the message says where.
    """
    scanner = _Scanner(text)
    root = scanner.value(scanner.past(0))
    if scanner.past(root.end) != len(text):
        raise scanner.wrong(scanner.past(root.end))
    return root


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text

    def past(self, place: int) -> int:
        """Behind white space and comments."""
        found = _NOTHING.match(self._text, place)
        return found.end() if found else place

    def value(self, place: int) -> Node:
        opening = self._text[place : place + 1]
        if opening in ("{", "["):
            return self._container(place, is_object=opening == "{")
        if opening == '"':
            value, end = self._string(place)
            return Node(place, end, value, at=place)
        if (found := _SCALAR.match(self._text, place)) is None:
            raise self.wrong(place)
        return Node(place, found.end(), found[0], at=place)

    def _container(self, start: int, *, is_object: bool) -> Node:
        children: list[Node] = []
        place = self.past(start + 1)
        while self._text[place : place + 1] != ("}" if is_object else "]"):
            if children and children[-1].comma is None:
                raise self.wrong(place)
            child = self._member(place) if is_object else self.value(place)
            children.append(child)
            place = self.past(child.end)
            if self._text[place : place + 1] == ",":
                child.comma = place
                place = self.past(place + 1)
        return Node(start, place + 1, children=children, is_object=is_object, at=start)

    def _member(self, place: int) -> Node:
        if self._text[place : place + 1] != '"':
            raise self.wrong(place)
        key, end = self._string(place)
        colon = self.past(end)
        if self._text[colon : colon + 1] != ":":
            raise self.wrong(colon)
        found = self.value(self.past(colon + 1))
        found.key, found.start = key, place
        return found

    def _string(self, place: int) -> tuple[str, int]:
        value, end = _DECODER.raw_decode(self._text, place)
        return str(value), end

    def wrong(self, place: int) -> ValueError:
        return json.JSONDecodeError("not as expected", self._text, place)


def added(text: str, into: Node, value: object, key: str | None = None) -> str:
    """The text with a value more at the end of a list or, with a key, of an object."""
    unit = found[1] if (found := _INDENT.search(text)) else "  "
    children = into.children or []
    if not children:
        base = _indent_at(text, into.start)
        lines = _lines(value, key, base + unit, unit)
        place = into.end - 1
        inner = text[into.at + 1 : place]
        before = text[: into.at + 1] if not inner.strip() else text[:place].rstrip(" \t\r\n")
        written = f"\n{base}{unit}{lines}\n{base}"
        return before + _ended(written, text) + text[place:]
    last = children[-1]
    lead = text[text.rfind("\n", 0, last.start) + 1 : last.start]
    if lead.strip():
        written = f" {_named(key)}{json.dumps(value)}"
    else:
        written = f"\n{lead}{_lines(value, key, lead, unit)}"
    if last.comma is not None:
        place, written = last.comma + 1, f"{written},"
    else:
        place, written = last.end, f",{written}"
    return text[:place] + _ended(written, text) + text[place:]


def removed(text: str, container: Node, child: Node) -> str:
    """The text without a child, its comma, and the white space before it."""
    children = container.children or []
    place = next(number for number, one in enumerate(children) if one is child)
    before = children[place - 1] if place else None
    if child.comma is not None:
        start = container.at + 1 if before is None else (before.comma or before.end) + 1
        return text[:start] + text[child.comma + 1 :]
    if before is not None and before.comma is not None:
        return text[: before.comma] + text[child.end :]
    start, end = container.at + 1, container.end - 1
    rest = text[start : child.start] + text[child.end : end]
    return text[:start] + (rest if rest.strip() else "") + text[end:]


def _named(key: str | None) -> str:
    return "" if key is None else f"{json.dumps(key)}: "


def _lines(value: object, key: str | None, lead: str, unit: str) -> str:
    return (_named(key) + json.dumps(value, indent=unit)).replace("\n", f"\n{lead}")


def _indent_at(text: str, place: int) -> str:
    line = text[text.rfind("\n", 0, place) + 1 : place]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _ended(written: str, text: str) -> str:
    """With the line ends that the text has."""
    return written.replace("\n", "\r\n") if "\r\n" in text else written
