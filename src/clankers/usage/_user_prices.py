"""The user's own prices, which stand above all others."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from clankers.errors import UsageError
from clankers.usage._names import plain
from clankers.usage._rates import Band, Rates

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    import apsw

    from clankers.store import Store
    from clankers.usage._pricing import PriceReport

_MICRODOLLARS = 1_000_000
# The table says microdollars per million, `Rates` picodollars.
_PICODOLLARS_IN_MICRODOLLAR = 1_000_000
_MOST_DOLLARS = 1_000_000
_COLUMNS = (
    "provider, model, from_at, input_rate, cache_read_rate, cache_write_5m_rate,"
    " cache_write_1h_rate, output_rate"
)


class UserPrice(NamedTuple):
    """A price that the user set, in US dollars per million tokens.

    Attributes:
        provider: "" for any.
        model: the name as it was given; see `set_price` for which models it covers.
        from_at: epoch ms from which it holds; 0 for always.
    """

    provider: str
    model: str
    from_at: int
    input: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float
    output: float


def set_price(
    store: Store,
    model: str,
    *,
    input: Decimal | float | str,  # noqa: A002 - the word that every price list uses
    output: Decimal | float | str,
    cache_read: Decimal | float | str | None = None,
    cache_write_5m: Decimal | float | str | None = None,
    cache_write_1h: Decimal | float | str | None = None,
    provider: str = "",
    since: int | None = None,
) -> PriceReport:
    """Sets a price in dollars per million tokens and prices the model's responses anew.

    It wins over what the agent reported and over genai-prices. It covers the model of
    exactly that name, whatever the case, and those that differ from it by a date, by
    ``-thinking`` or by a mark such as ``[1m]``. A price for one provider wins over one
    for any; of several, the newest that holds at the time of the response counts.

    A cache price left out is derived from `input` as most providers do it: a tenth for
    reads, 1.25 times for five-minute writes, twice for one-hour writes. Tiers, speed and
    web searches have no part in a price of one's own.

    Args:
        store: where it is kept.
        model: its name, as `usage` or `unpriced_models` show it.
        input: for uncached input.
        output: for output, reasoning included.
        cache_read: for input read from the cache.
        cache_write_5m: for input written to the cache for five minutes.
        cache_write_1h: for input written to the cache for an hour.
        provider: only for this provider; "" for any.
        since: epoch ms from which it holds; always when left out. Setting a price for
            the same model, provider and time again replaces it.

    Raises:
        UsageError: a price is negative, not a number, or finer than a millionth dollar.
    """
    if not model.strip():
        raise UsageError("a price needs the name of a model")
    fresh = _rate(input)
    rates = (
        fresh,
        _derived(fresh, 10) if cache_read is None else _rate(cache_read),
        _derived(fresh, 125) if cache_write_5m is None else _rate(cache_write_5m),
        _derived(fresh, 200) if cache_write_1h is None else _rate(cache_write_1h),
        _rate(output),
    )
    with store.atomic():
        store.connection.execute(
            f"INSERT OR REPLACE INTO prices({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (provider, model.strip(), since or 0, *rates),
        )
        return _priced_anew(store)


def unset_price(
    store: Store, model: str, *, provider: str | None = None, since: int | None = None
) -> PriceReport:
    """Takes back prices of a model, all by default, and prices its responses anew.

    Raises:
        UsageError: there is no such price.
    """
    conditions: list[tuple[str, str | int | None]] = [
        ("lower(model) = lower(?)", model.strip()),
        ("provider = ?", provider),
        ("from_at = ?", since),
    ]
    given = [(sql, value) for sql, value in conditions if value is not None]
    with store.atomic():
        removed = store.connection.execute(
            f"DELETE FROM prices WHERE {' AND '.join(sql for sql, _value in given)} RETURNING 1",
            [value for _sql, value in given],
        ).fetchall()
        if not removed:
            raise UsageError(
                f"you have set no such price for {model!r}",
                hint="'clankers-cli prices list' shows the prices you have set",
            )
        return _priced_anew(store)


def list_prices(store: Store) -> list[UserPrice]:
    """The prices that the user set, by model, provider and time."""
    rows = store.connection.execute(
        f"SELECT {_COLUMNS} FROM prices ORDER BY model, provider, from_at"
    )
    return [UserPrice(*row[:3], *(int(rate) / _MICRODOLLARS for rate in row[3:])) for row in rows]


class _Override(NamedTuple):
    provider: str
    model: str
    from_at: int
    bands: tuple[Band, ...]


class ModelPrices:
    """The user's prices for one model and provider.

    Attributes:
        mark: changes when a price of the model does, at whichever provider; "" when
            there is none.
    """

    def __init__(self, rows: Iterable[tuple[Any, ...]], provider: str, model: str) -> None:
        name, bare = model.strip().lower(), plain(model)
        rows = [row for row in rows if row[1].lower() in (name, bare)]
        self.mark = f"{zlib.crc32(repr(rows).encode()):08x}" if rows else ""
        wanted = [_override(row) for row in rows if row[0].lower() in ("", provider.lower())]
        self._best_first = sorted(
            wanted,
            key=lambda one: (one.model.lower() != name, not one.provider, -one.from_at),
        )

    def bands(self, at: int) -> tuple[Band, ...]:
        """The rates at a moment, none when no price of the user's holds then."""
        for one in self._best_first:
            if one.from_at <= at:
                return one.bands
        return ()


def stored_prices(connection: apsw.Connection) -> list[tuple[Any, ...]]:
    """The rows of `prices`, for `ModelPrices`."""
    return connection.execute(
        f"SELECT {_COLUMNS} FROM prices ORDER BY provider, model, from_at"
    ).fetchall()


def _override(row: tuple[Any, ...]) -> _Override:
    provider, model, from_at, *stored = row
    fresh, read, write_5m, write_1h, output = (
        int(rate) * _PICODOLLARS_IN_MICRODOLLAR for rate in stored
    )
    rates = Rates(
        input=fresh,
        cache_read=read,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        output=output,
        reasoning=output,
        web_search=0,
        request=0,
    )
    return _Override(provider, model, from_at, (Band(-1, rates),))


def _rate(dollars: Decimal | float | str) -> int:
    from decimal import Decimal, InvalidOperation

    try:
        microdollars = Decimal(str(dollars).strip().removeprefix("$")) * _MICRODOLLARS
    except InvalidOperation:
        raise _no_price(dollars) from None
    if not microdollars.is_finite() or not 0 <= microdollars <= _MOST_DOLLARS * _MICRODOLLARS:
        raise _no_price(dollars)
    if microdollars != int(microdollars):
        raise UsageError(
            f"a price of {dollars} is too fine", hint="give at most six decimal places"
        )
    return int(microdollars)


def _derived(fresh: int, hundredths: int) -> int:
    return fresh * hundredths // 100


def _no_price(dollars: object) -> UsageError:
    return UsageError(
        f"{str(dollars)!r} is not a price",
        hint="give dollars per million tokens, such as 3 or 0.25",
    )


def _priced_anew(store: Store) -> PriceReport:
    from clankers.usage._pricing import price_usage

    return price_usage(store)
