"""The tables: their columns as data, and the statements that make them.

Everything else that writes SQL of the schema builds it from these lists.
"""

from __future__ import annotations

# That of the last migration; it stands here for those who only read.
SCHEMA_VERSION = 4
SESSION_COLUMNS = (
    "id",
    "created_at",
    "updated_at",
    "ended_at",
    "source",
    "status",
    "title",
    "project_path",
    "project_name",
    "model",
    "provider",
    "prompt_tokens",
    "completion_tokens",
    "cost",
    "message_count",
    "tool_call_count",
    "permission_mode",
    "parent_id",
    "relationship",
    "origin_device",
    "git_branch",
    "agent_version",
)
MESSAGE_COLUMNS = (
    "id",
    "session_id",
    "created_at",
    "completed_at",
    "seq",
    "role",
    "model",
    "source",
    "prompt_tokens",
    "completion_tokens",
    "duration_ms",
    "native_id",
    "parent_native_id",
    "is_sidechain",
    "text_content",
    "thinking",
    "content",
)
TOOL_COLUMNS = (
    "id",
    "session_id",
    "created_at",
    "tool_name",
    "message_id",
    "seq",
    "success",
    "duration_ms",
    "file_path",
    "native_id",
    "output_bytes",
    "child_session_id",
    "error_message",
    "tool_input",
    "tool_output",
)
ERROR_COLUMNS = ("id", "session_id", "created_at", "error_type", "error_message")
COMPACTION_COLUMNS = (
    "id",
    "session_id",
    "created_at",
    "tokens_before",
    "tokens_after",
    "messages_before",
    "messages_after",
)
USAGE_COLUMNS = (
    "id",
    "session_id",
    "session_at",
    "message_id",
    "source",
    "project_path",
    "git_branch",
    "origin_device",
    "provider",
    "model",
    "occurred_at",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_searches",
    "service_tier",
    "speed",
    "is_sidechain",
    "cost_reported",
    "cost",
    "cost_source",
    "price_version",
    "estimated",
    "raw",
)
# The five tables that follow the one upsert rule, in the order their rows must be written.
COLUMNS = {
    "sessions": SESSION_COLUMNS,
    "messages": MESSAGE_COLUMNS,
    "tools": TOOL_COLUMNS,
    "session_errors": ERROR_COLUMNS,
    "compaction_events": COMPACTION_COLUMNS,
}
# What syncs: these and what was used.
_SYNCED = (*COLUMNS, "usage")
# What sync notes beside them; views say what it means.
SIDE_TABLES = frozenset(
    {
        *(f"sync_{table}" for table in (*_SYNCED, "core", "author", "deleted", "aside")),
        *(f"sync_{table}_fields" for table in _SYNCED),
    }
)
# What clankers keeps for itself: no user's script changes a row of these by accident.
INTERNAL_TABLES = frozenset(
    {
        *SIDE_TABLES,
        *(
            f"{index}_{part}"
            for index in ("message_search", "tool_search")
            for part in ("config", "data", "docsize", "idx")
        ),
        "archive_moving",
        "device",
        "message_search",
        "schema_migrations",
        "search_mark",
        "search_stale",
        "search_term",
        "search_term_run",
        "tool_search",
    }
)
# The tables whose rows are the user's, and whose shape is ours.
ARCHIVE_TABLES = frozenset(
    {*COLUMNS, "usage", "attachments", "import_sources", "pruned", "prices", "rates"}
)
INTERNAL_TRIGGERS = frozenset(
    {
        *(f"sync_{table}_{what}" for table in _SYNCED for what in ("changed", "gone", "renamed")),
        "sync_sessions_real",
        "search_messages_changed",
        "search_messages_gone",
        "search_tools_changed",
        "search_tools_gone",
    }
)
READ_COLUMNS = {
    **COLUMNS,
    "usage": USAGE_COLUMNS,
    "attachments": ("sha256", "media_type", "data"),
}

# The times stand before the fat text columns: behind 20 KB of text they cost ten times as
# much to read, because SQLite must walk the overflow pages to reach them.
TABLES = """
CREATE TABLE sessions(
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  created_at INTEGER,
  updated_at INTEGER,
  ended_at INTEGER,
  source TEXT,
  status TEXT,
  title TEXT,
  project_path TEXT,
  project_name TEXT,
  model TEXT,
  provider TEXT,
  prompt_tokens INTEGER,
  completion_tokens INTEGER,
  cost REAL,
  message_count INTEGER,
  tool_call_count INTEGER,
  permission_mode TEXT,
  parent_id TEXT,
  relationship TEXT,
  origin_device TEXT,
  git_branch TEXT,
  agent_version TEXT,
  archived_at INTEGER,
  placeholder INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE messages(
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  session_id TEXT REFERENCES sessions(id) ON DELETE CASCADE,
  created_at INTEGER,
  completed_at INTEGER,
  seq INTEGER,
  role TEXT,
  model TEXT,
  source TEXT,
  prompt_tokens INTEGER,
  completion_tokens INTEGER,
  duration_ms INTEGER,
  native_id TEXT,
  parent_native_id TEXT,
  is_sidechain INTEGER,
  text_content TEXT,
  thinking TEXT,
  content TEXT
);
CREATE TABLE tools(
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  session_id TEXT NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  tool_name TEXT NOT NULL,
  message_id TEXT,
  seq INTEGER,
  success INTEGER,
  duration_ms INTEGER,
  file_path TEXT,
  native_id TEXT,
  output_bytes INTEGER,
  child_session_id TEXT,
  error_message TEXT,
  tool_input TEXT,
  tool_output TEXT
);
CREATE TABLE session_errors(
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  session_id TEXT REFERENCES sessions(id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  error_type TEXT,
  error_message TEXT
);
CREATE TABLE compaction_events(
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  session_id TEXT REFERENCES sessions(id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  tokens_before INTEGER,
  tokens_after INTEGER,
  messages_before INTEGER,
  messages_after INTEGER
);
CREATE TABLE usage(
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  session_id TEXT NOT NULL,
  session_at INTEGER,
  message_id TEXT,
  source TEXT,
  project_path TEXT,
  git_branch TEXT,
  origin_device TEXT,
  provider TEXT,
  model TEXT,
  occurred_at INTEGER,
  input_tokens INTEGER NOT NULL DEFAULT 0,
  cache_read_tokens INTEGER NOT NULL DEFAULT 0,
  cache_write_5m_tokens INTEGER NOT NULL DEFAULT 0,
  cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  reasoning_tokens INTEGER NOT NULL DEFAULT 0,
  web_searches INTEGER NOT NULL DEFAULT 0,
  service_tier TEXT,
  speed TEXT,
  is_sidechain INTEGER NOT NULL DEFAULT 0,
  cost_reported INTEGER,
  cost INTEGER,
  cost_source TEXT,
  price_version TEXT,
  estimated INTEGER NOT NULL DEFAULT 0,
  raw TEXT
);
CREATE TABLE attachments(
  sha256 TEXT PRIMARY KEY,
  media_type TEXT,
  data BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE import_sources(
  path TEXT PRIMARY KEY,
  agent TEXT NOT NULL,
  importer_version INTEGER NOT NULL,
  size INTEGER,
  mtime_ns INTEGER,
  inode INTEGER,
  watermark INTEGER NOT NULL DEFAULT 0,
  line INTEGER NOT NULL DEFAULT 0,
  head BLOB,
  state BLOB,
  lines INTEGER NOT NULL DEFAULT 0,
  imported INTEGER NOT NULL DEFAULT 0,
  noise INTEGER NOT NULL DEFAULT 0,
  unknown INTEGER NOT NULL DEFAULT 0,
  malformed INTEGER NOT NULL DEFAULT 0,
  malformed_lines TEXT,
  tail TEXT,
  last_error TEXT,
  imported_at INTEGER
);
CREATE TABLE pruned(
  session_id TEXT PRIMARY KEY,
  pruned_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE prices(
  provider TEXT NOT NULL DEFAULT '',
  model TEXT NOT NULL,
  from_at INTEGER NOT NULL DEFAULT 0,
  input_rate INTEGER NOT NULL,
  cache_read_rate INTEGER NOT NULL,
  cache_write_5m_rate INTEGER NOT NULL,
  cache_write_1h_rate INTEGER NOT NULL,
  output_rate INTEGER NOT NULL,
  PRIMARY KEY (provider, model, from_at)
);
CREATE TABLE rates(
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
CREATE TABLE device(
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
"""

# The messages and tool calls of a session are read in their order straight from an index.
# Usage by session is one step from whether anything was measured. Totals by time read
# nothing but usage_occurred; the next two tell whether any response was priced with other
# prices, and which models have none.
INDEXES = """
CREATE INDEX IF NOT EXISTS sessions_created ON sessions(created_at);
CREATE INDEX IF NOT EXISTS sessions_parent ON sessions(parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_session ON messages(session_id, seq);
CREATE INDEX IF NOT EXISTS tools_session ON tools(session_id, seq);
CREATE INDEX IF NOT EXISTS session_errors_session ON session_errors(session_id);
CREATE INDEX IF NOT EXISTS compaction_events_session ON compaction_events(session_id);
CREATE INDEX IF NOT EXISTS usage_session ON usage(session_id, estimated);
CREATE INDEX IF NOT EXISTS usage_occurred ON usage(
  occurred_at, session_id, input_tokens, cache_read_tokens, cache_write_5m_tokens,
  cache_write_1h_tokens, output_tokens, reasoning_tokens, cost, estimated);
CREATE INDEX IF NOT EXISTS usage_priced ON usage(price_version, model);
CREATE INDEX IF NOT EXISTS usage_unpriced ON usage(provider, model) WHERE cost IS NULL;
"""

# Sessions are listed by the last thing that happened in them.
#
# What is found by words stands in two full-text tables over the rows themselves, and every
# word of either in `search_term`, and thousands in one row in `search_term_run`, which is
# looked through for parts of words four times as fast. Rows above a mark are not in the
# index yet: they are added at the end of a write or before a search, never by an insert
# trigger, which would cost four times as much. Rows below it that change or go leave their
# old text behind in `search_stale`, from plain SQL that any program can fire. USING is in
# capitals because some programs cannot open the file otherwise.
SEARCH = """
ALTER TABLE import_sources ADD COLUMN entry TEXT;
CREATE INDEX sessions_last ON sessions(coalesce(updated_at, ended_at, created_at));
CREATE VIRTUAL TABLE message_search USING fts5(
  text_content, thinking, content='messages', content_rowid='n',
  tokenize="unicode61 remove_diacritics 2");
CREATE VIRTUAL TABLE tool_search USING fts5(
  tool_input, tool_output, content='tools', content_rowid='n', detail='none',
  tokenize="unicode61 remove_diacritics 2 tokenchars '_'");
CREATE TABLE search_term(term TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE search_term_run(n INTEGER PRIMARY KEY, terms TEXT NOT NULL);
CREATE TABLE search_mark(
  source TEXT PRIMARY KEY,
  n INTEGER NOT NULL DEFAULT 0,
  terms_n INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO search_mark(source) VALUES ('messages'), ('tools');
CREATE TABLE search_stale(
  source TEXT NOT NULL,
  n INTEGER NOT NULL,
  first_text TEXT,
  second_text TEXT,
  PRIMARY KEY (source, n)
) WITHOUT ROWID;
CREATE TRIGGER search_messages_changed AFTER UPDATE OF text_content, thinking ON messages
WHEN old.n <= (SELECT n FROM search_mark WHERE source = 'messages')
  AND (old.text_content, old.thinking) IS NOT (new.text_content, new.thinking)
BEGIN
  INSERT INTO search_stale VALUES ('messages', old.n, old.text_content, old.thinking)
  ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_messages_gone AFTER DELETE ON messages
WHEN old.n <= (SELECT n FROM search_mark WHERE source = 'messages')
BEGIN
  INSERT INTO search_stale VALUES ('messages', old.n, old.text_content, old.thinking)
  ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_tools_changed AFTER UPDATE OF tool_input, tool_output ON tools
WHEN old.n <= (SELECT n FROM search_mark WHERE source = 'tools')
  AND (old.tool_input, old.tool_output) IS NOT (new.tool_input, new.tool_output)
BEGIN
  INSERT INTO search_stale VALUES ('tools', old.n, old.tool_input, old.tool_output)
  ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER search_tools_gone AFTER DELETE ON tools
WHEN old.n <= (SELECT n FROM search_mark WHERE source = 'tools')
BEGIN
  INSERT INTO search_stale VALUES ('tools', old.n, old.tool_input, old.tool_output)
  ON CONFLICT DO NOTHING;
END;
"""

# Rows that a plugin reported, whose ids are not those of imports: `<session>:<native id>`.
# They are few, and looked for whenever something of their session is written.
LIVE = "substr({0}.id, 1, length({0}.session_id) + 1) <> {0}.session_id || ':'"
LIVE_INDEXES = """
CREATE INDEX messages_live ON messages(session_id)
WHERE substr(id, 1, length(session_id) + 1) <> session_id || ':';
CREATE INDEX tools_live ON tools(session_id)
WHERE substr(id, 1, length(session_id) + 1) <> session_id || ':';
"""
