"""Errors and answers in the shapes that vendors and compatible servers document or that bug reports show."""

# Recorded bodies are easier to read on one line each.
# ruff: noqa: E501

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import openai
import pytest

from cluster.providers.calling.provider_chain import NoProviderAvailable, ProviderChain
from cluster.providers.prompting.prompts import describe_prompt
from cluster.providers.prompting.responses import (
    DescribeResponse,
    OutlineDraft,
    parse_response,
    validate_descriptions,
)
from cluster.providers.transports import openai_chat
from cluster.providers.transports.openai_chat import OpenAITransport
from cluster.providers.transports.vendor_errors import error_from_status
from cluster.providers.types import (
    ModelTarget,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    ProviderThrottled,
    ResponseFormatRefused,
)
from tests.unit.providers.test_responses import payload

QUOTA_TEXT = "You exceeded your current quota, please check your plan and billing details."


def violation(name: str, value: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": name, "quotaValue": value}],
    }


def google(code: int, status: str, message: str = "", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


PERMANENT: list[tuple[int, Any, str]] = [
    # OpenAI: the SDK hands over the inner object.
    (429, {"message": QUOTA_TEXT, "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}, "no_credit"),
    (429, {"error": {"message": QUOTA_TEXT, "type": "insufficient_quota", "code": "insufficient_quota"}}, "no_credit"),
    (429, {"message": "Billing hard limit has been reached", "code": "billing_hard_limit_reached"}, "no_credit"),
    (400, {"message": "Incorrect API key provided", "code": "invalid_api_key"}, "bad_key"),
    (500, {"error": {"message": "Incorrect API key provided: sk-…", "code": "invalid_api_key"}}, "bad_key"),
    (400, {"message": "The model `gpt-9` does not exist", "code": "model_not_found"}, "no_such_model"),
    (403, {"message": "Country not supported", "code": "unsupported_country_region_territory"}, "forbidden"),
    # Anthropic
    (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the Anthropic API."}}, "no_credit"),
    (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-9"}}, "no_such_model"),
    (500, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}, "bad_key"),
    # Google
    (400, google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}), "bad_key"),
    (400, google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), "forbidden"),
    (403, google(403, "PERMISSION_DENIED", "SERVICE_DISABLED"), "forbidden"),
    (429, google(429, "RESOURCE_EXHAUSTED", QUOTA_TEXT, violation("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "200")), "no_credit"),
    (429, google(429, "RESOURCE_EXHAUSTED", QUOTA_TEXT, violation("GenerateContentInputTokensPerModelPerMinute-FreeTier", "0")), "no_credit"),
    # Others: DeepSeek, Moonshot, Azure, OpenRouter, vLLM, Ollama, LiteLLM
    (402, {"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}}, "no_credit"),
    (429, {"error": {"message": "Your account is suspended", "type": "exceeded_current_quota_error"}}, "no_credit"),
    (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}, "no_such_model"),
    (502, {"error": {"code": 502, "message": "Provider returned error", "metadata": {"raw": '{"error":{"code":"insufficient_quota"}}'}}}, "no_credit"),
    (404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}, "no_such_model"),
    (500, {"error": "model 'llama9' not found, try pulling it first"}, "no_such_model"),
    (400, [google(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.")], "bad_key"),
    (429, {"error": {"message": QUOTA_TEXT}}, "no_credit"),
    (429, {"error": {"message": "Your account is not active, please check your billing details.", "code": "x"}}, "no_credit"),
    (429, {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}, "no_credit"),
    (429, {"error": {"message": "Request too large for gpt-5 on tokens per min: Limit 30000, Requested 40000", "type": "tokens"}}, "bad_request"),
    (400, {"error": {"message": "Unsupported value: 'temperature' does not support 0.2", "param": "temperature", "code": "unsupported_value"}}, "no_temperature"),
    (422, {"detail": [{"loc": ["body", "reasoning_effort"], "msg": "Extra inputs are not permitted"}]}, "no_reasoning_effort"),
    (400, {"error": {"message": "property 'reasoning_effort' is unsupported"}}, "no_reasoning_effort"),
    (400, {"error": {"message": "Budget has been exceeded! Current cost: 1", "type": "budget_exceeded"}}, "no_credit"),
]  # fmt: skip

TEMPORARY: list[tuple[int, Any, type[ProviderError]]] = [
    (429, {"message": "Rate limit reached for gpt-5 on tokens per min", "code": "rate_limit_exceeded", "type": "tokens"}, ProviderThrottled),
    (429, {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}, ProviderThrottled),
    (500, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, ProviderThrottled),
    (429, google(429, "RESOURCE_EXHAUSTED", QUOTA_TEXT, violation("GenerateRequestsPerMinutePerProjectPerModel", "15")), ProviderThrottled),
    (500, {"error": {"message": "The server had an error while processing your request", "type": "server_error"}}, ProviderDown),
    (503, google(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), ProviderDown),
    (429, None, ProviderThrottled),
    (500, "<html>bad gateway</html>", ProviderDown),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "reason"), PERMANENT)
def test_a_permanent_refusal_is_one_under_any_status(status: int, body: Any, reason: str) -> None:
    error = error_from_status("vendor", status, {"retry-after": "20"}, body)
    assert type(error) is ProviderRefused
    assert error.reason == reason


@pytest.mark.parametrize(("status", "body", "kind"), TEMPORARY)
def test_a_temporary_error_stays_one(status: int, body: Any, kind: type[ProviderError]) -> None:
    assert type(error_from_status("vendor", status, {}, body)) is kind


@pytest.mark.parametrize(
    "body", [None, "", 7, [], [1], {"error": None}, {"error": [1]}, {"error": {"details": 3, "code": ["x"]}}]
)
def test_any_body_is_read(body: Any) -> None:
    for status in (400, 429, 500):
        assert isinstance(error_from_status("vendor", status, {}, body), ProviderError)


class _Provider:
    def __init__(self, name: str, error: ProviderError | None) -> None:
        self.name, self.error, self.num_calls = name, error, 0
        self.target = ModelTarget(name, "m")


async def test_a_spent_quota_leads_to_the_next_provider_at_once() -> None:
    spent = _Provider("openai", error_from_status("openai", *PERMANENT[0][:1], {}, PERMANENT[0][1]))
    other = _Provider("anthropic", None)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def call(provider: Any) -> str:
        provider.num_calls += 1
        if provider.error is not None:
            raise provider.error
        return "done"

    chain = ProviderChain([spent, other], deadline=1e12, sleep=sleep)  # type: ignore[list-item]
    for _ in range(17):
        assert (await chain.run(call))[1] is other  # type: ignore[comparison-overlap]
    assert (spent.num_calls, waits) == (1, [])
    alone = ProviderChain([spent], deadline=1e12, sleep=sleep)  # type: ignore[list-item]
    with pytest.raises(NoProviderAvailable) as caught:
        await alone.run(call)
    assert caught.value.reason == "no_credit"
    assert waits == []


# --- parameters that a model does not know ---------------------------------------------------------------------------

Handler = Callable[[dict[str, Any]], httpx2.Response]
ANSWER = '{"pages": []}'


def completion(message: dict[str, Any]) -> httpx2.Response:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None, **message}}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return httpx2.Response(200, json=body)


def unsupported(name: str, hint: str = "") -> httpx2.Response:
    message = f"Unsupported parameter: '{name}' is not supported with this model.{hint}"
    error = {"message": message, "type": "invalid_request_error", "param": name, "code": "unsupported_parameter"}
    return httpx2.Response(400, json={"error": error})


class _Server:
    def __init__(self, url: str | None) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.handle: Handler = lambda body: completion({"content": ANSWER})
        self.transport = OpenAITransport("key", url)
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))
        self.transport._client = openai.AsyncOpenAI(
            api_key="key", base_url=url or openai_chat.OFFICIAL_URL, max_retries=0, http_client=client
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.bodies.append(json.loads(request.content))
        return self.handle(self.bodies[-1])

    async def ask(self) -> str:
        """One prompt, as the client sends it: again after each parameter or format that was refused."""
        for _ in range(3):
            try:
                response = await self.transport.complete(
                    describe_prompt([payload(1)]), ModelTarget("openai", "m", temperature=0.2), uuid.uuid4()
                )
            except ResponseFormatRefused:
                continue
            return response.text
        raise AssertionError("three calls were refused")


@pytest.fixture(params=["http://models.example/v1", None])
async def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_Server]:
    monkeypatch.setattr(openai_chat, "_refused_parameters", {})
    monkeypatch.setattr(openai_chat, "_supported_formats", {})
    server = _Server(request.param)
    yield server
    await server.transport.close()


async def test_the_name_of_the_output_limit_is_learned_once(server: _Server) -> None:
    first = "max_tokens" if server.transport._base_url else "max_completion_tokens"
    other = openai_chat._LIMITS[first]
    server.handle = lambda body: unsupported(first) if first in body else completion({"content": ANSWER})
    for _ in range(5):
        assert await server.ask() == ANSWER
    assert [first in body for body in server.bodies] == [True] + [False] * 5
    assert all(body[other] == server.bodies[0][first] for body in server.bodies[1:])


async def test_a_refused_temperature_is_left_out(server: _Server) -> None:
    server.handle = lambda body: (
        unsupported("temperature") if "temperature" in body else completion({"content": ANSWER})
    )
    for _ in range(3):
        assert await server.ask() == ANSWER
    assert ["temperature" in body for body in server.bodies].count(True) <= 1


async def test_calls_end_at_a_server_that_refuses_both_names(server: _Server) -> None:
    server.handle = lambda body: unsupported("max_tokens" if "max_tokens" in body else "max_completion_tokens")
    with pytest.raises((ProviderRefused, AssertionError)):
        await server.ask()
    assert len(server.bodies) <= 3


@pytest.mark.parametrize(
    "message",
    [
        {"content": "", "reasoning_content": ANSWER},
        {"content": None, "reasoning": f"Thinking…\n{ANSWER}"},
        {"content": [{"type": "text", "text": ANSWER}]},
    ],
)
async def test_an_answer_in_another_field_is_read(server: _Server, message: dict[str, Any]) -> None:
    server.handle = lambda body: completion(message)
    parsed, _ = parse_response(await server.ask(), DescribeResponse, is_truncated=False)
    assert parsed == DescribeResponse(pages=[])


# --- right JSON in odd wrapping --------------------------------------------------------------------------------------

PAGE = {"id": "p1", "label": "Rook endgames", "summary": 'S {x} "q".', "keywords": ["a"], "quote": "``` {"}
RIGHT = json.dumps({"pages": [PAGE]})
WRAPPED = {
    "plain": RIGHT,
    "byte order mark": "\ufeff" + RIGHT,
    "fence": f"```json\n{RIGHT}\n```",
    "fence without a language": f"```\n{RIGHT}```",
    "prose before a fence": f"Here is the JSON you asked for:\n\n```json\n{RIGHT}\n```",
    "prose around a fence": f"Sure! {{ok}}\n```JSON\n{RIGHT}\n```\nAnything else?",
    "prose alone": f"Certainly. The answer: {RIGHT} I hope this helps.",
    "brackets in prose": f"[Note] I looked at p1 {{see below}}: {RIGHT}",
    "thinking": f'<think>{{"pages": 3}}</think>{RIGHT}',
    "thinking without its opening tag": f"The user wants JSON.\n</think>\n{RIGHT}",
    "a string": json.dumps(RIGHT),
    "one key more": json.dumps({"page_descriptions": {"pages": [PAGE]}}),
    "one key more as a string": json.dumps({"answer": RIGHT}),
    "the bare list": json.dumps([PAGE]),
    "a list in a fence": f"```json\n{json.dumps([PAGE])}\n```",
    "first a draft": f'```json\n{{"pages": "todo"}}\n```\nFinal:\n```json\n{RIGHT}\n```',
    "one entry without a list": json.dumps(PAGE),
    "a field among others": json.dumps({"status": "ok", "data": {"pages": [PAGE]}, "notes": None}),
    "a call of a function": json.dumps({"name": "describe", "arguments": RIGHT}),
    "a comma at the end": RIGHT.replace("]}", ",],}"),
    "words as one text": json.dumps({"pages": [PAGE | {"keywords": "a"}]}),
    "the schema first": json.dumps({"type": "object", "properties": {"pages": {}}}) + "\n" + RIGHT,
}


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_right_json_in_odd_wrapping_is_accepted(wrapping: str) -> None:
    parsed, validation = parse_response(WRAPPED[wrapping], DescribeResponse, is_truncated=False)
    assert parsed is not None
    assert parsed.model_dump()["pages"] == [PAGE]
    assert not validation.problems


def test_entries_one_a_line_and_fields_that_are_null_are_accepted() -> None:
    text = '{"id": "p1", "label": "Rook\nendgames", "summary": null}\n{"id": "p2", "label": "Kelp"}'
    parsed, validation = parse_response(text, DescribeResponse, is_truncated=False)
    assert parsed is not None
    assert [(page.id, page.label, page.summary) for page in parsed.pages] == [
        ("p1", "Rook\nendgames", ""),
        ("p2", "Kelp", ""),
    ]
    assert not validation.problems


@pytest.mark.parametrize(
    "text", ["", "no", "{", "[[[[" * 5_000, '{"pages": 1}', '["p1"]', "```json\n{\n```", '"' * 1_000, "[]", "{}" * 300]
)
def test_wrong_answers_stay_wrong(text: str) -> None:
    for shape in (DescribeResponse, OutlineDraft):
        parsed, validation = parse_response(text, shape, is_truncated=False)
        assert parsed is None
        assert validation.problems


def test_the_sentence_of_the_prompt_as_label_is_refused() -> None:
    payloads = [payload(number) for number in range(1, 6)]
    for label in (
        "what the page is about, in 2 to 7 words",
        "What the page is about",
        "Not the site's name, no quotation marks.",
        "one sentence of at most 25 words",
    ):
        pages = [{"id": f"p{number}", "label": label} for number in range(1, 6)]
        found, validation = validate_descriptions(DescribeResponse.model_validate({"pages": pages}), payloads)
        assert found == []
        assert any("instructions" in problem for problem in validation.fatal)
    # A page may be about some of these words.
    pages = [{"id": "p1", "label": "Web pages a person reads"}]
    assert validate_descriptions(DescribeResponse.model_validate({"pages": pages}), payloads)[0]
