"""Typed metric instruments of one process, buffered in dictionaries until an exporter collects them.

An instrument is a module constant bound to a `Registry`. Its labels are the fields of a `NamedTuple`, so mypy checks
every call of `labels`, and a wrong label name is a `TypeError`:

    class EventLabels(NamedTuple):
        verdict: Literal["stored", "duplicate"]

    EVENTS_RECEIVED = REGISTRY.counter("trailmind_events_total", "Events received", EventLabels)
    EVENTS_RECEIVED.labels(verdict="stored").inc()

Nothing here imports Ray, so tests read the same values that Ray exports. A call of `ray.util.metrics` takes 3 to 4 µs;
`inc` takes under 1 µs, `labels` 1 to 2 µs more, so a hot path keeps the series that `labels` returns.
"""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    NamedTuple,
    ParamSpec,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

P = ParamSpec("P")
Series = TypeVar("Series")
Kind = Literal["counter", "gauge", "histogram"]
#: Identifies one time series: the metric's name and its label values in the order of the label class.
SeriesKey = tuple[str, tuple[str, ...]]

#: The value that replaces every label value outside the fixed set.
OTHER = "other"
_MAX_CACHED_SERIES = 5_000
_NAME = re.compile(r"[a-z][a-z0-9_]*[a-z0-9]")


class OneOf:
    """Annotates a `str` label with its set of values, where call sites pass a value known at run time only."""

    def __init__(self, *values: str) -> None:
        self.values = frozenset(values)


class NoLabels(NamedTuple):
    """The labels of a metric with one series."""


class Snapshot(NamedTuple):
    """What a registry hands to its exporter: counter increments and samples since the last call, all gauges."""

    counters: dict[SeriesKey, float]
    gauges: dict[SeriesKey, float]
    samples: list[tuple[SeriesKey, float]]


class Registry:
    """The instruments and values of one process. Every method is thread-safe and none blocks on I/O.

    Values start at zero with each process, as Prometheus expects of counters.
    """

    def __init__(self, *, max_samples: int = 20_000) -> None:
        """Keep at most `max_samples` histogram samples between two exports; further samples are dropped."""
        self.max_samples = max_samples
        self.lock = threading.Lock()
        self.counters: dict[SeriesKey, float] = {}
        self.gauges: dict[SeriesKey, float] = {}
        self.samples: list[tuple[SeriesKey, float]] = []
        self._totals: dict[SeriesKey, float] = {}
        self._instruments: dict[str, Instrument[..., Any]] = {}
        self._collectors: list[Callable[[], None]] = []

    @property
    def instruments(self) -> Mapping[str, Instrument[..., Any]]:
        """Every instrument by its metric name."""
        return MappingProxyType(self._instruments)

    def counter(self, name: str, help_text: str, labels: Callable[P, tuple[str, ...]]) -> Counter[P]:
        """Register a counter; `labels` is a `NamedTuple` class. Raises ValueError for an invalid or repeated name."""
        return Counter(self, name, help_text, labels)

    def gauge(self, name: str, help_text: str, labels: Callable[P, tuple[str, ...]]) -> Gauge[P]:
        """Register a gauge; see `counter`."""
        return Gauge(self, name, help_text, labels)

    def histogram(
        self, name: str, help_text: str, labels: Callable[P, tuple[str, ...]], buckets: Sequence[float]
    ) -> Histogram[P]:
        """Register a histogram with the upper bounds `buckets`; see `counter`."""
        return Histogram(self, name, help_text, labels, buckets)

    def add(self, instrument: Instrument[..., Any]) -> None:
        """Register an instrument. Raises ValueError for an invalid name or one that is registered already."""
        if not _NAME.fullmatch(instrument.name) or instrument.name.endswith("_total") != (instrument.kind == "counter"):
            raise ValueError(f"{instrument.name} is not a valid name of a {instrument.kind}")
        if instrument.name in self._instruments:
            raise ValueError(f"the metric {instrument.name} is registered twice")
        self._instruments[instrument.name] = instrument

    def add_collector(self, collect: Callable[[], None]) -> None:
        """Call `collect`, which sets gauges, before each export."""
        self._collectors.append(collect)

    def remove_collector(self, collect: Callable[[], None]) -> None:
        """Stop calling `collect`; its gauges keep their last values. A repeat changes nothing."""
        if collect in self._collectors:
            self._collectors.remove(collect)

    def drain(self) -> Snapshot:
        """Run the collectors and return what changed since the last call."""
        for collect in list(self._collectors):
            collect()
        with self.lock:
            counters, self.counters = self.counters, {}
            samples, self.samples = self.samples, []
            for series, amount in counters.items():
                self._totals[series] = self._totals.get(series, 0.0) + amount
            for series, _ in samples:
                self._totals[series] = self._totals.get(series, 0.0) + 1
        return Snapshot(counters, dict(self.gauges), samples)

    def totals(self) -> dict[SeriesKey, float]:
        """Every series since the process started: counters and gauges by value, histograms by number of samples."""
        self.drain()
        return {**self._totals, **self.gauges}


class Instrument(ABC, Generic[P, Series]):
    """One metric. A label value outside its fixed set is recorded as `other`, so that the series stay bounded.

    A label of plain type `str` accepts every value; the caller keeps them few (route templates, shard numbers).
    """

    kind: ClassVar[Kind]

    def __init__(
        self,
        registry: Registry,
        name: str,
        help_text: str,
        labels: Callable[P, tuple[str, ...]],
        buckets: Sequence[float] = (),
    ) -> None:
        self.registry, self.name, self.help_text, self.buckets = registry, name, help_text, tuple(buckets)
        self._make_labels = labels
        self._series: dict[tuple[str, ...], Series] = {}
        #: Label name -> its possible values; an empty set accepts every value.
        self.label_values: Mapping[str, frozenset[str]] = MappingProxyType(_label_values(labels))
        registry.add(self)

    @abstractmethod
    def _new_series(self, key: SeriesKey) -> Series:
        """The object that `labels` returns for `key`."""

    def labels(self, *args: P.args, **kwargs: P.kwargs) -> Series:
        """The series with these label values."""
        values = self._make_labels(*args, **kwargs)
        series = self._series.get(values)
        if series is None:
            series = self._new_series(self._key(values))
            if len(self._series) < _MAX_CACHED_SERIES:
                self._series[values] = series
        return series

    def _key(self, values: tuple[str, ...]) -> SeriesKey:
        known = (
            value if not allowed or value in allowed else OTHER
            for value, allowed in zip(values, self.label_values.values(), strict=True)
        )
        return (self.name, tuple(known))


@dataclass(frozen=True, slots=True)
class CounterSeries:
    """One series of a counter."""

    registry: Registry
    key: SeriesKey

    def inc(self, amount: float = 1.0) -> None:
        """Add `amount`."""
        with self.registry.lock:
            counters = self.registry.counters
            counters[self.key] = counters.get(self.key, 0.0) + amount


@dataclass(frozen=True, slots=True)
class GaugeSeries:
    """One series of a gauge."""

    registry: Registry
    key: SeriesKey

    def set(self, value: float) -> None:
        """Replace the value."""
        self.registry.gauges[self.key] = value


@dataclass(frozen=True, slots=True)
class HistogramSeries:
    """One series of a histogram."""

    registry: Registry
    key: SeriesKey

    def observe(self, value: float) -> None:
        """Add one sample, unless the registry holds `max_samples` since the last export."""
        with self.registry.lock:
            if len(self.registry.samples) < self.registry.max_samples:
                self.registry.samples.append((self.key, value))


class Counter(Instrument[P, CounterSeries]):
    """A value that only grows."""

    kind = "counter"

    def _new_series(self, key: SeriesKey) -> CounterSeries:
        return CounterSeries(self.registry, key)


class Gauge(Instrument[P, GaugeSeries]):
    """A value that rises and falls."""

    kind = "gauge"

    def _new_series(self, key: SeriesKey) -> GaugeSeries:
        return GaugeSeries(self.registry, key)


class Histogram(Instrument[P, HistogramSeries]):
    """The distribution of a value over `buckets`."""

    kind = "histogram"

    def _new_series(self, key: SeriesKey) -> HistogramSeries:
        return HistogramSeries(self.registry, key)


def _label_values(labels: Callable[P, tuple[str, ...]]) -> dict[str, frozenset[str]]:
    return {
        name: _values_of(hint) for name, hint in get_type_hints(labels, include_extras=True).items() if name != "return"
    }


def _values_of(hint: object) -> frozenset[str]:
    if get_origin(hint) is Literal:
        return frozenset(get_args(hint))
    if get_origin(hint) is Annotated:
        _, *metadata = get_args(hint)
        return frozenset().union(*(entry.values for entry in metadata if isinstance(entry, OneOf)))
    return frozenset()
