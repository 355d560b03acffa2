"""The meters as a plain class: cheap, bounded, typed by the catalogue; the docs name exactly what there is."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.jobs.app import job_app
from cluster.jobs.database_metrics import DATABASE_GAUGES
from telemetry.metrics import CATALOGUE, Meters, RayExport

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_the_docs_list_exactly_what_there_is() -> None:
    listed = re.findall(r"^\| `(trailmind_\w+)` \|", DOCS.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted([*CATALOGUE, *(g.name for g in DATABASE_GAUGES)])


def test_counters_are_named_as_counters_and_histograms_have_buckets() -> None:
    for name, metric in CATALOGUE.items():
        assert name.endswith("_total") == (metric.kind == "counter"), name
        assert (len(metric.buckets) > 3) == (metric.kind == "histogram"), name
        assert not set(metric.labels) & {"session_id", "user_id", "request_id", "url"}, name


def test_every_job_is_counted_under_its_own_name_and_queue() -> None:
    ours = [task for name, task in job_app("postgresql://nobody").tasks.items() if "builtin" not in name]
    assert len(ours) > 5
    assert {task.name for task in ours} <= CATALOGUE["trailmind_jobs_total"].labels["task"]
    (pending,) = (gauge for gauge in DATABASE_GAUGES if gauge.name == "trailmind_jobs_pending")
    assert {task.queue for task in ours} <= set(pending.label_values)


def test_names_kinds_and_labels_are_checked() -> None:
    meters = Meters()
    calls: tuple[Callable[[], None], ...] = (
        lambda: meters.count("trailmind_no_such_total"),
        lambda: meters.count("trailmind_events_total"),
        lambda: meters.observe("trailmind_events_total", 1.0, "stored"),
        lambda: meters.set("trailmind_events_total", 1.0, "stored"),
    )
    for call in calls:
        with pytest.raises(ValueError, match="catalogue"):
            call()


def test_values_nobody_fixed_become_other() -> None:
    meters = Meters()
    for i in range(1000):
        meters.count("trailmind_events_total", 1, f"verdict-{i}")
    assert meters.snapshot() == {("trailmind_events_total", ("other",)): 1000}


def test_samples_are_bounded_and_exports_hand_over_growth_only() -> None:
    meters = Meters(max_samples=10)
    for _ in range(25):
        meters.observe("trailmind_map_pages", 3.0)
    meters.count("trailmind_events_total", 4, "stored")
    counters, _, samples = meters.take()
    assert (sum(counters.values()), len(samples)) == (4, 10)
    assert meters.take() == ({}, {}, [])


def test_threads_lose_nothing() -> None:
    meters = Meters()

    def work() -> None:
        for _ in range(5_000):
            meters.count("trailmind_events_total", 1, "stored")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken = 0.0
    while any(t.is_alive() for t in threads):
        taken += sum(meters.take()[0].values())
    taken += sum(meters.take()[0].values())
    assert taken == 20_000


def test_watched_gauges_are_read_at_each_export() -> None:
    meters, numbers = Meters(), iter([1.0, 2.0])
    read = lambda: [("trailmind_active_users", next(numbers), ("shard", "0"))]  # noqa: E731
    meters.watch(read)
    series = ("trailmind_active_users", ("shard", "0"))
    assert [meters.take()[1][series], meters.take()[1][series]] == [1.0, 2.0]
    meters.unwatch(read)
    assert meters.take()[1][series] == 2.0


def test_the_export_speaks_rays_language() -> None:
    calls: list[tuple[str, str, float, dict[str, str]]] = []

    class Fake:
        def __init__(self, name: str) -> None:
            self.name = name

        def inc(self, value: float, tags: dict[str, str]) -> None:
            calls.append(("inc", self.name, value, tags))

        def set(self, value: float, tags: dict[str, str]) -> None:
            calls.append(("set", self.name, value, tags))

        def observe(self, value: float, tags: dict[str, str]) -> None:
            calls.append(("observe", self.name, value, tags))

    meters = Meters()
    export = RayExport(meters)
    export._metric = Fake  # type: ignore[method-assign]
    meters.count("trailmind_events_total", 2, "stored")
    meters.set("trailmind_active_users", 5, "shard", "3")
    meters.observe("trailmind_flush_seconds", 0.25, "shard")
    export.flush()
    assert calls == [
        ("inc", "trailmind_events_total", 2.0, {"verdict": "stored"}),
        ("set", "trailmind_active_users", 5, {"writer": "shard", "shard": "3"}),
        ("observe", "trailmind_flush_seconds", 0.25, {"writer": "shard"}),
    ]
