"""Ends the wait of another thread for file events."""

from __future__ import annotations

import os
from contextlib import suppress


class Alarm:
    """A pipe: what waits for files waits for its end as well.

    Raises:
        OSError: the process has no more files.
    """

    def __init__(self) -> None:
        self._end, self._bell = os.pipe()
        os.set_blocking(self._end, False)
        os.set_blocking(self._bell, False)

    def fileno(self) -> int:
        return self._end

    def ring(self) -> None:
        # It may be full of earlier calls.
        with suppress(BlockingIOError):
            os.write(self._bell, b".")

    def stop(self) -> None:
        """After it was heard."""
        os.read(self._end, 4096)

    def close(self) -> None:
        os.close(self._end)
        os.close(self._bell)
