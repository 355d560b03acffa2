"""Sign-up on a server that sends mail: the answer does not tell which addresses have an account."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from cluster.mail.queue import MailQueue
from cluster.settings import Settings, with_changes
from tests.support.client import PASSWORD, sign_in, sign_up
from tests.support.sent_mails import mails_to, send_queued_mails, token_in
from tests.support.server import running_api

WITH_MAIL_SERVER = {"smtp_url": SecretStr("smtps://mail.test")}


class Server:
    """The app with a mail server, whose mails land in the outbox folder instead."""

    def __init__(self, app: FastAPI, client: httpx2.AsyncClient, settings: Settings, db: Any) -> None:
        self.app, self.client, self.settings, self.db = app, client, settings, db
        app.state.parts.mail_queue = MailQueue(settings)

    async def sign_up(self, address: str, **body: Any) -> httpx2.Response:
        return await self.client.post("/v1/auth/signup", json={"email": address, **body})

    async def mails(self, address: str) -> list[EmailMessage]:
        row = await (await self.db.execute("SELECT id FROM users WHERE email = %s", [address])).fetchone()
        await send_queued_mails(self.app, str(row[0]))
        return mails_to(self.settings.data_dir, address)

    async def log_in(self, address: str, password: str) -> int:
        answer = await self.client.post("/v1/auth/login", json={"email": address, "password": password})
        return answer.status_code


@pytest.fixture
async def server(settings: Settings, db: psycopg.AsyncConnection[Any]) -> AsyncIterator[Server]:
    async with running_api(with_changes(settings, **WITH_MAIL_SERVER)) as (app, client):
        yield Server(app, client, settings, db)


@pytest.fixture
async def known(settings: Settings) -> str:
    """The address of an account with a password."""
    async with running_api(settings) as (_, client):
        return (await sign_up(client)).email


def new_address() -> str:
    return f"{uuid.uuid4().hex[:12]}@test.local"


@pytest.mark.parametrize("body", [{}, {"password": "the password of a v1 client"}])
async def test_known_and_unknown_addresses_get_the_same_answer(server: Server, known: str, body: Any) -> None:
    fresh, again = new_address(), new_address()
    await server.sign_up(again, **body)
    answers = [await server.sign_up(address, **body) for address in (known, known.upper(), fresh, again)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len({frozenset(answer.headers) for answer in answers}) == 1
    # Nor does a log-in with the password of the sign-up tell the difference.
    for address in (known, fresh):
        assert await server.log_in(address, body.get("password", "the password of nobody")) == 401


async def test_the_owner_of_a_new_address_chooses_the_password_with_the_mail(server: Server) -> None:
    address = new_address()
    await server.sign_up(address, password="what another person typed")
    [mail] = await server.mails(address)
    assert "가입" in mail["Subject"]
    reset = {"token": token_in(mail), "new_password": PASSWORD}
    assert (await server.client.post("/v1/auth/reset-password", json=reset)).status_code == 200
    assert await server.log_in(address, "what another person typed") == 401
    person = await sign_in(server.client, address)
    assert (await person.ok("GET", "/v1/auth/me"))["user"]["email_verified"] is True
    assert len(await server.mails(address)) == 1, "the first password is no change to warn of"


async def test_the_owner_of_an_account_gets_a_mail_and_keeps_the_password(server: Server, known: str) -> None:
    await server.client.post("/v1/auth/signup", json={"email": known}, headers={"Accept-Language": "en"})
    mail = (await server.mails(known))[-1]
    assert mail["Subject"] == "You already have a Trailmind account"
    assert token_in(mail)
    assert await server.log_in(known, PASSWORD) == 200


async def test_a_second_sign_up_sends_the_link_once_more(server: Server) -> None:
    address = new_address()
    for _ in range(2):
        await server.sign_up(address)
    first, second = await server.mails(address)
    for mail, status in ((first, 400), (second, 200)):
        reset = {"token": token_in(mail), "new_password": PASSWORD}
        assert (await server.client.post("/v1/auth/reset-password", json=reset)).status_code == status


@pytest.mark.usefixtures("production_hashes")
async def test_both_cases_do_the_same_expensive_work(server: Server, settings: Settings) -> None:
    """No password is hashed, which would take ten times as long as all the rest."""
    async with running_api(settings) as (_, client):
        known = [(await sign_up(client)).email for _ in range(5)]

    async def fastest(addresses: list[str]) -> float:
        times = []
        for address in addresses:
            # CPU time, the threads included: other processes do not change it.
            began = time.process_time()
            await server.sign_up(address, password=PASSWORD)
            times.append(time.process_time() - began)
        return min(times)

    await server.sign_up(new_address())
    of_known, of_unknown = await fastest(known), await fastest([new_address() for _ in range(5)])
    assert 0.3 < of_known / of_unknown < 3


async def test_without_a_mail_server_the_answer_is_that_of_v1(settings: Settings) -> None:
    async with running_api(settings) as (_, client):
        person = await sign_up(client)
        body = {"email": person.email, "password": PASSWORD}
        again = await client.post("/v1/auth/signup", json=body)
        assert (again.status_code, again.json()["error"]["message"]) == (409, "email already exists")
        without_password = await client.post("/v1/auth/signup", json={"email": new_address()})
        assert without_password.json()["error"]["details"] == [{"field": "password", "message": "field required"}]
