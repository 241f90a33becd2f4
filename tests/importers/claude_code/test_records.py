"""Records that are no messages: titles, errors, compactions, and what is only noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clankers.importers.claude_code._known import NOISE_ATTACHMENTS, NOISE_SUBTYPES, NOISE_TYPES

from ._transcripts import (
    SESSION,
    Record,
    answer,
    archived,
    attachment,
    batches_of,
    imported,
    line,
    moment,
    outcome_of,
    transcript,
    user,
)

if TYPE_CHECKING:
    from pathlib import Path

SUMMARY = {"type": "summary", "summary": "Summed up", "leafUuid": "last"}
FOREIGN = {"type": "summary", "summary": "Of another", "leafUuid": "elsewhere"}
NAMED = {"type": "ai-title", "aiTitle": "Program's"}
RENAMED = {"type": "custom-title", "customTitle": "Person's"}
COMMAND = "<command-name>/clear</command-name>"
RENAME = "<command-name>/rename</command-name><command-args>By command</command-args>"


def prompt(text: str = "First words\nof several", second: float = 1, **more: Any) -> Record:
    return user(text, second, **{"uuid": f"u{second}", **more})


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([prompt()], "First words"),
        ([prompt(), prompt("Second", 2)], "First words"),
        ([prompt(COMMAND), prompt("Second", 2)], "Second"),
        ([prompt(COMMAND), prompt("<bash-input>ls</bash-input>", 2)], "/clear"),
        ([prompt("<local-command-stdout>x</local-command-stdout>"), prompt("Two", 2)], "Two"),
        ([prompt("\n\n  spaced   out  \nmore")], "spaced out"),
        ([prompt("x" * 200)], "x" * 119 + "…"),
        ([prompt(), prompt("Second", uuid="last"), SUMMARY], "Summed up"),
        ([SUMMARY, prompt(), prompt("Second", uuid="last")], "Summed up"),
        ([prompt(), {"type": "summary", "summary": "Of this"}], "Of this"),
        ([FOREIGN, prompt()], "First words"),
        ([prompt(), FOREIGN], "First words"),
        ([FOREIGN, prompt(COMMAND)], "/clear"),
        ([FOREIGN, answer("Hi")], "Of another"),
        ([prompt(), SUMMARY, NAMED], "Program's"),
        ([prompt(), NAMED, {**NAMED, "aiTitle": "Newer"}], "Newer"),
        ([prompt(), RENAMED, NAMED], "Person's"),
        ([prompt(), RENAMED, {**RENAMED, "customTitle": "Again"}], "Again"),
        ([prompt(), prompt(RENAME, 2), NAMED], "By command"),
        ([prompt(), line("system", 2, subtype="local_command", content=RENAME)], "By command"),
        ([prompt(), {"type": "ai-title", "aiTitle": " "}], "First words"),
        ([prompt(), {"type": "ai-title", "aiTitle": 5}], "First words"),
    ],
)
def test_titles(tmp_path: Path, lines: list[Record], expected: str) -> None:
    """A person's name, the program's, a summary of this session, the first words, a command."""
    assert imported(transcript(tmp_path, *lines)).session.title == expected


def test_only_some_summaries_of_others_are_kept_in_mind(tmp_path: Path) -> None:
    """Older versions put hundreds in front; the last are the likeliest to be this session's."""
    others = [{**FOREIGN, "leafUuid": f"x{n}"} for n in range(300)]
    path = transcript(tmp_path, SUMMARY, *others, prompt(uuid="last"))
    assert imported(path).session.title == "First words"
    path = transcript(tmp_path, *others, SUMMARY, prompt(uuid="last"))
    assert imported(path).session.title == "Summed up"


def test_a_title_that_comes_alone_is_taken(tmp_path: Path) -> None:
    """It may be all that was added to a file."""
    path = transcript(tmp_path, prompt())
    (before,) = batches_of(path)
    transcript(tmp_path, prompt(), NAMED)
    after = batches_of(path, before.resume)
    assert archived([before, *after]).session.title == "Program's"


def test_permission_modes(tmp_path: Path) -> None:
    """The last one a record says."""
    path = transcript(
        tmp_path,
        prompt(permissionMode="plan"),
        {"type": "permission-mode", "permissionMode": "acceptEdits"},
        {"type": "permission-mode", "permissionMode": None},
    )
    assert imported(path).session.permission_mode == "acceptEdits"


def error(content: str = "API Error", **more: Any) -> Record:
    said = {"isApiErrorMessage": True, "uuid": "e1", **more}
    return answer(content, 3, model="<synthetic>", **said)


def system(subtype: object, **more: Any) -> Record:
    return line("system", 3, subtype=subtype, **{"uuid": "e1", **more})


QUOTA = {"status": "rejected", "resetsAt": 1_762_000_000, "rateLimitType": "five_hour"}
QUOTA_JSON = '{"status":"rejected","resetsAt":1762000000,"rateLimitType":"five_hour"}'


@pytest.mark.parametrize(
    ("record", "kind", "message"),
    [
        (error(error="rate_limit", apiErrorStatus=429), "rate_limit", "API Error"),
        (error(apiErrorStatus=529), "api_error_529", "API Error"),
        (error(apiErrorStatus="529"), "api_error_529", "API Error"),
        (error(error={"type": "x"}), "api_error", "API Error"),
        (error("x" * 3_000), "api_error", "x" * 2_000),
        (
            error("Limit reached", error="rate_limit", quotaLimits=QUOTA),
            "rate_limit",
            f"Limit reached\n{QUOTA_JSON}",
        ),
        (
            system("api_error", error={"status": 529, "message": "Overloaded"}),
            "api_error",
            '{"status":529,"message":"Overloaded"}',
        ),
        (
            system("error", error={"formatted": "429 Slow down", "status": 429}),
            "error",
            "429 Slow down",
        ),
        (
            system("api_error", error={}, cause={"code": "ECONNRESET"}),
            "api_error",
            '{"code":"ECONNRESET"}',
        ),
        (system("api_error", error="Timed out"), "api_error", "Timed out"),
        (system("api_error", error={}), "api_error", None),
        (
            system("api_refusal", content="Refused", apiRefusalExplanation="Policy"),
            "api_refusal",
            "Refused\nPolicy",
        ),
        (
            system("model_refusal_fallback", content="Fell back"),
            "model_refusal_fallback",
            "Fell back",
        ),
    ],
)
def test_errors(tmp_path: Path, record: Record, kind: str, message: str | None) -> None:
    """Logged in place of an answer or as a record; a limit says which and until when."""
    archive = imported(transcript(tmp_path, record))
    (found,) = archive.errors.values()
    assert (found.id, found.session_id) == (f"{SESSION}:e1", SESSION)
    assert (found.error_type, found.error_message) == (kind, message)
    assert found.created_at == moment(3)
    assert archive.messages == {}


def boundary(second: float, **noted: Any) -> Record:
    more = {"parentUuid": None, "logicalParentUuid": "u1", "compactMetadata": noted}
    return line("system", second, subtype="compact_boundary", uuid=f"c{second}", **more)


def test_compactions(tmp_path: Path) -> None:
    """What is not noted is unknown, or follows from the running total of what was dropped."""
    path = transcript(
        tmp_path,
        boundary(1, trigger="auto", preTokens=155_554),
        boundary(2, preTokens=1_000, postTokens=200, cumulativeDroppedTokens=800),
        boundary(3, preTokens="500", cumulativeDroppedTokens=1_200),
        boundary(4, preTokens=100, cumulativeDroppedTokens=1_200),
        boundary(5, preTokens=100, cumulativeDroppedTokens=9_000),
        line("system", 6, subtype="compact_boundary", compactMetadata="text", uuid="c6"),
    )
    found = list(imported(path).compactions.values())
    assert [one.id for one in found] == [f"{SESSION}:c{n}" for n in (1, 2, 3, 4, 5, 6)]
    assert [(one.tokens_before, one.tokens_after) for one in found] == [
        (155_554, None),
        (1_000, 200),
        (500, 100),
        (100, None),
        (100, None),
        (None, None),
    ]
    assert found[0].created_at == moment(1)
    assert (found[0].messages_before, found[0].messages_after) == (None, None)


def test_dropping_old_results_is_a_compaction(tmp_path: Path) -> None:
    """It says what it saved instead of what is left."""
    noted = {"trigger": "auto", "preTokens": 1_000, "tokensSaved": 300}
    record = line("system", subtype="microcompact_boundary", microcompactMetadata=noted)
    (found,) = imported(transcript(tmp_path, record)).compactions.values()
    assert (found.tokens_before, found.tokens_after) == (1_000, 700)


def test_the_message_after_a_boundary_hangs_on_the_one_before(tmp_path: Path) -> None:
    """Its own parent is cut off."""
    record = user("A summary", isCompactSummary=True, logicalParentUuid="u1")
    assert imported(transcript(tmp_path, record)).message.parent_native_id == "u1"


@pytest.mark.parametrize("subtype", ["local_command", "away_summary", "informational", None, ...])
def test_what_the_program_told_the_user_is_kept(tmp_path: Path, subtype: object) -> None:
    """Old versions gave such records no subtype."""
    record = system(subtype, content="<local-command-stdout>Done</local-command-stdout>")
    if subtype is ...:
        del record["subtype"]
    archive = imported(transcript(tmp_path, record))
    assert archive.spoken == [("system", "<local-command-stdout>Done</local-command-stdout>")]
    assert archive.session.title is None
    assert outcome_of(tmp_path, record) == "imported"


def test_a_local_command_is_the_users(tmp_path: Path) -> None:
    """As it was typed."""
    record = system("local_command", content=f"{COMMAND}<command-args>all</command-args>")
    assert imported(transcript(tmp_path, record)).spoken == [("user", "/clear all")]


def test_words_of_an_unknown_kind_are_kept_and_counted_as_unknown(tmp_path: Path) -> None:
    """So that somebody teaches us."""
    record = system("brand_new", content="Something happened")
    assert imported(transcript(tmp_path, record)).spoken == [("system", "Something happened")]
    assert outcome_of(tmp_path, record) == "unknown"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        *[({"type": kind}, "noise") for kind in sorted(NOISE_TYPES)],
        *[(system(kind, content="x"), "noise") for kind in sorted(NOISE_SUBTYPES)],
        *[(attachment(kind, content="x"), "noise") for kind in sorted(NOISE_ATTACHMENTS)],
        (system("informational"), "noise"),
        (system("brand_new"), "unknown"),
        (system(5), "noise"),
        (attachment("brand_new"), "unknown"),
        ({"type": "brand-new"}, "unknown"),
        ({"type": 5}, "unknown"),
        ({"type": ["user"]}, "unknown"),
        ({"silly": "this"}, "unknown"),
        ({}, "unknown"),
        ({"type": "summary"}, "unknown"),
        ({"type": "ai-title"}, "unknown"),
        ({"type": "user"}, "unknown"),
        ({"type": "assistant", "message": 5}, "imported"),
        (SUMMARY, "imported"),
        (NAMED, "imported"),
        (RENAMED, "imported"),
        ({"type": "permission-mode", "permissionMode": "plan"}, "imported"),
        ({"type": "continued-in", "continuedInSessionId": "x"}, "imported"),
        (boundary(1), "imported"),
        (error(), "imported"),
        (prompt(), "imported"),
        (answer("Hi"), "imported"),
    ],
)
def test_how_records_count(tmp_path: Path, record: Record, expected: str) -> None:
    """Noise is what is known to hold nothing of the conversation."""
    assert outcome_of(tmp_path, record) == expected
