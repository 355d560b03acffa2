"""A real Prometheus over a server on this machine, with the rules of `kuberay/components/monitoring`."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kuberay.checks.manifests import KUBERAY
from launch.ray_environment import free_ports
from tests.support.product import Product

MONITORING = KUBERAY / "components" / "monitoring"
METRICS_TOKEN = "metrics-token-of-32-characters-00"


def require_programs(*names: str) -> None:
    """Raise SystemExit with the remedy when a program is not installed."""
    if missing := [name for name in names if shutil.which(name) is None]:
        raise SystemExit(f"{missing[0]} is not here; it is in Debian's package of that name")


@contextlib.contextmanager
def running(*command: str | Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is stopped at the end of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


@dataclass(frozen=True)
class Scraping:
    """How often Prometheus scrapes and evaluates, what beside the application, and the Alertmanager's port."""

    interval_s: int
    others: Sequence[dict[str, Any]] = ()
    alertmanager_port: int | None = None


def _configuration(product: Product, rules: Path, scraping: Scraping) -> dict[str, Any]:
    """What the Prometheus operator makes of our PodMonitor, for a server on this machine."""
    application = {
        "job_name": "trailmind/trailmind-application",
        "authorization": {"type": "Bearer", "credentials": METRICS_TOKEN},
        "static_configs": [{"targets": [f"127.0.0.1:{product.port}"]}],
    }
    interval = f"{scraping.interval_s}s"
    configuration: dict[str, Any] = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [str(rules)],
        "scrape_configs": [application, *scraping.others],
    }
    if scraping.alertmanager_port is not None:
        target = f"127.0.0.1:{scraping.alertmanager_port}"
        configuration["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [target]}]}]}
    return configuration


@contextlib.contextmanager
def local_prometheus(product: Product, directory: Path, scraping: Scraping) -> Iterator[str]:
    """The origin of a Prometheus that scrapes `product` until the end of the block; its files are in `directory`."""
    (port,) = free_ports(1)
    rules, configuration = directory / "rules.yaml", directory / "prometheus.yaml"
    spec = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())["spec"]
    rules.write_text(yaml.safe_dump(spec))
    configuration.write_text(yaml.safe_dump(_configuration(product, rules, scraping)))
    with running(
        "prometheus",
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        log=directory / "prometheus.log",
    ):
        yield f"http://127.0.0.1:{port}"
