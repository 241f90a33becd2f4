"""`clankers-cli usage`: where tokens and money went, by time, model, project and so on."""

from __future__ import annotations

import sys
from argparse import SUPPRESS
from typing import TYPE_CHECKING

from clankers.errors import UsageError
from clankers.formats import display_width, visible, write_report_json
from clankers.times import short_time
from clankers.usage import usage_report
from clankers_cli import _context

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence
    from datetime import tzinfo

    from clankers.usage import UnpricedModel, UsageBlock, UsageReport, UsageTotal

DIMENSIONS = (
    "day",
    "week",
    "month",
    "model",
    "project",
    "source",
    "session",
    "branch",
    "device",
)
ALL_AGENTS = "all"
_BLOCKS_OF = "claude-code"
_GAP = "  "
_NAMED_MODELS = 5


def configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Show what was used and what it cost, each model response counted once.\n"
        "A * marks a cost that leaves out responses nobody has a price for."
    )
    parser.add_argument(
        "--by", choices=DIMENSIONS, default="day", help="one row for each (default: day)"
    )
    _add_times(parser, None)
    parser.add_argument("--source", metavar="AGENT", help="only of one agent")
    parser.add_argument("--project", metavar="P", help="only of a project, by name or whole path")
    parser.set_defaults(act=_totals)

    actions = parser.add_subparsers(title="other views", metavar="VIEW")
    blocks = actions.add_parser(
        "blocks",
        help="five-hour windows",
        description="Show the five-hour windows by which subscriptions are limited.\n"
        "A window opens at the full hour (UTC) of the first response after the last one ended.",
    )
    # Without defaults, what stood before the word `blocks` holds.
    _add_times(blocks, SUPPRESS)
    blocks.add_argument(
        "--source",
        metavar="AGENT",
        default=SUPPRESS,
        help=f"the agent, or {ALL_AGENTS!r} (default: {_BLOCKS_OF})",
    )
    blocks.set_defaults(act=_blocks)


def run(args: Namespace) -> int:
    args.act(args)
    return 0


def _add_times(parser: ArgumentParser, default: str | None) -> None:
    when = "a date, a time, or N{h,d,w,m} ago"
    parser.add_argument("--since", metavar="D", default=default, help=f"at or after {when}")
    parser.add_argument("--until", metavar="D", default=default, help=f"before {when}")


def _totals(args: Namespace) -> None:
    zone = _context.zone(args)
    report = usage_report(
        _context.database_path(args),
        by=args.by,
        since=_context.moment(args, args.since),
        until=_context.moment(args, args.until),
        zone=zone,
        source=args.source,
        project=args.project,
    )
    if args.json:
        write_report_json(sys.stdout, [row._asdict() for row in report.rows])
    elif report.rows:
        print(_told(args.by, report))
    else:
        print(_nothing(args))
        _context.hint_at_agent(args.source)


def _blocks(args: Namespace) -> None:
    from clankers.usage import usage_blocks  # totals do without

    if args.project is not None:
        raise UsageError("blocks are of an agent, not of a project", hint="leave out --project")
    zone, source = _context.zone(args), args.source or _BLOCKS_OF
    found = usage_blocks(
        _context.database_path(args),
        since=_context.moment(args, args.since),
        until=_context.moment(args, args.until),
        source=None if source == ALL_AGENTS else source,
    )
    if args.json:
        write_report_json(sys.stdout, [block._asdict() for block in found])
    elif found:
        columns = ("start", "end", "", "responses", "tokens", "cost ", "models")
        rows = [_block_row(block, zone) for block in found]
        print(_table(columns, rows, left={0, 1, 2, 6}))
    else:
        print(_nothing(args))
        _context.hint_at_agent(args.source)


def _told(by: str, report: UsageReport) -> str:
    columns = (
        by,
        "sessions",
        "responses",
        "input",
        "cache read",
        "cache write",
        "output",
        "cost ",
    )
    rows = [_row(total) for total in report.rows]
    table = _table(columns, rows, left={0}, last=_row(report.total))
    unpriced = [_unpriced(report)] if report.unpriced else []
    notes = "\n".join([*unpriced, *_estimates(report)])
    return f"{table}\n\n{notes}" if notes else table


def _row(total: UsageTotal) -> list[str]:
    numbers = (
        total.sessions,
        total.responses,
        total.input_tokens,
        total.cache_read_tokens,
        total.cache_write_5m_tokens + total.cache_write_1h_tokens,
        total.output_tokens,
    )
    cost = _dollars(total.cost, total.unpriced_responses)
    return [total.key, *(f"{number:,}" for number in numbers), cost]


def _block_row(block: UsageBlock, zone: tzinfo) -> list[str]:
    return [
        short_time(block.start, zone),
        short_time(block.end, zone),
        "now" if block.is_active else "",
        f"{block.responses:,}",
        f"{block.tokens:,}",
        _dollars(block.cost, block.unpriced_responses),
        ", ".join(block.models),
    ]


def _dollars(cost: float | None, unpriced: int) -> str:
    """The mark has a column of its own, so that the points of the amounts stay aligned."""
    if cost is None:
        return "unpriced "
    amount = "<$0.01" if cost and not round(cost, 2) else f"${cost:,.2f}"
    return amount + ("*" if unpriced else " ")


def _unpriced(report: UsageReport) -> str:
    named = report.unpriced[:_NAMED_MODELS]
    names = ", ".join(_model(one) for one in named)
    more = len(report.unpriced) - len(named)
    others = f" and {more} more" if more else ""
    responses = _responses(_without_price(report))
    lines = [f"no price for {responses} of {visible(names)}{others}"]
    if example := next((one.model for one in named if one.model), None):
        lines.append(
            f"set one with: clankers-cli prices set {_quoted(example)} --input DOLLARS --output DOLLARS"
            " (per million tokens)"
        )
    return "\n".join(lines)


def _estimates(report: UsageReport) -> list[str]:
    """What no price would help: `unpriced` names no estimates, where the total counts them."""
    count = report.total.unpriced_responses - _without_price(report)
    what = "is an estimate" if count == 1 else "are estimates"
    return [f"{_responses(count)} without a cost {what}"] if count else []


def _without_price(report: UsageReport) -> int:
    return sum(one.responses for one in report.unpriced)


def _responses(count: int) -> str:
    return "1 response" if count == 1 else f"{count:,} responses"


def _model(one: UnpricedModel) -> str:
    name = one.model or "an unknown model"
    return f"{name} ({one.provider})" if one.provider else name


def _quoted(name: str) -> str:
    from shlex import quote

    return visible(quote(name))


def _nothing(args: Namespace) -> str:
    chosen = (args.since, args.until, args.source, args.project)
    if any(one is not None for one in chosen):
        return "no usage matches"
    return "no usage yet; 'clankers-cli import' reads the sessions of the agents on this machine"


def _table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: set[int],
    last: Sequence[str] = (),
) -> str:
    """Aligned text; `left` names the columns that are not numbers, `last` stands under a line."""
    cells = [[visible(cell) for cell in row] for row in (columns, *rows, *([last] if last else []))]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            blank = " " * (width - display_width(cell))
            padded.append(cell + blank if place in left else blank + cell)
        return _GAP.join(padded).rstrip()

    rule = line(["-" * width for width in widths])
    lines = [line(row) for row in cells]
    lines.insert(1, rule)
    if last:
        lines.insert(-1, rule)
    return "\n".join(lines)
