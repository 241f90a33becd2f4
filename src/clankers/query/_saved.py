"""Queries that are kept under a name: those that come along, and the user's own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clankers import _paths, errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clankers.formats import Value

_SUFFIX = ".sql"
_HERE = Path(__file__).parent / "saved"
_PARAMETER = re.compile(
    r":(?P<name>\w+)(?:\s*=\s*(?P<value>NULL|-?\d+(?:\.\d+)?|'(?:[^']|'')*'))?(?:\s+(?P<about>[^=\s].*))?"
)


class Parameter(NamedTuple):
    """A value that a saved query takes.

    Attributes:
        default: what it is when nobody gives one.
        required: whether somebody must.
    """

    name: str
    about: str
    default: Value
    required: bool


class SavedQuery(NamedTuple):
    """A query with a name.

    It is a file of SQL whose first comment lines say what it tells and, as ``-- :limit = 20  how
    many``, what it takes.

    Attributes:
        path: the file; one of the user's own is in `queries` in the data directory.
        problem: why the file cannot be read; "" where it can.
    """

    name: str
    about: str
    sql: str
    parameters: tuple[Parameter, ...]
    path: Path
    problem: str = ""

    @property
    def is_own(self) -> bool:
        """Whether it is the user's and did not come along."""
        return self.path.parent != _HERE

    def bind(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """The values of all parameters.

        A text that is given where the default is a number becomes a number.

        Raises:
            QueryError: a value is missing, is no number, or belongs to no parameter.
        """
        if self.problem:
            raise errors.QueryError(self.problem, hint="correct the file or take it away")
        known = {one.name: one for one in self.parameters}
        if unknown := [name for name in given if name not in known]:
            takes = ", ".join(known) or "no parameters"
            raise errors.QueryError(
                f"{self.name} takes no parameter {unknown[0]!r}", hint=f"it takes {takes}"
            )
        missing = [one.name for one in self.parameters if one.required and one.name not in given]
        if missing:
            raise errors.QueryError(
                f"{self.name} needs a value for {missing[0]}", hint=f"--param {missing[0]}=VALUE"
            )
        return {
            one.name: self._value(one, given[one.name]) if one.name in given else one.default
            for one in self.parameters
        }

    def _value(self, parameter: Parameter, value: Value) -> Value:
        if not isinstance(value, str) or not isinstance(parameter.default, int | float):
            return value
        number = parameter_value(value)
        if isinstance(number, str):
            raise errors.QueryError(f"{parameter.name} of {self.name} is a number, not {value!r}")
        return number


def parameter_value(text: str) -> Value:
    """What a text that somebody typed stands for: a number where it is written as one is.

    So ``20`` is a number and ``020`` a text. Compared with a column of texts a number is
    taken for a text by SQLite.
    """
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if repr(number) == text:
            return number
    return text


def queries_folder() -> Path:
    """Where the user's own queries are."""
    return _paths.data_dir() / "queries"


def history_file(name: str = "history") -> Path:
    """Where a prompt keeps what was asked, in the data directory; made private to its owner."""
    path = _paths.data_dir() / name
    try:
        _paths.make_private_dir(path.parent)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        _paths.tighten(path, 0o600)
    except OSError as problem:
        raise errors.ReadOnlyError(
            f"{path} cannot be written: {problem.strerror}", hint="check the rights of its folder"
        ) from problem
    return path


def saved_queries() -> list[SavedQuery]:
    """All of them by name; the user's own come before one of the same name that came along.

    A file that cannot be read is among them, with what is wrong with it.
    """
    found = {one.name: one for folder in (_HERE, queries_folder()) for one in _in(folder)}
    return [found[name] for name in sorted(found)]


def saved_query(name: str) -> SavedQuery:
    """The query of that name.

    Raises:
        QueryError: there is none.
    """
    found = {one.name: one for one in saved_queries()}
    if name in found:
        return found[name]
    from difflib import get_close_matches

    near = get_close_matches(name, found, n=1)
    raise errors.QueryError(
        f"there is no saved query {name!r}",
        hint=f"did you mean {near[0]!r}?" if near else f"there are {', '.join(found)}",
    )


def _in(folder: Path) -> Iterator[SavedQuery]:
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if name.endswith(_SUFFIX) and not name.startswith("."):
            yield _read(folder / name)


def _read(path: Path) -> SavedQuery:
    try:
        return _parsed(path, path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        said = f"{path} cannot be read: {problem}"
        return SavedQuery(path.stem, said, "", (), path, said)


def _parsed(path: Path, sql: str) -> SavedQuery:
    about: list[str] = []
    parameters: list[Parameter] = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        said = line.removeprefix("--").strip()
        if said.startswith(":"):
            parameters.append(_parameter(said))
        else:
            about.append(said)
    return SavedQuery(path.stem, " ".join(about), sql, tuple(parameters), path)


def _parameter(said: str) -> Parameter:
    found = _PARAMETER.fullmatch(said)
    if found is None:
        raise ValueError(f"{said!r} is not ':name = 20  what it is', with a number, 'text' or NULL")
    value = found["value"]
    return Parameter(found["name"], found["about"] or "", _literal(value), value is None)


def _literal(text: str | None) -> Value:
    if text is None or text == "NULL":
        return None
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return float(text) if "." in text else int(text)
