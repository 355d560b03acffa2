"""Page text goes to an AI vendor only with the user's consent, and never for what is marked as local only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from cluster.providers.configuration import ProviderEndpoint
from cluster.providers.planning.consent import vendor_names
from cluster.settings import Settings, with_changes
from tests.support.client import ApiUser, sign_up
from tests.support.completed_session import recorded_events
from tests.support.server import running_api

KEY = SecretStr("a key for tests")


@pytest.fixture
async def keyed(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """The API of a server that has the keys of two vendors."""
    changed = with_changes(settings, openai_api_key=KEY, gemini_api_key=KEY)
    async with running_api(changed) as (_, client):
        yield client


@pytest.mark.parametrize(
    ("base_url", "names"),
    [
        (None, ["OpenAI"]),
        ("http://127.0.0.1:8000/v1", []),
        ("http://192.168.1.20/v1", []),
        ("http://vllm.default.svc:8000", []),
        ("http://ollama:11434", []),
        ("https://gateway.example.com/v1", ["gateway.example.com"]),
    ],
)
def test_a_vendor_is_a_recipient_outside_the_operators_network(base_url: str | None, names: list[str]) -> None:
    assert vendor_names({"openai": ProviderEndpoint(KEY, base_url)}) == names


async def test_clients_learn_what_the_server_does_before_they_sign_in(
    settings: Settings, api: httpx2.AsyncClient, keyed: httpx2.AsyncClient
) -> None:
    async def server(client: httpx2.AsyncClient) -> Any:
        return (await client.get("/v1/server")).json()["server"]

    names = ("sends_mail", "model_vendors", "uses_models")
    assert [(await server(api))[name] for name in names] == [False, [], False]
    assert [(await server(keyed))[name] for name in names] == [False, ["OpenAI", "Google"], True]
    assert (await server(keyed))["providers"] == {"openai": "OpenAI", "gemini": "Google"}
    # Maps still name a provider whose setting is gone. It may have been a server of the operator.
    assert (await server(api))["providers"] == {}
    assert (await server(api))["api_vendors"] == {"openai": "OpenAI", "anthropic": "Anthropic", "gemini": "Google"}
    own = with_changes(settings, openai_base_url="http://ollama:11434/v1")
    async with running_api(own) as (_, client):
        # Not OpenAI, although the server speaks its protocol.
        assert (await server(client))["providers"] == {"openai": None}
    mailing = with_changes(settings, smtp_url=SecretStr("smtp://mail.example.com:587"))
    async with running_api(mailing) as (_, client):
        assert [(await server(client))[name] for name in names] == [True, [], False]


async def quoted(person: ApiUser, session_id: str) -> tuple[str, bool]:
    quote = (await person.ok("POST", f"/v1/sessions/{session_id}/mindmap/quote"))["quote"]
    return quote["provider"], quote["needs_consent"]


async def test_the_decision_of_the_user_and_of_the_session(keyed: httpx2.AsyncClient) -> None:
    person = await sign_up(keyed)
    session_id, kept = await person.start(), await person.start(local_only=True)
    for each in (session_id, kept):
        await person.send(each, recorded_events())
        await person.ok("POST", f"/v1/sessions/{each}/stop")
    assert (await person.ok("GET", f"/v1/sessions/{kept}"))["session"]["local_only"] is True

    # The price is known before the decision.
    assert await quoted(person, session_id) == ("openai", True)
    assert await quoted(person, kept) == ("local", False)
    await person.ok("PATCH", "/v1/users/me/settings", json={"model_use": "vendor"})
    assert await quoted(person, session_id) == ("openai", False)
    assert await quoted(person, kept) == ("local", False)
    await person.ok("PATCH", f"/v1/sessions/{session_id}", json={"local_only": True})
    await person.ok("PATCH", f"/v1/sessions/{kept}", json={"local_only": False})
    assert await quoted(person, session_id) == ("local", False)
    assert await quoted(person, kept) == ("openai", False)
    await person.ok("PATCH", "/v1/users/me/settings", json={"model_use": "local"})
    assert await quoted(person, kept) == ("local", False)
    assert (await person.call("PATCH", "/v1/users/me/settings", json={"model_use": "sometimes"})).status_code == 400
