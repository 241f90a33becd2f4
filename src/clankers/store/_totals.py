"""What a session's row derives from the rows that belong to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

# Tokens and cost of a session are sums over its measured usage, or over its estimates when
# nothing was measured. What no row speaks of stays as its agent or a plugin said it, and so
# does a cost while there are only estimates that have none.
#
# Of two groups of a session, min(estimated) picks the row with the measured one: the other
# columns come from the same row. total() does not overflow, whatever a transcript claims.
_DERIVE = """
WITH
wanted AS MATERIALIZED (
  SELECT s.* FROM json_each(?) j CROSS JOIN sessions s ON s.id = j.value
),
by_kind AS MATERIALIZED (
  SELECT w.n, u.estimated,
    total(u.input_tokens) + total(u.cache_read_tokens) + total(u.cache_write_5m_tokens)
      + total(u.cache_write_1h_tokens) AS prompt,
    total(u.output_tokens) AS completion,
    iif(count(u.cost), total(u.cost) / 1e6, NULL) AS cost
  FROM wanted w CROSS JOIN usage u ON u.session_id = w.id
  GROUP BY w.n, u.estimated
),
used AS MATERIALIZED (
  SELECT n, min(estimated) AS estimated, prompt, completion, cost FROM by_kind GROUP BY n
),
derived AS MATERIALIZED (
  SELECT w.n,
    coalesce(nullif((SELECT count(*) FROM messages WHERE session_id = w.id), 0),
      w.message_count, 0) AS messages,
    coalesce(nullif((SELECT count(*) FROM tools WHERE session_id = w.id), 0),
      w.tool_call_count, 0) AS tools,
    coalesce(CAST(u.prompt AS INTEGER), w.prompt_tokens, 0) AS prompt,
    coalesce(CAST(u.completion AS INTEGER), w.completion_tokens, 0) AS completion,
    iif(u.estimated = 0, u.cost, coalesce(u.cost, w.cost)) AS dollars
  FROM wanted w LEFT JOIN used u ON u.n = w.n
)
UPDATE sessions SET message_count = messages, tool_call_count = tools,
  prompt_tokens = prompt, completion_tokens = completion, cost = dollars
FROM derived d
WHERE sessions.n = d.n
  AND (message_count, tool_call_count, prompt_tokens, completion_tokens, cost)
    IS NOT (messages, tools, prompt, completion, dollars)
"""
_DATE_USAGE = """
UPDATE usage SET session_at = s.created_at
FROM json_each(?) j CROSS JOIN sessions s ON s.id = j.value
WHERE usage.session_id = s.id AND s.created_at NOT NULL AND usage.session_at IS NOT s.created_at
"""


def measured_sessions(connection: apsw.Connection, session_ids: list[str]) -> list[str]:
    """Those of the sessions that have measured usage, which decides their totals."""
    query = (
        "SELECT j.value FROM json_each(?) j WHERE EXISTS"
        " (SELECT 1 FROM usage WHERE session_id = j.value AND estimated = 0)"
    )
    return [str(found) for (found,) in connection.execute(query, (json.dumps(session_ids),))]


def refresh_sessions(
    connection: apsw.Connection, session_ids: Iterable[str], *, dates: bool = True
) -> None:
    """Derives totals anew, and gives usage the time its session began; writes only changes.

    Without `dates` usage keeps the time it has, which is what another device said.
    """
    ids = json.dumps(sorted(session_ids))
    if ids == "[]":
        return
    connection.execute(_DERIVE, (ids,))
    if dates:
        connection.execute(_DATE_USAGE, (ids,))
