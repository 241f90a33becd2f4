"""Output tokens by day straight from the transcripts, by DuckDB; it knows of no repeated lines.

usage: duck.py FOLDER
"""

from __future__ import annotations

import sys

import duckdb

_SQL = """
SELECT substr(timestamp, 1, 10) AS day,
  sum(try_cast(message -> 'usage' ->> 'output_tokens' AS bigint)) AS output
FROM read_json(?, format = 'newline_delimited', ignore_errors = true,
  columns = {timestamp: 'VARCHAR', message: 'JSON'}, maximum_object_size = 100000000)
GROUP BY 1 ORDER BY 1
"""

for row in duckdb.connect().execute(_SQL, [f"{sys.argv[1]}/projects/**/*.jsonl"]).fetchall():
    print(*row)
