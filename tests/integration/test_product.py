"""The whole product as a user starts it: demo, doctor, jobs, exposure, streams and large bodies over HAProxy."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import psutil
import psycopg
import pytest

from cluster.settings import Settings
from kuberay.checks.monitoring_rules import exported_series
from launch.private_dir import private_short_dir
from serve.app import create_api, with_middleware
from tests.support.client import PASSWORD, visit
from tests.support.conditions import LONG_PATIENCE_S, PATIENCE_S
from tests.support.listening_sockets import listeners
from tests.support.process_faults import kill
from tests.support.product import Product
from tests.support.server import no_actor

SAMPLES = Path(__file__).parents[2] / "launch" / "samples"


def trailmind(product: Product, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command against the product's data directory."""
    command = [sys.executable, "-m", "launch.cli.main", *arguments, "--data-dir", str(product.data_dir)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def client(product: Product) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=product.origin, timeout=30.0, trust_env=False) as http:
        reply = http.post("/v1/auth/signup", json={"email": f"{uuid.uuid4().hex}@t.local", "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {reply.json()['token']}"
        yield http


def start(client: httpx2.Client) -> str:
    return str(client.post("/v1/sessions/start").json()["session"]["id"])


def test_ready_lists_its_checks(product: Product) -> None:
    answer = httpx2.get(f"{product.origin}/ready", trust_env=False)
    assert answer.status_code == 200
    assert answer.json()["checks"] == dict.fromkeys(("postgresql", "disk", "schema", "valkey", "shards"), "ok")


def test_unused_ray_processes_do_not_run(product: Product) -> None:
    """Each is a Python program that delays the start or stays; see `cluster.ray_internals`."""
    running = [" ".join(process.cmdline()) for process in product.processes()]
    assert any("raylet" in line for line in running)
    for name in (
        "dashboard/dashboard.py",
        "autoscaler/_private/monitor.py",
        "log_monitor.py",
        "runtime_env/agent/main.py",
        "ray::RuntimeEnvAgent",
        "ray::ProxyActor",
    ):
        assert not [line for line in running if name in line]


def test_the_api_has_the_priority_of_other_programs(product: Product) -> None:
    """Beside a program that keeps the CPUs busy, a process with Ray's niceness of 15 answers after minutes."""
    api = next(process for process in product.processes() if "trailmind:Api" in " ".join(process.cmdline()))
    assert api.nice() <= os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.parametrize("sample", ["01-money-and-stars", "04-korean-office"])
def test_the_demo_prints_one_json_object(product: Product, sample: str) -> None:
    file = SAMPLES / f"{sample}.events.json"
    run = trailmind(product, "demo", "--json", "--session", str(file), "--port", str(product.port))
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert {"session_id", "mindmap", "timeline", "timings_ms", "receipt"} <= set(result)
    num_events = len(json.loads(file.read_text()))
    receipt = result["receipt"]
    assert receipt["stored"] == num_events
    assert receipt["duplicate"] == 20, "one batch was sent twice"
    assert receipt["seen"] == receipt["stored"] + receipt["duplicate"] + receipt["excluded"] + receipt["invalid"]
    truth = json.loads((SAMPLES / f"{sample}.truth.json").read_text())
    placed = [n for n in result["mindmap"]["data"]["nodes"] if n["type"] == "page"]
    assert len(placed) + len(result["mindmap"]["data"]["left_out"]) == len(truth["pages"])
    assert Path(result["picture_file"]).read_text().startswith("<svg")


def test_the_demo_prints_a_tree(product: Product) -> None:
    run = trailmind(product, "demo", "--once", "--port", str(product.port))
    assert run.returncode == 0, run.stderr
    assert "├─" in run.stdout
    assert re.search(r"Stop → map \d+\.\d+ s", run.stdout)
    assert "“" in run.stdout, "evidence is quoted"


def test_an_invalid_session_file_is_reported_in_one_sentence(product: Product, tmp_path: Path) -> None:
    for content in ("{", "[]", '{"events": 5}'):
        file = tmp_path / "bad.json"
        file.write_text(content)
        run = trailmind(product, "demo", "--session", str(file), "--port", str(product.port))
        assert run.returncode == 1
        assert run.stderr.startswith("trailmind: ")
        assert "Traceback" not in run.stderr


def test_the_doctor_reports_no_problem(product: Product) -> None:
    """Its port is not the default one, and the command does not name it."""
    run = trailmind(product, "doctor")
    assert run.returncode == 0, run.stdout
    assert re.search(r"PostgreSQL\s+embedded, version 18", run.stdout)
    assert f"ready at {product.origin}" in run.stdout


def test_links_lead_to_the_server_that_runs(product: Product) -> None:
    address = f"{uuid.uuid4().hex}@test.local"
    signed_up = httpx2.post(f"{product.origin}/v1/auth/signup", json={"email": address, "password": PASSWORD})
    assert signed_up.status_code == 201
    (line,) = [line for line in trailmind(product, "mail", "links").stdout.splitlines() if address in line]
    assert line.startswith(f"{address}  {product.origin}/verify-email#token=")


def test_status_asks_the_server_of_the_data_directory(product: Product) -> None:
    """Its port is not the default one, and the command does not name it."""
    parts = {part["name"]: part for part in json.loads(trailmind(product, "status", "--json").stdout)["parts"]}
    assert (parts["api"]["state"], parts["api"]["message"]) == ("ok", f"ready at {product.origin}")


def test_a_second_up_on_the_same_data_names_the_running_server(product: Product) -> None:
    run = trailmind(product, "up", "--port", str(product.port))
    assert run.returncode == 1
    assert f"already runs Trailmind on {product.data_dir}, at {product.origin}" in " ".join(run.stderr.split())


@pytest.mark.skipif(sys.platform != "linux", reason="workers are copies on Linux only")
def test_a_refused_second_server_leaves_the_socket_of_the_first(product: Product) -> None:
    """Without the check of the command, as when two are started at the same moment."""
    path = private_short_dir(product.data_dir) / "w"
    assert path.is_socket()
    start = (
        "import pathlib, sys\n"
        "from cluster.settings import load_settings\n"
        "from launch.local_server import LocalServer\n"
        "LocalServer(load_settings(data_dir=pathlib.Path(sys.argv[1]), port=int(sys.argv[2]))).start()\n"
    )
    command = [sys.executable, "-c", start, str(product.data_dir), str(product.port)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=LONG_PATIENCE_S)
    assert "StoresInUse" in run.stderr
    assert path.is_socket()


def test_dead_jobs_are_listed_and_retried(product: Product, client: httpx2.Client) -> None:
    import psycopg

    session = start(client)
    client.post(
        f"/v1/sessions/{session}/events", json={"events": [visit("https://example.com/a", content="Bears. " * 50)]}
    )
    client.post(f"/v1/sessions/{session}/stop")
    wait_for_map(client, session)
    with psycopg.connect(product.settings.database.postgres_dsn, autocommit=True) as db:
        # As if five tries had failed.
        row = db.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, attempts) VALUES"
            " ('maps', 'maps.generate', %s, 'failed', 5) RETURNING id",
            [json.dumps({"session_id": session, "force": False})],
        ).fetchone()
        assert row is not None
        db.execute("UPDATE browsing_sessions SET status = 'failed', failure_reason = 'x' WHERE id = %s", [session])
        db.execute("UPDATE mindmaps SET status = 'failed', error_message = 'x' WHERE session_id = %s", [session])
    listed = json.loads(trailmind(product, "jobs", "list", "--json").stdout)
    assert [j["state"] for j in listed if j["id"] == row[0]] == ["dead"]
    assert trailmind(product, "jobs", "retry", str(row[0])).returncode == 0
    wait_for_map(client, session)
    assert client.get(f"/v1/sessions/{session}").json()["session"]["session_status"] == "completed"
    assert trailmind(product, "jobs", "retry", "999999").returncode == 1


def test_cluster_status_names_the_server_that_runs_instead(product: Product) -> None:
    run = trailmind(product, "cluster", "status")
    assert run.returncode == 1
    assert "(`trailmind up`)" in run.stderr


def test_a_typing_error_in_the_address_is_no_empty_run(product: Product) -> None:
    run = trailmind(product, "regenerate", "--email", "nobody@t.local", "--run-id", "mistyped")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "trailmind: there is no account with the address nobody@t.local\n"
    status = trailmind(product, "regenerate", "status", "mistyped")
    assert (status.returncode, status.stdout) == (1, ""), "no run is created"


def wait_for_map(client: httpx2.Client, session: str) -> dict[str, Any]:
    """Follow the stream to its end, as a dashboard does."""
    with client.stream("GET", f"/v1/sessions/{session}/stream", timeout=60.0) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for _ in stream.iter_lines():
            pass
    mindmap: dict[str, Any] = client.get(f"/v1/sessions/{session}/mindmap").json()["mindmap"]
    assert mindmap["status"] == "completed", mindmap
    return mindmap


def ray_logs(product: Product) -> str:
    """Everything the processes of the product's Ray have written."""
    raylet = next(p for p in product.processes() if p.name() == "raylet")
    (session,) = {w.partition("=")[2] for w in raylet.cmdline() if w.startswith("--session_dir=")}
    files = [*Path(session, "logs").rglob("*.out"), *Path(session, "logs").rglob("*.err"), product.log_path]
    return "\n".join(file.read_text(errors="replace") for file in files)


def test_one_request_id_is_in_the_logs_of_every_process(product: Product, client: httpx2.Client) -> None:
    session, request_id = start(client), f"from-the-edge-{uuid.uuid4().hex[:8]}"
    text = "Planted page text: the sourdough of my grandmother. " * 20
    url = "https://planted.example/reset?token=plantedquery"
    planted = ["grandmother", "plantedquery", str(client.headers["Authorization"]).removeprefix("Bearer ")]
    client.post(f"/v1/sessions/{session}/events", json={"events": [visit(url, content=text)]})
    answer = client.post(f"/v1/sessions/{session}/stop", headers={"X-Request-ID": request_id})
    assert answer.headers["X-Request-ID"] == request_id
    wait_for_map(client, session)
    # The worker says how the job ended after the map has been told of.
    written, deadline = ray_logs(product), time.monotonic() + PATIENCE_S
    while written.count(request_id) < 6 and time.monotonic() < deadline:
        time.sleep(0.1)
        written = ray_logs(product)
    lines = [json.loads(line) for line in written.splitlines() if request_id in line and line.startswith("{")]
    # The mail with the report is a job of the same request.
    by_event = {line["event"]: line for line in lines if line.get("task") != "mails.report_session"}
    # The replica, the shard, the worker, and the tasks that describe, outline and draw.
    expected_events = {
        "http_request",
        "session_stopped",
        "job_ended",
        "page_features_extracted",
        "session_outlined",
        "map_composed",
    }
    assert expected_events <= set(by_event), sorted(by_event)
    for event in ("page_features_extracted", "session_outlined", "map_composed", "job_ended"):
        assert by_event[event]["session_id"] == session
        assert by_event[event]["job_id"] == by_event["job_ended"]["job_id"]
    for secret in planted:
        assert secret not in written, secret


def test_a_run_works_in_tasks_of_the_running_cluster_and_survives_killed_ones(
    product: Product, client: httpx2.Client
) -> None:
    """`trailmind regenerate` submits it; a map whose task dies is made once, by the next task."""
    sessions = [start(client) for _ in range(4)]
    for number, session in enumerate(sessions):
        pages = [f"https://example.com/{number}/{page}" for page in range(4)]
        events = [visit(url, 1_760_000_000_000 + i * 60_000, content="Bees. " * 50) for i, url in enumerate(pages)]
        client.post(f"/v1/sessions/{session}/events", json={"events": events})
        client.post(f"/v1/sessions/{session}/stop")
        wait_for_map(client, session)
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    command = [sys.executable, "-m", "launch.cli.main", "regenerate", "start", "--data-dir", str(product.data_dir)]
    options = ["--run-id", run_id, "--provider", "local", "--force", "--concurrency", "2", "--json"]
    chosen = [part for session in sessions for part in ("--session", session)]
    dsn = product.settings.database.postgres_dsn
    with psycopg.connect(dsn, autocommit=True) as db, psycopg.connect(dsn) as holder:
        # The map of this session cannot be saved before the lock is released; the run can refer to the session.
        holder.execute("SELECT id FROM browsing_sessions WHERE id = %s FOR NO KEY UPDATE", [sessions[0]])
        read_items = "SELECT session_id::text, status, attempts, node, version FROM map_run_items WHERE run_id = %s"
        with subprocess.Popen([*command, *options, *chosen], stdout=subprocess.PIPE, text=True) as process:
            deadline, most_running = time.monotonic() + LONG_PATIENCE_S, 0
            items: dict[str, tuple[Any, ...]] = {}
            while [item[0] for item in items.values()].count("done") < 3:
                if time.monotonic() > deadline or process.poll() is not None:
                    process.kill()
                    pytest.fail(f"the run does not proceed: {items}, {process.communicate()[0]}")
                items = {row[0]: row[1:] for row in db.execute(read_items, [run_id])}
                most_running = max(most_running, [item[0] for item in items.values()].count("running"))
                time.sleep(0.02)
            assert items[sessions[0]][:2] == ("running", 1)
            killed = kill(product, "ray::_work_task")
            holder.rollback()
            output, _ = process.communicate(timeout=LONG_PATIENCE_S)
        items = {row[0]: row[1:] for row in db.execute(read_items, [run_id])}
    state = json.loads(output)
    assert (process.returncode, state["status"], state["progress"]["done"]) == (0, "finished", 4)
    assert killed >= 1
    assert items[sessions[0]][:2] == ("done", 2)
    assert {item[3] for item in items.values()} == {2}, "each map was saved once"
    assert most_running <= 2


def test_an_invalid_request_id_is_replaced_and_sent_once(client: httpx2.Client) -> None:
    for request_id, is_valid in (("mine-1", True), ("x" * 5_000, False), ("a b", False)):
        answer = client.get("/health", headers={"X-Request-ID": request_id})
        (response_id,) = answer.headers.get_list("X-Request-ID")
        assert (response_id == request_id) is is_valid


def scrape(product: Product) -> str:
    """What Prometheus would get from the node's metrics port."""
    pages = []
    for listener in listeners(product.pid):
        if "DashboardAgent" in listener.process:
            try:
                answer = httpx2.get(f"http://127.0.0.1:{listener.port}/metrics", trust_env=False, timeout=5.0)
            except httpx2.HTTPError:
                continue
            pages.append(answer.text if answer.status_code == 200 else "")
    return "\n".join(pages)


def test_the_metrics_port_exports_the_metrics_of_all_processes(product: Product, client: httpx2.Client) -> None:
    """Under the names that alerts and dashboards use."""
    session = start(client)
    client.post(
        f"/v1/sessions/{session}/events", json={"events": [visit("https://example.com/m", content="Bees. " * 50)]}
    )
    client.post(f"/v1/sessions/{session}/stop")
    wait_for_map(client, session)
    journey = (
        'http_requests_total{ status="200"',
        "http_request_seconds_bucket",
        'events_total{ verdict="stored"',
        'flush_seconds_bucket{ writer="shard"',
        'flush_events_bucket{ writer="shard"',
        'activations_total{ writer="shard"',
        'active_users{ writer="shard"',
        'buffered_bytes{ writer="shard"',
        "shard_calls_total",
        "shard_call_batches_total",
        'jobs_total{ outcome="succeeded"',
        "job_seconds_bucket",
        'maps_total{ outcome="made"',
        "map_seconds_bucket",
        "map_pages_bucket",
        'database_connections{ pool="shard"',
        'database_connections{ pool="worker"',
    )

    def missing() -> list[str]:
        lines = [line for line in scrape(product).splitlines() if line.startswith("ray_trailmind_")]
        unknown = {re.split(r"[{ ]", line)[0] for line in lines} - set(exported_series())
        assert unknown == set(), "alerts and dashboards do not know these"
        return [
            expected
            for expected in journey
            if not any(all(part in line for part in f"ray_trailmind_{expected}".split("{ ")) for line in lines)
        ]

    # Processes export once a second, the agent of Ray some seconds later.
    deadline = time.monotonic() + PATIENCE_S
    while missing() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert missing() == []


def test_a_10_mb_body_is_refused_through_the_ingress(client: httpx2.Client) -> None:
    session = start(client)
    body = json.dumps({"events": [visit("https://example.com/", content="x" * 10_000_000)]}).encode()
    answer = client.post(f"/v1/sessions/{session}/events", content=body)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"
    assert client.get(f"/v1/sessions/{session}/events/stats").json()["total_events"] == 0


def test_parallel_batches_through_the_ingress_lose_nothing(client: httpx2.Client) -> None:
    from concurrent.futures import ThreadPoolExecutor

    session = start(client)
    batches = [[visit(f"https://example.com/{b}/{i}") for i in range(10)] for b in range(40)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda b: client.post(f"/v1/sessions/{session}/events", json={"events": b}), batches))
    assert all(a.status_code == 200 and a.json()["stored"] == 10 for a in answers)
    assert client.get(f"/v1/sessions/{session}/events/stats").json()["total_events"] == 400


def own_address() -> str:
    """An address of this machine that other machines could use."""
    machine_ips = [
        a.address for addresses in psutil.net_if_addrs().values() for a in addresses if a.family == socket.AF_INET
    ]
    outside = [a for a in machine_ips if not a.startswith("127.")]
    if not outside:
        pytest.skip("this machine has no address but loopback")
    return outside[0]


def test_only_ray_ports_with_a_token_are_reachable_from_the_network(product: Product) -> None:
    """PostgreSQL, Valkey, HAProxy, the API, GCS and raylets are on loopback. What Ray Serve binds to all interfaces
    whatever it is told, the replicas' port for calls among themselves, wants Ray's token."""
    exposed = [listener for listener in listeners(product.pid) if not listener.is_loopback]
    unguarded = [str(e) for e in exposed if not e.process.startswith("ray::ServeReplica")]
    assert unguarded == [], "a new socket is open to the network"
    address = own_address()
    for listener in exposed:
        with grpc.insecure_channel(f"{address}:{listener.port}") as channel:
            call: Any = channel.unary_unary("/ray.serve.ASGIService/HandleRequest")
            with pytest.raises(grpc.RpcError) as refused:
                call(b"", timeout=5.0)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED, str(listener)


@pytest.mark.other_hosts
def test_the_api_listens_on_loopback_only(product: Product) -> None:
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://{own_address()}:{product.port}/health", timeout=5.0, trust_env=False)


@pytest.mark.parametrize(
    ("caller", "status"),
    [("192.0.2.7", 403), ("fe80::1", 403), ("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200)],
)
async def test_requests_from_another_machine_get_a_403(settings: Settings, caller: str, status: int) -> None:
    api = create_api(settings, no_actor)
    async with api.router.lifespan_context(api):
        transport = httpx2.ASGITransport(app=with_middleware(api, settings), client=(caller, 5))
        async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
            answer = await client.get("/health")
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["code"] == "FORBIDDEN"
