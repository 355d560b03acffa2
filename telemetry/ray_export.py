"""Exports the metrics of a process through Ray: once a second, from a thread of its own."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import structlog

from telemetry.instruments import Registry, SeriesKey
from telemetry.metrics import REGISTRY

log = structlog.get_logger("metrics")

#: Ray's setting, which every process of its cluster inherits.
_COLLECTS = "RAY_enable_metrics_collection"


class RayExporter:
    """Copies the values of a registry to `ray.util.metrics`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._ray_metrics: dict[str, Any] = {}

    def export(self) -> None:
        """Export what changed since the last call."""
        counters, gauges, samples = self._registry.drain()
        for series, amount in counters.items():
            self._ray_metric(series[0]).inc(amount, self._tags(series))
        for series, value in gauges.items():
            self._ray_metric(series[0]).set(value, self._tags(series))
        for series, value in samples:
            self._ray_metric(series[0]).observe(value, self._tags(series))

    def _tags(self, series: SeriesKey) -> dict[str, str]:
        name, values = series
        return dict(zip(self._registry.instruments[name].label_values, values, strict=True))

    def _ray_metric(self, name: str) -> Any:
        if name not in self._ray_metrics:
            from ray.util.metrics import Counter, Gauge, Histogram

            instrument = self._registry.instruments[name]
            label_names = tuple(instrument.label_values)
            if instrument.kind == "histogram":
                ray_metric: Any = Histogram(name, instrument.help_text, list(instrument.buckets), label_names)
            else:
                ray_class = Counter if instrument.kind == "counter" else Gauge
                ray_metric = ray_class(name, instrument.help_text, label_names)
            self._ray_metrics[name] = ray_metric
        return self._ray_metrics[name]

    def run(self, period_s: float = 1.0) -> None:
        """Export every `period_s` seconds until the process ends."""
        while True:
            time.sleep(period_s)
            try:
                self.export()
            except Exception as error:  # a failed export must neither stop the process nor the next export
                log.warning("metrics_export_failed", error=type(error).__name__)


_start_once = threading.Lock()


def ray_collects_metrics() -> bool:
    """Whether Ray collects metrics; a local server does not unless told to (TRAILMIND_LOCAL_METRICS)."""
    return os.environ.get(_COLLECTS) != "0"


def export_to_ray() -> None:
    """Export this process's metrics from now on, if Ray collects them. A repeat changes nothing."""
    if not ray_collects_metrics():
        # Handing each sample to Ray takes as long as parsing an event, and no program would read them.
        REGISTRY.max_samples = 0
        return
    if _start_once.acquire(blocking=False):
        threading.Thread(target=RayExporter(REGISTRY).run, name="metrics", daemon=True).start()
