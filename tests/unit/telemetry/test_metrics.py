"""Metric instruments as plain objects: cheap, bounded, typed; the documentation lists exactly the registered ones."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import pytest

from cluster.jobs.app import create_job_app
from cluster.jobs.database_metrics import DATABASE_GAUGES
from telemetry import ray_export
from telemetry.instruments import NoLabels, OneOf, Registry
from telemetry.metrics import REGISTRY
from telemetry.ray_export import RayExporter

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"


class Verdict(NamedTuple):
    verdict: Literal["stored", "duplicate"]


class Shard(NamedTuple):
    writer: Annotated[str, OneOf("shard", "replica")]
    shard: str


def test_documentation_lists_every_metric() -> None:
    listed = re.findall(r"^\| `(trailmind_\w+)` \|", DOCS.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted([*REGISTRY.instruments, *(g.name for g in DATABASE_GAUGES)])


def test_counters_are_named_as_counters_and_histograms_have_buckets() -> None:
    for name, instrument in REGISTRY.instruments.items():
        assert name.startswith("trailmind_"), name
        assert name.endswith("_total") == (instrument.kind == "counter"), name
        assert (len(instrument.buckets) > 3) == (instrument.kind == "histogram"), name
        assert not set(instrument.label_values) & {"session_id", "user_id", "request_id", "url"}, name


def test_every_job_is_counted_under_its_own_name_and_queue() -> None:
    ours = [task for name, task in create_job_app("postgresql://nobody").tasks.items() if "builtin" not in name]
    assert len(ours) > 5
    assert {task.name for task in ours} <= REGISTRY.instruments["trailmind_jobs_total"].label_values["task"]
    (pending,) = (gauge for gauge in DATABASE_GAUGES if gauge.name == "trailmind_jobs_pending")
    assert {(task.queue,) for task in ours} <= set(pending.label_values)


def test_wrong_label_names_raise_type_error() -> None:
    events = Registry().counter("trailmind_events_total", "Events", Verdict)
    with pytest.raises(TypeError, match="outcome"):
        events.labels(outcome="stored")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="verdict"):
        events.labels()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        events.labels("stored", "extra")  # type: ignore[call-arg]


def test_each_kind_has_its_own_methods() -> None:
    registry = Registry()
    events = registry.counter("trailmind_events_total", "Events", Verdict).labels(verdict="stored")
    users = registry.gauge("trailmind_users", "Users", NoLabels).labels()
    assert [m for m in ("inc", "set", "observe") if hasattr(events, m)] == ["inc"]
    assert [m for m in ("inc", "set", "observe") if hasattr(users, m)] == ["set"]


def test_invalid_and_repeated_names_are_refused() -> None:
    registry = Registry()
    registry.counter("trailmind_events_total", "Events", Verdict)
    for register in (
        lambda: registry.counter("trailmind_events_total", "Events", Verdict),
        lambda: registry.counter("trailmind_events", "A counter without its unit", Verdict),
        lambda: registry.gauge("trailmind_users_total", "A gauge named as a counter", NoLabels),
        lambda: registry.gauge("Trailmind users", "A name that Prometheus refuses", NoLabels),
    ):
        with pytest.raises(ValueError, match=r"^the metric|not a valid name"):
            register()


def test_label_values_outside_the_fixed_set_become_other() -> None:
    registry = Registry()
    events = registry.counter("trailmind_events_total", "Events", Verdict)
    for i in range(1000):
        events.labels(verdict=f"verdict-{i}").inc()  # type: ignore[arg-type]
    assert registry.totals() == {("trailmind_events_total", ("other",)): 1000}


def test_samples_are_bounded_and_each_export_gets_the_increments_only() -> None:
    registry = Registry(max_samples=10)
    pages = registry.histogram("trailmind_map_pages", "Pages", NoLabels, (1.0, 10.0))
    events = registry.counter("trailmind_events_total", "Events", Verdict)
    for _ in range(25):
        pages.labels().observe(3.0)
    events.labels(verdict="stored").inc(4)
    counters, _, samples = registry.drain()
    assert (sum(counters.values()), len(samples)) == (4, 10)
    assert registry.drain() == ({}, {}, [])


def test_concurrent_increments_are_all_counted() -> None:
    registry = Registry()
    events = registry.counter("trailmind_events_total", "Events", Verdict)

    def increment() -> None:
        for _ in range(5_000):
            events.labels(verdict="stored").inc()

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    total = 0.0
    while any(t.is_alive() for t in threads):
        total += sum(registry.drain().counters.values())
    total += sum(registry.drain().counters.values())
    assert total == 20_000


def test_collectors_set_gauges_before_each_export() -> None:
    registry, values = Registry(), iter([1.0, 2.0])
    users = registry.gauge("trailmind_active_users", "Users", Shard)
    series = ("trailmind_active_users", ("shard", "0"))

    def collect() -> None:
        users.labels(writer="shard", shard="0").set(next(values))

    registry.add_collector(collect)
    assert [registry.drain().gauges[series], registry.drain().gauges[series]] == [1.0, 2.0]
    registry.remove_collector(collect)
    assert registry.drain().gauges[series] == 2.0


def test_the_exporter_calls_rays_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str, float, dict[str, str]]] = []

    class FakeRayMetric:
        def __init__(self, name: str, *_: object) -> None:
            self.name = name

        def inc(self, value: float, tags: dict[str, str]) -> None:
            calls.append(("inc", self.name, value, tags))

        def set(self, value: float, tags: dict[str, str]) -> None:
            calls.append(("set", self.name, value, tags))

        def observe(self, value: float, tags: dict[str, str]) -> None:
            calls.append(("observe", self.name, value, tags))

    for name in ("Counter", "Gauge", "Histogram"):
        monkeypatch.setattr(f"ray.util.metrics.{name}", FakeRayMetric)
    registry = Registry()
    registry.counter("trailmind_events_total", "Events", Verdict).labels(verdict="stored").inc(2)
    registry.gauge("trailmind_active_users", "Users", Shard).labels(writer="shard", shard="3").set(5)
    registry.histogram("trailmind_flush_seconds", "Seconds", Verdict, (0.1, 1.0)).labels("stored").observe(0.25)
    RayExporter(registry).export()
    assert calls == [
        ("inc", "trailmind_events_total", 2.0, {"verdict": "stored"}),
        ("set", "trailmind_active_users", 5, {"writer": "shard", "shard": "3"}),
        ("observe", "trailmind_flush_seconds", 0.25, {"verdict": "stored"}),
    ]


def test_nothing_is_exported_where_ray_collects_no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    registry, started = Registry(), []
    monkeypatch.setattr(ray_export, "REGISTRY", registry)
    monkeypatch.setattr("telemetry.ray_export.threading.Thread", lambda **_: started.append(1))
    monkeypatch.setenv("RAY_enable_metrics_collection", "0")
    ray_export.export_to_ray()
    registry.histogram("trailmind_flush_seconds", "Seconds", Verdict, (0.1, 1.0)).labels("stored").observe(0.25)
    assert (started, registry.drain().samples) == ([], [])
