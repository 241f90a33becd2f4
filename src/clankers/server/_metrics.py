"""Numbers for Prometheus; none of them has a tenant, a token or a text in it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """What one service counts."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "clankers_requests",
            "Requests that were answered.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "clankers_request_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "clankers_requests_in_flight", "Requests being served.", registry=self._registry
        )
        self.records = Counter(
            "clankers_records",
            "Records and tombstones of batches that were answered.",
            registry=self._registry,
        )
        self.batch_bytes = Counter(
            "clankers_batch_bytes", "Unpacked bytes of batches.", registry=self._registry
        )

    def text(self) -> bytes:
        """All numbers in the text form of Prometheus."""
        return generate_latest(self._registry)
