"""Quotes and disclosures over HTTP, with and without provider keys."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from hashlib import blake2b
from typing import Any

import httpx2
import psycopg
import pytest
from pydantic import SecretStr

from cluster.settings import Settings, with_changes
from tests.support.client import ApiUser, sign_up, visit
from tests.support.server import running_api


async def stopped(person: ApiUser) -> str:
    session = await person.start()
    pages = [visit(f"https://a.example/{n}", 1_760_000_000_000 + n, content=f"Bread {n}. " * 200) for n in range(10)]
    await person.send(session, pages)
    await person.ok("POST", f"/v1/sessions/{session}/stop")
    return session


@pytest.fixture
async def keyed(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """The API of a server that has a key."""
    changed = with_changes(settings, openai_api_key=SecretStr("a key for tests"), gemini_api_key=SecretStr("another"))
    async with running_api(changed) as (_, client):
        yield client


async def test_without_a_key_the_estimate_is_zero(ann: ApiUser) -> None:
    session = await stopped(ann)
    quote = (await ann.ok("POST", f"/v1/sessions/{session}/mindmap/quote"))["quote"]
    assert quote["provider"] == "local"
    assert quote["tokens"] == quote["cost_micros"] == 0
    assert quote["is_affordable"]
    assert await ann.ok("GET", f"/v1/sessions/{session}/disclosures") == {
        "disclosures": [],
        "total": 0,
        "text_retention_days": 30,
    }


async def test_quote_names_model_ceiling_and_plan_share(keyed: httpx2.AsyncClient) -> None:
    ann = await sign_up(keyed)
    session = await stopped(ann)
    quote = (await ann.ok("POST", f"/v1/sessions/{session}/mindmap/quote"))["quote"]
    assert quote["provider"] == "openai"
    assert quote["model"] == "gpt-6.1-terra"
    assert quote["num_pages"] == 10
    assert quote["num_calls"] == 3
    assert 5_000 < quote["tokens"] < 50_000
    assert quote["plan_share"] == pytest.approx(quote["tokens"] / 50_000)
    assert quote["cost_micros"] > 0
    assert quote["tokens_left"] == 50_000
    assert quote["is_affordable"]


async def test_configuration_applies_at_once(keyed: httpx2.AsyncClient, db: psycopg.AsyncConnection[Any]) -> None:
    ann = await sign_up(keyed)
    session = await stopped(ann)
    path = f"/v1/sessions/{session}/mindmap/quote"
    chain = '[{"provider": "gemini", "model": "gemini-3.8-flash"}, {"provider": "anthropic", "model": "claude-opus-5"}]'
    try:
        await db.execute("INSERT INTO ai_configs (task_type, chain) VALUES ('default', %s)", [chain])
        assert (await ann.ok("POST", path))["quote"]["model"] == "gemini-3.8-flash"
        await db.execute("UPDATE ai_configs SET is_enabled = false")
        assert (await ann.ok("POST", path))["quote"]["provider"] == "local"
        await db.execute("""UPDATE ai_configs SET is_enabled = true, chain = '[{"provider": "local", "model": "-"}]'""")
        assert (await ann.ok("POST", path))["quote"]["provider"] == "local"
    finally:
        await db.execute("DELETE FROM ai_configs")


async def test_out_of_tokens_refuses_with_the_reset_date(
    keyed: httpx2.AsyncClient, db: psycopg.AsyncConnection[Any]
) -> None:
    ann = await sign_up(keyed)
    session = await stopped(ann)
    call = uuid.uuid4()
    for kind in ("reserve", "settle"):
        await db.execute(
            "INSERT INTO ledger_entries (id, user_id, call_id, kind, operation, tokens, expires_at)"
            " VALUES (gen_random_uuid(), %s, %s, %s, 'mindmap', 49999, now())",
            [ann.id, call, kind],
        )
    quote = (await ann.ok("POST", f"/v1/sessions/{session}/mindmap/quote"))["quote"]
    assert not quote["is_affordable"]
    assert quote["tokens_left"] == 1
    path = f"/v1/sessions/{session}/mindmap/generate"
    # By default the map is made without a model; recording is not affected.
    assert (await ann.call("POST", path)).status_code == 202
    await ann.ok("PATCH", "/v1/users/me/settings", json={"when_out_of_tokens": "refuse", "model_use": "vendor"})
    refused = await ann.call("POST", path)
    assert refused.status_code == 402
    assert refused.json()["error"]["code"] == "TOKEN_LIMIT_EXCEEDED"
    assert quote["resets_at"][:10] in refused.json()["error"]["message"]
    assert refused.json()["error"]["values"]["resets_at"][:10] == quote["resets_at"][:10]
    assert (await ann.start()) != session


async def test_disclosures_show_the_sent_texts_to_their_owner_only(
    ann: ApiUser, bob: ApiUser, db: psycopg.AsyncConnection[Any]
) -> None:
    session = await stopped(ann)
    for number, text in enumerate(("the first text", "the second text")):
        call = uuid.uuid4()
        await db.execute(
            "INSERT INTO ai_calls (id, user_id, session_id, task_type, provider, model, status, started_at, num_chars,"
            " text_digest)"
            " VALUES (%s, %s, %s, 'describe', 'openai', 'm', 'ok', now() + make_interval(secs => %s), %s, %s)",
            [call, ann.id, session, number, len(text), blake2b(text.encode(), digest_size=16).hexdigest()],
        )
        if number:
            await db.execute(
                "INSERT INTO ai_call_texts (call_id, session_id, instructions, sent) VALUES (%s, %s, 'i', %s)",
                [call, session, text],
            )
    path = f"/v1/sessions/{session}/disclosures"
    reply = await ann.ok("GET", path)
    assert reply["total"] == 2
    newest, oldest = reply["disclosures"]
    assert newest["text"] == "the second text"
    assert newest["text_digest"] == blake2b(newest["text"].encode(), digest_size=16).hexdigest()
    assert newest["sent_at"].endswith("Z")
    assert "text" not in oldest
    assert (await ann.ok("GET", f"{path}?limit=1&offset=1"))["disclosures"] == [oldest]
    assert (await bob.call("GET", path)).status_code == 404
    assert (await bob.call("POST", f"/v1/sessions/{session}/mindmap/quote")).status_code == 404
