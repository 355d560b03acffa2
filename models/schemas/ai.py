"""Replies about models: what a map would cost, and what was sent to whom."""

from __future__ import annotations

from pydantic import Field

from models.schemas.base import Reply, Time


class QuoteReply(Reply):
    """What a map would cost at most. Nothing is reserved yet; the real numbers are usually far lower.

    `provider` is `local` when no model takes part: then it costs nothing. `plan_share` is `tokens` as a share of the
    plan's period (0..1, more when it does not fit), absent when there is no limit. `is_affordable` false means the map
    would be made without a model, or refused, as the user chose (`when_out_of_tokens`).
    """

    provider: str
    model: str | None = None
    tokens: int
    cost_micros: int = Field(description="US dollars times a million, what the provider asks")
    num_pages: int
    num_pages_known: int = Field(description="Pages described before, which cost nothing")
    num_calls: int
    plan_share: float | None = None
    tokens_left: int | None = None
    is_affordable: bool
    resets_at: Time


class QuoteEnvelope(Reply):
    """`{"quote": …}`"""

    quote: QuoteReply


class DisclosureReply(Reply):
    """One call to a provider. `text` is exactly what was sent of the user's, after redaction, while it is kept.

    `instructions` are ours and hold nothing of the user's. `text_digest` is BLAKE2b-128 of the text.
    """

    id: str
    provider: str
    model: str
    operation: str
    sent_at: Time
    status: str
    num_chars: int
    num_redactions: int
    text_digest: str
    text: str | None = None
    instructions: str | None = None
    answer: str | None = None


class DisclosureList(Reply):
    """What went out for one session, newest first. Pages described for an earlier session were sent then, not again."""

    disclosures: list[DisclosureReply]
    total: int
    text_retention_days: int
