"""The services that devices sync with."""

from __future__ import annotations

from server.conftest import sqld

__all__ = ["sqld"]
