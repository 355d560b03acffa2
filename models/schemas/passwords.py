"""Request bodies of changing and resetting a password and of verifying an e-mail address."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from models.schemas.base import Body, MessageReply, Secret
from models.schemas.logins import EMAIL_EXAMPLE, Password

#: An attacker who learned the password may have made keys: they end with it unless the owner keeps them.
_KeepApiKeys = Annotated[bool, Field(description="True leaves the API keys of the account valid")]


class PasswordChange(Body):
    """The current password (absent for an account without one) and the new one."""

    current_password: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    new_password: Password
    keep_api_keys: _KeepApiKeys = False


class LogoutAllBody(Body):
    """Whether API keys stay valid when every login ends."""

    keep_api_keys: _KeepApiKeys = False


class ForgotBody(Body):
    """The address of the account."""

    email: Annotated[str, StringConstraints(min_length=1, max_length=1_000)] = Field(examples=[EMAIL_EXAMPLE])


class ResetBody(Body):
    """The token from the mail, and the new password."""

    token: Secret
    new_password: Password
    keep_api_keys: _KeepApiKeys = False


class TokenBody(Body):
    """The token from the mail."""

    token: Secret


class VerificationReply(MessageReply):
    """Whether the address is confirmed now; if not, the mail that is on its way has the link for a new password."""

    email_verified: bool
