"""Logs as the settings want them. What a line looks like, and what never gets into one, is `actors.logs`."""

from __future__ import annotations

from actors.logs import configure
from cluster.settings import Settings


def configure_logs(settings: Settings) -> None:
    """One JSON object a line on standard output, from `settings.log_level` up."""
    configure(settings.log_level)
