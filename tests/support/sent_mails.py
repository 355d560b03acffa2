"""Reading the mails a test caused."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg
from fastapi import FastAPI


async def send_queued_mails(app: FastAPI, user_id: str) -> None:
    """Send what was ordered for a user, as a worker does; tests share a queue, and each wants its own mails."""
    parts: Any = app.state.parts
    async with await psycopg.AsyncConnection.connect(parts.settings.database.postgres_dsn) as connection:
        cursor = await connection.execute(
            "WITH taken AS (DELETE FROM procrastinate_jobs WHERE task_name = 'mails.send' AND args ->> 'user_id' = %s"
            " RETURNING id, args) SELECT args FROM taken ORDER BY id",
            [user_id],
        )
        for (args,) in await cursor.fetchall():
            await parts.mail_queue.send(args["sealed"], args["useful_until"])


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
