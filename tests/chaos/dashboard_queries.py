"""`make dashboard-queries`: every query of the Grafana dashboards, run by a real Prometheus over a running server.

The server records a session, has its map made with a model (a local mock of a vendor) and refuses a login, while
Prometheus scrapes it with the rules of `kuberay/components/monitoring`. Prints JSON: how many queries returned
data, and those that did not. Queries for other exporters (PostgreSQL, Redis, nodes, Kubernetes, the blackbox) are
evaluated, which finds errors, and counted apart, because those exporters do not run here. Exits with 1 when a query
fails, or when one of the server's own metrics that this journey changes has no data.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

from kuberay.checks.monitoring_rules import metrics_of, queries
from tests.support.client import sign_up
from tests.support.completed_session import recorded_events
from tests.support.conditions import LONG_PATIENCE_S
from tests.support.listening_sockets import listeners
from tests.support.local_prometheus import METRICS_TOKEN, MONITORING, Scraping, local_prometheus, require_programs
from tests.support.model_server import ModelServer, model_server
from tests.support.product import Product

_SCRAPE_INTERVAL_S = 2
_OURS = ("trailmind_", "trailmind:", "ray_trailmind_")
#: Metrics that exist only after an event that this journey does not bring about, so without data on a healthy server.
_EVENTS_OF_FAULTS = frozenset(
    {
        "ray_trailmind_billing_drift_total",
        "ray_trailmind_billing_duplicates_total",
        "ray_trailmind_flush_failures_total",
        "ray_trailmind_passivations_total",
        "ray_trailmind_provider_refusals_total",
        "ray_trailmind_quota_denials_total",
        "ray_trailmind_shard_fallbacks_total",
        "ray_trailmind_shard_map_changes_total",
        "ray_trailmind_webhooks_handled_total",
        "ray_trailmind_webhooks_received_total",
    }
)


def dashboard_queries() -> list[tuple[str, str, str]]:
    """(dashboard, panel, expression) of all dashboards."""
    return [
        (file.stem, title, expression)
        for file in sorted((MONITORING / "dashboards").glob("*.json"))
        for title, _, expression in queries(json.loads(file.read_text()))
    ]


def ray_metrics(product: Product) -> dict[str, Any]:
    """The scrape of Ray's metrics port, as the PodMonitors have it."""
    agents = sorted({f"127.0.0.1:{s.port}" for s in listeners(product.pid) if "DashboardAgent" in s.process})
    # Among the agent's ports is the one of the metrics; the others fail and cost nothing.
    return {"job_name": "trailmind/ray", "static_configs": [{"targets": agents}]}


async def journey(origin: str) -> None:
    """A session with its map, by a user who lets the model read it; and a login that is refused."""
    async with httpx2.AsyncClient(base_url=origin, timeout=60.0, trust_env=False) as client:
        ann = await sign_up(client)
        await ann.ok("PATCH", "/v1/users/me/settings", json={"model_use": "vendor"})
        session_id = await ann.start()
        await ann.send(session_id, recorded_events())
        await ann.ok("POST", f"/v1/sessions/{session_id}/stop")

        deadline = time.monotonic() + LONG_PATIENCE_S
        while (await ann.ok("GET", f"/v1/sessions/{session_id}/mindmap"))["mindmap"]["status"] != "completed":
            if time.monotonic() > deadline:
                raise TimeoutError("the map was not made")
            await asyncio.sleep(0.5)
        await client.post("/v1/auth/login", json={"email": "nobody@test.local", "password": "wrong password"})


async def answers(prometheus: httpx2.AsyncClient) -> dict[tuple[str, str, str], bool]:
    """Whether each query returns data now. Raises RuntimeError for one that Prometheus refuses."""
    found = {}
    for query in dashboard_queries():
        answer = await prometheus.get("/api/v1/query", params={"query": query[2]})
        if answer.status_code != 200:
            raise RuntimeError(f"{query}: {answer.text}")
        found[query] = bool(answer.json()["data"]["result"])
    return found


def is_expected(expression: str) -> bool:
    """Whether this journey gives the query data."""
    metrics = metrics_of(expression)
    return all(m.startswith(_OURS) for m in metrics) and not set(metrics) & _EVENTS_OF_FAULTS


async def check(directory: Path, model: ModelServer) -> dict[str, Any]:
    """Run the journey and all queries; returns the figures that are printed."""
    with Product(
        TRAILMIND_LOCAL_METRICS="1",
        TRAILMIND_METRICS_TOKEN=METRICS_TOKEN,
        TRAILMIND_OPENAI_BASE_URL=model.server.base_url("openai"),
        TRAILMIND_OPENAI_MODEL="gpt-5-mini",
    ) as product:
        scraping = Scraping(_SCRAPE_INTERVAL_S, [ray_metrics(product)])
        with local_prometheus(product, directory, scraping) as origin:
            # A rate needs a sample from before the change.
            await asyncio.sleep(4 * _SCRAPE_INTERVAL_S)
            await journey(product.origin)
            async with httpx2.AsyncClient(base_url=origin, trust_env=False) as prometheus:
                found: dict[tuple[str, str, str], bool] = {}

                async def is_complete() -> bool:
                    found.update(await answers(prometheus))
                    return all(has_data for query, has_data in found.items() if is_expected(query[2]))

                deadline = time.monotonic() + LONG_PATIENCE_S
                while not await is_complete() and time.monotonic() < deadline:
                    await asyncio.sleep(_SCRAPE_INTERVAL_S)
    missing = [query for query, has_data in found.items() if not has_data]
    others = [query for query in found if not all(m.startswith(_OURS) for m in metrics_of(query[2]))]
    return {
        "queries": len(found),
        "with_data": sum(found.values()),
        "of_exporters_that_do_not_run_here": len(others),
        "of_events_that_did_not_happen": [q for q in missing if q not in others and not is_expected(q[2])],
        "without_data": [q for q in missing if is_expected(q[2])],
    }


def main() -> int:
    """Print the figures; 1 when a query that should return data does not."""
    require_programs("prometheus")
    directory = Path(tempfile.mkdtemp(prefix="trailmind-queries-"))
    try:
        with model_server() as model:
            figures = asyncio.run(check(directory, model))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(figures, indent=2))
    return 1 if figures["without_data"] else 0


if __name__ == "__main__":
    sys.exit(main())
