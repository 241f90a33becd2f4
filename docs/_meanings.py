"""What each table and column of the database means: the one place where that is written down."""

from __future__ import annotations

from typing import NamedTuple

_N = "number of the row; it grows and is never used again"


class Table(NamedTuple):
    """What a table keeps, and one line for each of its columns."""

    about: str
    columns: dict[str, str]


TABLES = {
    "sessions": Table(
        "One row for each run of one agent.",
        {
            "n": _N,
            "id": "the agent's own id; a subagent's is `<parent>:agent-<id>`",
            "created_at": "when it began",
            "updated_at": "when something was last said in it",
            "ended_at": "when it ended, where somebody says so; no transcript does",
            "source": "the agent: `claude-code`, `codex`, ...",
            "status": "what a plugin says of its state; transcripts say nothing",
            "title": "its name, a summary of the agent, or its first prompt",
            "project_path": "the folder it worked in",
            "project_name": "the last part of that folder",
            "model": "the model that answered last",
            "provider": "who serves the model",
            "prompt_tokens": "input of its responses, with what was read from and written to caches",
            "completion_tokens": "output of its responses, reasoning included",
            "cost": "US dollars, the sum of its responses; NULL when none has a price",
            "message_count": "how many rows of `messages` it has",
            "tool_call_count": "how many rows of `tools` it has",
            "permission_mode": "what the agent might do unasked, in the agent's words",
            "parent_id": "the session it came from",
            "relationship": "what it is to that one: `subagent`, `fork` or `continuation`",
            "origin_device": "`device.id` of the machine that recorded it first",
            "git_branch": "the branch that was checked out",
            "agent_version": "the version of the agent's program",
            "archived_at": "in the archive: when it came there",
            "placeholder": "1 while only other rows speak of it; such sessions are not listed",
        },
    ),
    "messages": Table(
        "One row for each prompt, answer, and word of the agent's program in between.",
        {
            "n": _N,
            "id": "`<session>:<native id>`",
            "session_id": "the session it belongs to",
            "created_at": "when it began",
            "completed_at": "when the last line of an answer was logged",
            "seq": "its place in the session, among messages and tool calls together",
            "role": "`user`, `assistant`, or `system` for the agent's program",
            "model": "the model that wrote it",
            "source": "the agent",
            "prompt_tokens": "input of the response, caches included",
            "completion_tokens": "output of the response",
            "duration_ms": "milliseconds it took, where somebody says so; no transcript does",
            "native_id": "the agent's own id of it",
            "parent_native_id": "the agent's own id of what it follows",
            "is_sidechain": "1 when a subagent spoke or was spoken to",
            "text_content": "what was said",
            "thinking": "what the model thought, where the agent keeps it",
            "content": "JSON: the order of the blocks, where the two texts do not say it all; type `system`"
            " is what the program put into a message of the user",
        },
    ),
    "tools": Table(
        "One row for each tool call, with its result.",
        {
            "n": _N,
            "id": "`<session>:<call id>`",
            "session_id": "the session it belongs to",
            "created_at": "when it was called",
            "tool_name": "the tool, in the agent's words; empty while only its result is known",
            "message_id": "the answer that called it",
            "seq": "its place in the session, among messages and tool calls together",
            "success": "1 or 0; NULL while no result is known",
            "duration_ms": "milliseconds it took, where the agent says so",
            "file_path": "the file it was about",
            "native_id": "the agent's own id of the call",
            "output_bytes": "true length of an output that is stored shortened, else NULL",
            "child_session_id": "the session of the subagent that it started",
            "error_message": "the beginning of what went wrong",
            "tool_input": "JSON: what the model asked for",
            "tool_output": "JSON: what it was answered",
        },
    ),
    "session_errors": Table(
        "One row for each thing that failed beside the tools: API errors, refusals, limits.",
        {
            "n": _N,
            "id": "`<session>:<native id>`",
            "session_id": "the session it belongs to",
            "created_at": "when it happened",
            "error_type": "the kind of error, in the agent's words",
            "error_message": "what was said about it",
        },
    ),
    "compaction_events": Table(
        "One row for each time an agent replaced its context by a summary.",
        {
            "n": _N,
            "id": "`<session>:<native id>`",
            "session_id": "the session it belongs to",
            "created_at": "when it happened",
            "tokens_before": "size of the context before",
            "tokens_after": "size of the context after",
            "messages_before": "messages in the context before, where somebody says so",
            "messages_after": "messages in the context after, where somebody says so",
        },
    ),
    "usage": Table(
        "One row for each response of a model, however many files tell of it. All totals are "
        "sums over this table. Rows stay when their session is gone.",
        {
            "n": _N,
            "id": "what the response is known by in the whole archive",
            "session_id": "the earliest session that carries it",
            "session_at": "when that session began",
            "message_id": "the answer in that session",
            "source": "the agent",
            "project_path": "the folder the agent worked in",
            "git_branch": "the branch that was checked out",
            "origin_device": "`device.id` of the machine that recorded it first",
            "provider": "who served the model",
            "model": "the model",
            "occurred_at": "when it was answered",
            "input_tokens": "input that no cache had",
            "cache_read_tokens": "input read from a cache",
            "cache_write_5m_tokens": "input written to a cache for five minutes, or for no stated time",
            "cache_write_1h_tokens": "input written to a cache for an hour",
            "output_tokens": "output, reasoning included",
            "reasoning_tokens": "how much of the output was reasoning, where the agent says so",
            "web_searches": "searches that the provider made and bills",
            "service_tier": "the provider's tier",
            "speed": "the provider's speed, such as `fast`",
            "is_sidechain": "1 when it answered a subagent",
            "cost_reported": "microdollars that the agent itself said; NULL when it said nothing",
            "cost": "microdollars; NULL when nobody has a price",
            "cost_source": "whose price that is: `user`, `reported` or `genai-prices`",
            "price_version": "the price list it was priced with",
            "estimated": "1 for totals that nobody measured; they count only where nothing else does",
            "raw": "JSON: the numbers as the agent wrote them",
        },
    ),
    "attachments": Table(
        "One row for each image or document, stored once up to 5 MB. Messages refer to it in "
        "`content`, tool calls in `tool_output`.",
        {
            "sha256": "hash of the bytes, in hex",
            "media_type": "such as `image/png`",
            "data": "the bytes",
        },
    ),
    "import_sources": Table(
        "One row for each file that was imported, and how far. "
        "`lines` = `imported` + `noise` + `unknown` + `malformed`.",
        {
            "path": "the file, links resolved",
            "agent": "whose file it is",
            "importer_version": "the version of the importer that read it",
            "size": "its size when it was read, in bytes",
            "mtime_ns": "its time of change then, in nanoseconds",
            "inode": "its number in the file system then",
            "watermark": "the byte after the last complete line that was read",
            "line": "how many lines end before it",
            "head": "hash of its beginning, which tells another file of the same name",
            "state": "what the importer needs to go on reading",
            "lines": "lines that are not blank",
            "imported": "of these, lines that added something",
            "noise": "lines that are known to hold nothing of the session",
            "unknown": "lines of a kind that the importer does not know",
            "malformed": "lines that are not a JSON object",
            "malformed_lines": "JSON: their numbers as `[first, last]`, at most 100 ranges",
            "tail": "which counter holds a last line without a newline",
            "last_error": "why it could not be read the last time",
            "imported_at": "when it was read last",
            "entry": "the session's key, where a database or folder holds many; `path` ends with it",
        },
    ),
    "pruned": Table(
        "Sessions that were pruned or deleted. Of these an import stores only what happened "
        "later, and what they used.",
        {
            "session_id": "the session that was removed",
            "pruned_at": "when",
        },
    ),
    "prices": Table(
        "The prices that you set, in microdollars per million tokens.",
        {
            "provider": "only for this provider; empty for any",
            "model": "the model",
            "from_at": "from when it holds; 0 for always",
            "input_rate": "uncached input",
            "cache_read_rate": "input read from a cache",
            "cache_write_5m_rate": "input written to a cache for five minutes",
            "cache_write_1h_rate": "input written to a cache for an hour",
            "output_rate": "output, reasoning included",
        },
    ),
    "rates": Table(
        "What genai-prices said when it was last asked, in picodollars per million tokens. "
        "A row without rates says that it does not know the model.",
        {
            "provider": "the provider that was asked for",
            "model": "the model that was asked for",
            "service_tier": "the provider's tier",
            "speed": "the provider's speed",
            "from_at": "from when the rates hold",
            "until_at": "until when they hold",
            "over": "the prompt size above which they hold; -1 for any",
            "price_version": "the price list they come from",
            "input_rate": "uncached input",
            "cache_read_rate": "input read from a cache",
            "cache_write_5m_rate": "input written to a cache for five minutes",
            "cache_write_1h_rate": "input written to a cache for an hour",
            "output_rate": "output without reasoning",
            "reasoning_rate": "reasoning",
            "web_search_rate": "a million web searches",
            "request_rate": "a million requests",
        },
    ),
    "device": Table(
        "The one row of this database that says which machine it is, by chance and not by name.",
        {
            "id": "a random id",
            "name": "random words to know it by",
            "created_at": "when the database was made",
        },
    ),
    "search_term": Table(
        "Every word of the search index, by which parts of words are found.",
        {"term": "the word, in lower case and without accents"},
    ),
    "search_term_run": Table(
        "The words of `search_term` once more, many in a row, which is quicker to look through.",
        {"n": "a number", "terms": "words, each with a line feed behind it"},
    ),
    "search_mark": Table(
        "How far the search index goes; later rows are added at the next write or search.",
        {
            "source": "`messages` or `tools`",
            "n": "the last row that is in the index",
            "terms_n": "the last row whose words are in `search_term`",
        },
    ),
    "search_stale": Table(
        "Rows that changed or went since they were indexed, with their old text.",
        {
            "source": "`messages` or `tools`",
            "n": "the row",
            "first_text": "its old `text_content` or `tool_input`",
            "second_text": "its old `thinking` or `tool_output`",
        },
    ),
    "sync_state": Table(
        "What this database knows of sync: a view of one row. The side tables behind these views,"
        " named `sync_` too, are kept by clankers alone.",
        {
            "device_id": "the id of `device`",
            "machine_hash": "where the database was last used, hashed; another place is a copy",
            "seq": "the number of the newest change",
            "clock_floor": "no change is stamped earlier than this, in epoch ms",
            "clock_offset": "milliseconds that are added to the clock of this machine",
            "edition": "how often the rules of what leaves were changed",
            "quiet": "not 0 while something is written that sync is not told of",
            "import": "1 while an import writes, whose rows are as old as what they tell of",
            "origin": "the server this database syncs to",
            "tenant": "whose database there it syncs to",
            "store": "the database of the tenant, by a random id",
            "mark": "the newest point of the server's history that is known, `[revision, nonce]`",
            "unproved": "marks that no later request has confirmed yet, a JSON list",
            "watermark": "the revision up to which changes were pulled",
        },
    ),
    "sync_versions": Table(
        "When, where and under which rules each field of a record was last said, and deleted."
        " A stamp is `[epoch ms, device, edition]`; archived rows are not listed.",
        {
            "tbl": "the table",
            "id": "the record",
            "stamps": "JSON: field to stamp",
            "deleted_at": "the stamp of its tombstone",
            "purge": "1 when the tombstone erases wherever it arrives",
            "project": "the project of a deleted session",
        },
    ),
    "sync_queue": Table(
        "What waits to be sent. A record that lives again after a purge stands here twice.",
        {
            "tbl": "the table",
            "id": "the record; NULL for an archived one",
            "op": "`put` or `delete`",
            "seq": "the number of its newest change",
            "first_seq": "the number of the first change that was not sent; the smallest goes first",
            "state": "`ready`, `held` by what must not leave, `aside` after the server refused it",
            "error": "why it was refused",
            "tries": "how often it was",
        },
    ),
    "sync_status": Table(
        "What the server has last acknowledged.",
        {
            "tbl": "the table",
            "id": "the record; NULL for an archived one",
            "hash": "SHA-256 of the record as it was sent",
            "stamps": "its newest stamp then",
            "edition": "the rules under which it was sent",
        },
    ),
    "schema_migrations": Table(
        "One row for each step that brought the tables to what they are.",
        {
            "version": "the number of the step",
            "applied_at": "when it was taken",
            "checksum": "SHA-256 of its statements",
            "description": "what it does",
        },
    ),
}
