-- What each project cost in dollars, the dearest first.
-- :days = 36500  only of so many last days
SELECT u.project_path AS project, count(DISTINCT u.session_id) AS sessions,
  count(*) AS responses, sum(u.output_tokens) AS output, round(sum(u.cost) / 1e6, 2) AS dollars,
  sum(u.cost IS NULL) AS unpriced, max(u.occurred_at) AS last_at
FROM usage u
WHERE u.occurred_at >= (unixepoch() - :days * 86400) * 1000
  AND (NOT u.estimated OR NOT EXISTS (
    SELECT 1 FROM usage m WHERE m.session_id = u.session_id AND m.estimated = 0))
GROUP BY u.project_path
ORDER BY dollars DESC, project
