"""One request is one trace, whichever processes take part; spans contain no text; off costs nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from telemetry import traces
from telemetry.logs import bind_context

REQUEST = {"request_id": "req-1"}
JOB = {"request_id": "req-1", "job_id": 17, "session_id": "ses-1"}


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    found = InMemorySpanExporter()
    traces.configure_traces("http://127.0.0.1:9/v1/traces", exporter=found)
    yield found
    traces.stop_traces()
    bind_context(None)


def finished(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """The spans so far by name."""
    assert traces._provider is not None
    assert traces._provider.force_flush()
    return {span.name: span for span in exporter.get_finished_spans()}


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    span_id: int = span.context.span_id
    return span_id


def test_a_request_its_job_and_its_tasks_are_one_trace(exporter: InMemorySpanExporter) -> None:
    """The spans are made apart, as in several processes: only the ids of the logs join them."""
    bind_context(REQUEST)
    with traces.span("http_request", "request"):
        pass
    bind_context(REQUEST | {"session_id": "ses-1"})
    with traces.span("session_stop"):
        pass
    bind_context(JOB)
    with traces.span("job", "job"), traces.span("provider_call"):
        pass
    bind_context(JOB)
    with traces.span("page_features_extracted"):
        pass
    spans = finished(exporter)
    assert len({span.context.trace_id for span in spans.values() if span.context}) == 1
    request, job = spans["http_request"], spans["job"]
    assert parent_of(request) is None
    assert parent_of(spans["session_stop"]) == parent_of(job) == id_of(request)
    assert parent_of(spans["provider_call"]) == parent_of(spans["page_features_extracted"]) == id_of(job)
    assert dict(job.attributes or {}) == {
        "trailmind.request_id": "req-1",
        "trailmind.job_id": 17,
        "trailmind.session_id": "ses-1",
    }


def test_requests_are_different_traces_and_a_scheduled_job_has_its_own(exporter: InMemorySpanExporter) -> None:
    for number in range(3):
        bind_context({"request_id": f"req-{number}"})
        with traces.span(f"http_request-{number}", "request"):
            pass
    bind_context({"job_id": 17})
    with traces.span("job", "job"):
        pass
    spans = finished(exporter)
    assert len({span.context.trace_id for span in spans.values() if span.context}) == 4
    assert parent_of(spans["job"]) is None


def test_text_and_messages_of_errors_are_not_in_spans(exporter: InMemorySpanExporter) -> None:
    secret = "ann@example.com reads about her illness"
    bind_context({"request_id": secret})

    def fail() -> None:
        with traces.span("http_request", "request", title=secret) as span:
            span.set(route="/v1/sessions/{session_id}/stop", url="https://example.com/?q=a b")
            raise ValueError(secret)

    with pytest.raises(ValueError, match="illness"):
        fail()
    found = finished(exporter)["http_request"]
    assert secret not in found.to_json()
    assert not found.events, "an event would contain the message and the traceback"
    attributes = dict(found.attributes or {})
    assert attributes["trailmind.route"] == "/v1/sessions/{session_id}/stop"
    assert attributes["trailmind.title"] == attributes["trailmind.url"] == "[redacted]"
    assert attributes["trailmind.error"] == "ValueError"


def test_of_frequent_spans_some_are_recorded_and_all_that_failed(exporter: InMemorySpanExporter) -> None:
    for number in range(320):
        bind_context({"request_id": f"req-{number}"})
        with traces.frequent_span("http_request", "request", method="POST") as span:
            span.set(route="/v1/sessions/{session_id}/events", number=number)
            if number == 7:
                span.keep()
            if number == 9:
                with pytest.raises(ValueError), traces.frequent_span("http_request", "request", number=9):
                    raise ValueError
    assert traces._provider is not None
    assert traces._provider.force_flush()
    found = {dict(s.attributes or {})["trailmind.number"]: s for s in exporter.get_finished_spans()}
    assert 4 <= len(found) <= 20, "the ids are hashes of fixed texts, so this number never changes"
    assert dict(found[7].attributes or {}) == {
        "trailmind.request_id": "req-7",
        "trailmind.method": "POST",
        "trailmind.route": "/v1/sessions/{session_id}/events",
        "trailmind.number": 7,
    }
    assert dict(found[9].attributes or {})["trailmind.error"] == "ValueError"
    assert all(s.start_time <= s.end_time for s in found.values() if s.start_time and s.end_time)


def test_off_records_nothing() -> None:
    traces.configure_traces(None)
    assert traces.traces_url() is None
    one, other = traces.span("a"), traces.span("b", "request", method="GET")
    assert one is other, "one shared object does nothing"
    with one as active:
        active.set(status=200)


def test_every_process_keeps_or_drops_the_same_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a trace is worthless: the decision depends on the trace's id only."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    found = InMemorySpanExporter()
    traces.configure_traces("http://127.0.0.1:9/v1/traces", exporter=found)
    try:
        for number in range(100):
            bind_context({"request_id": f"req-{number}"})
            with traces.span("http_request", "request"):
                pass
            bind_context({"request_id": f"req-{number}", "job_id": number})
            with traces.span("job", "job"):
                pass
        assert traces._provider is not None
        assert traces._provider.force_flush()
        spans = found.get_finished_spans()
        kept = {
            name: {s.context.trace_id for s in spans if s.name == name and s.context}
            for name in ("job", "http_request")
        }
        assert kept["job"] == kept["http_request"]
        assert 20 < len(kept["job"]) < 80, "the ids are hashes of fixed texts, so this number never changes"
    finally:
        traces.stop_traces()
        bind_context(None)
