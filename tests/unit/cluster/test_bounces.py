"""Reports of undeliverable mails: which addresses they refuse permanently."""

from __future__ import annotations

import pytest

from cluster.mail.bounces import refused_addresses

REPORT = """From: MAILER-DAEMON@mx.test
To: no-reply@trailmind.test
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

The mail to gone@test.local could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.test

Final-Recipient: rfc822; gone@test.local
Action: {action}
Status: {status}

--b--
"""


@pytest.mark.parametrize(
    ("action", "status", "found"),
    [("failed", "5.1.1", ["gone@test.local"]), ("delayed", "4.4.1", []), ("failed", "4.2.2", [])],
)
def test_only_a_permanent_failure_suppresses(action: str, status: str, found: list[str]) -> None:
    assert refused_addresses(REPORT.format(action=action, status=status).encode()) == found


@pytest.mark.parametrize("mail", [b"", b"\xff\xfe", b"Subject: hello\n\nFinal-Recipient: rfc822; a@b.c"])
def test_other_mails_suppress_nothing(mail: bytes) -> None:
    assert refused_addresses(mail) == []
