"""Configures the logs of a process from its settings; `telemetry.logs` defines their format."""

from __future__ import annotations

from cluster.settings import Settings
from telemetry.logs import configure_logging


def configure_logs(settings: Settings) -> None:
    """Log as JSON lines on standard output, from `settings.log_level` up."""
    configure_logging(settings.log_level)
