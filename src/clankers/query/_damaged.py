"""Rows whose text is not valid UTF-8, as other programs sometimes store it."""

from __future__ import annotations

import apsw

from clankers import errors

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.formats import Value


def readable_rows(
    connection: apsw.Connection,
    statement: str,
    bindings: tuple[Value, ...] | dict[str, Value],
    *,
    columns: list[str],
    skip: int,
) -> Iterator[tuple[Value, ...]]:
    """The rows of `statement` after the first `skip`, with � for each byte that is no text.

    SQLite hands text over as bytes here, and Python decodes it. A CTE that is used once
    keeps the order of its rows.
    """
    names = [f"c{number}" for number in range(len(columns))]
    readings = ", ".join(
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        for name in names
    )
    sql = (
        f"WITH damaged({', '.join(names)}) AS (\n{statement.rstrip().rstrip(';')}\n)\n"
        f"SELECT {readings} FROM damaged LIMIT -1 OFFSET {skip}"
    )
    encoding = str(connection.pragma("encoding"))
    try:
        cursor = connection.execute(sql, bindings, can_cache=False)
    except apsw.SQLError as problem:
        # EXPLAIN and PRAGMA cannot stand in a CTE.
        raise errors.QueryError(
            f"text that is not valid UTF-8 stands in one of the columns {', '.join(columns)}",
            hint="read it as bytes with CAST(column AS BLOB)",
        ) from problem
    for row in cursor:
        pairs = zip(row[::2], row[1::2], strict=True)
        yield tuple(
            value.decode(encoding, "replace")
            if kind == "text" and isinstance(value, bytes)
            else value
            for kind, value in pairs
        )
