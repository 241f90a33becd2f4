"""Models whose responses have no price."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from clankers.store._connection import translated
from clankers.store._usage_rows import COUNTED

if TYPE_CHECKING:
    from clankers.store import Store


class UnpricedModel(NamedTuple):
    """A model that cost something nobody knows; "" where the agent did not say which.

    Attributes:
        provider: as the agent calls it.
        model: as the agent calls it; `set_price` takes this name.
        responses: without a price.
        tokens: of all kinds in them, cache reads included.
    """

    provider: str
    model: str
    responses: int
    tokens: int


def unpriced_models(store: Store) -> list[UnpricedModel]:
    """What totals of cost leave out, by tokens, the most first."""
    with translated(store.path):
        rows = store.connection.execute(
            "SELECT coalesce(u.provider, ''), coalesce(u.model, ''), count(*),"
            " sum(u.input_tokens + u.cache_read_tokens + u.cache_write_5m_tokens"
            " + u.cache_write_1h_tokens + u.output_tokens)"
            f" FROM usage u WHERE u.cost IS NULL AND {COUNTED}"
            " GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2"
        )
        return [UnpricedModel(*row) for row in rows]
