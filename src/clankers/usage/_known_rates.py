"""Rates that were found before, kept in the database under the price list they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from clankers.usage._rates import Band, Period, Rates

if TYPE_CHECKING:
    import apsw

_COLUMNS = (
    "provider, model, service_tier, speed, from_at, until_at, over, price_version,"
    " input_rate, cache_read_rate, cache_write_5m_rate, cache_write_1h_rate, output_rate,"
    " reasoning_rate, web_search_rate, request_rate"
)
_NO_RATES = (None,) * len(Rates._fields)


class Asked(NamedTuple):
    """What rates depend on beside the moment, "" where the agent said nothing."""

    provider: str
    model: str
    service_tier: str
    speed: str


def known_periods(connection: apsw.Connection, version: str) -> dict[Asked, list[Period]]:
    """Everything remembered from this price list."""
    known: dict[Asked, list[Period]] = {}
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM rates WHERE price_version = ?"
        " ORDER BY provider, model, service_tier, speed, from_at, over DESC",
        (version,),
    )
    for row in rows:
        periods = known.setdefault(Asked(*row[:4]), [])
        from_at, until_at, over, _version, *rates = row[4:]
        if not periods or periods[-1].from_at != from_at:
            periods.append(Period(from_at, until_at, ()))
        if rates[0] is not None:
            band = Band(over, Rates(*rates))
            periods[-1] = periods[-1]._replace(bands=(*periods[-1].bands, band))
    return known


def remember(connection: apsw.Connection, asked: Asked, period: Period, version: str) -> None:
    """Keeps a period; what other price lists said is forgotten, for it is asked no more."""
    connection.execute("DELETE FROM rates WHERE price_version <> ?", (version,))
    bands: list[tuple[int | None, ...]] = [(band.over, *band.rates) for band in period.bands]
    marks = ", ".join("?" * (len(Asked._fields) + 4 + len(Rates._fields)))
    connection.executemany(
        f"INSERT OR REPLACE INTO rates({_COLUMNS}) VALUES ({marks})",
        [
            (*asked, period.from_at, period.until_at, over, version, *rates)
            for over, *rates in bands or [(-1, *_NO_RATES)]
        ],
    )
