"""A production server without a mail server says so, and an operator passes the links on."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
import pytest

from cluster.mail.sender import WITHOUT_MAIL
from cluster.settings import Settings, with_changes
from launch.cli.doctor import check_mail
from serve import app as app_module
from tests.support.client import ApiUser, sign_in, sign_up
from tests.support.mail_server import MailServer, unused_port
from tests.support.server import running_api


def production(settings: Settings, smtp_url: str) -> Settings:
    return with_changes(
        settings,
        environment="production",
        smtp_url=smtp_url,
        extension_ids=("abc",),
        trusted_proxies=("none",),
        public_url="https://trailmind.test",
        rate_limits=True,
    )


async def operator(person: ApiUser, db: psycopg.AsyncConnection[Any]) -> ApiUser:
    await db.execute("UPDATE users SET role = 'admin', email_verified_at = now() WHERE id = %s", [person.id])
    return await sign_in(person.client, person.email)


async def test_an_operator_reads_the_link_of_an_account_that_waits(
    settings: Settings, db: psycopg.AsyncConnection[Any]
) -> None:
    async with running_api(settings) as (_, client):
        admin, ann = await operator(await sign_up(client), db), await sign_up(client)
        path = f"/v1/admin/users/{ann.id}/verification-link"
        assert (await ann.call("POST", path)).status_code == 403
        link = (await admin.ok("POST", path))["link"]
        token = link.partition("#token=")[2]
        reply = await ann.ok("POST", "/v1/auth/verify-email", json={"token": token})
        assert reply["email_verified"] is True
        assert (await admin.call("POST", path)).status_code == 409
        actions = [entry["action"] for entry in (await admin.ok("GET", "/v1/admin/audit"))["entries"]]
        assert "user.verification_link" in actions


async def test_where_mail_is_sent_operators_read_no_links(settings: Settings, db: psycopg.AsyncConnection[Any]) -> None:
    async with running_api(settings) as (_, client):
        admin, ann = await operator(await sign_up(client), db), await sign_up(client)
    async with running_api(with_changes(settings, smtp_url="smtp://127.0.0.1:1")) as (_, client):
        path = f"/v1/admin/users/{ann.id}/verification-link"
        assert (await client.post(path, headers=admin.headers)).status_code == 409


@pytest.mark.parametrize(("smtp_url", "warns"), [("none", True), ("smtp://127.0.0.1:1", False)])
def test_the_start_says_that_there_is_no_mail_server(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, smtp_url: str, warns: bool
) -> None:
    said: list[dict[str, Any]] = []

    class Log:
        def warning(self, event: str, **fields: Any) -> None:
            said.append({"event": event, **fields})

    monkeypatch.setattr(app_module, "log", Log())
    monkeypatch.setattr(app_module, "load_settings", lambda: production(settings, smtp_url))
    for name in ("configure_logs", "export_to_ray", "disable_serve_request_ids", "serve_directly"):
        monkeypatch.setattr(app_module, name, lambda *_, **__: None)
    app_module.create_app()
    assert said == ([{"event": "mail_server_missing", "effect": WITHOUT_MAIL}] if warns else [])


async def test_doctor_connects_to_the_mail_server(settings: Settings) -> None:
    import asyncio

    port = unused_port()
    with_server = with_changes(settings, smtp_url=f"smtp://127.0.0.1:{port}")
    silent = await asyncio.to_thread(check_mail, with_server)
    assert silent.state == "bad"
    assert WITHOUT_MAIL in silent.message
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(MailServer().listening(port))
        assert (await asyncio.to_thread(check_mail, with_server)).state == "ok"
    none = await asyncio.to_thread(check_mail, production(settings, "none"))
    assert (none.state, WITHOUT_MAIL in none.message) == ("bad", True)
