"""Metrics, access to `/metrics`, request ids in all logs, and logs without secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr

from actors.limiter_actor import ProviderLimiterActor
from actors.provider_limiter import CallOutcome, LimiterRefused, Permit, PermitRequest
from actors.quota_state import RateLimit
from actors.session_buffers import BufferLimits, PostgresBuffers, SessionBuffers
from cluster.billing.reconciliation import reconcile
from cluster.jobs.app import create_job_app
from cluster.jobs.database_metrics import DATABASE_GAUGES
from cluster.jobs.middleware import observe_job
from cluster.mail.queue import MailQueue
from cluster.providers.calling.metered_client import CallScope, MeteredClient
from cluster.providers.types import ModelResponse, ModelTarget, Prompt, ProviderDown, Usage
from cluster.settings import Settings, with_changes
from models.billing.ledger import TokenAllowance
from models.errors import Unavailable
from models.recording.event_writer import BatchOutcome
from models.recording.exclusions import SiteLists
from models.recording.ingest import IngestBatch
from models.recording.shard_map import ShardMap
from serve.shard_router import ShardRouter
from telemetry.logs import configure_logging
from telemetry.metrics import REGISTRY
from telemetry.traces import configure_traces, stop_traces
from tests.support.billing import billing_world
from tests.support.client import ApiUser, sign_up, visit
from tests.support.server import running_api
from tests.support.stripe_fake import PRO_MONTHLY, running_stripe
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[AsyncConnectionPool[Any]]:
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        yield pool


def series(name: str) -> dict[tuple[str, ...], float]:
    return {labels: value for (n, labels), value in REGISTRY.totals().items() if n == name}


def batch(user: uuid.UUID | None = None) -> IngestBatch:
    return IngestBatch(user or uuid.uuid4(), uuid.uuid4(), rows=[], order=[], event_ids=[], num_bytes=10)


class FakeShard:
    """An actor handle whose methods reply at once, or are unavailable."""

    def __init__(self) -> None:
        self.is_away = False
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        shard = self

        class Method:
            @staticmethod
            async def remote(*arguments: Any) -> Any:
                shard.calls.append(name)
                if shard.is_away:
                    raise ConnectionError
                return [BatchOutcome() for _ in arguments[0]] if name == "append" else {}

        return Method


async def test_a_recording_updates_the_metrics(api: httpx2.AsyncClient, ann: ApiUser, worker: InProcessWorker) -> None:
    before = REGISTRY.totals()
    session = await ann.start()
    events = [visit(f"https://example.com/{i}", content="Bread and butter. " * 30) for i in range(5)]
    await ann.send(session, events)
    await ann.send(session, [*events, {"type": "no such type"}])
    await ann.call("POST", "/v1/no/such/address")
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    after = REGISTRY.totals()

    def moved(name: str, *labels: str) -> float:
        return after.get((name, labels), 0) - before.get((name, labels), 0)

    path = "/v1/sessions/{session_id}/events"
    assert moved("trailmind_http_requests_total", "POST", path, "200") == 2
    assert moved("trailmind_http_request_seconds", "POST", path) == 2
    assert moved("trailmind_http_requests_total", "POST", "unmatched", "404") == 1
    assert moved("trailmind_events_total", "stored") == 5
    assert moved("trailmind_events_total", "duplicate") == 5
    assert moved("trailmind_events_total", "invalid") == 1
    assert moved("trailmind_flush_seconds", "replica") == 2
    assert moved("trailmind_flush_events", "replica") == 2
    assert moved("trailmind_activations_total", "replica") == 1
    assert moved("trailmind_shard_fallbacks_total") >= 3
    assert moved("trailmind_jobs_total", "maps.generate", "succeeded") >= 1
    assert moved("trailmind_job_seconds", "maps.generate") >= 1
    assert moved("trailmind_maps_total", "made") >= 1
    assert moved("trailmind_map_seconds") >= 1
    assert moved("trailmind_map_pages") >= 1
    assert series("trailmind_database_connections")[("api", "idle")] >= 1
    assert series("trailmind_active_users")[("replica", "")] >= 1


async def test_shards_and_batchers_update_the_metrics(settings: Settings) -> None:
    before = REGISTRY.totals()
    stand_in = PostgresBuffers(settings.database.postgres_dsn, BufferLimits(), writer="replica")
    shard = FakeShard()
    router = ShardRouter(1, lambda _: shard, stand_in)
    await asyncio.gather(*(router.save(batch()) for _ in range(10)))
    assert router.resize(ShardMap(1, 3))
    assert not router.resize(ShardMap(1, 5)), "the same version again changes nothing"
    await router.close()

    now = [0.0]

    async def save(batches: Sequence[IngestBatch], excluded: Sequence[Any]) -> list[BatchOutcome]:
        if len(batches) > 1:
            raise Unavailable("no disk", 1.0)
        return [BatchOutcome() for _ in batches]

    async def nothing(_: uuid.UUID) -> SiteLists:
        return SiteLists()

    buffers = SessionBuffers(save, nothing, BufferLimits(passivate_after_s=5), lambda: now[0])
    await buffers.append([batch()])
    await buffers.append([batch(), batch()])
    now[0] = 10.0
    assert buffers.passivate() == 3
    after = REGISTRY.totals()

    def moved(name: str, *labels: str) -> float:
        return after.get((name, labels), 0) - before.get((name, labels), 0)

    assert moved("trailmind_shard_call_batches_total") == 10
    assert 1 <= moved("trailmind_shard_calls_total") < 10
    assert moved("trailmind_shard_map_changes_total") == 1
    assert moved("trailmind_passivations_total", "shard") == 3
    assert moved("trailmind_flush_failures_total", "shard") >= 1


class Context:
    """A job at its nth attempt."""

    def __init__(self, attempts: int) -> None:
        self.job = type("Job", (), {"id": 1, "attempts": attempts, "task_name": "maps.generate", "task_kwargs": {}})
        self.task = create_job_app("").tasks["maps.generate"]


@pytest.mark.parametrize(
    ("attempts", "error", "outcome"),
    [(0, ValueError(), "retried"), (4, ValueError(), "dead"), (0, asyncio.CancelledError(), "interrupted")],
)
async def test_job_outcomes_are_counted(attempts: int, error: BaseException, outcome: str) -> None:
    async def fails() -> None:
        raise error

    before = series("trailmind_jobs_total").get(("maps.generate", outcome), 0)
    with pytest.raises(type(error)):
        await observe_job(fails, Context(attempts), None)  # type: ignore[arg-type]
    assert series("trailmind_jobs_total")[("maps.generate", outcome)] == before + 1


class Transport:
    """A provider that replies, or is down."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    async def complete(self, prompt: Prompt, target: ModelTarget, call_id: uuid.UUID) -> ModelResponse:
        if self.error is not None:
            raise self.error
        return ModelResponse("{}", Usage(input_tokens=120, output_tokens=30))

    async def close(self) -> None: ...


class OpenLimiter:
    async def reserve(self, request: Any, limit: Any) -> Any:
        return type("Permit", (), {"permit_id": "p"})

    async def settle(self, permit_id: str, outcome: Any) -> None: ...


async def test_calls_to_providers_are_counted(ann: ApiUser, pool: AsyncConnectionPool[Any]) -> None:
    session = await ann.start()
    now = datetime.now(UTC)
    allowance = TokenAllowance(now - timedelta(days=1), now + timedelta(days=1), None)
    transport = Transport()
    caller = MeteredClient(
        pool,
        CallScope(uuid.UUID(ann.id), uuid.UUID(session), allowance),
        lambda _: transport,
        lambda _: OpenLimiter(),
        deadline=1e12,
    )
    before = REGISTRY.totals()
    choice, prompt = ModelTarget("openai", "gpt-5-mini"), Prompt("name it", "a page", "shape", {}, 100)
    found = InMemorySpanExporter()
    configure_traces("http://127.0.0.1:9/v1/traces", exporter=found)
    await caller.call(choice, "summarize", prompt, 1000)
    transport.error = ProviderDown("openai", "http_503")
    with pytest.raises(ProviderDown):
        await caller.call(choice, "summarize", prompt, 1000)
    stop_traces()
    after = REGISTRY.totals()
    calls = [dict(span.attributes or {}) for span in found.get_finished_spans()]
    assert [call["trailmind.model"] for call in calls] == ["gpt-5-mini"] * 2
    assert [call.get("trailmind.outcome") for call in calls] == ["ok", None]
    assert calls[1]["trailmind.error"], "the name of the error's class"
    assert "a page" not in str(calls)

    def moved(name: str, *labels: str) -> float:
        return after.get((name, labels), 0) - before.get((name, labels), 0)

    assert moved("trailmind_ai_calls_total", "openai", "ok") == 1
    assert moved("trailmind_ai_calls_total", "openai", "failed") == 1
    assert moved("trailmind_ai_call_seconds", "openai") == 1
    assert moved("trailmind_ai_tokens_total", "openai", "input") == 120
    assert moved("trailmind_ai_tokens_total", "openai", "output") == 30


async def test_provider_limiters_update_the_metrics(settings: Settings) -> None:
    model = f"model-{uuid.uuid4().hex}"
    limiter = ProviderLimiterActor(settings.database.postgres_dsn, f"openai/{model}", runs_in_ray=False)
    limit = RateLimit(None, None, 2)
    permits = [await limiter.reserve(PermitRequest(user, 1, max_wait_s=5), limit) for user in ("a", "b")]
    waits = asyncio.create_task(limiter.reserve(PermitRequest("c", 1, max_wait_s=60), limit))
    refused = await limiter.reserve(PermitRequest("d", 1, max_wait_s=0.01), limit)
    assert isinstance(refused, LimiterRefused)
    try:
        assert series("trailmind_provider_refusals_total")[("openai", model)] == 1
        assert series("trailmind_provider_queue_length")[("openai", model)] == 1
        assert series("trailmind_provider_utilisation_ratio")[("openai", model)] == 1
        for permit in permits:
            assert isinstance(permit, Permit)
            await limiter.settle(permit.permit_id, CallOutcome("ok"))
        assert isinstance(await waits, Permit)
        assert series("trailmind_provider_wait_p95_seconds")[("openai", model)] > 0
        assert series("trailmind_provider_queue_length")[("openai", model)] == 0
        assert series("trailmind_provider_utilisation_ratio")[("openai", model)] == 0.5
    finally:
        await limiter.close()


async def _buy_plans(settings: Settings) -> None:
    """A purchase with its webhooks, a second subscription of one customer, and a reconciliation."""
    with running_stripe() as stripe:
        async with billing_world(settings, stripe) as world:
            user = await world.user()
            subscription = await world.buy(user)
            customer = stripe.state.get("subscription", subscription)["customer"]
            stripe.state.subscribe(customer, PRO_MONTHLY, {})
            await world.deliver()
            await reconcile(world.sync)


async def test_a_sent_mail_is_counted(api: httpx2.AsyncClient, ann: ApiUser, settings: Settings) -> None:
    before = REGISTRY.totals().get(("trailmind_mails_total", ("sent",)), 0)
    answer = await api.post("/v1/auth/forgot-password", json={"email": ann.reply["user"]["email"]})
    assert answer.status_code == 200, answer.text
    async with await psycopg.AsyncConnection.connect(settings.database.postgres_dsn, autocommit=True) as connection:
        # The tests share the queue, so only the mail of this user is taken from it.
        cursor = await connection.execute(
            "DELETE FROM procrastinate_jobs WHERE task_name = 'mails.send' AND args ->> 'user_id' = %s"
            " AND id = (SELECT max(id) FROM procrastinate_jobs WHERE args ->> 'user_id' = %s) RETURNING args",
            [ann.reply["user"]["id"]] * 2,
        )
        row = await cursor.fetchone()
        assert row is not None
        await MailQueue(settings).deliver(connection, row[0]["sealed"], row[0]["useful_until"])
    assert REGISTRY.totals()[("trailmind_mails_total", ("sent",))] == before + 1


async def test_what_the_plan_does_not_include_is_counted(ann: ApiUser) -> None:
    before = REGISTRY.totals().get(("trailmind_quota_denials_total", ("feature",)), 0)
    answer = await ann.call("POST", "/v1/auth/api-keys", json={"name": "a program", "scopes": ["sessions:read"]})
    assert answer.status_code == 402, answer.text
    assert REGISTRY.totals()[("trailmind_quota_denials_total", ("feature",))] == before + 1


async def test_every_metric_gets_a_series(
    api: httpx2.AsyncClient, ann: ApiUser, worker: InProcessWorker, settings: Settings, pool: AsyncConnectionPool[Any]
) -> None:
    """The scenarios of the metrics tests above give every metric of the catalogue a series.

    It runs them itself, because tests run in random order and in several processes.
    """
    await test_a_recording_updates_the_metrics(api, ann, worker)
    await test_shards_and_batchers_update_the_metrics(settings)
    await test_calls_to_providers_are_counted(ann, pool)
    await test_provider_limiters_update_the_metrics(settings)
    await test_a_sent_mail_is_counted(api, ann, settings)
    await test_what_the_plan_does_not_include_is_counted(ann)
    await _buy_plans(settings)
    seen = {name for name, _ in REGISTRY.totals()}
    assert set(REGISTRY.instruments) - seen == set()


def gauges(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        family.name: {tuple(s.labels.values()): s.value for s in family.samples}
        for family in text_string_to_metric_families(text)
    }


async def test_database_gauges_are_updated(
    settings: Settings, api: httpx2.AsyncClient, ann: ApiUser, worker: InProcessWorker, db: Db
) -> None:
    async def read() -> dict[str, dict[tuple[str, ...], float]]:
        answer = await api.get("/metrics")
        assert answer.status_code == 200, answer.text
        return gauges(answer.text)

    before = await read()
    assert sorted(before) == sorted(g.name for g in DATABASE_GAUGES)
    session = await ann.start()
    recording = await read()
    assert recording["trailmind_sessions"][("recording",)] == before["trailmind_sessions"][("recording",)] + 1
    await ann.send(session, [visit("https://example.com/1", content="Bread. " * 50)])
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    await db.execute(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status) VALUES"
        " ('maps', 'nobody', 0, '{}', 'doing'), ('maps', 'nobody', 0, '{}', 'failed')"
    )
    await db.execute("UPDATE procrastinate_events SET at = at - interval '1 hour' WHERE type = 'deferred'")
    stopped = await read()
    await sign_up(api)
    try:
        for name in ("pending", "running", "dead"):
            family = f"trailmind_jobs_{name}"
            assert stopped[family][("maps",)] == before[family][("maps",)] + 1, name
        assert stopped["trailmind_jobs_oldest_pending_seconds"][("maps",)] >= 3600
        assert stopped["trailmind_mindmaps"][("generating",)] == before["trailmind_mindmaps"][("generating",)] + 1
        assert (await read())["trailmind_users"][()] == before["trailmind_users"][()] + 1
        assert stopped["trailmind_shards_wanted"][()] == settings.scaling.num_shards
        assert 1 <= stopped["trailmind_database_clients"][()] <= stopped["trailmind_database_client_limit"][()]
        assert stopped["trailmind_database_bytes"][()] > 1_000_000
    finally:
        await db.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'nobody'")
        await worker.run()


async def test_metrics_require_a_token_or_loopback(settings: Settings) -> None:
    public = with_changes(settings, exposure="network")
    async with running_api(public) as (_, client):
        assert (await client.get("/metrics")).status_code == 404
    guarded = with_changes(public, metrics_token=SecretStr("a token for the scraper"))
    async with running_api(guarded) as (_, client):
        for given in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic x"}):
            assert (await client.get("/metrics", headers=given)).status_code == 404
        right = {"Authorization": "Bearer a token for the scraper"}
        assert "trailmind_users" in (await client.get("/metrics", headers=right)).text
        assert "/metrics" not in (await client.get("/openapi.json")).json()["paths"]


async def test_unmatched_paths_create_no_series(api: httpx2.AsyncClient) -> None:
    before = len(REGISTRY.totals())
    for i in range(300):
        await api.post(f"/v1/no/such/{i}")
    assert len(REGISTRY.totals()) <= before + 2


@pytest.fixture
def json_logs() -> Any:
    """The log lines of a process of the cluster."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging("DEBUG")
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.usefixtures("json_logs")
async def test_one_request_id_in_all_logs_and_no_secret(
    api: httpx2.AsyncClient,
    worker: InProcessWorker,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ann = await sign_up(api, "planted.address@private.example")
    session = await ann.start()
    text = "Planted page text: the sourdough of my aunt. " * 20
    url = "https://planted.example/reset?token=plantedquery"
    await ann.send(session, [visit(url, content=text), {"type": "planted-type", "content": text}])
    await ann.call("POST", "/v1/auth/login", json={"email": ann.email, "password": "planted-password"})
    await ann.call("POST", f"/v1/sessions/{session}/stop", headers={"X-Request-ID": "planted-id-1"})
    await worker.run()
    output = capsys.readouterr()
    lines = [json.loads(line) for line in output.out.splitlines() if line.startswith("{")]
    mine = [line for line in lines if line.get("request_id") == "planted-id-1"]
    events = {line["event"] for line in mine}
    assert {"http_request", "mindmap_generated", "job_ended"} <= events
    job = next(line for line in mine if line["event"] == "job_ended")
    assert (job["session_id"], job["task"]) == (session, "maps.generate")
    assert isinstance(job["job_id"], int)
    written = output.out + output.err
    for secret in ("Planted page", "aunt", "planted.address", "planted-password", "plantedquery", ann.reply["token"]):
        assert secret not in written, secret


async def test_a_stop_and_its_map_are_one_trace_without_text(
    api: httpx2.AsyncClient, ann: ApiUser, worker: InProcessWorker
) -> None:
    """From the request through the job to the steps of the map; a call to a provider hangs on the job too."""
    found = InMemorySpanExporter()
    configure_traces("http://127.0.0.1:9/v1/traces", exporter=found)
    try:
        session = await ann.start()
        text = "Private words to read. " * 30
        await ann.send(session, [visit("https://example.com/private", title="Private title", content=text)])
        headers = {"X-Request-ID": "traced-stop-1"}
        (await ann.call("POST", f"/v1/sessions/{session}/stop", headers=headers)).raise_for_status()
        await worker.run()
    finally:
        stop_traces()
    spans = [
        span
        for span in found.get_finished_spans()
        if dict(span.attributes or {}).get("trailmind.request_id") == "traced-stop-1"
    ]
    names = {span.name for span in spans}
    assert {"http_request", "job", "page_features_extracted", "session_outlined"} <= names, names
    assert len({span.context.trace_id for span in spans if span.context}) == 1
    roots = [span for span in spans if span.parent is None]
    assert [dict(root.attributes or {})["trailmind.route"] for root in roots] == ["/v1/sessions/{session_id}/stop"]
    ids = {span.context.span_id for span in spans if span.context}
    assert all(span.parent.span_id in ids for span in spans if span.parent), "every parent is in the trace"
    assert "rivate" not in " ".join(span.to_json() for span in found.get_finished_spans())


async def test_an_invalid_request_id_is_replaced(api: httpx2.AsyncClient) -> None:
    for given in ("x" * 10_000, "a b", "a\tb"):
        answer = await api.get("/health", headers={"X-Request-ID": given})
        assert answer.headers["x-request-id"] != given
