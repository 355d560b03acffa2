"""Sending and reading the mails of a test."""

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
    """Send the queued mails of one user, as a worker does; the tests share the queue."""
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
    messages = []
    for path in sorted((data_dir / "outbox").glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        if message["To"] == address:
            messages.append(message)
    return messages


def token_in(message: EmailMessage) -> str:
    """The secret in the link of a mail."""
    body = message.get_body(("plain",))
    assert body is not None
    match = re.search(r"#token=(\w+)", body.get_content())
    assert match, "no link in the mail"
    return match.group(1)
