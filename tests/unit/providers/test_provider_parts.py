"""The provider chain, the cost estimate, the model catalog, the vendors' headers and the repair attempt."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.provider_limiter import LimiterRefused
from cluster.mindmap.document.compose import compose_document
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.pages.features import page_features
from cluster.providers.calling.model_client import ModelProvider, pages_per_outline
from cluster.providers.calling.provider_chain import NoProviderAvailable, ProviderChain
from cluster.providers.model_catalog import DEFAULT_CHAINS, catalog_spec, cost_micros, effective_spec
from cluster.providers.planning import cost_estimate as quoting
from cluster.providers.prompting.page_payload import page_payload
from cluster.providers.prompting.prompts import estimate_prompt_tokens
from cluster.providers.transports.vendor_errors import error_from_status, rate_limit_hints, retry_after_s
from cluster.providers.types import (
    ModelResponse,
    ModelTarget,
    Prompt,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    ProviderThrottled,
    ProviderTimedOut,
    SessionGone,
    UnusableResponse,
    Usage,
)
from models.billing.ledger import OutOfTokens
from models.mindmap.validation import validate_document
from tests.support.map_sessions import make_session
from tests.support.model_server import document_in, sensible

CHOICE = ModelTarget("openai", "gpt-4.1-mini")


class Scripted:
    """A model client with scripted responses, then valid ones. Records reservations, refunds and prompts."""

    def __init__(self, *script: Any) -> None:
        self.script, self.reserved, self.rejected, self.prompts = list(script), 0, 0, list[Prompt]()

    def record_ahead(self, *_: object) -> None:
        """Nothing is recorded here."""

    async def call(self, target: ModelTarget, operation: str, prompt: Prompt, max_tokens: int) -> Scripted._Call:
        self.reserved += max_tokens
        self.prompts.append(prompt)
        said = self.script.pop(0) if self.script else json.dumps(sensible(document_in(prompt.data), prompt.data))
        if isinstance(said, BaseException):
            raise said
        return Scripted._Call(self, said)

    class _Call:
        def __init__(self, client: Scripted, text: str) -> None:
            self._client, self.response = client, ModelResponse(text, Usage(1, 1))

        async def reject(self) -> None:
            self._client.rejected += 1


async def test_long_session_is_outlined_in_parts_and_merged() -> None:
    pages = make_session(per_subject=170)
    skeleton = build_outline([page_features(page) for page in pages])
    client = Scripted()
    outline = await ModelProvider(CHOICE, client).outline(skeleton, "en")
    assert len(client.prompts) > 3
    assert client.prompts[-1].schema_name == "merged_outline"
    assert outline.title == "A long session"
    assert sorted(outline.placed_page_ids()) == sorted(skeleton.placed_page_ids())
    document = compose_document(outline, pages, provider="openai", session_title=None)
    assert validate_document(document, pages) == []
    # The estimate is a ceiling.
    quote = quoting.estimate_map_cost([], [CHOICE], [], len(pages))
    assert client.reserved <= quote.tokens


@pytest.mark.parametrize("per_subject", [1, 4, 20])
@pytest.mark.parametrize("target", [CHOICE, ModelTarget("anthropic", "claude-haiku-5-5"), ModelTarget("openai", "own")])
async def test_cost_estimate_is_a_ceiling(per_subject: int, target: ModelTarget) -> None:
    pages = make_session(per_subject=per_subject)
    payloads = [page_payload(page) for page in pages]
    skeleton = build_outline([page_features(page) for page in pages])
    client = Scripted()
    provider = ModelProvider(target, client)
    for batch in quoting.page_batches(payloads):
        await provider.describe(batch, "en")
    await provider.outline(skeleton, "en")
    assert client.reserved <= quoting.estimate_map_cost([target], [target], payloads, len(pages)).tokens


async def test_repair_attempt_replaces_an_invalid_response() -> None:
    client = Scripted("not JSON")
    descriptions = await ModelProvider(CHOICE, client).describe([page_payload(page) for page in make_session(1)], "en")
    assert len(descriptions) == 3
    assert client.rejected == 1
    assert client.prompts[1].previous_attempt is not None
    # The repair reserves as much as the first call, although its prompt is longer.
    assert client.reserved == 2 * estimate_prompt_tokens(client.prompts[0])


async def test_second_invalid_response_raises() -> None:
    client = Scripted("not JSON", "still not", "never asked")
    with pytest.raises(UnusableResponse):
        await ModelProvider(CHOICE, client).describe([page_payload(page) for page in make_session(1)], "en")
    assert client.rejected == 2
    assert len(client.prompts) == 2


async def test_repairable_response_is_used_when_the_repair_fails() -> None:
    half = json.dumps({"pages": [{"id": "p1", "label": "One"}]})
    client = Scripted(half, ProviderDown("openai", "status_500"))
    descriptions = await ModelProvider(CHOICE, client).describe([page_payload(page) for page in make_session(1)], "en")
    assert [page.label for page in descriptions] == ["One"]
    assert client.rejected == 0


async def test_out_of_tokens_for_a_repair_keeps_a_repairable_response_and_refunds_an_invalid_one() -> None:
    payloads = [page_payload(page) for page in make_session(1)]
    half = json.dumps({"pages": [{"id": "p1", "label": "One"}]})
    descriptions = await ModelProvider(CHOICE, Scripted(half, OutOfTokens(5, 1, NOW))).describe(payloads, "en")
    assert [page.label for page in descriptions] == ["One"]
    client = Scripted("not JSON", OutOfTokens(5, 1, NOW))
    with pytest.raises(OutOfTokens):
        await ModelProvider(CHOICE, client).describe(payloads, "en")
    assert client.rejected == 1


class FakeTime:
    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def chain(time: FakeTime, *keys: str, deadline: float = 100.0) -> ProviderChain:
    providers = [ModelProvider(ModelTarget("openai", key), Scripted()) for key in keys]
    return ProviderChain(providers, deadline=deadline, clock=lambda: time.now, sleep=time.sleep)


async def test_chain_tries_in_order_and_skips_permanent_refusals() -> None:
    tried: list[str] = []

    async def ask(provider: ModelProvider) -> str:
        tried.append(provider.target.model)
        if provider.target.model == "a":
            raise ProviderRefused("openai", "bad_key")
        return provider.target.model

    tested = chain(FakeTime(), "a", "b")
    assert (await tested.run(ask))[0] == "b"
    assert (await tested.run(ask))[0] == "b"
    assert tried == ["a", "b", "b"]


async def test_chain_waits_for_a_throttled_provider_until_its_deadline() -> None:
    time = FakeTime()

    async def ask(provider: ModelProvider) -> str:
        if time.now < 12:
            raise ProviderThrottled("openai", "rate_limited", 6.0)
        return "there"

    assert (await chain(time, "a").run(ask))[0] == "there"
    assert time.slept == [6.0, 6.0]

    async def never(provider: ModelProvider) -> str:
        raise ProviderThrottled("openai", "rate_limited", 30.0)

    late = FakeTime()
    with pytest.raises(NoProviderAvailable):
        await chain(late, "a", "b", deadline=40.0).run(never)
    assert late.slept == [30.0]


@pytest.mark.parametrize("error", [SessionGone("openai", "gone"), OutOfTokens(5, 1, datetime.now(UTC))])
async def test_chain_raises_errors_that_no_provider_can_fix(error: Exception) -> None:
    tried = 0

    async def ask(provider: ModelProvider) -> str:
        nonlocal tried
        tried += 1
        raise error

    with pytest.raises(type(error)):
        await chain(FakeTime(), "a", "b").run(ask)
    assert tried == 1


def test_every_default_model_has_a_price_and_sufficient_limits() -> None:
    for links in DEFAULT_CHAINS.values():
        for provider, model in links:
            target = ModelTarget(provider, model)
            assert catalog_spec(provider, model).has_price, model
            assert cost_micros(target, Usage(1000, 500)) > 0
            assert pages_per_outline(target) >= 10
            # A call must fit the minute's tokens, or it would wait for a full bucket each time.
            facts = effective_spec(target)
            assert facts.tokens_per_minute is None or facts.tokens_per_minute >= 20_000


def test_costs_are_rounded_up_and_cached_tokens_are_cheaper() -> None:
    assert cost_micros(ModelTarget("openai", "gpt-4.1-mini"), Usage(1_000_000, 0)) == 400_000
    assert cost_micros(ModelTarget("openai", "gpt-4.1-mini"), Usage(1, 0)) == 1
    fresh = cost_micros(ModelTarget("anthropic", "claude-haiku-4-5"), Usage(100_000, 100))
    assert cost_micros(ModelTarget("anthropic", "claude-haiku-4-5"), Usage(100_000, 100, cached_tokens=90_000)) < fresh
    assert cost_micros(ModelTarget("openai", "my-own-llama"), Usage(1000, 1000)) == 0


NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": (NOW + timedelta(seconds=30)).strftime("%a, %d %b %Y %H:%M:%S GMT")}, 30.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "999999"}, 600.0),
        ({}, None),
    ],
)
def test_retry_after_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == seconds


def test_rate_limit_headers_of_openai_and_anthropic() -> None:
    openai = {"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-tokens": "149984"}
    assert (rate_limit_hints(openai).requests_per_minute, rate_limit_hints(openai).tokens_left) == (500, 149984)
    anthropic = {"anthropic-ratelimit-tokens-limit": "40000", "anthropic-ratelimit-requests-remaining": "0"}
    assert (rate_limit_hints(anthropic).tokens_per_minute, rate_limit_hints(anthropic).requests_left) == (40000, 0)


@pytest.mark.parametrize(
    ("limit", "left", "reset", "per_minute"),
    [
        ("500", "499", "120ms", 500),
        ("30000", "0", "1m0s", 30_000),
        ("50", "49", "2026-11-23T00:00:01Z", 50),
        ("50", "49", "1", 50),
        # Requests per day, as on small tiers.
        ("200", "199", "7m12s", None),
        ("14400", "14399", "6s", None),
        ("1000", "500", "2026-11-23T11:30:00+00:00", None),
        ("500", "499", "whenever", 500),
        ("0", "0", "1s", None),
    ],
)
def test_daily_quota_is_not_used_as_quota_per_minute(
    limit: str, left: str, reset: str, per_minute: float | None
) -> None:
    for kind, names in (
        ("requests", "x-ratelimit-{}-requests"),
        ("tokens", "anthropic-ratelimit-tokens-{}"),
    ):
        headers = {names.format(k): v for k, v in (("limit", limit), ("remaining", left), ("reset", reset))}
        assert getattr(rate_limit_hints(headers, NOW), f"{kind}_per_minute") == per_minute
        assert getattr(rate_limit_hints(headers, NOW), f"{kind}_left") == float(left)


def test_gemini_quota_is_read_from_the_error_body() -> None:
    details: list[Any] = [
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [
                {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "200"},
                {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "15"},
            ],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"},
    ]
    error = error_from_status("gemini", 429, {}, {"error": {"code": 429, "details": details}})
    assert isinstance(error, ProviderThrottled)
    assert (error.retry_after_s, error.hints.requests_per_minute) == (34.07, 15)
    odd: Any
    for odd in (None, "text", [], {"error": "x"}, {"error": {"details": [1, {"violations": [2], "retryDelay": 3}]}}):
        error = error_from_status("gemini", 429, {}, odd)
        assert isinstance(error, ProviderThrottled)
        assert error.retry_after_s == 5.0


def test_self_hosted_server_has_no_quota() -> None:
    own = effective_spec(ModelTarget("openai", "qwen3", is_self_hosted=True, context_tokens=8192))
    assert (own.requests_per_minute, own.tokens_per_minute, own.context_tokens) == (None, None, 8192)
    assert effective_spec(ModelTarget("openai", "qwen3", is_self_hosted=True, max_concurrent=2)).max_concurrent == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, ProviderThrottled),
        (529, ProviderThrottled),
        (500, ProviderDown),
        (408, ProviderDown),
        (400, ProviderRefused),
    ],
)
def test_error_class_by_status(status: int, kind: type[ProviderError]) -> None:
    assert type(error_from_status("openai", status, {})) is kind


@pytest.mark.parametrize(
    "error",
    [
        ProviderThrottled("openai", "rate_limited", 3.0),
        ProviderDown("openai", "status_500"),
        ProviderTimedOut("openai", "timeout"),
        ProviderRefused("openai", "bad_key"),
        UnusableResponse("openai", "unusable_answer", ["It is not JSON."]),
        SessionGone("openai", "session_gone"),
        NoProviderAvailable("all", "none"),
        OutOfTokens(5, 1, NOW),
        LimiterRefused("tokens", 4.0),
    ],
)
def test_every_error_survives_pickling(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


async def test_chain_without_providers_raises() -> None:
    async def ask(provider: ModelProvider) -> str:
        raise AssertionError

    with pytest.raises(NoProviderAvailable):
        await chain(FakeTime()).run(ask)
