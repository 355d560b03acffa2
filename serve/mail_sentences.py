"""What the API says about a mail: a server without a mail server writes it to a folder that its operator reads.

No other module promises a mail (`tests/unit/serve/test_mail_sentences.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class MailSentence:
    """One sentence in its two forms."""

    sent: str
    written: str

    def worded(self, *, sends_mail: bool) -> str:
        """The form that is true on this server."""
        return self.sent if sends_mail else self.written


_FOLDER: Final = "the outbox folder of the server; ask its operator for it"
RESET_LINK: Final = MailSentence(
    "If the email exists, a password reset link has been sent.",
    f"If the email exists, the password reset link is in {_FOLDER}.",
)
VERIFICATION_LINK: Final = MailSentence(
    "If the address is not confirmed yet, a mail is on its way.",
    f"If the address is not confirmed yet, the link that confirms it is in {_FOLDER}.",
)
NEW_PASSWORD_LINK: Final = MailSentence(
    "This program is not logged in to the account: choose a new password with the link in the next mail.",
    f"This program is not logged in to the account: the link with which you choose a new password is in {_FOLDER}.",
)
#: Only a server that sends mail answers a sign-up with a mail.
SIGN_UP_SENT: Final = "The next step is in the mail that is on its way to this address."
