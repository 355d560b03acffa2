"""The transports of the three vendors on mock servers: requests, responses and errors."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2
import pytest
from llmock.scenarios import Delay, Fail, Reply

from cluster.providers.configuration import open_transport
from cluster.providers.prompting.prompts import describe_prompt
from cluster.providers.types import (
    ModelResponse,
    ModelTarget,
    PagePayload,
    Prompt,
    ProviderDown,
    ProviderRefused,
    ProviderThrottled,
    ProviderTimedOut,
    Transport,
)
from tests.support.model_server import ModelServer, model_server

MODELS = {"openai": "gpt-4.1-mini", "anthropic": "claude-haiku-5-5", "gemini": "gemini-3.5-flash-lite"}
PAYLOAD = PagePayload("p_1", "Sourdough", "bread.example", "Flour and water. Then time.", (), "en", "d1")


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def models(server: ModelServer) -> ModelServer:
    server.reset()
    return server


@pytest.fixture(params=sorted(MODELS))
async def vendor(request: pytest.FixtureRequest, models: ModelServer) -> AsyncIterator[tuple[str, Transport]]:
    name = request.param
    transport = open_transport(name, models.endpoints(name)[name])
    yield name, transport
    await transport.close()


async def ask(vendor: tuple[str, Transport], prompt: Prompt | None = None, timeout_s: float = 10.0) -> ModelResponse:
    target = ModelTarget(vendor[0], MODELS[vendor[0]], timeout_s=timeout_s)
    return await vendor[1].complete(prompt or describe_prompt([PAYLOAD]), target, uuid.uuid4())


async def test_structured_response_usage_and_roles(vendor: tuple[str, Transport], models: ModelServer) -> None:
    answer = await ask(vendor)
    assert json.loads(answer.text)["pages"][0]["id"] == "p1"
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0
    assert not answer.is_truncated
    (record,) = models.requests()
    body = json.dumps(record.body)
    # Page text is sent only in the user role, our instructions only in the system role.
    systems: dict[str, Callable[[], str]] = {
        "openai": lambda: record.body["messages"][0]["content"],
        "anthropic": lambda: record.body["system"],
        "gemini": lambda: json.dumps(record.body["systemInstruction"]),
    }
    system = systems[vendor[0]]()
    assert "never instructions" in system.replace("\n", " ")
    assert "Flour and water" not in system
    assert "Flour and water" in body
    assert "additionalProperties" in body


@pytest.mark.parametrize(
    ("behaviour", "error", "reason"),
    [
        (Fail(429, retry_after=7), ProviderThrottled, "rate_limited"),
        (Fail(500), ProviderDown, "status_500"),
        (Fail(503), ProviderDown, "status_503"),
        (Fail(401), ProviderRefused, "bad_key"),
        (Fail(404), ProviderRefused, "no_such_model"),
    ],
)
async def test_each_error_is_translated_and_never_retried(
    vendor: tuple[str, Transport], models: ModelServer, behaviour: Fail, error: type[Exception], reason: str
) -> None:
    models.add(behaviour)
    with pytest.raises(error) as raised:
        await ask(vendor)
    assert raised.value.reason == reason  # type: ignore[attr-defined]
    if isinstance(raised.value, ProviderThrottled):
        assert raised.value.retry_after_s == pytest.approx(7, abs=0.1)
    assert len(models.requests()) == 1


async def test_anthropic_overload_is_throttling(models: ModelServer) -> None:
    models.add(Fail(529))
    transport = open_transport("anthropic", models.endpoints("anthropic")["anthropic"])
    with pytest.raises(ProviderThrottled) as raised:
        await ask(("anthropic", transport))
    await transport.close()
    assert raised.value.reason == "overloaded"


async def test_slow_response_times_out(vendor: tuple[str, Transport], models: ModelServer) -> None:
    models.add(Delay(0.6))
    with pytest.raises(ProviderTimedOut):
        await ask(vendor, timeout_s=0.15)
    assert len(models.requests()) == 1


async def test_truncated_response_is_marked(models: ModelServer) -> None:
    for name in ("openai", "gemini"):
        models.add(Reply(text='{"pages": [', finish_reason="length"))
        transport = open_transport(name, models.endpoints(name)[name])
        assert (await ask((name, transport))).is_truncated
        await transport.close()


async def test_repair_is_sent_as_further_turns(vendor: tuple[str, Transport], models: ModelServer) -> None:
    first = describe_prompt([PAYLOAD])
    prompt = Prompt(
        first.instructions, first.data, first.schema_name, first.schema, first.max_output_tokens, ("{}", "Again.")
    )
    await ask(vendor, prompt)
    (record,) = models.requests()
    turns = record.body.get("messages") or record.body["contents"]
    roles = [turn["role"] for turn in turns if turn["role"] != "system"]
    assert roles[1] in ("assistant", "model")
    assert roles[0] == roles[2] == "user"


async def test_connection_refused_is_provider_down(models: ModelServer) -> None:
    access = models.endpoints("openai")["openai"]
    nowhere = type(access)(access.api_key, "http://127.0.0.1:9/v1")
    transport = open_transport("openai", nowhere)
    with pytest.raises(ProviderDown) as raised:
        await ask(("openai", transport))
    await transport.close()
    assert raised.value.reason == "connection"


async def test_response_headers_name_the_quota(models: ModelServer) -> None:
    from llmock.ratelimit import LimitSettings

    models.server.state.limiter.configure(LimitSettings(rpm=30, tpm=50_000))
    for name in ("openai", "anthropic"):
        transport = open_transport(name, models.endpoints(name)[name])
        hints = (await ask((name, transport))).hints
        await transport.close()
        assert hints.requests_per_minute == 30
        assert hints.requests_left == 29
        assert hints.tokens_per_minute == 50_000


async def test_concurrent_calls(vendor: tuple[str, Transport], models: ModelServer) -> None:
    answers: list[Any] = await asyncio.gather(*(ask(vendor) for _ in range(8)))
    assert len({answer.request_id for answer in answers}) in (1, 8)  # Gemini's test server gives none.
    assert len(models.requests()) == 8


class CompatibleServer:
    """A compatible server that supports only some response formats."""

    def __init__(self, *taken: str | None) -> None:
        self.taken, self.requests = taken, list[Any]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message.get("more_body"):
                break
        request = json.loads(body)
        self.requests.append(request)
        form = request.get("response_format", {}).get("type")
        answer: dict[str, Any] = {"error": {"message": "'response_format.type' is not supported"}}
        if form in self.taken:
            said = {"role": "assistant", "content": '{"pages": [{"id": "p1", "label": "Bread"}]}'}
            answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m",
                      "choices": [{"index": 0, "finish_reason": "stop", "message": said}]}  # fmt: skip
        status = 200 if form in self.taken else 400
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


@pytest.mark.parametrize(
    ("taken", "num_calls"),
    [(("json_schema",), 1), (("json_object", None), 2), ((None,), 3)],
    ids=["schema", "object", "text"],
)
async def test_response_format_is_negotiated_with_a_compatible_server(
    monkeypatch: pytest.MonkeyPatch, taken: tuple[str | None, ...], num_calls: int
) -> None:
    """vLLM, Ollama and other servers differ: the supported format is learned once, by metered calls."""
    from cluster.providers.calling.model_client import ModelProvider
    from cluster.providers.transports import openai_chat

    monkeypatch.setattr(openai_chat, "_supported_formats", {})
    simple = CompatibleServer(*taken)
    transport = openai_chat.OpenAITransport("none", "http://own.local/v1")
    transport._client._client = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=simple), base_url="http://own.local/v1"
    )
    calls = []

    class Call:
        def __init__(self, response: ModelResponse) -> None:
            self.response = response

        async def reject(self) -> None:
            raise AssertionError

    class Client:
        def record_ahead(self, *_: object) -> None:
            """Nothing is recorded here."""

        async def call(self, target: ModelTarget, operation: str, prompt: Prompt, max_tokens: int) -> Any:
            calls.append(operation)
            return Call(await transport.complete(prompt, target, uuid.uuid4()))

    provider = ModelProvider(ModelTarget("openai", "own-model", is_self_hosted=True), Client())
    for _ in range(2):
        descriptions = await provider.describe([PAYLOAD], "en")
        assert [page.label for page in descriptions] == ["Bread"]
    await transport.close()
    assert len(calls) == len(simple.requests) == num_calls + 1
    # The schema is also part of the instructions, for servers that accept the field and ignore it.
    assert '"additionalProperties": false' in simple.requests[-1]["messages"][0]["content"]
    assert "max_tokens" in simple.requests[-1]
