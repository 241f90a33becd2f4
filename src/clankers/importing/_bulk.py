"""Settings for the time of an import, which reads and writes more than anything else does."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

# SQLite's usual 2 MB make it read each index page again and again.
_CACHE_KB = 32 * 1024
# Records live for some thousand lines and make no cycles; by default each is looked at many times.
_COLLECT_AFTER = 50_000
# A commit in the background that needs Python for a moment should not wait for 5 ms each time.
_SWITCH_SECONDS = 0.00005


@contextmanager
def bulk(connection: apsw.Connection) -> Iterator[None]:
    """A larger page cache, a calmer garbage collector, quicker turns of threads; after it as before."""
    cache, thresholds = connection.pragma("cache_size"), gc.get_threshold()
    switching = sys.getswitchinterval()
    sys.setswitchinterval(min(switching, _SWITCH_SECONDS))
    connection.pragma("cache_size", -_CACHE_KB)
    # With 0 the program around us has switched it off.
    if 0 < thresholds[0] < _COLLECT_AFTER:
        gc.set_threshold(_COLLECT_AFTER, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(switching)
        connection.pragma("cache_size", cache)
