-- What each model was sent and wrote, and what that cost in dollars.
-- :days = 36500  only of so many last days
SELECT u.model, count(*) AS responses, sum(u.input_tokens) AS input,
  sum(u.cache_read_tokens) AS cache_read,
  sum(u.cache_write_5m_tokens + u.cache_write_1h_tokens) AS cache_write,
  sum(u.output_tokens) AS output, round(sum(u.cost) / 1e6, 2) AS dollars,
  sum(u.cost IS NULL) AS unpriced
FROM usage u
WHERE u.occurred_at >= (unixepoch() - :days * 86400) * 1000
  AND (NOT u.estimated OR NOT EXISTS (
    SELECT 1 FROM usage m WHERE m.session_id = u.session_id AND m.estimated = 0))
GROUP BY u.model
ORDER BY dollars DESC, output DESC
