"""Logs: one JSON object a line on standard output. Constant events, facts as fields, ids bound once at the edge.

Page text, tokens and e-mail addresses never reach a log. Our own events do not carry them; what other people's
exceptions say (a database error quotes the row) is left out of tracebacks, and whatever still looks like an address
or a token is blotted out on its way.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TextIO

import structlog

from models.errors import TrailmindError

#: What travels from the edge to the last task.
CONTEXT_IDS = ("request_id", "session_id", "job_id")
MAX_FIELD_CHARS = 500

_SECRETS = re.compile(
    r"[\w.+%-]+@[\w-]+\.[\w.-]+"  # an e-mail address
    r"|eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"  # a JSON web token
    r"|\b(?:sk|tm|rk|whsec|AIza)[-_][\w-]{12,}"  # an API key
    r"|(?i:bearer)\s+[\w.~+/=-]{8,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # a URL's password
    r"|(?<=[?&])[\w.-]+=[^&\s\"']+"  # a query string
)


def current_context_ids() -> dict[str, Any]:
    """The ids bound to what is being done now, to be handed on to another process."""
    bound = structlog.contextvars.get_contextvars()
    return {name: bound[name] for name in CONTEXT_IDS if name in bound}


@dataclass(frozen=True, slots=True)
class LogContext:
    """What another process needs to log as part of the same work."""

    ids: dict[str, Any]
    level: str


_level = "INFO"


def export_log_context() -> LogContext:
    """The log context of what is being done now."""
    return LogContext(current_context_ids(), _level)


def import_log_context(context: LogContext | None) -> None:
    """Log as the process that handed `context` on. Without one nothing changes."""
    if context is not None:
        configure_logging(context.level)
        bind_context(context.ids)


def bind_context(ids: Mapping[str, Any] | None) -> None:
    """Bind the ids another process handed on, in place of those of the work before."""
    structlog.contextvars.clear_contextvars()
    if ids:
        structlog.contextvars.bind_contextvars(**{name: ids[name] for name in CONTEXT_IDS if name in ids})


def sanitize(text: str) -> str:
    """`text` without what looks like a secret or an address, and not too long."""
    cut = text if len(text) <= MAX_FIELD_CHARS else text[:MAX_FIELD_CHARS] + "…"
    return _SECRETS.sub("[redacted]", cut)


def _sanitize_fields(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str) and name not in {"traceback", "timestamp", "level"}:
            event[name] = sanitize(value)
        elif isinstance(value, (dict, list, tuple, set, bytes)):
            # Facts are numbers and short words; a structure is somebody's data.
            event[name] = f"[{type(value).__name__} of {len(value)}]"
    return event


def describe_exception(error: BaseException) -> str:
    """The traceback with every frame and type, and the sentences of our own errors only."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = traceback.extract_tb(current.__traceback__)
        lines = [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        name = f"{type(current).__module__}.{type(current).__qualname__}"
        sentence = f": {sanitize(str(current))}" if isinstance(current, TrailmindError) else ""
        parts.append("\n".join([*lines, name + sentence]))
        current = current.__cause__ or current.__context__
    return "\ncaused by\n".join(parts)


def _format_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["traceback"] = describe_exception(error)
    return event


class _StructlogHandler(logging.Handler):
    """The standard library's records as our JSON lines: what is said and by whom, no arguments of other people's."""

    def emit(self, record: logging.LogRecord) -> None:
        facts: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            facts["exc_info"] = record.exc_info
        structlog.get_logger("library").log(record.levelno, "library_log", **facts)


class _CurrentStdout:
    """Standard output as it is when a line is written.

    Ray Serve puts an object of its own in its place in replicas, and its own `print`, to make each line a sentence of a
    log of its own; ours are lines already, and belong where those of all other processes go.
    """

    def write(self, text: str) -> int:
        return self._stream().write(text)

    def flush(self) -> None:
        self._stream().flush()

    def _stream(self) -> TextIO:
        stream: TextIO = getattr(sys.stdout, "_original_object", sys.stdout)
        return stream


_STDOUT: Any = _CurrentStdout()


def configure_logging(level_name: str) -> None:
    """Set up structlog, and let the standard library's loggers speak the same way. Safe to repeat."""
    global _level
    _level = level_name
    level = logging.getLevelNamesMapping()[level_name]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _format_exception,
            _sanitize_fields,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(_STDOUT),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    if not any(isinstance(handler, _StructlogHandler) for handler in root.handlers):
        root.addHandler(_StructlogHandler())
    root.setLevel(max(level, logging.WARNING))
