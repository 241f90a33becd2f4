"""Putting costs on usage: the user's price, what the agent reported, genai-prices, or nothing."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from clankers.store._connection import translated
from clankers.usage._known_rates import Asked, known_periods, remember
from clankers.usage._price_list import current_list
from clankers.usage._rates import LARGEST_INTEGER, cost
from clankers.usage._user_prices import ModelPrices, stored_prices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import apsw

    from clankers.models import Usage
    from clankers.store import Store
    from clankers.usage._catalogue import Catalogue
    from clankers.usage._rates import Band, Period

    # The cost in microdollars, who said so, and by which price list.
    Quote = tuple[int | None, str | None, str]

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
_ESTIMATED = _PRICED_BY.index("estimated")
_COUNTS = slice(7, 14)
# A transaction touches so many neighbouring rows, and takes a quarter of a second.
_PRICED_TOGETHER = 20_000


class _Known(NamedTuple):
    """What is known of a model at a provider, in one tier and speed."""

    asked: Asked
    version: str
    has_price: bool
    user: ModelPrices
    periods: list[Period]


class PriceReport(NamedTuple):
    """What a pricing did.

    Attributes:
        rows: responses that had no cost yet, or one of another price list.
        changed: those of them whose cost changed.
        unpriced: those of them that nobody has a price for; estimates never have one.
    """

    rows: int
    changed: int
    unpriced: int


def price_usage(store: Store, *, everything: bool = False) -> PriceReport:
    """Prices responses that have not been priced, or not with the prices of now.

    Prices change when the genai-prices package does, when a list is fetched, and when
    the user sets one. `everything` prices all responses again. The costs of the sessions
    they belong to follow. Others can write in between; what a killed run leaves over is
    priced by the next.
    """
    with translated(store.path):
        run = _Run(store)
        groups = [
            _Group(version, model, run.pricer.version(model))
            for version, model in _groups(store.connection)
        ]
        waiting = [group for group in groups if everything or group.is_stale]
        first, last = _extent(store.connection, waiting)
    # What is stale joins the rows that are not, which must have been looked at by then.
    waiting.sort(key=lambda group: group.is_stale)
    for start in range(first, last + 1, _PRICED_TOGETHER):
        run.price(waiting, start)
    return PriceReport(run.rows, run.changed, run.unpriced)


class Pricer:
    """Finds costs; one serves a whole import.

    Asks the database when it is made, and loads genai-prices only for what was never asked
    before. Pricing itself needs no database; `keep` writes what was learned.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._list = current_list()
        self._catalogue: Catalogue | None = None
        self._stored_prices = stored_prices(connection)
        self._periods = known_periods(connection, self._list.version)
        self._known: dict[tuple[str | None, ...], _Known] = {}
        self._learned: list[tuple[Asked, Period]] = []
        self._kept = 0

    def price(self, records: Iterable[Usage]) -> None:
        """Fills in cost, cost_source and price_version of records that are to be stored."""
        fields = attrgetter(*_PRICED_BY)
        for record in records:
            record.cost, record.cost_source, record.price_version = self.quote(fields(record))

    def keep(self, *, again: bool = False) -> None:
        """Remembers the rates that were new; the caller has a transaction open.

        `again` also those of earlier calls, for a transaction that was rolled back.
        """
        for asked, period in self._learned[0 if again else self._kept :]:
            remember(self._connection, asked, period, self._list.version)
        self._kept = len(self._learned)

    def version(self, model: str | None) -> str:
        """What `price_version` says on responses of this model that were priced now."""
        return self._learn((None, model, None, None)).version

    def quote(self, row: tuple[Any, ...]) -> Quote:
        """The cost of a response, given what it is priced by."""
        known = self._known.get(row[:4]) or self._learn(row[:4])
        at, estimated, reported = row[4:7]
        at = _LATEST if at is None else min(max(at, 0), _LATEST)
        is_countable = known.has_price and not estimated
        if is_countable and (bands := known.user.bands(at)):
            return _stored(cost(bands, row[_COUNTS]), "user", known.version)
        if reported is not None and reported > 0:
            return reported, "reported", known.version
        if is_countable and (bands := self._bands(known, at)):
            return _stored(cost(bands, row[_COUNTS]), "genai-prices", known.version)
        return None, None, known.version

    def _learn(self, asked: tuple[str | None, ...]) -> _Known:
        if asked not in self._known:
            plainly = Asked(*(part or "" for part in asked))
            user = ModelPrices(self._stored_prices, plainly.provider, plainly.model)
            self._known[asked] = _Known(
                asked=plainly,
                version=self._list.version + (user.mark and f" prices {user.mark}"),
                has_price=bool(plainly.model),
                user=user,
                periods=self._periods.setdefault(plainly, []),
            )
        return self._known[asked]

    def _bands(self, known: _Known, at: int) -> tuple[Band, ...]:
        for period in known.periods:
            if period.from_at <= at < period.until_at:
                return period.bands
        found = self._look_up(known.asked, at)
        known.periods.append(found)
        self._learned.append((known.asked, found))
        return found.bands

    def _look_up(self, asked: Asked, at: int) -> Period:
        if self._catalogue is None:
            from clankers.usage._catalogue import Catalogue

            self._catalogue = Catalogue(self._list.fetched)
        return self._catalogue.period(*asked, at)


def _stored(microdollars: int, source: str, version: str) -> Quote:
    """Counts that nobody can have used cost what no column can hold: that is no price."""
    if microdollars > LARGEST_INTEGER:
        return None, None, version
    return microdollars, source, version


class _Group(NamedTuple):
    """The rows of one model that were priced with one version, and what that should be."""

    version: str | None
    model: str | None
    target: str

    @property
    def is_stale(self) -> bool:
        return self.version != self.target


class _Run:
    """One pricing of rows in the database."""

    def __init__(self, store: Store) -> None:
        self.pricer = Pricer(store.connection)
        self.rows = self.changed = self.unpriced = 0
        self._store = store

    def price(self, groups: list[_Group], start: int) -> None:
        """Prices a stretch of rows in one transaction, those of the groups in it."""
        sessions: set[str] = set()
        with self._store.atomic():
            for group in groups:
                self._price_group(group, start, sessions)
            self.pricer.keep()
            self._store.refresh(sorted(sessions))

    def _price_group(self, group: _Group, start: int, sessions: set[str]) -> None:
        where = "WHERE price_version IS ? AND model IS ? AND n BETWEEN ? AND ?"
        rows = (group.version, group.model, start, start + _PRICED_TOGETHER - 1)
        self._write_changed(
            self._store.connection.execute(
                f"SELECT {', '.join(_PRICED_BY)}, n, session_id, cost, cost_source"
                f" FROM usage {where}",
                rows,
            ).fetchall(),
            sessions,
        )
        if group.is_stale:
            # What costs the same is stamped all at once.
            self._store.connection.execute(
                f"UPDATE usage SET price_version = ? {where}", (group.target, *rows)
            )

    def _write_changed(self, rows: list[tuple[Any, ...]], sessions: set[str]) -> None:
        """Adds to `sessions` those whose cost changed."""
        quote = self.pricer.quote
        changes = []
        for row in rows:
            found = quote(row)
            n, session_id, old_cost, old_source = row[len(_PRICED_BY) :]
            self.unpriced += found[0] is None and not row[_ESTIMATED]
            if found[0] != old_cost or found[1] != old_source:
                changes.append((*found, n))
                sessions.add(session_id)
        self._store.connection.executemany(
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


def _extent(connection: apsw.Connection, groups: list[_Group]) -> tuple[int, int]:
    """The first and the last `n` in these groups; the last is before the first in none."""
    found: list[int] = []
    for group in groups:
        for end in ("min", "max"):
            row = connection.execute(
                f"SELECT {end}(n) FROM usage WHERE price_version IS ? AND model IS ?",
                (group.version, group.model),
            ).fetchone()
            found += [int(n) for n in row or () if n is not None]
    return (min(found), max(found)) if found else (0, -1)


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
