"""The filters of the session list."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.support.client import ApiUser
from tests.support.completed_session import completed_session


async def test_each_filter_narrows_the_list(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    full = await completed_session(ann, db, title="Bread 100% and chess")
    empty = await ann.start(title="Nothing yet")
    await db.execute("UPDATE browsing_sessions SET keywords = '{Sourdough,체스}' WHERE id = %s", [full])
    await db.execute("UPDATE browsing_sessions SET started_at = '2026-01-02T00:00:00Z' WHERE id = %s", [full])

    async def ids(**params: str) -> set[str]:
        reply = await ann.ok("GET", "/v1/sessions", params=params)
        assert reply["total"] == len(reply["sessions"])
        return {s["id"] for s in reply["sessions"]}

    assert await ids() == {full, empty}
    assert await ids(status="completed") == {full}
    assert await ids(keyword="sourdough") == await ids(keyword="체스") == {full}
    assert await ids(keyword="sour") == set()
    assert await ids(domain="chess.example") == await ids(domain="https://www.Chess.example/x") == {full}
    assert await ids(domain="ess.example") == set()
    assert await ids(text="100%") == {full}
    assert await ids(text="1009") == set()
    assert await ids(text="강화") == {full}  # a page's title
    assert await ids(text="CRUST BROWNS") == {full}  # a marked passage
    assert await ids(text="nothing") == {empty}
    assert await ids(until="2026-02-01T00:00:00Z") == {full}
    assert await ids(since="2026-02-01T00:00:00Z") == {empty}
    assert await ids(text="bread", domain="bread.example", status="completed", keyword="체스") == {full}


@pytest.mark.parametrize(
    "params",
    [{"since": "x"}, {"status": "unknown"}, {"domain": "not a domain"}, {"text": "a\x00"}, {"text": "x" * 201}],
)
async def test_invalid_filters_are_refused(ann: ApiUser, params: dict[str, str]) -> None:
    assert (await ann.call("GET", "/v1/sessions", params=params)).status_code == 400
