"""Fetching a newer price list: the only thing here that uses the network, and only when asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from clankers import _paths
from clankers.errors import UsageError
from clankers.usage._price_list import current_list, fetched_path, package_version
from clankers.usage._pricing import PriceReport, price_usage

if TYPE_CHECKING:
    from pathlib import Path

    from clankers.store import Store

_TIMEOUT_SECONDS = 20
_MOST_BYTES = 64 * 1024 * 1024


class PriceUpdate(NamedTuple):
    """What a fetched price list brought.

    Attributes:
        version: what `price_version` says from now on.
        models: how many it has a price for.
        repriced: what became of the responses.
    """

    version: str
    models: int
    repriced: PriceReport


def update_prices(store: Store, *, url: str | None = None) -> PriceUpdate:
    """Fetches the newest prices of genai-prices, keeps them, and prices all responses anew.

    They stay in force until the next update or until a newer genai-prices package is
    installed. Nothing about the user is sent.

    Args:
        store: whose responses are priced anew.
        url: a copy of the list elsewhere; by default the project's own.

    Raises:
        UsageError: it cannot be fetched or is no price list; the prices stay as they were.
    """
    from genai_prices.update_prices import DEFAULT_UPDATE_URL

    from clankers.usage._catalogue import parse_list

    url = url or DEFAULT_UPDATE_URL
    content = _fetch(url)
    try:
        providers = parse_list(content)
    except ValueError as problem:
        raise UsageError(
            f"{url} is not a price list that genai-prices {package_version()} understands",
            hint="a newer genai-prices may: pip install --upgrade genai-prices",
        ) from problem
    _keep(fetched_path(package_version()), content)
    models = sum(len(provider.models) for provider in providers)
    return PriceUpdate(current_list().version, models, price_usage(store))


def _fetch(url: str) -> bytes:
    import requests  # 90 ms, for those who ask for it

    try:
        with requests.get(url, timeout=_TIMEOUT_SECONDS, stream=True) as answer:
            answer.raise_for_status()
            content = b""
            for part in answer.iter_content(1 << 20):
                content += part
                if len(content) > _MOST_BYTES:
                    raise UsageError(f"the price list at {url} is larger than 64 MB")
            return content
    except requests.RequestException as problem:
        raise UsageError(
            f"prices could not be fetched from {url}: {_reason(problem)}",
            hint="prices stay as they were; try again when there is a connection",
        ) from problem


def _reason(problem: Exception) -> str:
    """The innermost cause, for requests wraps a refused connection four times."""
    cause: BaseException = problem
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    return str(cause) or type(cause).__name__


def _keep(path: Path, content: bytes) -> None:
    _paths.make_private_dir(path.parent)
    for old in path.parent.glob("prices-*.json"):
        if old != path:
            old.unlink()
    unfinished = path.with_suffix(".new")
    descriptor = os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    unfinished.replace(path)
