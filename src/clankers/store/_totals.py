"""What a session's row derives from the rows that belong to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clankers.store._usage_rows import COUNTED

if TYPE_CHECKING:
    import apsw

# A session that no usage row speaks of keeps what its agent or a plugin said.
_DERIVE = f"""
UPDATE sessions SET
  message_count = (SELECT count(*) FROM messages WHERE session_id = sessions.id),
  tool_call_count = (SELECT count(*) FROM tools WHERE session_id = sessions.id),
  prompt_tokens = coalesce(t.prompt, sessions.prompt_tokens),
  completion_tokens = coalesce(t.completion, sessions.completion_tokens),
  cost = iif(t.prompt IS NULL, sessions.cost, t.cost)
FROM (
  SELECT j.value AS id,
    sum(u.input_tokens + u.cache_read_tokens + u.cache_write_5m_tokens
      + u.cache_write_1h_tokens) AS prompt,
    sum(u.output_tokens) AS completion,
    sum(u.cost) / 1e6 AS cost
  FROM json_each(?) j LEFT JOIN usage u ON u.session_id = j.value AND {COUNTED}
  GROUP BY j.value
) t
WHERE sessions.id = t.id
"""
_DATE_USAGE = """
UPDATE usage SET session_at = s.created_at
FROM json_each(?) j CROSS JOIN sessions s ON s.id = j.value
WHERE usage.session_id = s.id AND usage.session_at IS NOT s.created_at
"""


def refresh_sessions(connection: apsw.Connection, session_ids: list[str]) -> None:
    ids = json.dumps(session_ids)
    connection.execute(_DERIVE, (ids,))
    connection.execute(_DATE_USAGE, (ids,))
