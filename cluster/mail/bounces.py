"""Reads the reports with which mail servers say that a mail could not be delivered (RFC 3464)."""

from __future__ import annotations

import email
import email.policy
from email.message import Message


def refused_addresses(report: bytes) -> list[str]:
    """The addresses that a report refuses permanently (action `failed`, status 5.x.x); empty for other mails."""
    message = email.message_from_bytes(report, policy=email.policy.compat32)
    found = []
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status":
            found += [address for block in _blocks(part) if (address := _refused(block))]
    return list(dict.fromkeys(found))


def _blocks(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [block for block in payload if isinstance(block, Message)] if isinstance(payload, list) else []


def _refused(block: Message) -> str | None:
    action, status = str(block.get("Action", "")).strip().lower(), str(block.get("Status", "")).strip()
    recipient = str(block.get("Final-Recipient") or block.get("Original-Recipient") or "")
    address = recipient.partition(";")[2].strip()
    return address if action == "failed" and status.startswith("5.") and "@" in address else None
