"""Settings for the time of an import, which reads and writes more than anything else does."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

# SQLite's usual 2 MB make it read each index page again and again.
_CACHE_KB = 32 * 1024
# Records live for some thousand lines and make no cycles; by default each is looked at many times.
_COLLECT_AFTER = 50_000


@contextmanager
def bulk(connection: apsw.Connection) -> Iterator[None]:
    """A larger page cache and a calmer garbage collector inside, what was before after it."""
    cache, thresholds = connection.pragma("cache_size"), gc.get_threshold()
    connection.pragma("cache_size", -_CACHE_KB)
    # With 0 the program around us has switched it off.
    if 0 < thresholds[0] < _COLLECT_AFTER:
        gc.set_threshold(_COLLECT_AFTER, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        connection.pragma("cache_size", cache)
