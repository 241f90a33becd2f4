"""What responses used: each response once, with what was recorded and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ._transcripts import (
    MODEL,
    SESSION,
    Record,
    answer,
    archived,
    batches_of,
    imported,
    line,
    moment,
    transcript,
    usage,
    user,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_response(tmp_path: Path) -> None:
    """One row, which names its answer, session and place, and has the agent's own words."""
    used = usage(
        3,
        50,
        read=1_000,
        write=700,
        cache_creation={"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 500},
        output_tokens_details={"thinking_tokens": 20},
        server_tool_use={"web_search_requests": 2, "web_fetch_requests": 9},
        service_tier="priority",
        speed="fast",
        iterations=[{"type": "message", "input_tokens": 99, "output_tokens": 99}],
    )
    path = transcript(tmp_path, user("Hello", 1), answer("Hi", 2, used=used))
    row = imported(path).response
    assert row.id == "claude-code:msg_1:req_1"
    assert (row.session_id, row.session_at) == (SESSION, moment(1))
    assert (row.message_id, row.occurred_at) == (f"{SESSION}:msg_1", moment(2))
    assert (row.source, row.provider, row.model) == ("claude-code", "anthropic", MODEL)
    assert (row.project_path, row.git_branch) == ("/home/ada/engine", "main")
    assert (row.input_tokens, row.cache_read_tokens) == (3, 1_000)
    assert (row.cache_write_5m_tokens, row.cache_write_1h_tokens) == (200, 500)
    assert (row.output_tokens, row.reasoning_tokens, row.web_searches) == (50, 20, 2)
    assert (row.service_tier, row.speed) == ("priority", "fast")
    assert (row.is_sidechain, row.estimated, row.origin_device) == (False, False, None)
    assert (row.cost, row.cost_reported, row.cost_source) == (None, None, None)
    assert json.loads(row.raw or "") == used


def test_the_line_that_says_the_most_counts(tmp_path: Path) -> None:
    """All lines of a response tell its usage, and the output grows; the time is that line's."""
    path = transcript(
        tmp_path,
        answer("a", 1, used=usage(10, 1)),
        answer("b", 2, used=usage(10, 631), cwd="/elsewhere", gitBranch="fix"),
        answer("c", 3, used=usage(10, 40)),
        answer("c", 4, used=usage(10, 631)),
    )
    archive = imported(path)
    row = archive.response
    assert (row.input_tokens, row.output_tokens, row.occurred_at) == (10, 631, moment(2))
    assert (row.project_path, row.git_branch) == ("/elsewhere", "fix")
    assert archive.message.completion_tokens == 631


def test_a_line_without_a_folder_has_that_of_the_session(tmp_path: Path) -> None:
    """As it was known by then."""
    path = transcript(tmp_path, user("Hello", 1), answer("a", 2, cwd=None, gitBranch=""))
    row = imported(path).response
    assert (row.project_path, row.git_branch) == ("/home/ada/engine", "main")


SAME, OTHER_NUMBERS = usage(10, 5), usage(11, 5)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # A line without a request id joins one with the same prompt numbers.
        ([("req_1", SAME, False), (None, SAME, False)], ["req_1"]),
        ([(None, SAME, False), ("req_1", SAME, False)], ["-"]),
        ([(None, SAME, False), (None, OTHER_NUMBERS, False)], ["-"]),
        ([("req_1", SAME, False), (None, OTHER_NUMBERS, False)], ["req_1", "-"]),
        # Another request id is another response, unless either is on a sidechain.
        ([("req_1", SAME, False), ("req_2", SAME, False)], ["req_1", "req_2"]),
        ([("req_1", SAME, False), ("req_2", OTHER_NUMBERS, True)], ["req_1"]),
        ([("req_1", SAME, True), ("req_2", OTHER_NUMBERS, False)], ["req_1"]),
        (
            [("req_1", SAME, False), ("req_2", SAME, False), ("req_2", SAME, False)],
            ["req_1", "req_2"],
        ),
    ],
)
def test_which_lines_are_one_response(
    tmp_path: Path, lines: list[tuple[str | None, Record, bool]], expected: list[str]
) -> None:
    """Proxies leave out the request id, and side questions are answered under one of their own."""
    path = transcript(
        tmp_path,
        *[
            answer(str(second), second, request=request, used=used, isSidechain=is_sidechain)
            for second, (request, used, is_sidechain) in enumerate(lines, 1)
        ],
    )
    found = list(imported(path).usage)
    assert found == [f"claude-code:msg_1:{request}" for request in expected]


def test_forks_give_a_response_the_same_id(tmp_path: Path) -> None:
    """The copy repeats the chain under another session; the store counts it once."""
    lines = [user("Hello", 1), answer("a", 2)]
    one = imported(transcript(tmp_path, *lines))
    copies = [{**record, "sessionId": "2" * 8} for record in lines]
    two = imported(transcript(tmp_path, *copies, name="copy"))
    assert list(one.usage) == list(two.usage)
    assert set(one.messages).isdisjoint(two.messages)


@pytest.mark.parametrize(
    ("stated", "five_minutes", "hour"),
    [
        ({"cache_creation_input_tokens": 7}, 7, 0),
        ({"cache_creation_input_tokens": 7, "cache_creation": None}, 7, 0),
        ({"cache_creation_input_tokens": 7, "cache_creation": {}}, 7, 0),
        (
            {
                "cache_creation_input_tokens": 7,
                "cache_creation": {"ephemeral_1h_input_tokens": 7},
            },
            0,
            7,
        ),
        (
            {
                "cache_creation_input_tokens": 7,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 1,
                    "ephemeral_1h_input_tokens": 4,
                },
            },
            3,
            4,
        ),
        (
            {
                "cache_creation_input_tokens": 7,
                "cache_creation": {"ephemeral_1h_input_tokens": 9},
            },
            0,
            7,
        ),
        (
            {
                "input_tokens": 1,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 2,
                    "ephemeral_1h_input_tokens": "3",
                },
            },
            2,
            3,
        ),
        (
            {"cache_creation_input_tokens": 0, "cache_creation": {"ephemeral_1h_input_tokens": 9}},
            0,
            0,
        ),
    ],
)
def test_cache_writes(tmp_path: Path, stated: Record, five_minutes: int, hour: int) -> None:
    """The stated total decides where its parts disagree with it."""
    row = imported(transcript(tmp_path, answer("a", used=stated))).response
    assert (row.cache_write_5m_tokens, row.cache_write_1h_tokens) == (five_minutes, hour)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        ("5", 5),
        (5.0, 5),
        (-5, 0),
        ("many", 0),
        (True, 0),
        ([5], 0),
        (10**12, 10**12),
        (10**12 + 1, 0),
        (10**40, 0),
    ],
)
def test_counts(tmp_path: Path, value: object, expected: int) -> None:
    """What can be no count of tokens is none, so that no line can spoil a sum."""
    used = usage(
        value, value, read=value, write=value, server_tool_use={"web_search_requests": value}
    )
    row = imported(transcript(tmp_path, answer("a", used=used))).response
    assert (row.input_tokens, row.output_tokens) == (expected, expected)
    assert (row.cache_read_tokens, row.cache_write_5m_tokens) == (expected, expected)
    assert row.web_searches == expected


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (0.0123456, 12_346),
        (2, 2_000_000),
        ("0.5", 500_000),
        (0, None),
        (-1, None),
        ("free", None),
        ("nan", None),
        (1e12, None),
        (True, None),
        (None, None),
    ],
)
def test_costs_that_old_versions_reported(
    tmp_path: Path, cost: object, expected: int | None
) -> None:
    """In dollars; nothing and nonsense are unknown."""
    row = imported(transcript(tmp_path, answer("a", costUSD=cost))).response
    assert row.cost_reported == expected


@pytest.mark.parametrize("used", [None, {}, [], "text", 5, {"service_tier": "standard"}])
def test_an_answer_that_states_no_usage_has_none(tmp_path: Path, used: Any) -> None:
    """Nothing is made up for it."""
    record = answer("Hi")
    record["message"]["usage"] = used
    archive = imported(transcript(tmp_path, record))
    assert archive.usage == {}
    assert archive.spoken == [("assistant", "Hi")]
    assert (archive.message.prompt_tokens, archive.message.completion_tokens) == (None, None)


def test_answers_of_no_model_and_errors_used_nothing(tmp_path: Path) -> None:
    """The program wrote them itself."""
    path = transcript(
        tmp_path,
        answer("No response requested.", model="<synthetic>"),
        answer("API Error", message="msg_2", isApiErrorMessage=True),
    )
    assert imported(path).usage == {}


def test_a_response_of_an_unnamed_model_counts(tmp_path: Path) -> None:
    """It was used, whoever answered."""
    record = answer("Hi")
    del record["message"]["model"]
    row = imported(transcript(tmp_path, record)).response
    assert (row.model, row.input_tokens) == (None, 10)


def test_progress_of_a_subagent_is_counted_where_it_is_its_own(tmp_path: Path) -> None:
    """Its transcript has it; the parent's repeats it."""
    inner = answer("Hi", message="msg_9")
    path = transcript(
        tmp_path,
        line(
            "progress",
            data={"type": "agent_progress", "agentId": "a1", "message": inner},
            parentToolUseID="t1",
        ),
        user("Done", toolUseResult={"totalTokens": 999, "usage": usage(500, 400)}),
    )
    assert imported(path).usage == {}


def test_a_session_that_turns_out_to_be_older_takes_its_responses_along(tmp_path: Path) -> None:
    """Responses belong to the earliest session, so its beginning must be right."""
    lines = [
        user("Hello", 5),
        answer("a", 6),
        user("Earlier", 1),
        answer("b", 7),
        answer("c", 8, message="msg_2"),
    ]
    path = transcript(tmp_path, *lines)
    assert [one.session_at for one in imported(path).usage.values()] == [moment(1), moment(1)]
    in_two = transcript(tmp_path, *lines[:3])
    (before,) = batches_of(in_two)
    transcript(tmp_path, *lines)
    after = archived([before, *batches_of(path, before.resume)])
    assert after.usage == imported(path).usage


def test_a_message_id_of_another_line_is_another_response(tmp_path: Path) -> None:
    """Each message of a session has its own."""
    path = transcript(
        tmp_path, answer("a", 1, message="msg_1"), answer("b", 2, message="msg_2", request="req_1")
    )
    assert imported(path).used == [
        ("claude-code:msg_1:req_1", 10, 5),
        ("claude-code:msg_2:req_1", 10, 5),
    ]


def test_a_response_without_any_id_is_one_of_its_session(tmp_path: Path) -> None:
    """Where nothing names a response its line does, which other sessions have as well."""
    nameless = {
        "type": "assistant",
        "message": {"model": MODEL, "content": "Hi", "usage": {"output_tokens": 5}},
    }
    rows = [
        imported(transcript(tmp_path, user("Hello", 1), nameless, name=name)).response
        for name in (SESSION, SESSION[:-1] + "f")
    ]
    assert rows[0].id == f"claude-code:{SESSION}:L2:-"
    assert rows[0].id != rows[1].id
