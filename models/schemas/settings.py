"""Request and response bodies of settings, closing an account, and the receipt of a session."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from models.recording.exclusions import normalize_domain
from models.schemas.common import Body, Reply, Time

MAX_DOMAINS = 500


def _domain(value: str) -> str:
    return normalize_domain(value)


Domain = Annotated[str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(_domain)]


class CaptureOptions(Body):
    """What the extension records unless told otherwise."""

    page_text: bool = True
    highlights: bool = True
    scroll: bool = True
    scope: Literal["all_tabs", "this_window", "this_tab"] = "all_tabs"


class SettingsReply(Reply):
    """What the user chose, or the defaults."""

    language: Literal["ko", "en"]
    theme: Literal["light", "dark", "system"]
    email_notifications: bool
    excluded_domains: list[str]
    capture: CaptureOptions
    when_out_of_tokens: Literal["local", "refuse"]


class SettingsEnvelope(Reply):
    """`{"settings": …}`"""

    settings: SettingsReply


class SettingsPatch(Body):
    """What is absent stays as it is."""

    language: Literal["ko", "en"] | None = None
    theme: Literal["light", "dark", "system"] | None = None
    email_notifications: bool | None = None
    excluded_domains: Annotated[list[Domain], Field(max_length=MAX_DOMAINS)] | None = Field(
        default=None, description="Replaces the list. Each covers its subdomains.", examples=[["example.com"]]
    )
    capture: CaptureOptions | None = None
    when_out_of_tokens: Literal["local", "refuse"] | None = None

    @field_validator("excluded_domains")
    @classmethod
    def _each_once(cls, value: list[str] | None) -> list[str] | None:
        return None if value is None else list(dict.fromkeys(value))


class DeletionBody(Body):
    """`password` where the account has one. `now` erases at once instead of after the time to think again."""

    password: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    now: bool = False


class DeletionReceipt(Reply):
    """How many rows of each kind the account has, all of which go at `erased_at`."""

    status: Literal["erased", "scheduled"]
    erased_at: Time
    counts: dict[str, int]
    total: int


class InvalidReason(Reply):
    """Why events were not stored, and how many."""

    reason: str
    count: int


class Gap(Reply):
    """Numbers in the client's sequence nothing was seen of, both ends included."""

    first: int
    last: int


class ReceiptReply(Reply):
    """What became of everything a session's client sent. `seen = stored + duplicate + excluded + invalid`."""

    session_id: str
    seen: int
    stored: int
    duplicate: int
    excluded: int
    invalid: int
    by_type: dict[str, int] = Field(description="Stored events")
    excluded_by: list[InvalidReason]
    invalid_because: list[InvalidReason]
    gaps: list[Gap] = Field(description="The first thousand; empty when the client numbers nothing")
    missing: int = Field(description="How many numbers the gaps hold")
    last_seq: int | None = None
    first_event_at: Time | None = None
    last_event_at: Time | None = None


class ReceiptEnvelope(Reply):
    """`{"receipt": …}`"""

    receipt: ReceiptReply
