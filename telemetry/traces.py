"""Traces by OpenTelemetry: one for each request, with the jobs, tasks and calls to providers that it causes.

Until `configure_traces` receives an address, `span` returns one shared object that does nothing. The trace and the
parent of a span are computed from the ids that logs carry (`telemetry.logs.CONTEXT_IDS`), which follow a request into
shards, jobs and Ray tasks anyway. So nothing more is sent between processes, and jobs that the previous version
enqueued have the right trace too.

Spans contain ids, numbers and short names, never page text: any other value is replaced, and errors leave only the name
of their class.
"""

from __future__ import annotations

import contextvars
import re
import time
from contextlib import AbstractContextManager
from hashlib import blake2b
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal

from telemetry.logs import current_context_ids

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

#: The span that all others of an id hang on: the request, or the attempt of a job.
Anchor = Literal["request", "job"]
#: Names, ids and route templates; a value with a blank is no name.
_NAME = re.compile(r"[\w./:{}@+-]{1,128}")
_REPLACED: Final = "[redacted]"
#: Of frequent spans, one in this number is recorded: their requests take less than a millisecond, and a span and its
#: export are a noticeable part of that (`make bench-traces`).
FREQUENT_SPANS_PER_RECORDED: Final = 32

_provider: TracerProvider | None = None
_tracer: Tracer | None = None
_url: str | None = None
_next_ids: contextvars.ContextVar[tuple[int, int | None]] = contextvars.ContextVar("trailmind_next_ids")


def traces_url() -> str | None:
    """The address that this process sends traces to; None while traces are off."""
    return _url


def configure_traces(url: str | None, *, exporter: SpanExporter | None = None) -> None:
    """Send spans to `url` by OTLP over HTTP, in the background; None changes nothing. A repeat changes nothing.

    The share of traces follows OpenTelemetry's own variables (`OTEL_TRACES_SAMPLER`). `exporter` is for tests.
    """
    global _provider, _tracer, _url  # noqa: PLW0603 - one exporter for a process
    if url is None or _tracer is not None:
        return
    # Imported here: a process without traces does not pay for it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class ComputedIds(RandomIdGenerator):
        """The ids that `span` has computed; random ones for all other spans."""

        def generate_trace_id(self) -> int:
            ids = _next_ids.get(None)
            return ids[0] if ids else super().generate_trace_id()

        def generate_span_id(self) -> int:
            ids = _next_ids.get(None)
            return ids[1] if ids and ids[1] is not None else super().generate_span_id()

    _provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "trailmind"}), id_generator=ComputedIds())
    _provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter(endpoint=url)))
    _tracer, _url = _provider.get_tracer("trailmind"), url


def stop_traces() -> None:
    """Send what is waiting and turn traces off. A repeat changes nothing."""
    global _provider, _tracer, _url
    provider, _provider, _tracer, _url = _provider, None, None, None
    if provider is not None:
        provider.shutdown()


class ActiveSpan(AbstractContextManager["ActiveSpan"]):
    """A span that ends with its block; `set` adds facts. This class itself does nothing: traces are off."""

    def set(self, **facts: str | float) -> None:
        """Add facts to the span."""

    def keep(self) -> None:
        """Record the span even if others of its kind are left out."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the span."""


class _RecordedSpan(ActiveSpan):
    def __init__(
        self, tracer: Tracer, name: str, anchor: Anchor | None, facts: dict[str, Any], started_ns: int | None = None
    ) -> None:
        self._tracer, self._name, self._anchor, self._facts = tracer, name, anchor, facts
        self._started_ns = started_ns
        self._span: Span | None = None

    def __enter__(self) -> ActiveSpan:
        from opentelemetry import context, trace

        ids = current_context_ids()
        parent, own_ids = self._parent(ids)
        token = _next_ids.set(own_ids) if own_ids else None
        try:
            self._span = self._tracer.start_span(self._name, context=parent, start_time=self._started_ns)
        finally:
            if token is not None:
                _next_ids.reset(token)
        self._token = context.attach(trace.set_span_in_context(self._span))
        self.set(**ids, **self._facts)
        return self

    def _parent(self, ids: dict[str, Any]) -> tuple[Any, tuple[int, int | None] | None]:
        """The context with the parent (empty: a root; None: the current span) and the span's own computed ids."""
        from opentelemetry import context, trace

        request_id, job_id = ids.get("request_id"), ids.get("job_id")
        if request_id is None and job_id is None:
            return None, None
        trace_id = int.from_bytes(_digest("trace", request_id or job_id, 16), "big")
        own_id = _span_id(self._anchor, ids[f"{self._anchor}_id"]) if self._anchor is not None else None
        if self._anchor is None and trace.get_current_span().get_span_context().is_valid:
            return None, None
        parent_id: int | None = None
        if self._anchor is None and job_id is not None:
            parent_id = _span_id("job", job_id)
        elif self._anchor != "request" and request_id is not None:
            parent_id = _span_id("request", request_id)
        if parent_id is None:
            return context.Context(), (trace_id, own_id)
        # Whether the trace is recorded depends on its id only, so every process decides alike.
        sampled = trace.TraceFlags(trace.TraceFlags.SAMPLED if _is_sampled(trace_id) else trace.TraceFlags.DEFAULT)
        remote = trace.SpanContext(trace_id, parent_id, is_remote=True, trace_flags=sampled)
        return trace.set_span_in_context(trace.NonRecordingSpan(remote), context.Context()), (trace_id, own_id)

    def set(self, **facts: str | float) -> None:
        assert self._span is not None
        for name, value in facts.items():
            is_plain = isinstance(value, (bool, int, float)) or _NAME.fullmatch(str(value))
            self._span.set_attribute(f"trailmind.{name}", value if is_plain else _REPLACED)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from opentelemetry import context
        from opentelemetry.trace import StatusCode

        assert self._span is not None
        if kind is not None:
            # Neither message nor traceback: both may contain user data.
            self._span.set_status(StatusCode.ERROR)
            self.set(error=kind.__name__)
        self._span.end()
        context.detach(self._token)


class _LeftOutSpan(ActiveSpan):
    """A frequent span, recorded at its end if `keep` was called or its block has failed. No span inside it has it."""

    def __init__(self, tracer: Tracer, name: str, anchor: Anchor | None, facts: dict[str, Any]) -> None:
        self._tracer, self._name, self._anchor, self._facts = tracer, name, anchor, facts
        self._started_ns = time.time_ns()
        self._is_kept = False

    def set(self, **facts: str | float) -> None:
        self._facts.update(facts)

    def keep(self) -> None:
        self._is_kept = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_kept or kind is not None:
            recorded = _RecordedSpan(self._tracer, self._name, self._anchor, self._facts, self._started_ns)
            recorded.__enter__()
            recorded.__exit__(kind, error, trace)


_OFF: Final = ActiveSpan()


def span(name: str, anchor: Anchor | None = None, **facts: str | float) -> ActiveSpan:
    """A span around a block, in the trace of the bound ids; nothing while traces are off.

    `anchor` marks the span of the request or of the job whose id is bound: spans of other processes have it as parent.
    """
    return _OFF if _tracer is None else _RecordedSpan(_tracer, name, anchor, facts)


def frequent_span(name: str, anchor: Anchor, **facts: str | float) -> ActiveSpan:
    """A span like those of `span`: one in `FREQUENT_SPANS_PER_RECORDED` is recorded, and all that fail or are kept."""
    if _tracer is None:
        return _OFF
    number = int.from_bytes(_digest("frequent", current_context_ids().get(f"{anchor}_id"), 2), "big")
    is_recorded = number % FREQUENT_SPANS_PER_RECORDED == 0
    return (_RecordedSpan if is_recorded else _LeftOutSpan)(_tracer, name, anchor, facts)


def _digest(kind: str, key: object, size: int) -> bytes:
    return blake2b(f"{kind}:{key}".encode(), digest_size=size).digest()


def _span_id(kind: Anchor | None, key: object) -> int:
    return int.from_bytes(_digest(str(kind), key, 8), "big") or 1


def _is_sampled(trace_id: int) -> bool:
    from opentelemetry.sdk.trace.sampling import Decision

    assert _provider is not None
    return _provider.sampler.should_sample(None, trace_id, "").decision is Decision.RECORD_AND_SAMPLE
