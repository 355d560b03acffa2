"""Validated responses, cached per user, content digest, prompt version and model.

A retry of a map, and a second session with the same page, cause no call for what is cached.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import blake2b

from pydantic import TypeAdapter

from cluster.mindmap.outline.types import Outline
from cluster.providers.prompting.prompts import PROMPT_VERSION
from cluster.providers.types import ModelTarget, PageDescription, PagePayload
from models.ai_calls import ResponseKey, load_cached_responses, save_cached_response
from models.database import Connection

_OUTLINE = TypeAdapter(Outline)


def outline_digest(skeleton: Outline, language: str, nonce: str) -> str:
    """BLAKE2b-128 of everything an outline depends on, as hex. `nonce` makes a forced map differ from the previous."""
    content = _OUTLINE.dump_json(skeleton) + f"\0{language}\0{nonce}".encode()
    return blake2b(content, digest_size=16).hexdigest()


async def load_descriptions(
    connection: Connection,
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    targets: Sequence[ModelTarget],
    payloads: Sequence[PagePayload],
) -> dict[str, PageDescription]:
    """The cached descriptions of these pages by page id; with several targets, the first one's description wins.

    Marks the responses as used by the session, which extends their life to that of the session.
    """
    responses = await load_cached_responses(
        connection,
        ResponseKey(user_id, session_id, PROMPT_VERSION),
        [target.key for target in targets],
        [payload.digest for payload in payloads],
    )
    return {
        payload.page_id: PageDescription(**{**response, "keywords": tuple(response["keywords"])})
        for payload in payloads
        if (response := responses.get(payload.digest)) is not None
    }


async def load_outline(
    connection: Connection,
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    targets: Sequence[ModelTarget],
    digest: str,
) -> tuple[Outline, str, str] | None:
    """The cached outline with its provider and model; None when none of `targets` has made it."""
    responses = await load_cached_responses(
        connection,
        ResponseKey(user_id, session_id, PROMPT_VERSION),
        [target.key for target in targets],
        [digest],
    )
    if digest not in responses:
        return None
    response = responses[digest]
    return _OUTLINE.validate_python(response["outline"]), response["provider"], response["model"]


async def save_description(
    connection: Connection,
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    target: ModelTarget,
    payload: PagePayload,
    description: PageDescription,
) -> None:
    """Cache the description of a page. Idempotent."""
    key = ResponseKey(user_id, session_id, PROMPT_VERSION)
    await save_cached_response(connection, key, target.key, payload.digest, asdict(description))


async def save_outline(
    connection: Connection,
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    target: ModelTarget,
    digest: str,
    outline: Outline,
) -> None:
    """Cache an outline under the digest of its input. Idempotent."""
    response = {
        "outline": _OUTLINE.dump_python(outline, mode="json"),
        "provider": target.provider,
        "model": target.model,
    }
    key = ResponseKey(user_id, session_id, PROMPT_VERSION)
    await save_cached_response(connection, key, target.key, digest, response)
