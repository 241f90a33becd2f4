"""A watch in a thread of its own, as a program that embeds it runs one."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from clankers.importing import ImportReport, watch_sessions
from clankers.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONGEST = 20.0


class Watched:
    """Watches from `with` to its end; `next()` waits for the next report.

    `prepare` is called with the store before the watching begins. What ends the watching by
    an exception is raised at the end of `with`.
    """

    def __init__(
        self,
        database: Path,
        *,
        agents: list[str] | None = None,
        prepare: Callable[[Store], object] | None = None,
        **options: Any,
    ) -> None:
        self.reports: queue.Queue[ImportReport] = queue.Queue()
        self.stopping = threading.Event()
        self.failure: BaseException | None = None
        self._database = database
        self._agents = agents
        self._prepare = prepare
        self._options = options
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self.stop()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            with Store.open(self._database) as store:
                if self._prepare is not None:
                    self._prepare(store)
                watch_sessions(
                    store,
                    self._agents,
                    on_import=self.reports.put,
                    stop=self.stopping.is_set,
                    **self._options,
                )
        except BaseException as problem:  # noqa: BLE001 - raised in the thread of the test
            self.failure = problem

    def stop(self) -> float:
        """Ends the watching; the seconds that took."""
        started = time.monotonic()
        self.stopping.set()
        self._thread.join(LONGEST)
        assert not self._thread.is_alive()
        return time.monotonic() - started

    def wait(self) -> None:
        """Waits until the watching ends by itself."""
        self._thread.join(LONGEST)
        assert not self._thread.is_alive()

    def next(self) -> ImportReport:
        return self.reports.get(timeout=LONGEST)

    def until(self, is_enough: Callable[[ImportReport], bool]) -> list[ImportReport]:
        """The reports up to the first that is enough."""
        found = [self.next()]
        while not is_enough(found[-1]):
            found.append(self.next())
        return found
