"""The CronJob's program against an API server that answers as Kubernetes does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kuberay.base.batch.create_rayjob import FROM_ENVIRONMENT, Cluster, main
from kuberay.checks.manifests import KUBERAY

TEMPLATE = (KUBERAY / "base" / "batch" / "rayjob.yaml").read_text()
DAY = date(2026, 11, 23)
ENVIRON = {
    **dict.fromkeys(FROM_ENVIRONMENT.values(), "1"),
    "BATCH_MAX_WORKERS": "7",
    "BATCH_COST_BUDGET": "2.5",
    "POD_NAME": "trailmind-regenerate-29",
    "CONTAINER_NAME": "create-rayjob",
}


class _ApiServer(BaseHTTPRequestHandler):
    """Pods are read, RayJobs are created once per name; the rest is refused, as by RBAC."""

    jobs: dict[str, Any]
    seen: list[tuple[str, str]]

    def _answer(self, status: int, body: object) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Authorization"]))
        if self.path != "/api/v1/namespaces/trailmind/pods/trailmind-regenerate-29":
            return self._answer(403, {"reason": "Forbidden"})
        containers = [{"name": "sidecar", "image": "other"}, {"name": "create-rayjob", "image": "app@sha256:1"}]
        return self._answer(200, {"spec": {"containers": containers}})

    def do_POST(self) -> None:
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = job["metadata"]["name"]
        if self.path != "/apis/ray.io/v1/namespaces/trailmind/rayjobs":
            return self._answer(403, {"reason": "Forbidden"})
        if name in self.jobs:
            return self._answer(409, {"reason": "AlreadyExists"})
        self.jobs[name] = job
        return self._answer(201, job)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def api() -> Iterator[tuple[Cluster, type[_ApiServer]]]:
    handler = type("Handler", (_ApiServer,), {"jobs": {}, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Cluster(f"http://127.0.0.1:{server.server_port}", "the-token", None, "trailmind"), handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_creates_the_job_of_the_day_with_its_own_image(api: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cluster, server = api
    assert main(cluster, ENVIRON, TEMPLATE, DAY) == 0
    (job,) = server.jobs.values()
    assert job["metadata"]["name"] == "trailmind-regenerate-20261123"
    assert job["spec"]["entrypoint"] == (
        "trailmind regenerate start --canary 5% --promote gate --cost-budget 2.5 --concurrency 1"
        " --run-id nightly-20261123"
    )
    groups = [job["spec"]["rayClusterSpec"]["headGroupSpec"], *job["spec"]["rayClusterSpec"]["workerGroupSpecs"]]
    assert {g["template"]["spec"]["containers"][0]["image"] for g in groups} == {"app@sha256:1"}
    assert groups[1]["maxReplicas"] == 7
    assert {token for _, token in server.seen} == {"Bearer the-token"}
    assert json.loads(capsys.readouterr().out)["event"] == "rayjob_created"


def test_a_second_run_creates_no_second_job(api: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cluster, server = api
    assert [main(cluster, ENVIRON, TEMPLATE, DAY) for _ in range(2)] == [0, 0]
    assert len(server.jobs) == 1
    assert [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()] == [
        "rayjob_created",
        "rayjob_exists",
    ]


def test_an_error_response_is_logged_and_fails(api: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cluster, server = api
    assert main(cluster, {**ENVIRON, "POD_NAME": "somebody-else"}, TEMPLATE, DAY) == 1
    assert server.jobs == {}
    assert "403" in json.loads(capsys.readouterr().err)["reason"]


def test_a_missing_variable_is_logged_by_name(api: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cluster, server = api
    environ = {k: v for k, v in ENVIRON.items() if k != "BATCH_WORKER_CPU"}
    assert main(cluster, environ, TEMPLATE, DAY) == 1
    assert server.jobs == {}
    assert json.loads(capsys.readouterr().err)["reason"] == "BATCH_WORKER_CPU is not set"
