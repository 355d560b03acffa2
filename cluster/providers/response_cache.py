"""Answers kept by (user, digest, prompt version, model): a retry or a second session with the same page is free."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from cluster.mindmap.outline.types import Outline
from cluster.providers.prompting.prompts import PROMPT_VERSION
from cluster.providers.types import ModelTarget, PageDescription, PagePayload

_OUTLINE = TypeAdapter(Outline)


def outline_digest(skeleton: Outline, language: str, nonce: str) -> str:
    """Of everything an outline is made from. `nonce` tells a forced map from the one before it."""
    facts = _OUTLINE.dump_json(skeleton) + f"\0{language}\0{nonce}".encode()
    return blake2b(facts, digest_size=16).hexdigest()


async def load_descriptions(
    connection: AsyncConnection[Any],
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    targets: Sequence[ModelTarget],
    payloads: Sequence[PagePayload],
) -> dict[str, PageDescription]:
    """What is known already of these pages by any of the models, the first one's word before the others'.

    Marks it as used by the session, which keeps it alive.
    """
    found = await _load(connection, user_id, session_id, targets, [payload.digest for payload in payloads])
    told = {}
    for payload in payloads:
        answer = found.get(payload.digest)
        if answer is not None:
            told[payload.page_id] = PageDescription(**{**answer, "keywords": tuple(answer["keywords"])})
    return told


async def load_outline(
    connection: AsyncConnection[Any],
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    targets: Sequence[ModelTarget],
    digest: str,
) -> tuple[Outline, str, str] | None:
    """The outline made from this before, with the provider and the model that made it."""
    found = await _load(connection, user_id, session_id, targets, [digest])
    if digest not in found:
        return None
    answer = found[digest]
    return _OUTLINE.validate_python(answer["outline"]), answer["provider"], answer["model"]


async def _load(
    connection: AsyncConnection[Any],
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    targets: Sequence[ModelTarget],
    digests: Sequence[str],
) -> dict[str, Mapping[str, Any]]:
    cursor = await connection.execute(
        "UPDATE ai_checkpoints SET session_id = %s WHERE user_id = %s AND digest = ANY(%s) AND prompt_version = %s"
        " AND model = ANY(%s) RETURNING digest, model, answer",
        [session_id, user_id, list(digests), PROMPT_VERSION, [target.key for target in targets]],
    )
    rank = {target.key: number for number, target in enumerate(targets)}
    rows = sorted(await cursor.fetchall(), key=lambda row: -rank[row[1]])
    return {digest: answer for digest, _, answer in rows}


async def save_description(
    connection: AsyncConnection[Any],
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    target: ModelTarget,
    payload: PagePayload,
    told: PageDescription,
) -> None:
    """Keep a description. Safe to repeat."""
    await _save(connection, user_id, session_id, target, payload.digest, asdict(told))


async def save_outline(
    connection: AsyncConnection[Any],
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    target: ModelTarget,
    digest: str,
    outline: Outline,
) -> None:
    """Keep an outline. Safe to repeat."""
    answer = {
        "outline": _OUTLINE.dump_python(outline, mode="json"),
        "provider": target.provider,
        "model": target.model,
    }
    await _save(connection, user_id, session_id, target, digest, answer)


async def _save(
    connection: AsyncConnection[Any],
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    target: ModelTarget,
    digest: str,
    answer: Mapping[str, Any],
) -> None:
    # A session deleted meanwhile keeps nothing.
    await connection.execute(
        "INSERT INTO ai_checkpoints (user_id, digest, prompt_version, model, session_id, answer)"
        " SELECT %s, %s, %s, %s, s.id, %s FROM browsing_sessions s WHERE s.id = %s AND s.deleted_at IS NULL"
        " ON CONFLICT (user_id, digest, prompt_version, model)"
        " DO UPDATE SET answer = excluded.answer, session_id = excluded.session_id",
        [user_id, digest, PROMPT_VERSION, target.key, Jsonb(dict(answer)), session_id],
    )
