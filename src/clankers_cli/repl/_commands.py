"""The commands that begin with a dot."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clankers.errors import ClankersError, QueryRefusedError
from clankers.formats import FORMATS, visible
from clankers.query import Completion, parameter_value, saved_queries, saved_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clankers_cli.repl._session import Session

_TABLES = """
SELECT name, type FROM pragma_table_list
WHERE schema = 'main' AND type IN ('table', 'view', 'virtual')
  AND name NOT LIKE 'sqlite@_%' ESCAPE '@' AND name LIKE :like ORDER BY name
"""
_SCHEMA = """
SELECT sql FROM sqlite_schema
WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite@_%' ESCAPE '@'
  AND (tbl_name LIKE :like OR name LIKE :like)
ORDER BY tbl_name, type = 'table' DESC, name
"""
_ON = {"on": True, "off": False}


class Command(NamedTuple):
    """What a command takes, what it is for, how it is done, and what can stand behind it."""

    takes: str
    about: str
    act: Callable[[Session, str], None]
    choices: Callable[[Session], Iterable[str]] = lambda _session: ()


def run(session: Session, line: str) -> None:
    """Does what a line says.

    Raises:
        ClankersError: there is no such command, or it takes something else.
    """
    name, _, rest = line.removeprefix(".").partition(" ")
    command = COMMANDS.get(name.lower())
    if command is None:
        from difflib import get_close_matches

        near = get_close_matches(name.lower(), COMMANDS, n=1)
        hint = f"did you mean .{near[0]}?" if near else ".help lists the commands"
        raise ClankersError(f"there is no command .{name}", hint=hint)
    rest = rest.strip().rstrip(";").strip()
    if rest and not command.takes:
        raise ClankersError(f".{name} takes nothing, not {rest!r}")
    command.act(session, rest)


def complete(session: Session, text: str, position: int) -> list[Completion]:
    """Names of commands, and what can stand behind them."""
    name, space, rest = text[1:position].partition(" ")
    if not space:
        return [
            Completion(f".{one}", 0, "command") for one in COMMANDS if one.startswith(name.lower())
        ]
    command = COMMANDS.get(name.lower())
    if command is None:
        return []
    start = position - len(rest)
    if name.lower() == "explain":
        return [
            one._replace(start=one.start + start)
            for one in session.query.complete(text[start:], position - start)
        ]
    found = [one for one in command.choices(session) if one.lower().startswith(rest.lower())]
    return [Completion(one, start, "value") for one in found]


def _tables(session: Session, pattern: str) -> None:
    session.ask(_TABLES, {"like": _pattern(pattern)})


def _pattern(text: str) -> str:
    """For LIKE, where an underscore stands for itself or anything else, as good as the same."""
    return (text or "*").replace("*", "%")


def _schema(session: Session, name: str) -> None:
    found = [str(sql) for (sql,) in session.query.query(_SCHEMA, {"like": _pattern(name)})]
    if not found:
        raise ClankersError(f"there is no table {name!r}", hint=".tables lists them")
    with session.paged() as file:
        for sql in found:
            file.write(visible(sql, keep_newlines=True) + ";\n")


def _format(session: Session, name: str) -> None:
    if not name:
        print(session.style.format)
    elif name in FORMATS:
        session.style.format = name
    else:
        raise ClankersError(
            f"there is no format {name!r}", hint=f"the formats are {', '.join(FORMATS)}"
        )


def _output(session: Session, path: str) -> None:
    session.write_to(str(Path(path).expanduser()) if path and path != "stdout" else None)


def _explain(session: Session, sql: str) -> None:
    sql = sql or session.last
    if not sql:
        raise ClankersError("there is no statement yet", hint="give one: .explain SELECT ...")
    question = f"EXPLAIN QUERY PLAN {sql}"
    try:
        rows = list(session.query.query(question))
    except QueryRefusedError:
        # Of what would write; nothing of it is run.
        rows = session.query.execute(question, dry_run=True).statements[0].rows
    depth = {0: -1}
    with session.paged() as file:
        for number, parent, _, detail in rows:
            depth[int(str(number))] = level = depth.get(int(str(parent)), -1) + 1
            file.write(f"{'  ' * level}{visible(str(detail))}\n")


def _timer(session: Session, word: str) -> None:
    session.timer = _switched("timer", word, now=session.timer)


def _full(session: Session, word: str) -> None:
    session.style.full = _switched("full", word, now=session.style.full)


def _human(session: Session, word: str) -> None:
    session.style.human = _switched("human", word, now=session.style.human)


def _write(session: Session, word: str) -> None:
    session.switch_writes(on=_switched("write", word, now=session.writes))


def _switched(name: str, word: str, *, now: bool) -> bool:
    if not word:
        print("on" if now else "off")
        return now
    if word.lower() not in _ON:
        raise ClankersError(f".{name} is on or off, not {word!r}")
    return _ON[word.lower()]


def _read(session: Session, path: str) -> None:
    if not path:
        raise ClankersError("no file was given", hint=".read FILE")
    session.run_script(Path(path).expanduser().read_text(encoding="utf-8"))


def _saved(session: Session, _rest: str) -> None:
    rows = [
        (one.name, " ".join(parameter.name for parameter in one.parameters), one.about)
        for one in saved_queries()
    ]
    with session.paged() as file:
        session.style.print(file, ("name", "takes", "tells"), rows)


def _run(session: Session, rest: str) -> None:
    hint = ".run NAME K=V ...; .saved lists the names"
    if not rest:
        raise ClankersError("no saved query was named", hint=hint)
    try:
        name, *given = shlex.split(rest)
    except ValueError as problem:
        raise ClankersError(f"{rest!r} cannot be read: {problem}", hint=hint) from None
    pairs = [one.partition("=") for one in given]
    saved = saved_query(name)
    session.ask(saved.sql, saved.bind({key: parameter_value(text) for key, _, text in pairs}))


def _help(_session: Session, _rest: str) -> None:
    for name, command in COMMANDS.items():
        print(f"{f'.{name} {command.takes}':<22}{command.about}")
    print("Statements end with a semicolon. Ctrl-C stops one, Ctrl-D leaves.")


def _exit(_session: Session, _rest: str) -> None:
    """The session leaves before it comes here."""


def _table_names(session: Session) -> list[str]:
    return [str(name) for name, _ in session.query.query(_TABLES, {"like": "%"})]


def _on_or_off(_session: Session) -> Iterable[str]:
    return _ON


COMMANDS = {
    "tables": Command("[PATTERN]", "list tables and views; * stands for anything", _tables),
    "schema": Command("[PATTERN]", "show the statements that made them", _schema, _table_names),
    "format": Command("[FORMAT]", "how rows are shown", _format, lambda _session: FORMATS),
    "mode": Command("[FORMAT]", "the same", _format, lambda _session: FORMATS),
    "full": Command("[on|off]", "shorten nothing in tables", _full, _on_or_off),
    "human": Command("[on|off]", "show times as people write them", _human, _on_or_off),
    "output": Command("[FILE]", "write rows to a file; alone: to the screen again", _output),
    "explain": Command("[SQL]", "how SQLite goes about a statement", _explain),
    "timer": Command("[on|off]", "say how long statements take", _timer, _on_or_off),
    "read": Command("FILE", "run a script", _read),
    "saved": Command("", "list the saved queries", _saved),
    "run": Command(
        "NAME [K=V ...]",
        "run a saved query",
        _run,
        lambda _session: [one.name for one in saved_queries()],
    ),
    "write": Command("[on|off]", "let statements change data", _write, _on_or_off),
    "help": Command("", "this list", _help),
    "exit": Command("", "leave; so do quit and Ctrl-D", _exit),
    "quit": Command("", "the same", _exit),
}
