"""What is found by what is typed, in which order, and how it is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clankers.errors import QueryError, UsageError
from clankers.store import Store
from clankers.testing import make_message, make_session, make_tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clankers.store.search import SearchResult

DAY = 86_400_000
NOON = 1_767_614_400_000  # 2026-01-05T12:00:00Z

PROSE = {
    "pool": "The connection pool was exhausted after 30 seconds",
    "pooling": "ThreadPooling is what slows the connections down",
    "path": "Look into src/app/handlers.py, at handleRequest()",
    "flag": "Run it with --no-verify -x and E1101 is gone",
    "snake": "set max_open_files before you start",
    "accents": "Le café est fermé, naïvement",
    "japanese": "検索が遅い。データベース接続を確認する",
    "thai": "การค้นหาข้อมูลช้ามาก",
    "percent": "It is 100% sure_thing \\ done",
}
CALLS = {
    "grep": ("Grep", {"pattern": "connection.*pool"}, "src/pool.py:12: pool = connect()\nnot here"),
    "windows": ("Read", {"file_path": "C:\\new\\table.txt"}, "first line\nsecond\tline"),
    "failed": ("Bash", {"command": "make test"}, 'ERROR: "quoted" thing\n\u001b[31mred'),
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Two sessions: prose of Claude Code in January, calls of Codex a day later."""
    with Store.open(tmp_path / "clankers.db") as opened:
        opened.upsert_many(
            [
                make_session(1, title="Exhausted connection pool"),
                make_session(
                    2, source="codex", project_name="lab", title="Tables", created_at=NOON + DAY
                ),
                *(
                    make_message(number, id=name, text_content=text, created_at=NOON + number)
                    for number, (name, text) in enumerate(PROSE.items(), 1)
                ),
                make_message(
                    50,
                    id="thought",
                    role="assistant",
                    text_content=None,
                    thinking="perhaps the pool leaks",
                    created_at=NOON + 50,
                ),
                *(
                    make_tool(
                        number,
                        id=name,
                        session_id="session-2",
                        tool_name=tool,
                        tool_input=json.dumps(given),
                        tool_output=json.dumps(output),
                        created_at=NOON + DAY + number,
                    )
                    for number, (name, (tool, given, output)) in enumerate(CALLS.items(), 1)
                ),
            ]
        )
        yield opened


def ids(found: SearchResult) -> list[str]:
    return [hit.id for hit in found.hits]


FOUND = [
    # Words: all of them, whole ones first, then parts of others.
    ("pool", ["session-1", "pool", "thought", "pooling", "grep"]),
    ("POOL exhausted", ["session-1", "pool"]),
    ("exhausted nothing", []),
    ("cafe", ["accents"]),
    ("FERMÉ", ["accents"]),
    # Exact texts, in prose and inside JSON.
    ('"connection pool"', ["session-1", "pool"]),
    ('"connection.*pool"', ["grep"]),
    ("handleReq", ["path"]),
    ("ndleRequ", ["path"]),
    ("app/handlers.py", ["path"]),
    ("pp/handle", ["path"]),
    ("--no-verify", ["flag"]),
    ("E1101", ["flag"]),
    ("max_open", ["snake"]),
    ("x_open_f", ["snake"]),
    ("C:\\new", ["windows"]),
    ("new\\tab", ["windows"]),
    ('"first line"', ["windows"]),
    ('"second\tline"', ["windows"]),
    ("100%", ["percent"]),
    ("sure_thing", ["percent"]),
    ("100_", []),
    # Languages without spaces.
    ("データベース", ["japanese"]),
    ("検索", ["japanese"]),
    ("遅", ["japanese"]),
    ("ข้อมูล", ["thai"]),
    # Beginnings, exclusions.
    ("conn*", ["session-1", "pooling", "pool", "grep"]),
    ("pool -exhausted", ["thought", "pooling", "grep"]),
    ("pool -leak", ["session-1", "pool", "pooling", "grep"]),
    ("()  -handle", ["grep"]),
    ('pool -"connection pool"', ["thought", "pooling", "grep"]),
    # One or two letters, and signs alone, are looked for without an index.
    ("30", ["pool"]),
    ("()", ["path", "grep"]),
    # Filters; what only looks like one is text.
    ("agent:codex pool", ["grep"]),
    ('project:"lab" tables', ["session-2"]),
    ("tool:grep pool", ["grep"]),
    ("role:assistant pool", ["thought"]),
    ("in:titles pool", ["session-1"]),
    ("in:tools,titles pool", ["session-1", "grep"]),
    ("since:2026-01-06 pool", ["grep"]),
    ("before:2026-01-06 pool agent:codex", []),
    ("session:session-2 pool", ["grep"]),
    ("py:12", ["grep"]),
    ("before:content", []),
    # Accents make no difference to a word, also beside a part of another.
    ("cafe ferm", ["accents"]),
    ("tool:Grep", ["grep"]),
]


@pytest.mark.parametrize(("text", "expected"), FOUND, ids=[text for text, _ids in FOUND])
def test_what_is_typed(
    store: Store, text: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind of search finds just these rows, in this order."""
    monkeypatch.setenv("TZ", "UTC")
    assert ids(store.search(text)) == expected


def test_exact_takes_everything_as_text(store: Store) -> None:
    """Quotes, colons and dashes mean nothing then."""
    assert ids(store.search('"quoted"', exact=True)) == ["failed"]
    assert ids(store.search("agent:codex", exact=True)) == []
    assert ids(store.search("-x and", exact=True)) == ["flag"]


def test_options_do_what_filters_in_the_text_do(store: Store) -> None:
    """A caller need not build a text; what the text says wins."""
    assert ids(store.search("pool", source="codex")) == ["grep"]
    assert ids(store.search("pool", role="assistant")) == ["thought"]
    assert ids(store.search("pool", tool="Grep")) == ["grep"]
    assert ids(store.search("pool", places=["titles"])) == ["session-1"]
    assert ids(store.search("pool", since=NOON + DAY)) == ["grep"]
    assert ids(store.search("agent:codex pool", source="claude-code")) == ["grep"]


def test_best_is_the_rarer_and_denser(store: Store) -> None:
    """Ranked by their words; or by time, when that is asked for."""
    short = make_message(60, id="short", text_content="pool leaks", created_at=NOON)
    store.upsert(short)
    assert ids(store.search("pool leaks", places=["messages"])) == ["short", "thought"]
    # By time it makes no difference what stands in it, nor when it was imported.
    text = "pool " + "so much " * 40 + "leaks"
    store.upsert(make_message(61, id="later", text_content=text, created_at=NOON + 61))
    best = ids(store.search("pool leaks", places=["messages"]))
    newest = ids(store.search("pool leaks", places=["messages"], order="newest"))
    assert best == ["short", "thought", "later"]
    assert newest == ["later", "thought", "short"]


def test_the_limit_is_for_each_place(store: Store) -> None:
    """And it is said where there is more."""
    found = store.search("pool", limit=1)
    assert [(hit.place, hit.id) for hit in found] == [
        ("titles", "session-1"),
        ("messages", "pool"),
        ("tools", "grep"),
    ]
    assert found.more == ["messages"]


def test_without_words_the_newest(store: Store) -> None:
    """Filters and exclusions alone list what passes them."""
    found = store.search("agent:codex in:tools -pool")
    assert ids(found) == ["failed", "windows"]


def test_hits_say_where_they_are(store: Store) -> None:
    """Enough to show and to open them."""
    (hit,) = store.search("exhausted seconds").hits
    assert (hit.place, hit.session_id, hit.title) == (
        "messages",
        "session-1",
        "Exhausted connection pool",
    )
    assert (hit.source, hit.project, hit.who, hit.at) == ("claude-code", "shop", "user", NOON + 1)
    assert hit.snippet == PROSE["pool"]
    assert [hit.snippet[first:last] for first, last in hit.marks] == ["exhausted", "seconds"]
    (call,) = store.search("tool:Bash red").hits
    assert (call.place, call.who) == ("tools", "Bash")
    assert call.to_dict()["id"] == "failed"


def test_a_snippet_is_a_line_around_the_term(store: Store) -> None:
    """However long the text is, and whatever is in it; tool texts are shown without escapes."""
    long = "alpha " * 200 + "needle\n\nin  the hay " + "omega " * 200
    store.upsert(make_message(70, id="long", text_content=long))
    (hit,) = store.search("needle").hits
    assert hit.snippet.startswith("…alpha alpha")
    assert "needle in the hay omega" in hit.snippet
    assert hit.snippet.endswith("…")
    assert len(hit.snippet) < 200
    (call,) = store.search('"not here"').hits
    assert "connect() not here" in call.snippet


def test_typing_mistakes(store: Store) -> None:
    """Where nothing is found, the word that was perhaps meant; else nothing is suggested."""
    store.rebuild_index()
    assert store.search("exhasted").suggestions == ["exhausted"]
    assert store.search("conection").suggestions == ["connection"]
    assert store.search("qqqqqqqq").suggestions == []
    assert store.search("exhausted").suggestions == []


def test_what_was_not_looked_at_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search without an index ends after its time, unless everything is asked for."""
    store.upsert_many(make_message(n, text_content="nothing of note") for n in range(100, 2_200))
    monkeypatch.setattr("clankers.store.search._find.SCAN_SECONDS", 0.0)
    found = store.search("%", places=["messages"])
    assert ids(found) == []
    assert found.unsearched == ["only the 500 messages that were stored last were looked through"]
    whole = store.search("%", places=["messages"], everything=True)
    assert (ids(whole), whole.unsearched) == (["percent"], [])


def test_what_cannot_be_asked(store: Store) -> None:
    """Each with what to do instead."""
    with pytest.raises(QueryError, match="'everywhere' is no place") as place:
        store.search("a", places=["everywhere"])
    assert place.value.hint == "places are titles, messages, tools"
    with pytest.raises(QueryError, match="a limit of 0"):
        store.search("a", limit=0)
    with pytest.raises(QueryError, match="2,001 characters is too long"):
        store.search("a" * 2_001)
    with pytest.raises(UsageError, match="'7x' is not a time"):
        store.search("since:7x a")


HOSTILE = st.text(
    st.sampled_from("\"'`*()[]{}:^-+~|&\\/%_;,.<>=!?#$@ \t\n\0aAndORNOTNEAR0é中🙂\u202e"),
    max_size=40,
)


@settings(max_examples=600, deadline=None)
@given(HOSTILE)
@example('" OR 1=1 --')
@example("NEAR(a b, 2)")
@example('text_content : "a"')
@example("a AND NOT")
@example("*")
@example("^pool")
@example('"unbalanced')
@example("-")
@example("in: agent: since:")
@example("\0\0")
@example("pool*" * 30)
def test_no_text_is_an_error(hostile: Store, text: str) -> None:
    """Whatever is typed, it is looked for; nothing of it is syntax to SQLite."""
    hostile.search(text)
    hostile.search(text, exact=True)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("hostile") / "clankers.db") as opened:
        texts = list(PROSE.values())
        opened.upsert_many(make_message(n, text_content=text) for n, text in enumerate(texts))
        opened.upsert(make_tool(1, tool_output=json.dumps("\n".join(texts))))
        yield opened


def test_rows_that_the_index_lacks_come_with_the_others(store: Store) -> None:
    """Also where enough others have the words themselves, and the store may only read."""
    store.upsert_many(make_message(n, text_content="a pool") for n in range(200, 210))
    store.update_index()
    store.upsert(make_message(300, id="fresh", text_content="fresh pool"))
    store.upsert(make_message(200, text_content="no longer"))
    with Store.open(store.path, read_only=True) as reader:
        found = ids(reader.search("pool", places=["messages"], limit=50))
    assert found[0] == "fresh"
    assert "session-1:message-200" not in found
    # Nine of those just written, and two of before.
    assert len(found) == 1 + 9 + 2


def test_words_within_words_are_left_out_where_there_are_enough(store: Store) -> None:
    """It is said so, and `everything` brings them."""
    store.upsert_many(make_message(n, text_content="a pool") for n in range(200, 206))
    some = store.search("pool", places=["messages"], limit=50)
    assert "pooling" not in ids(some)
    assert some.unsearched == ["messages with longer words that have these in them were left out"]
    whole = store.search("pool", places=["messages"], limit=50, everything=True)
    assert "pooling" in ids(whole)
    assert whole.unsearched == []


def test_a_snippet_reads_escapes_from_the_left(store: Store) -> None:
    """A backslash before a letter of its own is no line's end."""
    (hit,) = store.search("table.txt").hits
    assert hit.snippet == '{"file_path": "C:\\new\\table.txt"}'


def test_arguments_that_are_no_utf_8(store: Store) -> None:
    """As a shell may hand them over: they are in no text, and no error."""
    assert ids(store.search("\udcff")) == []
    assert ids(store.search("pool", project="\udcff")) == []
    assert len(store.search("pool", limit=2**63 - 1)) == 5


def test_while_a_row_is_read(store: Store) -> None:
    """A search that must bring the index up to date first may stand inside of a loop."""
    for _message in store.messages("session-1"):
        store.upsert(make_message(400, id="inside", text_content="inside"))
        assert ids(store.search("inside")) == ["inside"]
        break


def test_while_another_store_writes(store: Store) -> None:
    """The index is left as it is then, and what it lacks is looked through."""
    store.upsert(make_message(400, id="late", text_content="latecomer"))
    with Store.open(store.path) as other, other.atomic():
        assert ids(store.search("latecomer")) == ["late"]
