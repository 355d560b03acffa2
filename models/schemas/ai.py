"""Response bodies about AI providers: the cost estimate of a map, and the text that was sent to them."""

from __future__ import annotations

from pydantic import Field

from models.schemas.base import Reply, Time


class QuoteReply(Reply):
    """The maximum cost of a map. Nothing is reserved; the actual cost is usually far lower.

    `provider` is `local` when no model is used: then it costs nothing. `plan_share` is `tokens` as a share of the
    period's limit (above 1 if it exceeds the limit), absent when the plan is unlimited. If `is_affordable` is false,
    the map is generated without a model, or refused, as the setting `when_out_of_tokens` says.
    """

    provider: str
    model: str | None = None
    tokens: int
    cost_micros: int = Field(description="Price of the provider, in millionths of a US dollar")
    num_pages: int
    num_pages_known: int = Field(description="Pages that were described before and cost nothing")
    num_calls: int
    plan_share: float | None = None
    tokens_left: int | None = None
    is_affordable: bool
    resets_at: Time
    needs_consent: bool = Field(description="The user has not yet decided whether pages may be sent to a vendor")


class QuoteEnvelope(Reply):
    """`{"quote": …}`"""

    quote: QuoteReply


class DisclosureReply(Reply):
    """One call to a provider. `text` is exactly the user's text that was sent, after redaction, while it is kept.

    `instructions` are our prompt, without text of the user. `text_digest` is BLAKE2b-128 of the text.
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
    """The calls for one session, newest first. A page described for an earlier session is not sent again."""

    disclosures: list[DisclosureReply]
    total: int
    text_retention_days: int
