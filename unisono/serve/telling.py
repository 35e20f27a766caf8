"""Telling: what a server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from unisono.serve.batcher import Batcher

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Telling:
    """Counters of one server, none shared with another in the same process."""

    def __init__(self, batcher: Batcher) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "unisono_requests", "requests, by task and status", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "unisono_request_seconds",
            "from a request's head to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        waiting = Gauge("unisono_waiting_requests", "requests that no pass has taken yet", registry=self.registry)
        waiting.set_function(lambda: batcher.waiting)
        passes = Gauge("unisono_trunk_passes", "passes through the trunk since the start", registry=self.registry)
        passes.set_function(lambda: batcher.passes)
        rows = Gauge("unisono_trunk_questions", "questions in these passes", registry=self.registry)
        rows.set_function(lambda: batcher.rows)

    def request(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)
