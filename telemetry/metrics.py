"""What every process counts, and how it leaves: gathered in plain dictionaries, handed to Ray once a second.

A call of `ray.util.metrics` takes 3 to 4 µs, one here well under 1 µs, and nothing here needs Ray: tests read the
same numbers. Ray sends them to the node's agent, where all processes of a node leave through one port, each name
with `ray_` in front. `CATALOGUE` is the whole list; a name that is not in it, or the wrong number of labels, is an
error at the first call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import structlog

log = structlog.get_logger("metrics")

#: One series of a metric: its name, and its labels' values in the catalogue's order.
Series = tuple[str, tuple[str, ...]]

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
_SIZES = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. A label's set of values is fixed; any other value is counted as `other`.

    An empty set leaves the values to the caller, who promises that they are few (route templates, shard numbers).
    """

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()


def _labels(**values: str) -> Mapping[str, frozenset[str]]:
    return MappingProxyType({name: frozenset(text.split()) for name, text in values.items()})


_METHODS = "GET POST PUT PATCH DELETE HEAD OPTIONS"
_PROVIDERS = "openai anthropic gemini local"
_TASKS = (
    "maps.generate maps.generate_joint sessions.purge sessions.keep sessions.close_forgotten accounts.erase ai.tidy"
    " jobs.rescue mails.send"
)

#: Everything the processes of the cluster count. `docs/metrics.md` says the same to people; a test compares.
CATALOGUE: Mapping[str, Metric] = MappingProxyType(
    {
        "trailmind_http_requests_total": Metric(
            "counter", "Requests answered", _labels(method=_METHODS, route="", status="")
        ),
        "trailmind_http_request_seconds": Metric(
            "histogram", "Time to the end of the answer", _labels(method=_METHODS, route=""), _FAST
        ),
        "trailmind_events_total": Metric(
            "counter", "Events received", _labels(verdict="stored duplicate excluded invalid")
        ),
        "trailmind_flush_seconds": Metric(
            "histogram", "Time of one group commit", _labels(writer="shard replica"), _FAST
        ),
        "trailmind_flush_events": Metric(
            "histogram", "Events in one group commit", _labels(writer="shard replica"), _SIZES
        ),
        "trailmind_flush_failures_total": Metric(
            "counter", "Group commits that failed as a whole", _labels(writer="shard replica")
        ),
        "trailmind_buffered_bytes": Metric("gauge", "Bytes accepted and not on disk yet", _labels(writer="", shard="")),
        "trailmind_active_users": Metric("gauge", "Users in a shard's memory", _labels(writer="", shard="")),
        "trailmind_activations_total": Metric("counter", "Users taken into memory", _labels(writer="shard replica")),
        "trailmind_passivations_total": Metric("counter", "Idle users let go", _labels(writer="shard replica")),
        "trailmind_coalesced_calls_total": Metric("counter", "Calls from replicas to shards"),
        "trailmind_coalesced_batches_total": Metric("counter", "Batches those calls carried"),
        "trailmind_shard_away_total": Metric("counter", "Calls a replica did itself because its shard was away"),
        "trailmind_shard_moves_total": Metric("counter", "Changes of the shard map a replica has followed"),
        "trailmind_jobs_total": Metric(
            "counter", "Job attempts ended", _labels(task=_TASKS, outcome="succeeded retried dead interrupted")
        ),
        "trailmind_job_seconds": Metric("histogram", "Time of one job attempt", _labels(task=_TASKS), _SLOW),
        "trailmind_maps_total": Metric("counter", "Maps ended", _labels(outcome="made unchanged failed")),
        "trailmind_map_seconds": Metric("histogram", "From the start of the job to the saved map", buckets=_SLOW),
        "trailmind_map_pages": Metric("histogram", "Pages of a session that was mapped", buckets=_SIZES),
        "trailmind_ai_calls_total": Metric(
            "counter",
            "Calls to AI providers ended",
            _labels(provider=_PROVIDERS, outcome="ok throttled refused failed timeout cancelled"),
        ),
        "trailmind_ai_call_seconds": Metric("histogram", "Time of one call", _labels(provider=_PROVIDERS), _SLOW),
        "trailmind_ai_tokens_total": Metric(
            "counter", "Tokens providers billed", _labels(provider=_PROVIDERS, kind="input output")
        ),
        "trailmind_database_connections": Metric(
            "gauge", "Connections of one process's pool", _labels(pool="api shard worker", state="used idle")
        ),
        "trailmind_provider_queue_length": Metric(
            "gauge", "Calls waiting for a provider's quota", _labels(provider=_PROVIDERS, model="")
        ),
        "trailmind_provider_utilisation_ratio": Metric(
            "gauge", "Share of a provider's allowed calls that are out", _labels(provider=_PROVIDERS, model="")
        ),
        "trailmind_provider_wait_p95_seconds": Metric(
            "gauge", "95th percentile of the last waits for quota", _labels(provider=_PROVIDERS, model="")
        ),
        "trailmind_provider_refusals_total": Metric(
            "counter", "Calls refused for want of quota", _labels(provider=_PROVIDERS, model="")
        ),
    }
)


class Meters:
    """The counters of one process. Safe to call from any thread; nothing here waits.

    A restart begins at nothing, as Prometheus expects of a counter.
    """

    def __init__(self, catalogue: Mapping[str, Metric] = CATALOGUE, *, max_samples: int = 20_000) -> None:
        self._catalogue, self._max_samples = catalogue, max_samples
        self._known: dict[Series, Series] = {}
        self._counters: dict[Series, float] = {}
        self._gauges: dict[Series, float] = {}
        self._samples: list[tuple[Series, float]] = []
        self._totals: dict[Series, float] = {}
        self._watchers: list[Callable[[], Iterable[tuple[str, float, tuple[str, ...]]]]] = []
        self._lock = threading.Lock()

    def count(self, name: str, amount: float = 1.0, *labels: str) -> None:
        """Add to a counter."""
        series = self._known.get((name, labels)) or self._check("counter", name, labels)
        with self._lock:
            self._counters[series] = self._counters.get(series, 0.0) + amount

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add one sample to a histogram. Beyond `max_samples` between two exports samples are dropped."""
        series = self._known.get((name, labels)) or self._check("histogram", name, labels)
        with self._lock:
            if len(self._samples) < self._max_samples:
                self._samples.append((series, value))

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        series = self._known.get((name, labels)) or self._check("gauge", name, labels)
        self._gauges[series] = value

    def watch(self, read: Callable[[], Iterable[tuple[str, float, tuple[str, ...]]]]) -> None:
        """Ask `read` for gauges before each export: (name, value, labels)."""
        self._watchers.append(read)

    def unwatch(self, read: Callable[[], Iterable[tuple[str, float, tuple[str, ...]]]]) -> None:
        """Ask `read` no more."""
        if read in self._watchers:
            self._watchers.remove(read)

    def _check(self, kind: str, name: str, labels: tuple[str, ...]) -> Series:
        metric = self._catalogue.get(name)
        if metric is None or metric.kind != kind or len(labels) != len(metric.labels):
            raise ValueError(f"{name} with {len(labels)} labels is not a {kind} of the catalogue")
        kept = tuple(
            value if not allowed or value in allowed else "other"
            for value, allowed in zip(labels, metric.labels.values(), strict=True)
        )
        # Values nobody fixed could be many; what is remembered of them stays small.
        if len(self._known) < 5_000:
            self._known[name, labels] = (name, kept)
        return (name, kept)

    def take(self) -> tuple[dict[Series, float], dict[Series, float], list[tuple[Series, float]]]:
        """Counters' growth, gauges and samples since the last call, for the export."""
        for read in list(self._watchers):
            for name, value, labels in read():
                self.set(name, value, *labels)
        with self._lock:
            counters, self._counters = self._counters, {}
            samples, self._samples = self._samples, []
            for series, amount in counters.items():
                self._totals[series] = self._totals.get(series, 0.0) + amount
            for series, _ in samples:
                self._totals[series] = self._totals.get(series, 0.0) + 1
        return counters, dict(self._gauges), samples

    def snapshot(self) -> dict[Series, float]:
        """Every series so far: counters and gauges by value, histograms by the number of samples."""
        self.take()
        return {**self._totals, **self._gauges}


#: This process's meters.
METERS = Meters()


class RayExport:
    """Hands a process's meters to Ray from a thread of its own."""

    def __init__(self, meters: Meters, catalogue: Mapping[str, Metric] = CATALOGUE) -> None:
        self._meters, self._catalogue = meters, catalogue
        self._made: dict[str, Any] = {}

    def flush(self) -> None:
        """One export."""
        counters, gauges, samples = self._meters.take()
        for (name, labels), amount in counters.items():
            self._metric(name).inc(amount, self._tags(name, labels))
        for (name, labels), value in gauges.items():
            self._metric(name).set(value, self._tags(name, labels))
        for (name, labels), value in samples:
            self._metric(name).observe(value, self._tags(name, labels))

    def _tags(self, name: str, labels: tuple[str, ...]) -> dict[str, str]:
        return dict(zip(self._catalogue[name].labels, labels, strict=True))

    def _metric(self, name: str) -> Any:
        if name not in self._made:
            from ray.util.metrics import Counter, Gauge, Histogram

            metric, keys = self._catalogue[name], tuple(self._catalogue[name].labels)
            if metric.kind == "histogram":
                self._made[name] = Histogram(name, metric.help, list(metric.buckets), keys)
            else:
                kind = Counter if metric.kind == "counter" else Gauge
                self._made[name] = kind(name, metric.help, keys)
        return self._made[name]

    def run(self, period_s: float = 1.0) -> None:
        """Export until the process ends."""
        while True:
            time.sleep(period_s)
            try:
                self.flush()
            except Exception as error:  # counting must never stop the work, and must go on afterwards
                log.warning("metrics_not_exported", error=type(error).__name__)


_started = threading.Lock()


def export_to_ray() -> None:
    """Export this process's meters from now on. Safe to call again."""
    if _started.acquire(blocking=False):
        threading.Thread(target=RayExport(METERS).run, name="metrics", daemon=True).start()
