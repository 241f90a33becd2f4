"""Cline, Roo Code and Kilo Code: a folder per task; and Cline's newer sessions."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankers.importers import Collection, importer
from clankers.importing import import_sessions
from clankers.store import Store
from importers._mangled import mutated
from importers._stored import Found, Record, stored

CLINE: Collection = importer("cline")  # type: ignore[assignment]
ROO: Collection = importer("roo-code")  # type: ignore[assignment]
KILO: Collection = importer("kilo-code")  # type: ignore[assignment]
EXTENSIONS = {
    "cline": "saoudrizwan.claude-dev",
    "roo-code": "rooveterinaryinc.roo-cline",
    "kilo-code": "kilocode.kilo-code",
}
TASK = "1764590400000"
NOON = 1_764_590_400_000  # 2025-12-01T12:00:00Z
OCTOBER = 1_759_320_000_000  # 2025-10-01T12:00:00Z
PIXEL = base64.b64encode(b"a picture").decode()
ENVIRONMENT = (
    "<environment_details>\n# Current Working Directory (/home/ada/engine) Files\ngears.txt\n"
    "</environment_details>"
)


def words(text: str) -> Record:
    return {"type": "text", "text": text}


def say(kind: str, second: float, text: Any = "", **more: Any) -> Record:
    shown = text if isinstance(text, str) else json.dumps(text)
    return {"ts": NOON + round(second * 1000), "type": "say", "say": kind, "text": shown, **more}


def ask(kind: str, second: float, text: Any = "", **more: Any) -> Record:
    found = say(kind, second, text, **more)
    del found["say"]
    return {**found, "type": "ask", "ask": kind}


def request(second: float, given_: int, output: int, **more: Any) -> Record:
    at: Record = {
        name: more.pop(name)
        for name in ("conversationHistoryIndex", "modelInfo", "ts")
        if name in more
    }
    info: Record = {"request": "…", "tokensIn": given_, "tokensOut": output, **more}
    return {**say("api_req_started", second, info), **at}


def task(folder: Path, agent: str = "cline", *, name: str = TASK, **files: Any) -> Path:
    """Writes a task where the extension would; `files` are its files without `.json`."""
    place = folder / "Code/User/globalStorage" / EXTENSIONS[agent] / "tasks" / name
    place.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        written = content if isinstance(content, str) else json.dumps(content)
        (place / f"{file}.json").write_text(written)
    return place


def read(folder: Path, agent: str = "cline") -> Found:
    return stored(agent, folder / "Code", folder / "archive.db")


SHOWN = [
    say("task", 0, "Count the gears", conversationHistoryIndex=-1),
    request(1, 100, 20, cacheWrites=30, cacheReads=400, cost=0.01, conversationHistoryIndex=-1),
    say("reasoning", 2, "Where?", conversationHistoryIndex=0),
    ask("tool", 3, {"tool": "readFile", "path": "gears.txt"}, conversationHistoryIndex=0),
    request(4, 50, 10, conversationHistoryIndex=1),
    say("completion_result", 6, "Eleven.", conversationHistoryIndex=2),
]
SAID: list[Record] = [
    {
        "role": "user",
        "content": [
            words("<task>\nCount the gears\n</task>"),
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
            },
            words(ENVIRONMENT),
        ],
    },
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Where?"},
            words("I look.\n<read_file>\n<path>gears.txt</path>\n</read_file>"),
        ],
    },
    {
        "role": "user",
        "content": [
            words("[read_file for 'gears.txt'] Result:"),
            words("eleven gears"),
            words(ENVIRONMENT),
        ],
    },
    {
        "role": "assistant",
        "content": "<attempt_completion>\n<result>\nEleven.\n</result>\n</attempt_completion>",
    },
]
METADATA = {
    "files_in_context": [],
    "model_usage": [
        {
            "ts": NOON + 1_001,
            "model_id": "claude-sonnet-4-5",
            "model_provider_id": "anthropic",
            "mode": "act",
        },
        {
            "ts": NOON + 4_001,
            "model_id": "gpt-5",
            "model_provider_id": "openai-native",
            "mode": "act",
        },
    ],
}


def test_a_task(tmp_path: Path) -> None:
    """Prompts without their tags, calls written as tags, results that follow as text."""
    task(tmp_path, ui_messages=SHOWN, api_conversation_history=SAID, task_metadata=METADATA)
    found = read(tmp_path)
    assert found.spoken == [
        ("system", ENVIRONMENT),
        ("user", "Count the gears"),
        ("assistant", "I look."),
        ("system", ENVIRONMENT),
        ("assistant", None),
    ]
    assert found.messages[2].thinking == "Where?"
    assert hashlib.sha256(b"a picture").hexdigest() in (found.messages[1].content or "")
    looked, done = found.tools
    assert (looked.tool_name, looked.file_path, looked.success) == ("read_file", "gears.txt", True)
    assert (looked.tool_output, looked.message_id) == ('"eleven gears"', f"{TASK}:1")
    assert (done.tool_name, json.loads(done.tool_input or "")) == (
        "attempt_completion",
        {"result": "Eleven."},
    )
    session = found.session
    assert (session.id, session.title) == (TASK, "Count the gears")
    assert (session.project_path, session.project_name) == ("/home/ada/engine", "engine")
    assert (session.created_at, session.updated_at) == (NOON, NOON + 6_000)
    assert found.counts == (6, 4, 0, 0)


def test_times_and_models(tmp_path: Path) -> None:
    """A prompt was said when it was sent, an answer when it began; models are noted by time."""
    task(tmp_path, ui_messages=SHOWN, api_conversation_history=SAID, task_metadata=METADATA)
    found = read(tmp_path)
    seconds = [((one.created_at or 0) - NOON) / 1000 for one in found.messages]
    assert seconds == [1, 1, 2, 4, 6]
    spoken = [one.model for one in found.messages if one.role == "assistant"]
    assert spoken == ["claude-sonnet-4-5", "gpt-5"]
    used = [(one.model, one.provider) for one in found.usage]
    assert used == [("claude-sonnet-4-5", "anthropic"), ("gpt-5", "openai-native")]


def test_usage_of_each_request(tmp_path: Path) -> None:
    """A row for each request, by its time; one that is still running has none yet."""
    running = {**say("api_req_started", 9, {"request": "…"})}
    place = task(tmp_path, ui_messages=[*SHOWN, running], api_conversation_history=SAID)
    found = read(tmp_path)
    assert found.used == [(100, 400, 30, 20), (50, 0, 0, 10)]
    assert [one.id for one in found.usage] == [
        f"cline:{TASK}:{NOON + 1000}",
        f"cline:{TASK}:{NOON + 4000}",
    ]
    assert [one.cost_reported for one in found.usage] == [10_000, None]
    assert "request" not in json.loads(found.usage[0].raw or "")
    (place / "ui_messages.json").write_text(json.dumps([*SHOWN, request(9, 7, 1)]))
    assert read(tmp_path).used == [(100, 400, 30, 20), (50, 0, 0, 10), (7, 0, 0, 1)]


@pytest.mark.parametrize(
    ("agent", "at", "more", "fresh"),
    [
        ("cline", NOON, {"modelInfo": {"providerId": "anthropic"}}, 1000),
        ("cline", NOON, {"modelInfo": {"providerId": "litellm"}}, 400),
        ("cline", NOON, {}, 1000),
        ("roo-code", NOON, {"apiProtocol": "anthropic"}, 400),
        ("roo-code", OCTOBER, {"apiProtocol": "anthropic"}, 1000),
        ("roo-code", OCTOBER, {"apiProtocol": "openai"}, 400),
        ("roo-code", OCTOBER, {}, 1000),
        ("kilo-code", NOON, {}, 400),
    ],
)
def test_what_input_tokens_hold(
    tmp_path: Path, agent: str, at: int, more: dict[str, Any], fresh: int
) -> None:
    """Of 1000 input tokens 600 came from the cache or went to it, or did besides."""
    one = request(0, 1000, 5, cacheReads=500, cacheWrites=100, ts=at, **more)
    task(tmp_path, agent, ui_messages=[one])
    assert read(tmp_path, agent).used == [(fresh, 500, 100, 5)]


def test_input_below_the_cache_is_the_rest(tmp_path: Path) -> None:
    """Input that is less than what the cache gave cannot hold it."""
    task(tmp_path, "roo-code", ui_messages=[request(0, 10, 5, cacheReads=500)])
    assert read(tmp_path, "roo-code").used == [(10, 500, 0, 5)]


def test_what_was_undone_and_what_subagents_used(tmp_path: Path) -> None:
    """Both stand in the file as sums; the requests of the first may have been counted before."""
    undone = say("deleted_api_reqs", 3, {"tokensIn": 70, "tokensOut": 7, "cost": 0.5})
    others = say("subagent_usage", 4, {"source": "subagents", "tokensIn": 9, "tokensOut": 8})
    task(tmp_path, ui_messages=[request(1, 1, 2), undone, others])
    found = read(tmp_path)
    assert found.used == [(1, 0, 0, 2), (9, 0, 0, 8)]
    assert [one.is_sidechain for one in found.usage] == [False, True]
    task(tmp_path / "only", ui_messages=[undone])
    (alone,) = read(tmp_path / "only").usage
    assert (alone.input_tokens, alone.cost_reported, alone.estimated) == (70, 500_000, True)


def test_an_undo_between_two_imports(tmp_path: Path) -> None:
    """What an import saw before it was undone is counted, and not again in the sum of it."""
    task(tmp_path, ui_messages=[request(1, 1, 2), request(2, 70, 7)])
    assert read(tmp_path).used == [(1, 0, 0, 2), (70, 0, 0, 7)]
    undone = say("deleted_api_reqs", 3, {"tokensIn": 70, "tokensOut": 7, "cost": 0.5})
    task(tmp_path, ui_messages=[request(1, 1, 2), undone])
    assert read(tmp_path).used == [(1, 0, 0, 2), (70, 0, 0, 7)]


def test_errors_and_compactions(tmp_path: Path) -> None:
    """What failed is told, and when the context was cut and by how much."""
    condensed = {"cost": 0.25, "prevContextTokens": 900, "newContextTokens": 90, "summary": "So"}
    failed = request(1, 5, 1, cancelReason="streaming_failed", streamingFailedMessage="Lost")
    shown = [
        failed,
        ask("api_req_failed", 2, "429"),
        say("condense_context", 3, "", contextCondense=condensed),
        say("text", 4, "", conversationHistoryDeletedRange=[2, 5]),
        say("text", 5, "", conversationHistoryDeletedRange=[2, 5]),
    ]
    task(tmp_path, "roo-code", ui_messages=shown, api_conversation_history=SAID)
    found = read(tmp_path, "roo-code")
    assert [(one.error_type, one.error_message) for one in found.errors] == [
        ("streaming_failed", "Lost"),
        ("api_req_failed", "429"),
    ]
    assert [(one.tokens_before, one.tokens_after) for one in found.compactions] == [
        (900, 90),
        (None, None),
    ]
    assert [(one.output_tokens, one.cost_reported) for one in found.usage] == [
        (1, None),
        (0, 250_000),
    ]


def test_native_calls_and_answers_of_the_user(tmp_path: Path) -> None:
    """Calls of the model's own; what the user typed in answer to one is the user's."""
    asked = {"type": "tool_use", "id": "t1", "name": "execute_command", "input": {"command": "rm"}}
    denied = "The user denied this operation and provided the following feedback:\n<feedback>\nDon't!\n</feedback>"
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [words(denied)]}
    file = "A page says <feedback>\nNot typed\n</feedback>"
    said = [
        {"role": "user", "content": "<task>Go</task>", "ts": NOON},
        {
            "role": "assistant",
            "content": [words("I ask."), asked],
            "ts": NOON + 1000,
            "modelInfo": {"modelId": "m"},
        },
        {"role": "user", "content": [result], "ts": NOON + 2000},
        {"role": "assistant", "content": [{**asked, "id": "t2"}], "ts": NOON + 3000},
        {
            "role": "user",
            "content": [{**result, "tool_use_id": "t2", "content": file}],
            "ts": NOON + 4000,
        },
    ]
    task(tmp_path, api_conversation_history=said)
    found = read(tmp_path)
    assert found.spoken == [
        ("user", "Go"),
        ("assistant", "I ask."),
        ("user", "Don't!"),
        ("assistant", None),
    ]
    assert [one.success for one in found.tools] == [False, True]
    assert [one.native_id for one in found.messages][:2] == [str(NOON), str(NOON + 1000)]
    assert found.messages[1].model == "m"


def test_files_may_hold_any_tag(tmp_path: Path) -> None:
    """The text of a file that is written is one argument, whatever tags are in it."""
    written = (
        "<write_to_file><path>a.xml</path><content>\n<path>b</path></content>\n"
        "<write_to_file></write_to_file>\n</content></write_to_file>"
    )
    task(tmp_path, api_conversation_history=[{"role": "assistant", "content": written}])
    (tool,) = read(tmp_path).tools
    assert json.loads(tool.tool_input or "") == {
        "path": "a.xml",
        "content": "<path>b</path></content>\n<write_to_file></write_to_file>",
    }


def test_a_task_of_roo_code(tmp_path: Path) -> None:
    """Workspace, parent and state stand in a file beside it, the model in each prompt."""
    told = "<environment_details>\n<model>claude-opus-4-1</model>\n</environment_details>"
    said = {
        "version": 2,
        "messages": [
            {
                "role": "user",
                "content": [words("<user_message>\nDig\n</user_message>"), words(told)],
                "ts": NOON,
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "tool-call", "toolCallId": "c", "toolName": "skill", "input": {}}
                ],
                "ts": NOON + 2000,
            },
            {
                "role": "tool",
                "content": [
                    {
                        "type": "tool-result",
                        "toolCallId": "c",
                        "output": {"type": "text", "value": "ok"},
                    }
                ],
                "ts": NOON + 3000,
            },
            {
                "role": "assistant",
                "type": "reasoning",
                "summary": [{"text": "Hm"}],
                "ts": NOON + 4000,
            },
            {"role": "user", "content": "So far", "isSummary": True, "ts": NOON + 5000},
        ],
    }
    item = {"id": TASK, "parentTaskId": "99", "workspace": "/w/mine", "status": "completed"}
    task(
        tmp_path,
        "roo-code",
        ui_messages=[request(1, 3, 4)],
        api_conversation_history=said,
        history_item=item,
    )
    found = read(tmp_path, "roo-code")
    assert [(one.role, one.text_content, one.thinking) for one in found.messages] == [
        ("system", told, None),
        ("user", "Dig", None),
        ("assistant", None, None),
        ("assistant", None, "Hm"),
        ("system", "So far", None),
    ]
    assert (found.tools[0].tool_name, found.tools[0].tool_output) == ("skill", '"ok"')
    assert found.usage[0].model == "claude-opus-4-1"
    session = found.sessions[TASK]
    assert (session.parent_id, session.relationship) == ("99", "subagent")
    assert (session.project_path, session.status) == ("/w/mine", "completed")


def test_kilo_code_pays_another_model_for_edits(tmp_path: Path) -> None:
    """What a fast edit used stands with the call that made it."""
    edited = {
        "tool": "appliedDiff",
        "fastApplyResult": {"tokensIn": 4, "tokensOut": 3, "cost": 0.1},
    }
    task(tmp_path, "kilo-code", ui_messages=[ask("tool", 2, edited)])
    found = read(tmp_path, "kilo-code")
    assert [(one.input_tokens, one.output_tokens, one.cost_reported) for one in found.usage] == [
        (4, 3, 100_000)
    ]


def test_without_its_conversation(tmp_path: Path) -> None:
    """What was shown stands in for a conversation that is missing."""
    shown = [
        say("text", 0, "Count the gears", images=[f"data:image/png;base64,{PIXEL}"]),
        say("text", 1, "I look."),
        say("text", 1.5, "I lo", partial=True),
        ask("command", 2, "cat gears.txt"),
        say("command_output", 3, "eleven"),
        ask("followup", 4, {"question": "Enough?", "suggest": []}),
        say("user_feedback", 5, "Yes"),
    ]
    task(tmp_path, "roo-code", ui_messages=shown)
    found = read(tmp_path, "roo-code")
    assert found.spoken == [
        ("user", "Count the gears"),
        ("assistant", "I look."),
        ("assistant", None),
        ("assistant", "Enough?"),
        ("user", "Yes"),
    ]
    (tool,) = found.tools
    assert (tool.tool_name, tool.tool_output, tool.success) == ("command", '"eleven"', True)
    assert hashlib.sha256(b"a picture").hexdigest() in (found.messages[0].content or "")


def test_a_damaged_file_costs_only_itself(tmp_path: Path) -> None:
    """One malformed line; the other file says what it can."""
    task(tmp_path, ui_messages=SHOWN, api_conversation_history='[{"role": "us')
    found = read(tmp_path)
    assert found.counts == (6, 0, 0, 1)
    assert ("user", "Count the gears") in found.spoken
    assert len(found.usage) == 2


def test_unknown_kinds_are_told(tmp_path: Path) -> None:
    """Kinds that nobody knows, and records that are none."""
    task(
        tmp_path,
        ui_messages=[say("hum", 1), say("checkpoint_created", 2), 7],
        api_conversation_history=[None],
    )
    assert read(tmp_path).counts == (0, 1, 3, 0)


def test_only_a_changed_task_is_read_again(tmp_path: Path) -> None:
    """A change of any file of a task makes it be read, and no other task."""
    place = task(tmp_path, ui_messages=SHOWN, api_conversation_history=SAID)
    task(tmp_path, name="2", ui_messages=SHOWN)
    with Store.open(tmp_path / "archive.db") as store:
        first = import_sessions(store, ["cline"], path=tmp_path / "Code")
        assert (first.new, first.unchanged, first.lines) == (2, 0, 16)
        assert import_sessions(store, ["cline"], path=tmp_path / "Code").unchanged == 2
        (place / "task_metadata.json").write_text(json.dumps(METADATA))
        report = import_sessions(store, ["cline"], path=tmp_path / "Code")
        assert (report.updated, report.unchanged, report.lines) == (1, 1, 10)
        assert store.session(TASK).model == "gpt-5"


def test_whose_a_task_is(tmp_path: Path) -> None:
    """By the extension in the path; elsewhere by what only one of them writes."""
    places = {agent: task(tmp_path, agent, ui_messages=[]) for agent in EXTENSIONS}
    for agent, place in places.items():
        own = importer(agent)
        assert list(own.find(tmp_path)) == [place]
        assert list(own.find(place / "ui_messages.json")) == [place]
        assert [other for other, one in places.items() if own.recognises(one)] == [agent]
    kinds = {
        "cline": [say("task", 0)],
        "roo-code": [say("api_req_started", 0, {"apiProtocol": "openai"})],
        "kilo-code": [say("text", 0, "Kilo Code is here")],
    }
    for agent, shown in kinds.items():
        place = tmp_path / "copied" / agent
        place.mkdir(parents=True)
        (place / "ui_messages.json").write_text(json.dumps(shown))
        assert [one for one in kinds if importer(one).recognises(place)] == [agent]
    assert not any(one.recognises(tmp_path) for one in (CLINE, ROO, KILO))
    assert list(CLINE.find(Path(__file__))) == []


def test_where_they_look(tmp_path: Path) -> None:
    """In every editor on every platform; Cline beside its own folders."""
    found = ROO.roots({"APPDATA": "/roaming"}, tmp_path)
    assert tmp_path / ".vscode-mock/global-storage/tasks" in found
    assert Path("/roaming/Cursor/User/globalStorage/rooveterinaryinc.roo-cline/tasks") in found
    assert (
        tmp_path / ".config/VSCodium/User/globalStorage/rooveterinaryinc.roo-cline/tasks" in found
    )
    assert CLINE.roots({}, tmp_path)[-2:] == [
        tmp_path / ".cline/data/tasks",
        tmp_path / ".cline/data/sessions",
    ]
    assert CLINE.roots({"CLINE_DATA_DIR": "/c"}, tmp_path)[-2:] == [
        Path("/c/tasks"),
        Path("/c/sessions"),
    ]


# Cline 4.1


TALK = {
    "version": 1,
    "sessionId": "s1",
    "origin": {"version": "4.1.22"},
    "messages": [
        {
            "id": "m1",
            "role": "user",
            "content": [words('<user_input mode="act">Count</user_input>')],
            "ts": NOON,
        },
        {
            "id": "m2",
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm"},
                {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "/g"}},
            ],
            "ts": NOON + 1000,
            "modelInfo": {"id": "claude-opus-4-1", "provider": "anthropic"},
            "metrics": {
                "inputTokens": 1000,
                "outputTokens": 9,
                "cacheReadTokens": 700,
                "cacheWriteTokens": 100,
                "cost": 0.5,
            },
        },
        {
            "id": "m3",
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "eleven"}],
            "ts": NOON + 2000,
        },
        {
            "id": "m4",
            "role": "user",
            "content": "So far",
            "ts": NOON + 3000,
            "metadata": {"kind": "compaction_summary", "tokensBefore": 800},
        },
        {
            "id": "m5",
            "role": "assistant",
            "content": "Out of credits",
            "ts": NOON + 4000,
            "metadata": {"displayOnly": True},
        },
    ],
}
MANIFEST = {
    "session_id": "s1",
    "started_at": "2025-12-01T12:00:00Z",
    "ended_at": "2025-12-01T12:00:09Z",
    "provider": "anthropic",
    "model": "claude-sonnet-4-5",
    "cwd": "/home/ada/engine",
    "metadata": {"title": "Counting gears", "git": {"branch": "main"}},
}


def newer(folder: Path, **files: Any) -> Path:
    place = folder / "Code" / "sessions" / "s1"
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (place / f"{name.replace('_', '.')}.json").write_text(json.dumps(content))
    return place


def test_a_newer_session(tmp_path: Path) -> None:
    """Messages with ids, and what each response used; its input is the whole prompt."""
    place = newer(tmp_path, s1_messages=TALK, s1=MANIFEST)
    assert CLINE.recognises(place)
    assert not ROO.recognises(place)
    found = read(tmp_path)
    assert found.spoken == [
        ("user", "Count"),
        ("assistant", None),
        ("system", "So far"),
        ("system", "Out of credits"),
    ]
    assert found.used == [(200, 700, 100, 9)]
    (used,) = found.usage
    assert (used.id, used.model, used.cost_reported) == ("cline:s1:m2", "claude-opus-4-1", 500_000)
    assert (found.tools[0].tool_name, found.tools[0].tool_output) == ("read", '"eleven"')
    assert found.compactions[0].tokens_before == 800
    session = found.session
    assert (session.id, session.title, session.git_branch) == ("s1", "Counting gears", "main")
    assert (session.agent_version, session.ended_at) == ("4.1.22", NOON + 9_000)
    assert found.counts == (5, 0, 0, 0)


def test_a_subagent_of_a_newer_session(tmp_path: Path) -> None:
    """A second file of messages in the folder is a session of its own."""
    newer(tmp_path, s1_messages=TALK, s1=MANIFEST, dig_messages=TALK["messages"])
    found = read(tmp_path)
    assert sorted(found.sessions) == ["s1", "s1:agent-dig"]
    child = found.sessions["s1:agent-dig"]
    assert (child.parent_id, child.relationship, child.project_name) == ("s1", "subagent", "engine")
    assert [one.id for one in found.usage] == ["cline:s1:m2", "cline:s1:agent-dig:m2"]


# Anything may stand anywhere


@given(
    mutated(
        [
            SHOWN,
            [
                *SHOWN,
                say("condense_context", 3, contextCondense={"cost": 1}),
                ask("tool", 2, {"fastApplyResult": {"tokensIn": 4}}),
            ],
        ]
    ),
    mutated([SAID, [], {"version": 2, "messages": SAID}]),
    mutated([METADATA]),
    st.sampled_from(["cline", "kilo-code"]),
)
@settings(max_examples=150, deadline=None)
def test_no_task_raises_and_every_record_is_counted(
    shown: Any, said: Any, metadata: Any, agent: str
) -> None:
    """Each record of both files is in exactly one counter; a file that is no list is one."""
    with tempfile.TemporaryDirectory() as folder:
        place = task(
            Path(folder),
            agent,
            ui_messages=shown,
            api_conversation_history=said,
            task_metadata=metadata,
            history_item=metadata,
        )
        batches = list((CLINE if agent == "cline" else KILO).read_entry(place, TASK))
    assert sum(one.lines for one in batches) == _records(shown) + _records(said)


@given(mutated([TALK]), mutated([MANIFEST]))
@settings(max_examples=100, deadline=None)
def test_no_newer_session_raises(talk: Any, manifest: Any) -> None:
    """Whatever stands in its files, each message is counted once."""
    with tempfile.TemporaryDirectory() as folder:
        place = newer(Path(folder), s1_messages=talk, s1=manifest)
        batches = list(CLINE.read_entry(place, "s1"))
    listed = talk.get("messages") if isinstance(talk, dict) else talk
    if isinstance(talk, dict | list):
        assert sum(one.lines for one in batches) == (len(listed) if isinstance(listed, list) else 0)
    else:
        assert sum(one.lines for one in batches) == 1


def _records(written: Any) -> int:
    listed = written.get("messages") if isinstance(written, dict) else written
    return len(listed) if isinstance(listed, list) else 1
