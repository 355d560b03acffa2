"""Logs as the settings want them. What a line looks like, and what never gets into one, is `telemetry.logs`."""

from __future__ import annotations

from cluster.settings import Settings
from telemetry.logs import configure_logging


def configure_logs(settings: Settings) -> None:
    """One JSON object a line on standard output, from `settings.log_level` up."""
    configure_logging(settings.log_level)
