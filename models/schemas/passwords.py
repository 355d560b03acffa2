"""Request bodies of changing and resetting a password and of verifying an e-mail address."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from models.schemas.base import Body, Secret
from models.schemas.logins import EMAIL_EXAMPLE, Password


class PasswordChange(Body):
    """The current password (absent for an account without one) and the new one."""

    current_password: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    new_password: Password


class ForgotBody(Body):
    """The address of the account."""

    email: Annotated[str, StringConstraints(min_length=1, max_length=1_000)] = Field(examples=[EMAIL_EXAMPLE])


class ResetBody(Body):
    """The token from the mail, and the new password."""

    token: Secret
    new_password: Password


class TokenBody(Body):
    """The token from the mail."""

    token: Secret
