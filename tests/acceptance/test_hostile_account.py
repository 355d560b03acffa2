"""Other users are served while one account sends the events that cost most to read."""

from __future__ import annotations

import asyncio

import httpx2

from tests.support.client import ApiUser, sign_up, visit
from tests.support.hostile_events import hostile_bodies


async def test_other_users_are_served_between_the_events_of_a_hostile_account(api: httpx2.AsyncClient) -> None:
    hostile, other = await sign_up(api), await sign_up(api)
    hostile_session, other_session = await hostile.start(), await other.start()
    num_answered = 0

    async def attack(body: bytes) -> int:
        nonlocal num_answered
        headers = {"Content-Type": "application/json"}
        path = f"/v1/sessions/{hostile_session}/events"
        answer = await hostile.call("POST", path, content=body, headers=headers)
        num_answered += 1
        return answer.status_code

    attacks = [asyncio.create_task(attack(body)) for _, body in hostile_bodies()]
    await asyncio.sleep(0)
    for number in range(10):
        reply = await other.send(other_session, [visit(f"https://example.com/{number}")])
        assert reply["stored"] == 1
    # Large bodies of one user are read one after the other and with pauses, so other users do not wait for all of them.
    assert num_answered < len(attacks)
    for task in attacks:
        task.cancel()
    await asyncio.wait(attacks)
    assert all(task.cancelled() or task.result() < 500 for task in attacks)


async def test_what_a_hostile_account_stores_can_be_read_and_erased(ann: ApiUser) -> None:
    session = await ann.start()
    num_stored = 0
    for name, body in hostile_bodies(30_000):
        headers = {"Content-Type": "application/json"}
        answer = await ann.call("POST", f"/v1/sessions/{session}/events", content=body, headers=headers)
        assert answer.status_code in {200, 413}, name
        num_stored += answer.json().get("stored", 0)
    stats = await ann.ok("GET", f"/v1/sessions/{session}/events/stats")
    assert stats["total_events"] == num_stored > 0
    await ann.ok("GET", f"/v1/sessions/{session}/timeline")
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    assert (await ann.call("DELETE", f"/v1/sessions/{session}")).status_code == 204
