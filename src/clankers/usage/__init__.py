"""What was used and what it cost: prices, totals, and five-hour blocks.

All numbers are sums over the table `usage`, one row per model response. Names load when
they are touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clankers._lazy import lazily

if TYPE_CHECKING:
    from clankers.usage._blocks import UsageBlock, usage_blocks
    from clankers.usage._pricing import Pricer, PriceReport, price_usage
    from clankers.usage._totals import (
        Dimension,
        UnpricedModel,
        UsageReport,
        UsageTotal,
        total_usage,
        unpriced_models,
        usage_report,
    )
    from clankers.usage._update import PriceUpdate, update_prices
    from clankers.usage._user_prices import UserPrice, list_prices, set_price, unset_price

__all__ = [
    "Dimension",
    "PriceReport",
    "PriceUpdate",
    "Pricer",
    "UnpricedModel",
    "UsageBlock",
    "UsageReport",
    "UsageTotal",
    "UserPrice",
    "list_prices",
    "price_usage",
    "set_price",
    "total_usage",
    "unpriced_models",
    "unset_price",
    "update_prices",
    "usage_blocks",
    "usage_report",
]

if not TYPE_CHECKING:
    _HOMES = {
        "Dimension": "_totals",
        "PriceReport": "_pricing",
        "PriceUpdate": "_update",
        "Pricer": "_pricing",
        "UnpricedModel": "_totals",
        "UsageBlock": "_blocks",
        "UsageReport": "_totals",
        "UsageTotal": "_totals",
        "UserPrice": "_user_prices",
        "list_prices": "_user_prices",
        "price_usage": "_pricing",
        "set_price": "_user_prices",
        "total_usage": "_totals",
        "unpriced_models": "_totals",
        "unset_price": "_user_prices",
        "update_prices": "_update",
        "usage_blocks": "_blocks",
        "usage_report": "_totals",
    }

    __getattr__ = lazily(globals(), _HOMES)
