"""The index is what the rows are, whoever changed them and in which order."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.importing import import_sessions
from clankers.store import Store
from clankers.store.search import is_behind, search_file, update_index
from clankers.testing import make_message, make_session, make_tool

from ._oracle import having, ids, piece, rows

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ("pool", "Pooling", "max_open", "接続", "café", "a\\b", 'say "no"', "x/y.py", "line\nnext")
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join) | st.none()
NUMBERS = st.integers(1, 6)
# What may happen to a row: by our own upsert, or by any SQL of another program.
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), NUMBERS, TEXTS),
        st.tuples(st.just("update"), NUMBERS, TEXTS),
        st.tuples(st.just("delete"), NUMBERS, st.none()),
        st.tuples(st.just("replace"), NUMBERS, TEXTS),
        st.tuples(st.just("rolled back"), NUMBERS, TEXTS),
        st.tuples(st.just("session deleted"), NUMBERS, st.none()),
        st.tuples(st.just("search"), NUMBERS, TEXTS),
        st.tuples(st.just("collect"), NUMBERS, st.none()),
    ),
    max_size=25,
)


def act(store: Store, action: str, number: int, text: str | None) -> None:
    output = None if text is None else json.dumps(text, ensure_ascii=False)
    message = make_message(number, text_content=text)
    tool = make_tool(number, tool_input=None, tool_output=output)
    connection = store.connection
    if action == "upsert":
        store.upsert_many([make_session(), message, tool])
    elif action == "update":
        connection.execute("UPDATE messages SET thinking = ? WHERE id = ?", (text, message.id))
        connection.execute("UPDATE tools SET tool_input = ? WHERE id = ?", (output, tool.id))
    elif action == "delete":
        connection.execute("DELETE FROM messages WHERE id = ?", (message.id,))
        connection.execute("DELETE FROM tools WHERE id = ?", (tool.id,))
    elif action == "replace":
        store.upsert(make_session())
        connection.execute(
            "INSERT OR REPLACE INTO messages(id, session_id, text_content)"
            " VALUES (?, 'session-1', ?)",
            (message.id, text),
        )
    elif action == "rolled back":
        connection.execute("SAVEPOINT undone")
        act(store, "upsert", number, text)
        with store.atomic():
            update_index(connection, uncollected=0)
        connection.execute("ROLLBACK TO undone; RELEASE undone")
    elif action == "session deleted":
        connection.execute("DELETE FROM sessions")
    elif action == "search":
        store.search(text or "pool")
    else:
        with store.atomic():
            update_index(connection, uncollected=0)


@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_any_changes(tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int, str | None]]) -> None:  # fmt: skip
    """After any changes a search finds what a look at every text finds, and the index is sound."""
    with Store.open(tmp_path_factory.mktemp("any") / "clankers.db") as store:
        for action in actions:
            act(store, *action)
        kept = rows(store)
        for word in WORDS:
            found = ids(store.search(word, exact=True, places=["messages", "tools"], limit=99))
            assert found == having(kept, word), word
        assert store.check_index() == []
        assert not is_behind(store.connection)


def test_a_plain_connection_changes_rows(tmp_path: Path) -> None:
    """A program that knows nothing of the index fires the triggers; the next search is right."""
    path = tmp_path / "clankers.db"
    with Store.open(path) as store:
        store.upsert_many([make_message(1, text_content="before"), make_message(2)])
        store.update_index()
    with closing(sqlite3.connect(path)) as plain, plain:
        plain.execute("UPDATE messages SET text_content = 'after' WHERE native_id = 'message-1'")
        plain.execute("DELETE FROM messages WHERE native_id = 'message-2'")
        plain.execute("INSERT INTO messages(id, text_content) VALUES ('new', 'fresh')")
    with Store.open(path) as store:
        assert ids(store.search("before")) == set()
        assert ids(store.search("after")) == {("messages", "session-1:message-1")}
        assert ids(store.search("Text of message")) == set()
        assert ids(store.search("fresh")) == {("messages", "new")}
        assert store.check_index() == []


def test_the_plain_shell_reads_it(tmp_path: Path) -> None:
    """No function of ours is in the schema: any SQLite with FTS5 matches, ranks and highlights."""
    path = tmp_path / "clankers.db"
    with Store.open(path) as store:
        store.upsert_many([make_message(1, text_content="the connection pool"), make_tool(1)])
        store.update_index()
    with closing(sqlite3.connect(path)) as plain:
        found = plain.execute(
            "SELECT m.id, snippet(message_search, 0, '[', ']', '', 9) FROM message_search"
            " JOIN messages m ON m.n = message_search.rowid"
            " WHERE message_search MATCH 'pool' ORDER BY rank"
        ).fetchall()
        assert found == [("session-1:message-1", "the connection [pool]")]
        assert plain.execute(
            "SELECT count(*) FROM tool_search WHERE tool_search MATCH 'cart'"
        ).fetchone() == (1,)


HOLDER = """
import sys
from clankers.store import Store
store = Store.open(sys.argv[1])
store.connection.execute("BEGIN IMMEDIATE")
print("holding", flush=True)
sys.stdin.read()
"""


def test_while_another_process_writes(tmp_path: Path) -> None:
    """What the index lacks is looked through instead: new rows, changed ones, deleted ones."""
    path = tmp_path / "clankers.db"
    with Store.open(path) as store:
        texts = {1: "old pool", 2: "gone pool", 3: "left alone pool"}
        store.upsert_many(make_message(n, text_content=text) for n, text in texts.items())
        store.update_index()
        store.upsert(make_message(1, text_content="changed puddle"))
        store.connection.execute("DELETE FROM messages WHERE id LIKE '%-2'")
        store.upsert(make_message(4, text_content="a brand new pool"))
    held = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"holding\n"
        pools = search_file(path, "pool")
        puddles = search_file(path, "puddle")
        parts = search_file(path, "uddl")
        held.kill()
    assert ids(pools) == {("messages", "session-1:message-3"), ("messages", "session-1:message-4")}
    assert ids(puddles) == ids(parts) == {("messages", "session-1:message-1")}
    # With the lock free again, the index is brought up to date on the way.
    assert ids(search_file(path, "pool")) == ids(pools)
    with Store.open(path, read_only=True) as store:
        assert not is_behind(store.connection)


def test_an_import_leaves_nothing_to_do(tmp_path: Path) -> None:
    """Rows and words are in the index when an import ends, so that no search has to wait."""
    from clankers.importing import SAMPLE_SESSIONS

    with Store.open(tmp_path / "clankers.db") as store:
        import_sessions(store, path=SAMPLE_SESSIONS)
        marks = store.connection.execute("SELECT n, terms_n FROM search_mark").fetchall()
        tops = store.connection.execute(
            "SELECT max(n) FROM messages UNION ALL SELECT max(n) FROM tools"
        ).fetchall()
        assert marks == [(top, top) for (top,) in tops]
        assert store.check_index() == []


def test_runs_of_words(tmp_path: Path) -> None:
    """They hold each word once, however many imports bring how many of them."""
    with Store.open(tmp_path / "clankers.db") as store:
        for number, words in enumerate([["tide"], ["tide", "moon"], [], range(12_000), ["moon"]]):
            text = " ".join(f"w{word}x" for word in words)
            store.upsert(make_message(number, text_content=text))
            with store.atomic():
                update_index(store.connection, uncollected=0)
        query = "SELECT terms FROM search_term_run ORDER BY n"
        runs = [str(run) for (run,) in store.connection.execute(query)]
        words = "".join(runs).splitlines()
        assert sorted(words) == sorted({"wtidex", "wmoonx", *(f"w{n}x" for n in range(12_000))})
        assert len(runs) == 3
        assert ids(store.search("w1199")) == {("messages", "session-1:message-3")}
        store.connection.execute("DELETE FROM search_term_run WHERE n = 1")
        (problem,) = store.check_index()
        assert problem.startswith("search_term_run has ")
        store.rebuild_index()
        assert store.check_index() == []


def test_a_word_that_is_cut_within_a_character(tmp_path: Path) -> None:
    """It takes no other word along, neither when it comes nor when the index is built anew."""
    with Store.open(tmp_path / "clankers.db") as store:
        store.upsert(make_message(1, text_content="a" + "ы" * 20_000 + " harbour"))
        with store.atomic():
            update_index(store.connection, uncollected=0)
        store.rebuild_index()
        assert store.check_index() == []
        assert ids(store.search("arbou")) == {("messages", "session-1:message-1")}


def test_damage_is_found_and_mended(tmp_path: Path) -> None:
    """A row that is missing in the index, or is there and should not be; `rebuild_index` mends both."""
    with Store.open(tmp_path / "clankers.db") as store:
        store.upsert_many(make_message(n) for n in range(1, 6))
        store.update_index()
        store.connection.execute(
            "INSERT INTO message_search(message_search, rowid, text_content, thinking)"
            " SELECT 'delete', n, text_content, thinking FROM messages WHERE n = 2"
        )
        assert store.check_index() == ["message_search has 4 of 5 rows of messages"]
        store.rebuild_index()
        assert store.check_index() == []
        store.connection.execute("INSERT INTO message_search(rowid, text_content) VALUES (99, 'x')")
        assert store.check_index() == ["message_search has 6 of 5 rows of messages"]
        store.rebuild_index()
        assert store.check_index() == []
        assert len(store.search("message", places=["messages"])) == 5


def test_an_older_database_gets_its_index(tmp_path: Path) -> None:
    """Its first search upgrades it, with a copy made before, and finds what was there."""
    from clankers.store._migrations import MIGRATIONS, open_current

    path = tmp_path / "clankers.db"
    with closing(open_current(path, migrations=MIGRATIONS[:1])) as old:
        old.execute("INSERT INTO messages(id, text_content) VALUES ('m', 'an old pool')")
    assert ids(search_file(path, "pool")) == {("messages", "m")}
    assert len(list((tmp_path / "backups").glob("*.db"))) == 1


FIXED = (
    "error", "import", "function", "TypeError", "undefined is not", "package.json", "src/",
    "--help", "npm run", "git commit -m", "README.md", "localhost:3000", "0x", "=> {", "() =>",
    "const ", "def ", "self.", "return None", "async function", "/home/", "/Users/", "C:\\Users",
    "\\n", "\\\\", '"', "'", "{}", "[]", "://", "https://github.com", "@", "#", "$HOME", "&&",
    "||", "|", "*", "**", "%", "_", "__init__", "max_tokens", "tool_use", "file_path", "ls -la",
    "cat ", "grep -r", "TODO", "FIXME", "✓", "→", "—", "…", "é", "中", "你好", "資料", "番茄",
    "的", "test_", ".test.", ".py", '.ts"', "e2e", "utf-8", "UTF-8", "1.0.0", "v2", "12", "9",
    "a", "z", "  ", "\t", "\n\n", "- [ ]", "```", "<system-reminder>", "</", "Traceback (most",
    "Exit code 1", "No such file",
)  # fmt: skip


@pytest.mark.slow
def test_recall_on_real_sessions(tmp_path: Path, corpus: Path) -> None:
    """Of 500 random pieces of text and 80 fixed ones, every row that has one is found.

    Rows beyond that may only be those whose JSON has the text as it stands.
    """
    chance = random.Random(20261126)
    with Store.open(tmp_path / "clankers.db") as store:
        for agent in ("claude-code", "codex"):
            import_sessions(store, [agent], path=corpus / agent)
        kept = rows(store)
        asked = [piece(chance, kept, 3, 20) for _ in range(500)] + list(FIXED)
        for text in asked:
            result = store.search(
                text, exact=True, everything=True, places=["messages", "tools"], limit=99_999
            )
            found = ids(result)
            assert having(kept, text) <= found, text
            assert found <= having(kept, text, as_written=True), text
    assert len(FIXED) >= 80
