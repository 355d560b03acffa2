"""What a server offers, for clients that have no login yet."""

from __future__ import annotations

from pydantic import Field

from models.schemas.base import Reply


class ServerInfo(Reply):
    """What this server does, so that no client promises anything else."""

    sends_mail: bool = Field(description="False: mails are written to a folder that only the operator reads")
    model_vendors: list[str] = Field(
        description="Companies that page text can be sent to after the user agreed; empty when maps are drawn here"
    )
    providers: dict[str, str | None] = Field(
        description="The company behind each configured provider; null for a model on the operator's own server"
    )
    api_vendors: dict[str, str] = Field(
        description="The company whose API each provider speaks that a map can name. Who received the pages of a map "
        "is not known when its provider is not configured any more: that company, or a compatible server"
    )
    uses_models: bool = Field(description="Whether any AI model is configured, a self-hosted one included")
    has_extension: bool = Field(description="Whether `GET /v1/extension` has the packed browser extension")


class ServerEnvelope(Reply):
    """`{"server": …}`"""

    server: ServerInfo
