"""The generated parts of the reference pages, each made from what the program itself goes by."""

from __future__ import annotations

import argparse
import inspect
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import attrs
from _docstrings import annotation, call, parameter, told
from _meanings import TABLES

import clankers
from clankers import errors
from clankers._settings import PROFILE_VARIABLE
from clankers.config import SETTINGS
from clankers.store import Store
from clankers_cli.__main__ import COMMANDS
from clankers_cli._parser import PROGRAM, CommandParser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _meanings import Table

    from clankers.config import Setting, Value

_WIDTH = 80
_GLOBAL_OPTIONS = "global options"
_MODULES = (
    "store",
    "importing",
    "usage",
    "query",
    "daemon",
    "hooks",
    "conversation",
    "models",
    "importers",
    "config",
    "doctor",
    "times",
    "formats",
    "auth",
    "server",
    "wire",
    "sync",
)
_CONSTANTS = {
    "clankers.config.SETTINGS": "All settings by their keys, see [configuration](configuration.md).",
    "clankers.formats.FORMATS": "The names of the formats: "
    "`table`, `json`, `ndjson`, `csv`, `tsv`, `sql`, `html` and `markdown`.",
    "clankers.hooks.INSTALLABLE": "The agents whose settings `install` can change.",
    "clankers.importers.WHOLE": "The watermark of what is read whole whenever it changes.",
    "clankers.wire.CHILDREN": "The tables that a session's tombstone covers; usage stays.",
    "clankers.wire.DERIVED": "By table the fields that are sums and never sent.",
    "clankers.wire.FARTHEST_AHEAD_MS": "How far a stamp may be ahead of a server's clock.",
    "clankers.wire.FIELDS": "By table every field that is sent, and what it may hold.",
    "clankers.wire.LONGEST_ID": "The most characters of an id.",
    "clankers.wire.REQUIRED": "By table the fields without which a record cannot be stored.",
    "clankers.wire.TABLES": "The tables that sync, in the order in which a batch is stored.",
    "clankers.wire.TIMES": "The fields that hold epoch ms.",
    "clankers.wire.Value": "What JSON can hold; fields of a record are texts, numbers or null.",
    "clankers.wire.ZERO": "A stamp older than anything that was ever said.",
    "clankers.importing.SAMPLE_SESSIONS": "The folder of the sample that comes along; "
    "`import_sessions` takes it as `path`.",
}
# What other calls give, so that how it is made is nobody's business.
_GIVEN = ("Config", "ImportReport", "Result", "SourceReport", "Store")


class Undocumented(Exception):  # noqa: N818  # it says what is not
    """Something that users see has no words in the documents."""


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    names = list(names)
    cells = [names, ["---"] * len(names), *([*row] for row in rows)]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells]


# The command line


def commands() -> list[str]:
    """Every command with what it takes."""
    lines: list[str] = []
    for name, (module, about) in COMMANDS.items():
        parser = CommandParser(prog=f"{PROGRAM} {name}", description=f"{about.capitalize()}.")
        import_module(module).configure(parser)
        lines += _command(parser, level=2)
    return lines


def command_list() -> list[str]:
    """Each command in one line."""
    rows = (
        (f"[`{name}`](#{PROGRAM}-{name})", about) for name, (_module, about) in COMMANDS.items()
    )
    return _table(("command", "what it does"), rows)


def global_options() -> list[str]:
    """The options that every command takes."""
    return _arguments(_actions(CommandParser(prog=PROGRAM), of_group=_GLOBAL_OPTIONS))


def _command(parser: argparse.ArgumentParser, *, level: int, about: str = "") -> list[str]:
    nested = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    actions = _actions(parser)
    lines = ["", f"{'#' * level} {parser.prog}", "", *_described(parser, about)]
    if actions or not any(one.required for one in nested):
        lines += ["", "```text", *_synopsis(parser, actions), "```"]
    if explained := [one for one in actions if one.help]:
        lines += ["", *_arguments(explained)]
    if parser.epilog:
        lines += ["", "```text", *parser.epilog.splitlines(), "```"]
    for one in nested:
        abouts = {choice.dest: choice.help or "" for choice in one._choices_actions}
        for name, below in one.choices.items():
            lines += _command(below, level=level + 1, about=abouts[name])
    return lines


def _described(parser: argparse.ArgumentParser, about: str) -> list[str]:
    description = parser.description or f"{about[:1].upper()}{about[1:]}."
    return description.replace("*", r"\*").splitlines()


def _actions(parser: argparse.ArgumentParser, of_group: str = "") -> list[argparse.Action]:
    """The arguments of a parser, those of one group or those of none that all commands have."""
    for group in parser._action_groups:
        if group.title == _GLOBAL_OPTIONS:
            common = group._group_actions
    return [
        one
        for one in (common if of_group else parser._actions)
        if not isinstance(one, argparse._HelpAction | argparse._SubParsersAction)
        and (of_group or one not in common)
    ]


def _synopsis(parser: argparse.ArgumentParser, actions: list[argparse.Action]) -> list[str]:
    exclusive = [group._group_actions for group in parser._mutually_exclusive_groups]
    words: list[str] = []
    for action in sorted(actions, key=lambda one: not one.option_strings):
        together = next((group for group in exclusive if action in group), [action])
        if action is together[0]:
            written = " | ".join(_usage(one) for one in together)
            words.append(written if _is_required(action) else f"[{written}]")
    return _filled(parser.prog, words)


def _filled(prog: str, words: list[str]) -> list[str]:
    lines, indent = [prog], " " * len(prog)
    for word in words:
        if len(lines[-1]) + 1 + len(word) > _WIDTH and len(lines[-1]) > len(prog):
            lines.append(indent)
        lines[-1] += f" {word}"
    return lines


def _is_required(action: argparse.Action) -> bool:
    # What argparse says of a positional argument that may be left out depends on its version.
    return action.required if action.option_strings else action.nargs not in ("*", "?")


def _usage(action: argparse.Action) -> str:
    value = _value(action)
    if not action.option_strings:
        return f"{value} ..." if action.nargs in ("*", "+") else value
    return f"{action.option_strings[-1]} {value}".rstrip()


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.metavar is None and action.choices:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return str(action.metavar or action.dest.upper())


def _arguments(actions: list[argparse.Action]) -> list[str]:
    rows = []
    for action in actions:
        words = ", ".join(action.option_strings) or ""
        help_ = (action.help or "") % {**vars(action), "prog": PROGRAM}
        rows.append((f"`{f'{words} {_value(action)}'.strip()}`", help_))
    return _table(("argument", "meaning"), rows)


# Settings


def settings() -> list[str]:
    """Every setting of a profile."""
    rows = (
        (
            f"`{one.key}`",
            _kind(one),
            _default(one.default),
            f"`{one.variable}`" if one.variable else "",
            one.about,
        )
        for one in SETTINGS.values()
    )
    return _table(("key", "type", "default", "variable", "meaning"), rows)


def _kind(setting: Setting) -> str:
    if setting.choices:
        return " or ".join(f"`{choice}`" for choice in setting.choices)
    kinds = {"switch": "`true` or `false`", "number": "whole number", "globs": "list of globs"}
    kind = kinds.get(setting.kind, setting.kind)
    return f"{kind}, kept by clankers" if setting.kept else kind


def _default(value: Value) -> str:
    if value is None:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def profile_variable() -> list[str]:
    return _table(
        ("variable", "meaning"),
        [(f"`{PROFILE_VARIABLE}`", "the profile of this run; `--profile` wins over it")],
    )


# The database


def database() -> list[str]:
    """Every table and column of a new database."""
    return described_tables(TABLES)


def described_tables(tables: dict[str, Table]) -> list[str]:
    """The tables of a new database in these words.

    Raises:
        Undocumented: a table or column has no words, or words no column.
    """
    lines: list[str] = []
    columns = _columns()
    _compare("tables", columns, tables)
    for table, about in tables.items():
        _compare(f"columns of {table}", columns[table], about.columns)
        rows = ((f"`{n}`", columns[table][n], means) for n, means in about.columns.items())
        lines += ["", f"## {table}", "", about.about, ""]
        lines += _table(("column", "type", "meaning"), rows)
    return lines


def _columns() -> dict[str, dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder, "new.db")) as store:
        # Full-text tables have no columns of their own, and SQLite's tables behind them no reader.
        rows = store.connection.execute(
            "SELECT l.name, c.name, c.type FROM pragma_table_list l, pragma_table_info(l.name) c"
            " WHERE l.schema = 'main' AND l.type IN ('table', 'view') AND l.name NOT LIKE 'sqlite_%'"
            # The views of sync say what its side tables hold.
            " AND (l.type = 'view' OR l.name NOT GLOB 'sync_*')"
            " ORDER BY (SELECT rowid FROM sqlite_schema WHERE name = l.name), c.cid"
        ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for table, column, type_ in rows:
        found.setdefault(str(table), {})[str(column)] = str(type_)
    return found


def _compare(what: str, there: Iterable[str], described: Iterable[str]) -> None:
    there, described = set(there), set(described)
    if there != described:
        raise Undocumented(
            f"{what}: without a meaning {sorted(there - described)},"
            f" described but not there {sorted(described - there)}"
        )


# Python


def python() -> list[str]:
    """Every public name, by module."""
    lines: list[str] = []
    for name in _MODULES:
        module = import_module(f"clankers.{name}")
        about = (inspect.getdoc(module) or "").splitlines()[0]
        lines += ["", f"## clankers.{name}", "", about]
        for public in module.__all__:
            lines += _public(getattr(module, public), f"clankers.{name}", public)
    return lines


def _public(thing: Any, module: str, name: str) -> list[str]:
    """One public name, under the shortest way to it."""
    shown = f"clankers.{name}" if name in clankers.__all__ else f"{module}.{name}"
    lines = ["", f"### {shown}"]
    if constant := _CONSTANTS.get(f"{module}.{name}"):
        return [*lines, "", constant]
    if isinstance(thing, type):
        return [*lines, *_signature(_class(thing)), *told(thing), *_members(thing)]
    if inspect.isfunction(thing):
        return [*lines, *_signature(call(name, thing)), *told(thing)]
    if args := get_args(thing):
        return [*lines, "", "One of " + ", ".join(f"`{_choice(one)}`" for one in args) + "."]
    raise Undocumented(f"{module}.{name} has no entry in _CONSTANTS")


def _choice(one: object) -> str:
    """A member of a union or a Literal, as it is written."""
    if one is type(None):
        return "None"
    return one.__name__ if type(one) is type else repr(one)


def _signature(written: str) -> list[str]:
    # The formatter writes the code of documents with these quotes, too.
    return ["", "```py", *written.replace("'", '"').splitlines(), "```"]


def _class(cls: type) -> str:
    fields = list(_fields(cls))
    if fields:
        return "\n".join([f"class {cls.__name__}:", *(f"    {field}" for field in fields)])
    if cls.__name__ in _GIVEN or getattr(cls, "_is_protocol", False):
        return f"class {cls.__name__}"
    return call(cls.__name__, cls).removesuffix(" -> None")


def _fields(cls: type) -> Iterator[str]:
    """The fields of a record or named tuple with their types and defaults."""
    empty = inspect.Parameter.empty
    if attrs.has(cls):
        for field in attrs.fields(cls):
            default = empty if field.default is attrs.NOTHING else field.default
            if factory := getattr(default, "factory", None):
                yield f"{field.name}: {annotation(field.type)} = {factory.__name__}()"
            else:
                yield parameter(field.name, field.type, default)
    elif names := getattr(cls, "_fields", ()):
        types, defaults = inspect.get_annotations(cls), cls._field_defaults  # type: ignore[attr-defined]
        for name in names:
            yield parameter(name, types[name], defaults.get(name, empty))


def _members(cls: type) -> list[str]:
    """The public methods and properties that were written for this class."""
    lines: list[str] = []
    for name, member in _written_members(cls):
        if isinstance(member, property) and member.fget is not None:
            returned = annotation(inspect.signature(member.fget).return_annotation)
            lines += ["", f"#### {cls.__name__}.{name}", "", f"`{returned}`", *told(member)]
        elif isinstance(member, classmethod | staticmethod) or inspect.isfunction(member):
            function: Any = getattr(member, "__func__", member)
            lines += ["", f"#### {cls.__name__}.{name}"]
            lines += [*_signature(call(name, function)), *told(member)]
    return lines


def _written_members(cls: type) -> Iterator[tuple[str, Any]]:
    seen = set()
    for base in cls.__mro__:
        if base.__module__.startswith("clankers"):
            for name, member in vars(base).items():
                if not name.startswith("_") and name not in seen:
                    seen.add(name)
                    yield name, member


# Errors


def error_tree() -> list[str]:
    """Every error of ours with its base."""
    found = [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.ClankersError)
    ]
    rows = (
        (f"`{one.__name__}`", f"`{one.__base__.__name__}`", " ".join(_first_paragraph(one)))
        for one in found
        if one.__base__ is not None
    )
    return _table(("error", "is a", "raised when"), rows)


def _first_paragraph(thing: object) -> list[str]:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("``", "`").splitlines()


SECTIONS = {
    "commands": commands,
    "command list": command_list,
    "global options": global_options,
    "settings": settings,
    "database": database,
    "python": python,
    "errors": error_tree,
}
