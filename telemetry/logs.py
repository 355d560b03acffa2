"""Structured logs: one JSON object per line on standard output. An event is a constant, its facts are fields.

Page text, tokens and e-mail addresses never reach a log. Our own events do not contain them. Tracebacks leave out the
messages of exceptions from libraries (a database error quotes the row). The remaining strings are sanitized.
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

#: The ids that follow a request through every process.
CONTEXT_IDS = ("request_id", "session_id", "job_id")
MAX_FIELD_CHARS = 500

_SECRETS = re.compile(
    r"[\w.+%-]+@[\w-]+\.[\w.-]+"  # an e-mail address
    r"|eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"  # a JSON web token
    r"|\b(?:sk|tm|rk|whsec|AIza)[-_][\w-]{12,}"  # an API key
    r"|(?i:bearer)\s+[\w.~+/=-]{8,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # the credentials in a URL
    r"|(?<=[?&])[\w.-]+=[^&\s\"']+"  # a query parameter
)
#: Its level is the level of all our logs in this process; it writes nothing itself.
_LEVEL = logging.getLogger("trailmind")


@dataclass(frozen=True, slots=True)
class LogContext:
    """The ids and the log level that another process needs to log as part of the same work."""

    ids: dict[str, Any]
    level: str
    #: Where this process sends traces; see `telemetry.traces`.
    traces_url: str | None = None


def current_context_ids() -> dict[str, Any]:
    """The ids bound in the current context."""
    bound = structlog.contextvars.get_contextvars()
    return {name: bound[name] for name in CONTEXT_IDS if name in bound}


def export_log_context() -> LogContext:
    """The current log context, to be passed to another process."""
    return LogContext(current_context_ids(), logging.getLevelName(_LEVEL.level or logging.INFO))


def import_log_context(context: LogContext | None) -> None:
    """Configure logging and bind the ids as in the process that exported `context`. None changes nothing."""
    if context is not None:
        configure_logging(context.level)
        bind_context(context.ids)


def bind_context(ids: Mapping[str, Any] | None) -> None:
    """Replace the bound ids by those of `ids` that are in `CONTEXT_IDS`."""
    structlog.contextvars.clear_contextvars()
    if ids:
        structlog.contextvars.bind_contextvars(**{name: ids[name] for name in CONTEXT_IDS if name in ids})


def sanitize(text: str) -> str:
    """`text` with secrets and addresses replaced, cut after `MAX_FIELD_CHARS` characters."""
    cut = text if len(text) <= MAX_FIELD_CHARS else text[:MAX_FIELD_CHARS] + "…"
    return _SECRETS.sub("[redacted]", cut)


def _sanitize_fields(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str) and name not in {"traceback", "timestamp", "level"}:
            event[name] = sanitize(value)
        elif isinstance(value, (dict, list, tuple, set, bytes)):
            # Fields are numbers and short words; a structure may hold user data.
            event[name] = f"[{type(value).__name__} of {len(value)}]"
    return event


def describe_exception(error: BaseException) -> str:
    """The traceback with every frame and type, but only with the messages of our own errors."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = traceback.extract_tb(current.__traceback__)
        lines = [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        name = f"{type(current).__module__}.{type(current).__qualname__}"
        message = f": {sanitize(str(current))}" if isinstance(current, TrailmindError) else ""
        parts.append("\n".join([*lines, name + message]))
        current = current.__cause__ or current.__context__
    return "\ncaused by\n".join(parts)


def _format_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    exc_info = event.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event["traceback"] = describe_exception(error)
    return event


class _StructlogHandler(logging.Handler):
    """Writes records of the standard library's loggers as our JSON lines."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        structlog.get_logger("library").log(record.levelno, "library_log", **fields)


class _CurrentStdout:
    """The standard output of the process at the time of each write.

    In replicas, Ray Serve replaces `sys.stdout` by an object that turns each line into a record of its own log. Our
    lines are records already and belong to the output of the process, as in all other processes.
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
    """Write logs of `level_name` and above as JSON lines, those of the standard library's loggers included.

    A repeat replaces the level.
    """
    level = logging.getLevelNamesMapping()[level_name]
    _LEVEL.setLevel(level)
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
