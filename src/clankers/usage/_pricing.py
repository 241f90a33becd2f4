"""Putting costs on usage: the user's price, what the agent reported, genai-prices, or nothing."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from clankers.usage._known_rates import Asked, known_periods, remember
from clankers.usage._price_list import current_list
from clankers.usage._rates import Counts, Period, cost
from clankers.usage._user_prices import ModelPrices, stored_prices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import apsw

    from clankers.models import Usage
    from clankers.store import Store
    from clankers.usage._catalogue import Catalogue

SYNTHETIC = "<synthetic>"
# A response of unknown time has the newest prices; later than this no calendar goes.
_LATEST = 253_000_000_000_000
_PRICED_BY = (
    "provider",
    "model",
    "service_tier",
    "speed",
    "occurred_at",
    "estimated",
    "cost_reported",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_searches",
)
_COUNTS_FROM = 7
_PRICED_TOGETHER = 10_000


class Quote(NamedTuple):
    """What a response cost in microdollars, who said so, and by which price list."""

    cost: int | None
    source: str | None
    version: str


class PriceReport(NamedTuple):
    """What a pricing did.

    Attributes:
        rows: responses that had no cost yet, or one of another price list.
        changed: those of them whose cost is another now.
        unpriced: those of them that nobody has a price for.
    """

    rows: int
    changed: int
    unpriced: int


def price_usage(store: Store, *, everything: bool = False) -> PriceReport:
    """Prices responses that have not been priced, or not with the prices of now.

    Prices change when the genai-prices package does, when a list is fetched, and when
    the user sets one. `everything` prices all responses again. The costs of the sessions
    they belong to follow.
    """
    with store.atomic():
        run = _Run(store.connection)
        groups = [
            (run.pricer.version(model) != version, version, model)
            for version, model in _groups(store.connection)
        ]
        # What is stale joins the rows that are not, which must have been looked at by then.
        for is_stale, version, model in sorted(groups, key=lambda group: group[0]):
            if is_stale or everything:
                run.price_group(version, model)
        store.refresh(sorted(run.sessions))
        return PriceReport(run.rows, run.changed, run.unpriced)


class Pricer:
    """Quotes costs; one serves a whole import.

    Asks the database first and loads genai-prices only for what was never asked before.
    The caller has a transaction open when it quotes.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._list = current_list()
        self._catalogue: Catalogue | None = None
        self._stored_prices = stored_prices(connection)
        self._periods = known_periods(connection, self._list.version)
        self._users: dict[tuple[str, str], ModelPrices] = {}
        self._versions: dict[str, str] = {}

    def price(self, records: Iterable[Usage]) -> None:
        """Fills in cost, cost_source and price_version of records that are to be stored."""
        fields = attrgetter(*_PRICED_BY)
        for record in records:
            record.cost, record.cost_source, record.price_version = self.quote(fields(record))

    def version(self, model: str | None) -> str:
        """What `price_version` says on responses of this model that were priced now."""
        model = model or ""
        if model not in self._versions:
            mark = self._user("", model).mark
            self._versions[model] = self._list.version + (mark and f" prices {mark}")
        return self._versions[model]

    def quote(self, row: Sequence[Any]) -> Quote:
        """The cost of a response, given what it is priced by."""
        provider, model, tier, speed, occurred_at, estimated, reported = row[:_COUNTS_FROM]
        version = self.version(model)
        at = _LATEST if occurred_at is None else min(max(occurred_at, 0), _LATEST)
        countable = bool(model) and model != SYNTHETIC and not estimated
        if countable and (bands := self._user(provider or "", model).bands(at)):
            return Quote(cost(bands, Counts(*row[_COUNTS_FROM:])), "user", version)
        if reported is not None and reported > 0:
            return Quote(reported, "reported", version)
        if countable:
            asked = Asked(provider or "", model, tier or "", speed or "")
            if bands := self._period(asked, at).bands:
                return Quote(cost(bands, Counts(*row[_COUNTS_FROM:])), "genai-prices", version)
        return Quote(None, None, version)

    def _user(self, provider: str, model: str) -> ModelPrices:
        found = self._users.get((provider, model))
        if found is None:
            found = ModelPrices(self._stored_prices, provider, model)
            self._users[provider, model] = found
        return found

    def _period(self, asked: Asked, at: int) -> Period:
        periods = self._periods.setdefault(asked, [])
        for period in periods:
            if period.from_at <= at < period.until_at:
                return period
        found = self._look_up(asked, at)
        periods.append(found)
        remember(self._connection, asked, found, self._list.version)
        return found

    def _look_up(self, asked: Asked, at: int) -> Period:
        if self._catalogue is None:
            from clankers.usage._catalogue import Catalogue

            self._catalogue = Catalogue(self._list.fetched)
        return self._catalogue.period(*asked, at)


class _Run:
    """One pricing of rows in the database."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.pricer = Pricer(connection)
        self.sessions: set[str] = set()
        self.rows = self.changed = self.unpriced = 0
        self._connection = connection

    def price_group(self, version: str | None, model: str | None) -> None:
        """Prices the rows of one model that were priced with one version."""
        where = "WHERE price_version IS ? AND model IS ?"
        select = (
            f"SELECT n, session_id, cost, cost_source, {', '.join(_PRICED_BY)} FROM usage"
            f" {where} AND n > ? ORDER BY n LIMIT {_PRICED_TOGETHER}"
        )
        last: int = 0
        while rows := self._connection.execute(select, (version, model, last)).fetchall():
            self._write_changed(rows)
            last = int(rows[-1][0])
        # What costs the same is stamped all at once.
        self._connection.execute(
            f"UPDATE usage SET price_version = ? {where}",
            (self.pricer.version(model), version, model),
        )

    def _write_changed(self, rows: list[tuple[Any, ...]]) -> None:
        quote = self.pricer.quote
        changes = []
        for n, session_id, old_cost, old_source, *row in rows:
            found = quote(row)
            self.unpriced += found.cost is None
            if found.cost != old_cost or found.source != old_source:
                changes.append((*found, n))
                self.sessions.add(session_id)
        self._connection.executemany(
            "UPDATE usage SET cost = ?, cost_source = ?, price_version = ? WHERE n = ?", changes
        )
        self.rows += len(rows)
        self.changed += len(changes)


def _groups(connection: apsw.Connection) -> list[tuple[str | None, str | None]]:
    """Each (price_version, model) there is, by hops through their index."""
    return [
        (version, model)
        for version in _distinct(connection, "price_version", "1", ())
        for model in _distinct(connection, "model", "price_version IS ?", (version,))
    ]


def _distinct(
    connection: apsw.Connection, column: str, where: str, values: tuple[str | None, ...]
) -> Iterator[str | None]:
    def first(condition: str, *more: str) -> tuple[Any, ...] | None:
        return connection.execute(
            f"SELECT {column} FROM usage WHERE {where} AND {condition} ORDER BY {column} LIMIT 1",
            (*values, *more),
        ).fetchone()

    if first(f"{column} IS NULL"):
        yield None
    row = first(f"{column} IS NOT NULL")
    while row is not None:
        yield row[0]
        row = first(f"{column} > ?", row[0])
