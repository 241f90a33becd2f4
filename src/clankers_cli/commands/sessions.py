"""`clankers-cli sessions`: list sessions, or show one as it was."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from attrs import asdict

from clankers.conversation import conversation
from clankers.formats import report_table, visible, write_report_json
from clankers.models import Compaction, Message, SessionError, ToolCall
from clankers.store import Store
from clankers.times import short_time
from clankers_cli import _context

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterable
    from datetime import tzinfo

    from clankers.conversation import Turn
    from clankers.models import Session

_LIMIT = 50
_TITLE = 48
_OUTPUT_LINES = 8
_INPUT = 160


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="the newest sessions")
    add_filters(listing)
    listing.set_defaults(act=_list)

    showing = actions.add_parser("show", help="a session's conversation")
    showing.add_argument("id", metavar="ID", help="the id, or enough of its beginning")
    showing.add_argument(
        "--full", action="store_true", help="thinking, tool inputs and outputs in full"
    )
    showing.set_defaults(act=_show)


def add_filters(listing: ArgumentParser) -> None:
    """The options of a list of sessions."""
    listing.add_argument("--source", metavar="AGENT", help="of one agent")
    listing.add_argument("--project", metavar="P", help="of a project, by name or whole path")
    listing.add_argument("--model", metavar="M", help="with a model whose name begins so")
    listing.add_argument("--title", metavar="TEXT", help="with this in the title")
    listing.add_argument("--since", metavar="D", help="that went on at or after a time")
    listing.add_argument("--until", metavar="D", help="that began before a time")
    listing.add_argument(
        "--limit", metavar="N", type=_count, default=_LIMIT, help=f"at most N ({_LIMIT}); 0 for all"
    )
    listing.add_argument("--offset", metavar="N", type=_count, default=0, help="leave N out first")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ArgumentTypeError(f"{text!r} is not a number of sessions")
    return int(text)


def run(args: Namespace) -> int:
    with Store.open(_context.database_path(args), read_only=True) as store:
        args.act(args, store)
    return 0


def _list(args: Namespace, store: Store) -> None:
    show_list(args, store.sessions)


def show_list(
    args: Namespace, find: Callable[..., Iterable[Session]], *, none: str = "no sessions"
) -> None:
    """Prints the sessions that `find` gives for the filters."""
    zone = _context.zone(args)
    limit = args.limit or None
    found = list(
        find(
            source=args.source,
            project=args.project,
            model=args.model,
            title=args.title,
            since=_context.moment(args, args.since),
            until=_context.moment(args, args.until),
            limit=limit and limit + 1,
            offset=args.offset,
        )
    )
    shown = found[:limit]
    if args.json:
        write_report_json(sys.stdout, [asdict(session) for session in shown])
    elif shown:
        columns = ("id", "last", "agent", "project", "title", "messages", "tools", "tokens", "cost")
        print(report_table(columns, [_row(session, zone) for session in shown]))
    else:
        print(none)
        _context.hint_at_agent(args.source)
    if len(found) > len(shown):
        print(
            f"only the newest {limit} are shown; --limit and --offset show others", file=sys.stderr
        )


def _row(session: Session, zone: tzinfo) -> tuple[Any, ...]:
    last = session.updated_at or session.created_at
    tokens = (session.prompt_tokens or 0) + (session.completion_tokens or 0)
    title = session.title or ""
    return (
        session.id,
        short_time(last, zone) if last else None,
        session.source,
        session.project_name,
        title if len(title) <= _TITLE else title[: _TITLE - 1] + "…",
        session.message_count,
        session.tool_call_count,
        f"{tokens:,}",
        None if session.cost is None else f"${session.cost:,.2f}",
    )


def _show(args: Namespace, store: Store) -> None:
    session = store.session(args.id)
    if args.json:
        write_report_json(sys.stdout, _as_json(store, session))
        return
    zone = _context.zone(args)
    print(_heading(session, zone))
    for turn in conversation(store, session.id):
        print(_told(turn, zone, full=args.full))


def _as_json(store: Store, session: Session) -> dict[str, Any]:
    return {
        "session": asdict(session),
        "messages": [asdict(one) for one in store.messages(session.id)],
        "tools": [asdict(one) for one in store.tools(session.id)],
        "session_errors": [asdict(one) for one in store.errors(session.id)],
        "compaction_events": [asdict(one) for one in store.compactions(session.id)],
    }


def _heading(session: Session, zone: tzinfo) -> str:
    began, last = (
        short_time(moment, zone) if moment else "?"
        for moment in (session.created_at, session.updated_at)
    )
    cost = "unpriced" if session.cost is None else f"${session.cost:,.2f}"
    lines = [
        session.title or "Untitled Session",
        f"{session.id}  {session.source}  {session.model or 'unknown model'}",
        f"{session.project_path or 'no project'}  {session.git_branch or ''}",
        f"{began} to {last}",
        (
            f"{session.message_count or 0} messages, {session.tool_call_count or 0} tool calls,"
            f" {session.prompt_tokens or 0:,} tokens in, {session.completion_tokens or 0:,} out,"
            f" {cost}"
        ),
    ]
    if session.parent_id:
        lines.append(f"{session.relationship or 'child'} of {session.parent_id}")
    return "\n".join(visible(line.rstrip()) for line in lines)


def _told(turn: Turn, zone: tzinfo, *, full: bool) -> str:
    when = short_time(turn.created_at, zone) if turn.created_at else ""
    match turn:
        case Message():
            return _told_message(turn, when, full=full)
        case ToolCall():
            return _told_call(turn, full=full)
        case SessionError():
            return f"\n! {visible(turn.error_type or 'error')}: {visible(turn.error_message or '')}"
        case Compaction():
            before, after = turn.tokens_before or "?", turn.tokens_after or "?"
            return f"\n~ context compacted, {before} tokens to {after}  {when}"


def _told_message(message: Message, when: str, *, full: bool) -> str:
    aside = " (sidechain)" if message.is_sidechain else ""
    parts = [f"\n## {visible(message.role or 'unknown')}{aside}  {when}"]
    if full and message.thinking:
        thought = visible(message.thinking, keep_newlines=True)
        parts.append("\n".join(f"| {line}" for line in thought.splitlines()))
    if message.text_content:
        parts.append(visible(message.text_content, keep_newlines=True))
    is_silent = not message.text_content and not (full and message.thinking)
    return "" if is_silent and message.role == "assistant" else "\n".join(parts)


def _told_call(tool: ToolCall, *, full: bool) -> str:
    outcome = {True: "ok", False: "failed", None: "no result"}[tool.success]
    took = "" if tool.duration_ms is None else f" in {tool.duration_ms / 1000:.1f} s"
    given = tool.tool_input or ""
    line = visible(given if full or len(given) <= _INPUT else given[: _INPUT - 1] + "…")
    told = f"> {visible(tool.tool_name or 'unknown tool')} {line} [{outcome}{took}]"
    if full and tool.tool_output:
        told += "\n" + _indented(_plain(tool.tool_output))
    elif tool.error_message:
        lines = tool.error_message.splitlines()[:_OUTPUT_LINES]
        told += "\n" + _indented("\n".join(lines))
    return told


def _plain(output: str) -> str:
    """The text in a tool's JSON output, or the JSON where it is no text."""
    import json

    try:
        found = json.loads(output)
    except ValueError:
        return output
    return found if isinstance(found, str) else output


def _indented(written: str) -> str:
    return "\n".join(f"    {line}" for line in visible(written, keep_newlines=True).splitlines())
