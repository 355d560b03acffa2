"""Reading the mails a test caused."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path


def mails_to(data_dir: Path, address: str) -> list[EmailMessage]:
    """Every mail in the outbox for `address`, oldest first."""
    found = []
    for path in sorted((data_dir / "outbox").glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        if message["To"] == address:
            found.append(message)
    return found


def token_in(message: EmailMessage) -> str:
    """The secret in the link of a mail."""
    body = message.get_body(("plain",))
    assert body is not None
    found = re.search(r"#token=(\w+)", body.get_content())
    assert found, "no link in the mail"
    return found.group(1)
