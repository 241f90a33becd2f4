-- The sessions in which most was said and done.
-- :limit = 20  how many
SELECT s.id, coalesce(s.updated_at, s.ended_at, s.created_at) AS last_at, s.source,
  s.project_name AS project, s.title, s.message_count AS messages, s.tool_call_count AS tools,
  s.prompt_tokens + s.completion_tokens AS tokens
FROM sessions s
WHERE NOT s.placeholder
ORDER BY coalesce(s.message_count, 0) + coalesce(s.tool_call_count, 0) DESC, s.id
LIMIT :limit
