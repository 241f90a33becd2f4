"""The one translation of what goes wrong in a statement into our errors."""

from __future__ import annotations

import apsw

from clankers import errors
from clankers.query._guard import LENGTH_LIMIT, SQL_LENGTH_LIMIT
from clankers.query._refusals import REFUSED_FUNCTIONS, refused_function
from clankers.store._connection import translate

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.query._guard import Guard
    from clankers.query._statements import Piece

_EXCERPT = 80
_NO_FUNCTION = "no such function: "
_BINDINGS_HINT = (
    "give each :name a value, by --param NAME=VALUE or from Python by a mapping, and each ? one"
    " by a list"
)


def statement_error(
    problem: apsw.Error,
    connection: apsw.Connection,
    guard: Guard,
    sql: str,
    *,
    path: Path,
    timeout: float | None,
) -> errors.ClankersError:
    """Our error for `problem`, which `sql` met while it was prepared or run."""
    match problem:
        case apsw.SQLError() | apsw.AuthError() | apsw.ExecTraceAbort():
            return _of_statement(problem, connection, guard, sql)
        case apsw.InterruptError():
            return _of_stop(timeout)
        case apsw.TooBigError():
            return _of_length(sql)
        case apsw.BindingsError() | apsw.MismatchError() | apsw.RangeError():
            hint = _BINDINGS_HINT if isinstance(problem, apsw.BindingsError) else ""
            return errors.QueryError(_sentence(problem), hint=hint)
        case apsw.ConnectionClosedError() | apsw.CursorClosedError():
            return errors.QueryError(
                "the query was closed before its rows were read",
                hint="read the result inside the 'with' block, or keep it with list(result)",
            )
        case _:
            return translate(problem, path)


def script_error(
    problem: apsw.Error,
    connection: apsw.Connection,
    script: str,
    piece: Piece,
    *,
    path: Path,
    timeout: float | None,
) -> errors.ClankersError:
    """Our error for `problem`, which a statement of `script` met on a writing connection."""
    match problem:
        case apsw.SQLError():
            return _of_sql(problem, connection, script, start=piece.start)
        case apsw.ConstraintError():
            return errors.QueryError(
                f"nothing was changed: {problem}", hint=f"in: {_beginning(piece.sql)}"
            )
        case apsw.InterruptError():
            return _of_stop(timeout)
        case apsw.BindingsError() | apsw.MismatchError() | apsw.RangeError():
            hint = _BINDINGS_HINT if isinstance(problem, apsw.BindingsError) else ""
            return errors.QueryError(_sentence(problem), hint=hint)
        case _:
            return translate(problem, path)


def parameter_error(problem: Exception) -> errors.QueryError:
    """Our error for what Python says of a statement or parameters it cannot hand to SQLite."""
    match problem:
        case KeyError():
            return errors.QueryError(
                f"the parameter :{problem.args[0]} was not given", hint=_BINDINGS_HINT
            )
        case UnicodeEncodeError():
            return errors.QueryError(f"this is not valid Unicode text: {problem.object!r}")
        case _:
            return errors.QueryError(_sentence(problem))


def _of_statement(
    problem: apsw.Error, connection: apsw.Connection, guard: Guard, sql: str
) -> errors.QueryError:
    message = str(problem)
    if guard.refused is not None and (
        not isinstance(problem, apsw.SQLError) or message.startswith("not authorized")
    ):
        return guard.refusal(connection, sql)
    name = message.removeprefix(_NO_FUNCTION)
    if name != message and name.lower() in REFUSED_FUNCTIONS:
        return refused_function(name)
    return _of_sql(problem, connection, sql)


def _of_sql(
    problem: apsw.Error, connection: apsw.Connection, sql: str, *, start: int = 0
) -> errors.QueryError:
    """For the statement that begins at the character `start`."""
    # Imported here: only a statement that failed needs it.
    from clankers.query import _suggest

    message = str(problem)
    place = _suggest.character_offset(sql[start:], getattr(problem, "error_offset", -1))
    offset = None if place is None else start + place
    hint = _suggest.hint(connection, sql, message, offset)
    return errors.QueryError(message.partition(" - should this be")[0], hint=hint, offset=offset)


def _beginning(sql: str) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"


def _of_stop(timeout: float | None) -> errors.QueryError:
    if timeout is None:
        return errors.QueryError("the statement was interrupted")
    return errors.QueryTimeoutError(
        f"the statement ran longer than its limit of {timeout:g} s and was stopped",
        hint="narrow it down with WHERE, or give it more time",
    )


def _of_length(sql: str) -> errors.QueryError:
    if len(sql.encode()) > SQL_LENGTH_LIMIT:
        return errors.QueryError(
            f"the statement is longer than {SQL_LENGTH_LIMIT:,} bytes",
            hint="pass long values as parameters",
        )
    return errors.QueryError(
        f"a value became longer than {LENGTH_LIMIT:,} bytes",
        hint="ask for a part of it with substr()",
    )


def _sentence(problem: Exception) -> str:
    text = str(problem).partition(".  Current offset")[0].replace(".  The", "; the")
    return text[:1].lower() + text[1:].rstrip("!.")
