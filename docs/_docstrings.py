"""Docstrings and signatures as Markdown, the same under every version of Python."""

from __future__ import annotations

import inspect
import re
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WIDTH = 88
_INDENT = "    "
_SECTION = re.compile(r"(Args|Attributes|Raises):$")
_ENTRY = re.compile(r"(\w+): (.*)")
_GENERATED_NAMES = ("self", "cls")
_STARS: dict[inspect._ParameterKind, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def told(thing: object) -> list[str]:
    """The docstring of a thing, as lines of Markdown; those of its private bases follow."""
    lines = _formatted(inspect.getdoc(thing) or "")
    if isinstance(thing, type):
        for base in filter(_is_private, thing.__mro__[1:]):
            lines += _formatted((inspect.getdoc(base) or "").partition("\n\n")[2])
    return lines


def _is_private(base: type) -> bool:
    """Whether a base is one of ours that has no entry of its own."""
    module = inspect.getmodule(base)
    return (
        base.__module__.startswith("clankers.")
        and base.__name__ not in getattr(module, "__all__", ())
        and "._" in base.__module__
    )


def _formatted(text: str) -> list[str]:
    lines: list[str] = []
    for part in re.split(r"\n{2,}", text.replace("``", "`")):
        head, _, rest = part.partition("\n")
        if _SECTION.match(head):
            lines += ["", f"{head}", "", *_entries(inspect.cleandoc(rest))]
        elif part.startswith(" "):
            lines += ["", "```py", *dedent(part).splitlines(), "```"]
        elif part not in ("", "::"):
            lines += ["", *re.sub(r"::$", ":", part).splitlines()]
    return lines


def _entries(section: str) -> list[str]:
    """``name: what it is`` over one or several lines, as a list."""
    items: list[str] = []
    for line in section.splitlines():
        if found := _ENTRY.match(line):
            items.append(f"- `{found[1]}`: {found[2]}")
        else:
            items[-1] += f"\n  {line.strip()}"
    return "\n".join(items).splitlines()


def call(name: str, function: Callable[..., Any]) -> str:
    """``name(a, *, b: int = 1) -> str``, over several lines where it is long."""
    signature = inspect.signature(function)
    parameters = [one for one in signature.parameters.values() if one.name not in _GENERATED_NAMES]
    returned = _returned(function, signature)
    return _wrapped(name, _with_star(parameters), f" -> {returned}" if returned else "")


def _returned(function: Callable[..., Any], signature: inspect.Signature) -> str:
    if signature.return_annotation is inspect.Signature.empty:
        return ""
    returned = annotation(signature.return_annotation)
    if inspect.isgeneratorfunction(getattr(function, "__wrapped__", None)):
        return returned.replace("Iterator", "AbstractContextManager", 1)
    return returned


def _with_star(parameters: Iterable[inspect.Parameter]) -> list[str]:
    written: list[str] = []
    for one in parameters:
        if one.kind is inspect.Parameter.KEYWORD_ONLY and not any("*" in it for it in written):
            written.append("*")
        stars = _STARS.get(one.kind, "")
        written.append(parameter(f"{stars}{one.name}", one.annotation, one.default))
    return written


def parameter(name: str, type_: object, default: object) -> str:
    """``name: type = default``."""
    written = f"{name}: {annotation(type_)}" if type_ is not inspect.Parameter.empty else name
    if default is inspect.Parameter.empty:
        return written
    return f"{written} = {default!r}"


def annotation(type_: object) -> str:
    """A type as it was written; every module of ours keeps its annotations as text."""
    if isinstance(type_, type):
        return type_.__name__
    return str(getattr(type_, "__forward_arg__", type_)).strip("'")


def _wrapped(name: str, written: list[str], returned: str) -> str:
    line = f"{name}({', '.join(written)}){returned}"
    if len(line) <= _WIDTH:
        return line
    inside = "".join(f"{_INDENT}{one},\n" for one in written)
    return f"{name}(\n{inside}){returned}"
