-- When contexts were compacted, and what was left of them, the newest first.
-- :limit = 20  how many
SELECT c.created_at, s.source, s.project_name AS project, s.title, c.tokens_before,
  c.tokens_after, round(100.0 * c.tokens_after / c.tokens_before) AS percent_left
FROM compaction_events c
JOIN sessions s ON s.id = c.session_id
ORDER BY c.created_at DESC, c.id
LIMIT :limit
