"""`make alert-drill`: an alert from a killed process to its receivers, with real Prometheus and Alertmanager.

A server is started, scraped by Prometheus with the rules of `kuberay/components/monitoring`, and killed. Alertmanager
uses our configuration; only the addresses of the receivers are replaced by a local HTTP server and a local mail server.
Prints JSON: the seconds from the kill to each receiver, and from the restart to the message that the alert has ended.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from launch.ray_environment import free_ports
from tests.support.local_prometheus import (
    METRICS_TOKEN,
    MONITORING,
    Scraping,
    local_prometheus,
    require_programs,
    running,
)
from tests.support.product import Product

SCRAPE_INTERVAL_S = 15
#: Enough for the alert's own delay (a minute), the scrapes, the evaluation and the grouping.
TIMEOUT_S = 300.0


class Receivers:
    """A local HTTP server that stands for PagerDuty, Slack and the dead man's switch: (seconds, path, body)."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, str, Any]] = []
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                seen.append((time.monotonic(), self.path, body))
                answer = b'{"status": "success", "message": "", "dedup_key": "1"}'
                self.send_response(202 if "pagerduty" in self.path else 200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def first(self, path: str, *words: str) -> float | None:
        """When `path` first got a message that contains all `words`."""
        return next(
            (at for at, seen, body in self.seen if seen == path and all(word in json.dumps(body) for word in words)),
            None,
        )

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()


def alertmanager_configuration(directory: Path, origin: str) -> dict[str, Any]:
    """Our configuration with local receivers; writes the files that it refers to into `directory`."""
    (directory / "slack-url").write_text(f"{origin}/slack")
    (directory / "pagerduty-routing-key").write_text("k" * 32)
    (directory / "smtp-password").write_text("unused")
    text = (MONITORING / "alertmanager" / "alertmanager.yaml").read_text()
    text = text.replace("/etc/alertmanager/secrets/trailmind-alert-receivers", str(directory))
    text = text.replace("/etc/alertmanager/configmaps/trailmind-alert-templates", str(MONITORING / "alertmanager"))
    text = text.replace("https://deadmansswitch.example.com/trailmind", f"{origin}/dead-mans-switch")
    configuration: dict[str, Any] = yaml.safe_load(text)
    configuration["global"]["pagerduty_url"] = f"{origin}/pagerduty"
    return configuration


def wait_for(condition: Any, what: str, timeout_s: float = TIMEOUT_S) -> float:
    """The seconds until `condition()` is not None. Raises TimeoutError."""
    started = time.monotonic()
    while (at := condition()) is None:
        if time.monotonic() - started > timeout_s:
            raise TimeoutError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.2)
    return float(at)


def drill() -> dict[str, Any]:
    """Run the drill and return its figures. Raises TimeoutError when a message does not arrive."""
    require_programs("prometheus", "prometheus-alertmanager")
    directory, receivers = Path(tempfile.mkdtemp(prefix="trailmind-drill-")), Receivers()
    (alertmanager_port,) = free_ports(1)
    try:
        (directory / "alertmanager.yaml").write_text(
            yaml.safe_dump(alertmanager_configuration(directory, receivers.origin))
        )
        with Product(TRAILMIND_METRICS_TOKEN=METRICS_TOKEN) as product:
            scraping = Scraping(SCRAPE_INTERVAL_S, alertmanager_port=alertmanager_port)
            with (
                running(
                    "prometheus-alertmanager",
                    f"--config.file={directory / 'alertmanager.yaml'}",
                    f"--storage.path={directory / 'alertmanager'}",
                    f"--web.listen-address=127.0.0.1:{alertmanager_port}",
                    "--cluster.listen-address=",
                    log=directory / "alertmanager.log",
                ),
                local_prometheus(product, directory, scraping),
            ):
                watchdog = wait_for(lambda: receivers.first("/dead-mans-switch", "TrailmindWatchdog"), "the watchdog")
                # A false alarm before the kill would make the figures worthless.
                time.sleep(2 * SCRAPE_INTERVAL_S)
                assert receivers.first("/slack", "TrailmindApiDown") is None, (
                    "the alert fired while the server answered"
                )
                product.kill()
                killed = time.monotonic()
                arrived = {
                    name: round(wait_for(lambda path=path: receivers.first(path, "TrailmindApiDown"), name) - killed, 1)
                    for name, path in (("page", "/pagerduty"), ("chat", "/slack"))
                }
                text = json.dumps([body for _, path, body in receivers.seen if path == "/slack"])
                assert "No replica of the API answers" in text, text
                assert "#trailmindapidown" in text, text
                product.start()
                restarted = time.monotonic()
                ended = wait_for(lambda: receivers.first("/slack", "TrailmindApiDown", "RESOLVED"), "the end", 600.0)
                return {
                    "alert": "TrailmindApiDown",
                    "seconds_from_kill_to_receiver": arrived,
                    "seconds_from_restart_to_resolved": round(ended - restarted, 1),
                    "watchdog_arrived": watchdog > 0,
                    "scrape_interval_s": SCRAPE_INTERVAL_S,
                }
    finally:
        receivers.close()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    print(json.dumps(drill(), indent=2))
    sys.exit(0)
