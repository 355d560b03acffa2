"""Logs: one JSON object a line on standard output. Constant events, facts as fields, ids bound once at the edge."""

from __future__ import annotations

import logging
import sys

import structlog

from cluster.settings import Settings


def configure_logs(settings: Settings) -> None:
    """Set up structlog, and let the standard library's loggers speak the same way."""
    level = getattr(logging, settings.log_level)
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    for noisy in ("httpx", "procrastinate", "alembic"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
