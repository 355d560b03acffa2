"""Request and response bodies of user settings."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from models.recording.exclusions import normalize_domain
from models.schemas.base import Body, Reply

MAX_DOMAINS = 500

ModelUseChoice = Literal["ask", "vendor", "local"]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone of the IANA database") from None
    return name


Domain = Annotated[str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(normalize_domain)]


class SettingsReply(Reply):
    """The user's settings, or the defaults."""

    language: Literal["ko", "en"]
    is_language_chosen: bool = Field(description="Whether the user has chosen `language`; otherwise it is the default")
    theme: Literal["light", "dark", "system"]
    email_notifications: bool = Field(
        description="Whether session reports and usage warnings are mailed, once the address is confirmed"
    )
    time_zone: str | None = Field(default=None, description="IANA name; these mails arrive by day")
    excluded_domains: list[str]
    allowed_domains: list[str]
    when_out_of_tokens: Literal["local", "refuse"]
    model_use: ModelUseChoice
    allows_datasets: bool = Field(
        description="Whether the operator may export the sessions, without the user's id and with secrets removed"
    )


class SettingsEnvelope(Reply):
    """`{"settings": …}`"""

    settings: SettingsReply


class SettingsPatch(Body):
    """Absent fields stay unchanged."""

    language: Literal["ko", "en"] | None = None
    theme: Literal["light", "dark", "system"] | None = None
    email_notifications: bool | None = None
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_known_zone)] | None = (
        Field(default=None, examples=["Asia/Seoul"])
    )
    excluded_domains: Annotated[list[Domain], Field(max_length=MAX_DOMAINS)] | None = Field(
        default=None, description="Replaces the list. Each covers its subdomains.", examples=[["example.com"]]
    )
    allowed_domains: Annotated[list[Domain], Field(max_length=MAX_DOMAINS)] | None = Field(
        default=None,
        description="Replaces the list of sites that are recorded although a default rule excludes them. Where an "
        "excluded domain matches too, the longer entry counts.",
        examples=[["docs.bank.example"]],
    )
    when_out_of_tokens: Literal["local", "refuse"] | None = None
    model_use: ModelUseChoice | None = Field(
        default=None,
        description="Whether page text may be sent to an AI vendor: `ask` and `local` send none, and `local` uses no "
        "model at all",
    )
    allows_datasets: bool | None = Field(
        default=None,
        description="Whether datasets, from which the operator compares and improves maps, may contain the sessions of "
        "the user, also earlier ones. Sessions that are local only stay out. `false` applies to the next dataset",
    )

    @field_validator("excluded_domains", "allowed_domains")
    @classmethod
    def _each_once(cls, value: list[str] | None) -> list[str] | None:
        return None if value is None else list(dict.fromkeys(value))
