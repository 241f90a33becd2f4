"""What a task showed: the usage of each request, what failed, and the context being cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clankers.importers import Block, member, microdollars, milliseconds, text, tokens, unfolded
from clankers.importers._anthropic import succeeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clankers.importers import Outcome, Rows
    from clankers.importers._vscode._reading import Models

# What each of these used is billed: requests, those that an undo took out of the file, and
# those of subagents that are no task of their own.
_USING = ("api_req_started", "deleted_api_reqs", "subagent_usage")
_FAILING = ("error", "api_req_failed", "mistake_limit_reached", "condense_context_error")
_CUTTING = {"condense_context": "contextCondense", "sliding_window_truncation": "contextTruncation"}
_TOOLS = ("tool", "command", "use_mcp_server", "browser_action_launch", "browser_action")
_RESULTS = ("command_output", "mcp_server_response", "browser_action_result", "subtask_result")
_SPOKEN = ("text", "reasoning", "completion_result", "plan_mode_respond", "followup")
_TYPED = ("task", "user_feedback", "user_feedback_diff")
# Providers whose input tokens in Cline hold what came from the cache as well.
_WHOLE_PROMPT = frozenset(
    {"openai", "litellm", "doubao", "fireworks", "hicap", "lmstudio", "qwen", "xai", "zai"}
)
_KNOWN = frozenset(
    {
        *("api_req_finished", "api_req_retried", "api_req_retry_delayed", "api_req_deleted"),
        *("api_req_rate_limited", "shell_integration_warning", "checkpoint_created"),
        *("shell_integration_warning_with_suggestion", "checkpoint_saved", "task_progress"),
        *("mcp_server_request_started", "mcp_notification", "diff_error", "rooignore_error"),
        *("clineignore_error", "command_permission_denied", "load_mcp_documentation", "info"),
        *("generate_explanation", "hook_status", "hook_output_stream", "subagent", "error_retry"),
        *("use_subagents", "conditional_rules_applied", "act_mode_respond", "resume_task"),
        *("resume_completed_task", "new_task", "condense", "summarize_task", "report_bug"),
        *("auto_approval_max_req_reached", "browser_session_status", "image", "user_edit_todos"),
        *("codebase_search_result", "payment_required_prompt", "invalid_model", "codebase_search"),
    }
)


class Shown:
    """Takes what was shown; messages among it only where nobody else says them."""

    def __init__(
        self,
        rows: Rows,
        shown: list[Any],
        models: Models,
        *,
        totals_since: int | None,
        speaks: bool,
    ) -> None:
        self._rows, self._shown, self._models = rows, shown, models
        self._totals_since, self._speaks = totals_since, speaks
        self._last_call: str | None = None
        self._deleted: Any = None
        self._has_begun = False

    def outcomes(self) -> Iterator[Outcome]:
        for number, one in enumerate(self._shown):
            yield self._take(one, number) if isinstance(one, dict) else "unknown"

    def _take(self, one: dict[str, Any], number: int) -> Outcome:
        kind = text(one.get("say")) or text(one.get("ask"))
        at = milliseconds(one.get("ts"))
        native = str(at) if at is not None else f"shown-{number}"
        self._notice_cut(one, native, at)
        words = text(one.get("text")) or ""
        if kind in _USING:
            self._request(one, kind, native, at)
        elif kind in _FAILING:
            self._rows.fail(f"{native}#error", at, kind, words)
        elif kind in _CUTTING:
            self._cut(member(one, _CUTTING[kind]), native, at)
        elif kind in _TOOLS or kind in _RESULTS or kind in _SPOKEN or kind in _TYPED:
            self._use_edit(words, native, at)
            return self._speak(one, kind, native, at)
        else:
            return "noise" if kind in _KNOWN else "unknown"
        return "imported"

    # What was used

    def _request(self, one: dict[str, Any], kind: str, native: str, at: int | None) -> None:
        info = unfolded(one.get("text"))
        if not isinstance(info, dict):
            return
        if failure := text(info.get("streamingFailedMessage")):
            self._rows.fail(f"{native}#streaming", at, "streaming_failed", failure)
        given, output = tokens(info.get("tokensIn")), tokens(info.get("tokensOut"))
        cached, written = tokens(info.get("cacheReads")), tokens(info.get("cacheWrites"))
        cost = microdollars(info.get("cost"))
        # A request that is still running has no numbers yet.
        if not (given or output or cached or written or cost):
            return
        shown = member(one, "modelInfo")
        model, provider = self._models.at(at)
        model = text(shown.get("modelId")) or model
        provider = text(shown.get("providerId")) or provider
        if self._holds_cached(info, provider, at) and given >= cached + written:
            given -= cached + written
        self._rows.use(
            f"{self._rows.session.id}:{native}",
            at,
            raw={name: value for name, value in info.items() if name != "request"},
            model=model,
            provider=provider,
            input_tokens=given,
            output_tokens=output,
            cache_read_tokens=cached,
            cache_write_5m_tokens=written,
            cost_reported=cost,
            # An earlier import may have seen the requests that this is the sum of.
            estimated=kind == "deleted_api_reqs",
            is_sidechain=kind == "subagent_usage",
        )

    def _holds_cached(self, info: dict[str, Any], provider: str | None, at: int | None) -> bool:
        """Whether input tokens are the whole prompt, which the record itself does not tell."""
        if self._totals_since is None:
            return provider in _WHOLE_PROMPT
        if at is not None and at >= self._totals_since:
            return True
        protocol = info.get("apiProtocol")
        # Before the protocol was noted: only Anthropic's way counts writes to the cache.
        is_anthropic = protocol == "anthropic" or (
            protocol is None and tokens(info.get("cacheWrites")) > 0
        )
        return not is_anthropic

    def _use_edit(self, words: str, native: str, at: int | None) -> None:
        """Kilo Code lets another model make an edit, and notes what it used with the call."""
        if "fastApplyResult" not in words:
            return
        used = member(unfolded(words), "fastApplyResult")
        given, output = tokens(used.get("tokensIn")), tokens(used.get("tokensOut"))
        cost = microdollars(used.get("cost"))
        if given or output or cost:
            key = f"{self._rows.session.id}:{native}#edit"
            self._rows.use(
                key,
                at,
                raw={name: used.get(name) for name in ("tokensIn", "tokensOut", "cost")},
                input_tokens=given,
                output_tokens=output,
                cost_reported=cost,
            )

    # The context

    def _cut(self, info: dict[str, Any], native: str, at: int | None) -> None:
        before, after = tokens(info.get("prevContextTokens")), tokens(info.get("newContextTokens"))
        # Without numbers it has only begun.
        if not info:
            return
        self._rows.compact(native, at, tokens_before=before or None, tokens_after=after or None)
        if cost := microdollars(info.get("cost")):
            key = f"{self._rows.session.id}:{native}#condense"
            model, provider = self._models.at(at)
            raw = {name: value for name, value in info.items() if name != "summary"}
            self._rows.use(key, at, raw=raw, model=model, provider=provider, cost_reported=cost)

    def _notice_cut(self, one: dict[str, Any], native: str, at: int | None) -> None:
        """Cline notes only which messages the model no longer gets."""
        found = one.get("conversationHistoryDeletedRange")
        if isinstance(found, list) and found != self._deleted:
            self._rows.compact(native, at)
            self._deleted = found

    # Words, where the conversation is missing

    def _speak(self, one: dict[str, Any], kind: str, native: str, at: int | None) -> Outcome:
        is_first, self._has_begun = not self._has_begun, True
        if not self._speaks or one.get("partial") is True:
            return "noise"
        rows, words = self._rows, text(one.get("text")) or ""
        if kind in _TOOLS:
            self._call(kind, words, native, at)
        elif kind in _RESULTS:
            if self._last_call is not None:
                rows.answer(self._last_call, words, at, success=succeeded(words))
        else:
            is_typed = kind in _TYPED or (is_first and kind == "text")
            blocks = [Block("thinking" if kind == "reasoning" else "text", _plain(words))]
            images = one.get("images")
            blocks += [
                Block("image", reference=rows.attachments.address(url))
                for url in (images if isinstance(images, list) else [])
                if text(url)
            ]
            if any(block.text or block.reference for block in blocks):
                model = None if is_typed else self._models.at(at)[0]
                rows.say(native, "user" if is_typed else "assistant", blocks, at, model=model)
        return "imported"

    def _call(self, kind: str, words: str, native: str, at: int | None) -> None:
        given = unfolded(words)
        name = kind
        if isinstance(given, dict):
            name = text(given.get("tool")) or text(given.get("toolName")) or kind
        else:
            given = {"command" if kind == "command" else "text": words}
        self._last_call = f"{native}-call"
        seq, model = self._rows.next_seq(at), self._models.at(at)[0]
        block = self._rows.call(self._last_call, name, given, at, message=native)
        self._rows.say(native, "assistant", [block], at, seq=seq, model=model)


def _plain(words: str) -> str:
    """The words of a question or a plan, which are shown with the answers to choose from."""
    found = unfolded(words)
    if isinstance(found, dict):
        return text(found.get("question")) or text(found.get("response")) or words
    return words
