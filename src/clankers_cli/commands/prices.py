"""`clankers-cli prices`: the user's own prices, and a newer list of everybody else's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from clankers.formats import report_table, visible, write_report_json
from clankers.store import Store
from clankers.times import short_time
from clankers.usage import list_prices, set_price, unpriced_models, unset_price, update_prices
from clankers_cli import _context

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from datetime import tzinfo

    from clankers.usage import PriceReport, UnpricedModel, UserPrice

_COLUMNS = (
    "model",
    "provider",
    "since",
    "input",
    "cache read",
    "cache write 5m",
    "cache write 1h",
    "output",
)


def configure(parser: ArgumentParser) -> None:
    parser.description = (
        "A response costs what you say, else what its agent reported, else what genai-prices\n"
        "knows. Prices are US dollars per million tokens."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="the prices you set, and models that have none")
    listing.set_defaults(act=_list)

    setting = actions.add_parser(
        "set",
        help="set a price and count its costs anew",
        description="Set the price of a model; it holds too where a date, -thinking or a mark such\n"
        "as [1m] follows the name. A cache price left out is derived from the input price:\n"
        "a tenth for reads, 1.25 times for five-minute writes, twice for one-hour writes.",
    )
    setting.add_argument("model", metavar="MODEL")
    setting.add_argument("--input", metavar="X", required=True, help="uncached input")
    setting.add_argument("--output", metavar="Y", required=True, help="output and reasoning")
    setting.add_argument("--cache-read", metavar="X", help="input read from the cache")
    setting.add_argument("--cache-write-5m", metavar="X", help="written to it for five minutes")
    setting.add_argument("--cache-write-1h", metavar="X", help="written to it for an hour")
    setting.add_argument("--provider", metavar="P", default="", help="only for this provider")
    setting.add_argument("--since", metavar="D", help="only from a date or time on")
    setting.set_defaults(act=_set)

    unsetting = actions.add_parser("unset", help="take back what you set for a model")
    unsetting.add_argument("model", metavar="MODEL")
    unsetting.add_argument("--provider", metavar="P", help="only for this provider")
    unsetting.set_defaults(act=_unset)

    updating = actions.add_parser(
        "update",
        help="fetch the newest prices of all models",
        description="Fetch the newest price list of genai-prices from GitHub. Nothing about you\n"
        "or your sessions is sent.",
    )
    updating.add_argument("--url", metavar="URL", help="a copy of the list elsewhere")
    updating.set_defaults(act=_update)


def run(args: Namespace) -> int:
    is_reading = args.act is _list
    with Store.open(_context.database_path(args), read_only=is_reading) as store:
        args.act(args, store)
    return 0


def _list(args: Namespace, store: Store) -> None:
    prices = list_prices(store)
    if args.json:
        write_report_json(sys.stdout, [price._asdict() for price in prices])
        return
    zone = _context.zone(args)
    if prices:
        print(report_table(_COLUMNS, [_row(price, zone) for price in prices]))
    else:
        print("you have set no prices; genai-prices and the agents' own reports are used")
    if unpriced := unpriced_models(store):
        print("\nwithout a price:")
        print(report_table(("model", "provider", "responses", "tokens"), map(_unpriced, unpriced)))


def _row(price: UserPrice, zone: tzinfo) -> tuple[Any, ...]:
    since = short_time(price.from_at, zone) if price.from_at else "always"
    rates = (
        price.input,
        price.cache_read,
        price.cache_write_5m,
        price.cache_write_1h,
        price.output,
    )
    return price.model, price.provider or "any", since, *map(_dollars, rates)


def _unpriced(one: UnpricedModel) -> tuple[str, str, str, str]:
    return one.model or "unknown", one.provider or "-", f"{one.responses:,}", f"{one.tokens:,}"


def _dollars(price: float) -> str:
    """At least cents, and no digit less than was set."""
    return f"${price:,.2f}" if round(price, 2) == price else f"${price:,.6f}".rstrip("0")


def _set(args: Namespace, store: Store) -> None:
    since = _context.moment(args, args.since)
    report = set_price(
        store,
        args.model,
        input=args.input,
        output=args.output,
        cache_read=args.cache_read,
        cache_write_5m=args.cache_write_5m,
        cache_write_1h=args.cache_write_1h,
        provider=args.provider,
        since=since,
    )
    if args.json or report.rows:
        _tell(args, report)
    else:
        print(f"no response of {visible(args.model)} yet; the price is kept for those to come")


def _unset(args: Namespace, store: Store) -> None:
    _tell(args, unset_price(store, args.model, provider=args.provider))


def _update(args: Namespace, store: Store) -> None:
    update = update_prices(store, url=args.url)
    if args.json:
        found = {"version": update.version, "models": update.models}
        write_report_json(sys.stdout, {**found, **update.repriced._asdict()})
    else:
        print(f"{update.models:,} models: {update.version}")
        _tell(args, update.repriced)


def _tell(args: Namespace, report: PriceReport) -> None:
    if args.json:
        write_report_json(sys.stdout, report._asdict())
        return
    responses = "1 response" if report.rows == 1 else f"{report.rows:,} responses"
    unpriced = f", {report.unpriced:,} without a price" if report.unpriced else ""
    print(f"{responses} looked at, the cost of {report.changed:,} changed{unpriced}")
