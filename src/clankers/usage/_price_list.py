"""Which price list is in force: the one in the genai-prices package, or a fetched one.

Cheap enough for every import: nothing here loads the package.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import NamedTuple

from clankers import _paths

PACKAGE = "genai_prices"


class PriceList(NamedTuple):
    """Names a price list; `fetched` is the file of one that `prices update` brought."""

    version: str
    fetched: Path | None


def current_list() -> PriceList:
    """The list to price with now.

    A fetched list goes with the version of the package that it was fetched by: a newer
    package brings newer prices of its own. One that is damaged is passed over.
    """
    package = package_version()
    path = fetched_path(package)
    try:
        content = path.read_bytes()
        is_whole = bool(json.loads(content))
    except (OSError, ValueError):
        is_whole = False
    if not is_whole:
        return PriceList(f"genai-prices {package}", None)
    return PriceList(f"genai-prices {package} fetched {zlib.crc32(content):08x}", path)


def fetched_path(package: str) -> Path:
    return _paths.data_dir() / f"prices-{package}.json"


def package_version() -> str:
    """The installed version by the name of its dist-info folder.

    Reading the metadata properly takes 30 ms, which is left for the odd installation.
    """
    from importlib.util import find_spec

    spec = find_spec(PACKAGE)
    if spec is not None and spec.origin is not None:
        packages = Path(spec.origin).parent.parent
        found = [path.name for path in packages.glob(f"{PACKAGE}-*.dist-info")]
        if len(found) == 1:
            return found[0].removeprefix(f"{PACKAGE}-").removesuffix(".dist-info")
    from importlib.metadata import version

    return version(PACKAGE)
