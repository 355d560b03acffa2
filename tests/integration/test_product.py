"""The whole product as a user starts it: demo, doctor, jobs, exposure, streams and large bodies over HAProxy."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest

from cluster.settings import Settings
from serve.app import create_api, wrap
from tests.support.client import PASSWORD, visit
from tests.support.listening import listeners
from tests.support.product import Product
from tests.support.server import no_actor

SAMPLES = Path(__file__).parents[2] / "cluster" / "samples"


def trailmind(product: Product, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command against the product's data directory."""
    command = [sys.executable, "-m", "cluster.cli", *arguments, "--data-dir", str(product.data_dir)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def client(product: Product) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=product.origin, timeout=30.0, trust_env=False) as found:
        reply = found.post("/v1/auth/signup", json={"email": f"{uuid.uuid4().hex}@t.local", "password": PASSWORD})
        found.headers["Authorization"] = f"Bearer {reply.json()['token']}"
        yield found


def start(client: httpx.Client) -> str:
    return str(client.post("/v1/sessions/start").json()["session"]["id"])


def test_ready_says_what_it_checked(product: Product) -> None:
    answer = httpx.get(f"{product.origin}/ready", trust_env=False)
    assert answer.status_code == 200
    assert answer.json()["checks"] == dict.fromkeys(("postgresql", "schema", "valkey", "shards"), "ok")


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


def test_the_demo_prints_a_tree_for_people(product: Product) -> None:
    run = trailmind(product, "demo", "--once", "--port", str(product.port))
    assert run.returncode == 0, run.stderr
    assert "├─" in run.stdout
    assert re.search(r"Stop → map \d+\.\d+ s", run.stdout)
    assert "“" in run.stdout, "evidence is quoted"


def test_a_session_file_that_is_none_is_one_sentence(product: Product, tmp_path: Path) -> None:
    for content in ("{", "[]", '{"events": 5}'):
        file = tmp_path / "bad.json"
        file.write_text(content)
        run = trailmind(product, "demo", "--session", str(file), "--port", str(product.port))
        assert run.returncode == 1
        assert run.stderr.startswith("trailmind: ")
        assert "Traceback" not in run.stderr


def test_the_doctor_finds_everything_well(product: Product) -> None:
    run = trailmind(product, "doctor", "--port", str(product.port))
    assert run.returncode == 0, run.stdout
    assert re.search(r"PostgreSQL\s+embedded, version 18", run.stdout)
    assert "ready at" in run.stdout


def test_a_second_up_on_the_same_data_says_where_the_first_is(product: Product) -> None:
    run = trailmind(product, "up", "--port", str(product.port))
    assert run.returncode == 1
    assert f"runs at {product.origin} already" in run.stderr


def test_dead_jobs_are_listed_and_run_again(product: Product, client: httpx.Client) -> None:
    import psycopg

    session = start(client)
    client.post(
        f"/v1/sessions/{session}/events", json={"events": [visit("https://example.com/a", content="Bears. " * 50)]}
    )
    client.post(f"/v1/sessions/{session}/stop")
    wait_for_map(client, session)
    with psycopg.connect(product.settings.postgres_dsn, autocommit=True) as db:
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


def wait_for_map(client: httpx.Client, session: str) -> dict[str, Any]:
    """Follow the stream to its end, as a dashboard does."""
    with client.stream("GET", f"/v1/sessions/{session}/stream", timeout=60.0) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for _ in stream.iter_lines():
            pass
    mindmap: dict[str, Any] = client.get(f"/v1/sessions/{session}/mindmap").json()["mindmap"]
    assert mindmap["status"] == "completed", mindmap
    return mindmap


def test_a_10_mb_body_is_refused_through_the_ingress(client: httpx.Client) -> None:
    session = start(client)
    body = json.dumps({"events": [visit("https://example.com/", content="x" * 10_000_000)]}).encode()
    answer = client.post(f"/v1/sessions/{session}/events", content=body)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"
    assert client.get(f"/v1/sessions/{session}/events/stats").json()["total_events"] == 0


def test_parallel_batches_through_the_ingress_lose_nothing(client: httpx.Client) -> None:
    from concurrent.futures import ThreadPoolExecutor

    session = start(client)
    batches = [[visit(f"https://example.com/{b}/{i}") for i in range(10)] for b in range(40)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda b: client.post(f"/v1/sessions/{session}/events", json={"events": b}), batches))
    assert all(a.status_code == 200 and a.json()["stored"] == 10 for a in answers)
    assert client.get(f"/v1/sessions/{session}/events/stats").json()["total_events"] == 400


def own_address() -> str:
    """An address of this machine that other machines could use."""
    found = [a.address for addresses in psutil.net_if_addrs().values() for a in addresses if a.family == socket.AF_INET]
    outside = [a for a in found if not a.startswith("127.")]
    if not outside:
        pytest.skip("this machine has no address but loopback")
    return outside[0]


def test_nothing_but_guarded_ports_of_ray_can_be_reached_from_outside(product: Product) -> None:
    """PostgreSQL, Valkey, HAProxy, the API, GCS and raylets are on loopback. What Ray Serve binds to all interfaces
    whatever it is told, the replicas' port for calls among themselves, wants Ray's token."""
    exposed = [found for found in listeners(product.pid) if not found.is_loopback]
    strangers = [str(e) for e in exposed if not e.process.startswith("ray::ServeReplica")]
    assert strangers == [], "a new socket is open to the network"
    address = own_address()
    for found in exposed:
        with grpc.insecure_channel(f"{address}:{found.port}") as channel:
            call = channel.unary_unary("/ray.serve.ASGIService/HandleRequest")
            with pytest.raises(grpc.RpcError) as refused:
                call(b"", timeout=5.0)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED, str(found)


def test_the_api_listens_on_loopback_only(product: Product) -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{own_address()}:{product.port}/health", timeout=5.0, trust_env=False)


@pytest.mark.parametrize(
    ("caller", "status"),
    [("192.0.2.7", 403), ("fe80::1", 403), ("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200)],
)
async def test_callers_who_are_not_on_this_machine_get_a_403(settings: Settings, caller: str, status: int) -> None:
    api = create_api(settings, no_actor)
    async with api.router.lifespan_context(api):
        transport = httpx.ASGITransport(app=wrap(api, settings), client=(caller, 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            answer = await client.get("/health")
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["code"] == "FORBIDDEN"
