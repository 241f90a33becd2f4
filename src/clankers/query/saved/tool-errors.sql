-- How often each tool fails, the worst first.
-- :min = 1  leave out tools with fewer calls
SELECT tool_name AS tool, count(*) AS calls, sum(success = 0) AS failed,
  round(100.0 * sum(success = 0) / count(*), 1) AS percent
FROM tools
GROUP BY tool_name
HAVING count(*) >= :min
ORDER BY percent DESC, calls DESC, tool
