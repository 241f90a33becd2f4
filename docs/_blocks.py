"""The code in a document: where it stands, what it does, and what it prints.

- ```` ```console ````: lines that begin with ``$ clankers-cli`` are run, and must succeed.
  Where the block shows output, it is theirs. ``$ export NAME=value`` sets a variable.
- ```` ```python ````: the blocks of a page are one program, run from top to bottom.
- ```` ```sql ````: is asked of the database, read-only.
- ```` ```json ```` and ```` ```toml ````: must parse.
- all others, such as ```` ```py ```` and ```` ```sh ````, are only read.

A comment on the line before a block says what else holds for it: ``<!-- output -->`` a
block of what the block above printed, ``<!-- fails -->`` commands that must fail,
``<!-- not run -->`` code that is only read. A page that says ``<!-- starts empty -->``
begins without a database; any other finds the sample in it.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import tempfile
import time
import tomllib
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clankers import Query, _paths, formats
from clankers.importing import SAMPLE_SESSIONS
from clankers_cli.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTS_EMPTY = "<!-- starts empty -->"
_FENCE = re.compile(r"```(\w*)$")
_MARK = re.compile(r"<!-- ([a-z ]+) -->$")
_PROMPT = "$ "
_COMMAND = "clankers-cli "
_AGENT_VARIABLES = ("CLAUDE_CONFIG_DIR", "CODEX_HOME")
_FORGOTTEN = ("CLANKERS_", "XDG_", *_AGENT_VARIABLES)
# What a person would see where a temporary folder has another name each time.
_SHOWN_HOME = "/home/ada"
_SHOWN_DATA = f"{_SHOWN_HOME}/.local/share/clankers"
_SHOWN_SAMPLE = "…/clankers/sample"


class Block(NamedTuple):
    """One fenced block: its language, the comment before it, its lines from `start` to `end`."""

    language: str
    mark: str
    lines: list[str]
    start: int
    end: int


class BrokenBlock(Exception):  # noqa: N818  # it names what is broken
    """A block of a document does not do what the document says."""


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, from top to bottom."""
    found = []
    lines = page.splitlines()
    number = 0
    while number < len(lines):
        if fence := _FENCE.match(lines[number]):
            mark = _MARK.match(lines[number - 1]) if number else None
            end = lines.index("```", number + 1)
            inside = lines[number + 1 : end]
            found.append(Block(fence[1], mark[1] if mark else "", inside, number + 1, end))
            number = end
        number += 1
    return found


def followed(page: str, name: str) -> str:
    """The page with every block run in a home of its own, and its outputs as they are now.

    Raises:
        BrokenBlock: a block fails, or does not where it should.
    """
    lines = page.splitlines()
    with _new_home() as home:
        reader = _Reader(home)
        if STARTS_EMPTY not in lines:
            reader.run_command("clankers-cli import --sample")
        outputs = []
        for block in blocks(page):
            try:
                outputs.append((block, reader.follow(block)))
            except Exception as problem:
                raise BrokenBlock(f"{name}, line {block.start + 1}: {problem}") from problem
    for block, output in reversed(outputs):
        lines[block.start : block.end] = output
    return "\n".join(lines) + "\n"


def shape(page: str) -> str:
    """The page but for how wide its tables are, which is the length of paths."""
    return re.sub(r"-{2,}", "--", re.sub(r" {2,}", "  ", page))


class _Reader:
    """Does what a page says, block by block, and remembers what the last one printed."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._variables: dict[str, Any] = {"__name__": "page"}
        self._printed: list[str] = []

    def follow(self, block: Block) -> list[str]:
        """The lines of the block as they should be."""
        if block.mark == "output":
            return self._printed
        if block.mark == "not run":
            return block.lines
        code = "\n".join(block.lines)
        match block.language:
            case "console":
                return self._follow_console(block)
            case "python":
                self._printed = self._shown(self._run_python(code, block.start))
            case "sql":
                self._printed = self._shown(_answer(code))
            case "json":
                json.loads(code)
            case "toml":
                tomllib.loads(code)
        return block.lines

    def run_command(self, line: str) -> tuple[int, list[str]]:
        """The exit code of a command and what it printed, on both streams."""
        written = io.StringIO()
        words = [os.path.expanduser(word) for word in shlex.split(line)]
        with redirect_stdout(written), redirect_stderr(written):
            code = main(words[1:])
        return code, self._shown(written.getvalue())

    def _follow_console(self, block: Block) -> list[str]:
        found = []
        shows_output = False
        for given in _commands(block.lines):
            asked = "\n".join(given.lines)
            shows_output |= given.has_output
            found.append((given.lines, self._obey(asked.replace("\\\n", " "), block.mark)))
        return [line for asked, printed in found for line in (*asked, *(printed * shows_output))]

    def _obey(self, line: str, mark: str) -> list[str]:
        line = os.path.expandvars(line.removeprefix(_PROMPT))
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            os.environ[name] = value
            return []
        if not line.startswith(_COMMAND):
            raise BrokenBlock(f"only {_COMMAND}can be run, not {line!r}")
        code, printed = self.run_command(line)
        if (code != 0) != (mark == "fails"):
            raise BrokenBlock("\n".join([f"{line!r} ends with {code}", *printed]))
        return printed

    def _run_python(self, code: str, line: int) -> str:
        written = io.StringIO()
        # The empty lines make the numbers in a traceback those of the page.
        compiled = compile("\n" * line + code, "page", "exec")
        with redirect_stdout(written):
            exec(compiled, self._variables)  # noqa: S102  # the page is ours
        return written.getvalue()

    def _shown(self, printed: str) -> list[str]:
        """Lines of output with the paths that a person would see."""
        before = printed
        for path, shown in (
            (SAMPLE_SESSIONS, _SHOWN_SAMPLE),
            (_paths.data_dir(), _SHOWN_DATA),
            (self._home, _SHOWN_HOME),
        ):
            printed = printed.replace(str(path), shown)
        lines = printed.splitlines()
        return lines if printed == before else _ruled(lines)


class _Given(NamedTuple):
    """One command of a console block, over one or several lines."""

    lines: list[str]
    has_output: bool


def _commands(lines: list[str]) -> Iterator[_Given]:
    asked: list[str] = []
    has_output = False
    for line in lines:
        if asked and not _is_complete(asked):
            asked.append(line)
        elif line.startswith(_PROMPT):
            if asked:
                yield _Given(asked, has_output)
            asked, has_output = [line], False
        else:
            has_output = True
    if asked:
        yield _Given(asked, has_output)


def _is_complete(asked: list[str]) -> bool:
    """Whether a shell would not wait for more: no quote is open, and no backslash ends it."""
    try:
        shlex.split("\n".join(asked))
    except ValueError:
        return False
    return not asked[-1].endswith("\\")


def _answer(sql: str) -> str:
    written = io.StringIO()
    with Query(_paths.database_path()) as query:
        result = query.query(sql)
        formats.write_table(written, result.columns, result)
    return written.getvalue()


def _ruled(lines: list[str]) -> list[str]:
    """The lines with the rules of tables no longer than their rows, now that paths are short."""
    ruled = list(lines)
    for number, line in enumerate(lines):
        if number and line and not line.strip("- "):
            end = next((n for n in range(number, len(lines)) if not lines[n]), len(lines))
            rows = (*lines[number + 1 : end], lines[number - 1])
            ruled[number] = line[: max(map(len, rows))]
    return ruled


@contextmanager
def _new_home() -> Iterator[Path]:
    """An empty home directory that is also the current one, in UTC and 80 columns."""
    before = dict(os.environ)
    folder = os.getcwd()
    with tempfile.TemporaryDirectory() as made:
        home = Path(made).resolve()
        for name in [name for name in os.environ if name.startswith(_FORGOTTEN)]:
            del os.environ[name]
        os.environ |= dict.fromkeys(("HOME", "USERPROFILE"), str(home))
        os.environ |= {"APPDATA": str(home / "AppData"), "TZ": "UTC", "COLUMNS": "80"}
        os.chdir(home)
        _set_zone()
        try:
            yield home
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ |= before
            _set_zone()


def _set_zone() -> None:
    if hasattr(time, "tzset"):
        time.tzset()
