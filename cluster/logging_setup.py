"""Configures logs and traces of a process from its settings; `telemetry.logs` and `telemetry.traces` define them."""

from __future__ import annotations

from cluster.settings import Settings
from telemetry.logs import configure_logging
from telemetry.traces import configure_traces


def configure_logs(settings: Settings) -> None:
    """Log as JSON lines on standard output, from `settings.log_level` up; send traces if an address is set."""
    configure_logging(settings.log_level)
    configure_traces(settings.traces_url)
