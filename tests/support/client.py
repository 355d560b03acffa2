"""A signed-in user of the API, with the calls that most tests make."""

from __future__ import annotations

import uuid
from typing import Any

import httpx2

PASSWORD = "correct horse battery"


class ApiUser:
    """One user with an access token. `client` is in-process or over HTTP."""

    def __init__(self, client: httpx2.AsyncClient, reply: dict[str, Any]) -> None:
        self.client, self.reply = client, reply
        self.id: str = reply["user"]["id"]
        self.email: str = reply["user"]["email"]
        self.headers = {"Authorization": f"Bearer {reply['token']}"}

    async def call(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        """The response to a request as this user."""
        headers = {**self.headers, **kwargs.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **kwargs)

    async def ok(self, method: str, path: str, **kwargs: Any) -> Any:
        """The JSON of a request as this user that must succeed."""
        answer = await self.call(method, path, **kwargs)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def start(self, **body: Any) -> str:
        """Start a session; returns its id."""
        reply = await self.ok("POST", "/v1/sessions/start", **({"json": body} if body else {}))
        return str(reply["session"]["id"])

    async def send(self, session_id: str, events: list[dict[str, Any]]) -> dict[str, Any]:
        """Send events that must be accepted; returns the reply."""
        reply: dict[str, Any] = await self.ok("POST", f"/v1/sessions/{session_id}/events", json={"events": events})
        return reply


async def sign_up(client: httpx2.AsyncClient, email: str | None = None) -> ApiUser:
    """A new user, signed in."""
    email = email or f"{uuid.uuid4().hex[:12]}@test.local"
    answer = await client.post("/v1/auth/signup", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return ApiUser(client, answer.json())


async def sign_in(client: httpx2.AsyncClient, email: str) -> ApiUser:
    """The user with this address, signed in a second time."""
    answer = await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return ApiUser(client, answer.json())


def visit(url: str, at_ms: int = 1_760_000_000_000, **fields: Any) -> dict[str, Any]:
    """A page_visit event."""
    return {"type": "page_visit", "timestamp": at_ms, "url": url, "title": f"Title of {url}", **fields}
