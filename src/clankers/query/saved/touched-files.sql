-- The files that tools read and changed most.
-- :limit = 20  how many
SELECT file_path AS file, count(*) AS calls,
  sum(tool_name IN ('Edit', 'MultiEdit', 'Write', 'NotebookEdit', 'apply_patch', 'edit', 'write'))
    AS edits,
  count(DISTINCT session_id) AS sessions, max(created_at) AS last_at
FROM tools
WHERE file_path IS NOT NULL
GROUP BY file_path
ORDER BY calls DESC, file
LIMIT :limit
