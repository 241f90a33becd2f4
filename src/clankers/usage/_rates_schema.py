"""The table that remembers what genai-prices said, so that it need not be loaded again."""

from __future__ import annotations

# Rates are picodollars per million; `over` is the prompt size above which the row holds.
# A row without rates says that nobody knows the model.
RATES_TABLE = """
CREATE TABLE IF NOT EXISTS rates(
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  service_tier TEXT NOT NULL,
  speed TEXT NOT NULL,
  from_at INTEGER NOT NULL,
  until_at INTEGER NOT NULL,
  over INTEGER NOT NULL,
  price_version TEXT NOT NULL,
  input_rate INTEGER,
  cache_read_rate INTEGER,
  cache_write_5m_rate INTEGER,
  cache_write_1h_rate INTEGER,
  output_rate INTEGER,
  reasoning_rate INTEGER,
  web_search_rate INTEGER,
  request_rate INTEGER,
  PRIMARY KEY (provider, model, service_tier, speed, from_at, over)
) WITHOUT ROWID;
"""

# Totals by time read nothing but this index; it takes the place of one on the time alone.
# The second tells in microseconds whether any row was priced with other prices, the third
# which models have no price.
USAGE_INDEXES = """
CREATE INDEX IF NOT EXISTS usage_occurred ON usage(
  occurred_at, session_id, input_tokens, cache_read_tokens, cache_write_5m_tokens,
  cache_write_1h_tokens, output_tokens, reasoning_tokens, cost, estimated);
CREATE INDEX IF NOT EXISTS usage_priced ON usage(price_version, model);
CREATE INDEX IF NOT EXISTS usage_unpriced ON usage(provider, model) WHERE cost IS NULL;
"""
