"""search: find what was said, done and titled, in all sessions."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress

from clankers.formats import visible, write_report_json
from clankers.store.search import PLACES, search_file
from clankers_cli import _context, _terminal

TYPE_CHECKING = False  # typing itself is slow to import

if TYPE_CHECKING:
    import argparse
    from datetime import tzinfo

    from clankers.store.search import Hit, SearchResult

_LIMIT = 10
_NAMES = {"titles": "titles", "messages": "messages", "tools": "tool calls"}
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Find sessions by title, messages by their words, tool calls by what went in or came"
        ' out. All words must be found; "exact text", beginning*, -excluded (after --) and'
        " agent: project: role: tool: session: since: before: in: are understood."
    )
    parser.add_argument("text", metavar="TEXT", nargs="*", help="what to find")
    parser.add_argument("--source", metavar="AGENT", help="of one agent")
    parser.add_argument("--project", metavar="P", help="of a project, by name or whole path")
    parser.add_argument("--session", metavar="ID", help="in the sessions whose id begins so")
    parser.add_argument("--role", metavar="R", help="only messages of user, assistant or system")
    parser.add_argument("--tool", metavar="NAME", help="only calls of this tool")
    parser.add_argument("--since", metavar="D", help="not before a date, a time or N{h,d,w,m} ago")
    parser.add_argument("--before", metavar="D", help="only before a date or a time")
    parser.add_argument(
        "--in",
        dest="places",
        metavar="PLACES",
        type=_places,
        default=PLACES,
        help=f"where to look, by commas: {','.join(PLACES)} (default: all)",
    )
    parser.add_argument("--newest", action="store_true", help="the newest first, not the best")
    parser.add_argument(
        "--exact", action="store_true", help="TEXT is one exact text, quotes and colons included"
    )
    parser.add_argument(
        "--archive", action="store_true", help="in the archive instead, where old sessions are"
    )
    parser.add_argument(
        "--all", action="store_true", help="look through everything, however long it takes"
    )
    parser.add_argument(
        "--limit",
        metavar="N",
        type=_count,
        default=_LIMIT,
        help=f"at most N in each place ({_LIMIT})",
    )


def run(args: argparse.Namespace) -> int:
    found = search_file(
        _context.asked_path(args),
        " ".join(args.text),
        source=args.source,
        project=args.project,
        session=args.session,
        role=args.role,
        tool=args.tool,
        since=_context.moment(args, args.since),
        before=_context.moment(args, args.before),
        places=args.places,
        order="newest" if args.newest else "best",
        exact=args.exact,
        everything=args.all,
        limit=args.limit,
    )
    if args.json:
        write_report_json(sys.stdout, found.to_dict())
    else:
        _print(found, _context.shown_zone(args), args.limit)
        if not found.hits:
            _context.hint_at_agent(args.source)
    return 0


def _places(text: str) -> tuple[str, ...]:
    named = text.split(",")
    if not set(named) <= set(PLACES):
        raise ValueError(text)
    return tuple(named)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


# What argparse calls them when it says that a value is invalid.
_places.__name__ = f"list of places (of {', '.join(PLACES)})"
_count.__name__ = "number of hits"


def _print(found: SearchResult, zone: tzinfo | None, limit: int) -> None:
    is_bold = _terminal.is_terminal(sys.stdout) and not os.environ.get("NO_COLOR")
    place = None
    for hit in found.hits:
        if hit.place != place:
            print(("" if place is None else "\n") + _NAMES[hit.place])
            place = hit.place
        print(_heading(hit, zone))
        print(f"    {_line(hit, is_bold=is_bold)}")
    if not found.hits:
        print("nothing found")
    for word in found.suggestions:
        print(f"did you mean {visible(word)!r}?")
    for name in found.more:
        note = f"only {limit} {_NAMES[name]} are shown; a greater --limit shows more"
        print(note, file=sys.stderr)
    for note in found.unsearched:
        print(f"{note}; --all looks at everything", file=sys.stderr)


def _heading(hit: Hit, zone: tzinfo | None) -> str:
    when = _when(hit.at, zone) if hit.at else "no time"
    parts = [hit.session_id, when, hit.source or "", hit.project or "", hit.who]
    return "  ".join(visible(part) for part in parts if part)


def _when(at: int, zone: tzinfo | None) -> str:
    if zone is None:
        # As `short_time` writes it, without the 3 ms that dates take to load.
        with suppress(OverflowError, OSError, ValueError):
            return time.strftime("%Y-%m-%d %H:%M", time.localtime(at / 1000))
    from clankers.times import short_time

    return short_time(at, zone)


def _line(hit: Hit, *, is_bold: bool) -> str:
    """The snippet, what was found in bold where somebody looks."""
    if not is_bold:
        return visible(hit.snippet)
    line, end = "", 0
    for first, behind in hit.marks:
        line += visible(hit.snippet[end:first])
        line += f"{_BOLD}{visible(hit.snippet[first:behind])}{_PLAIN}"
        end = behind
    return line + visible(hit.snippet[end:])
