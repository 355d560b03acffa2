"""The live map of a recording, as its watchers receive it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from cluster.maps.live_maps import POLL_S, LiveMaps, LiveMapUpdate
from cluster.settings import Settings
from models.recording.timeline_store import load_pages
from tests.support.client import ApiUser, sign_up, visit
from tests.support.conditions import PATIENCE_S
from tests.support.map_sessions import make_session
from tests.support.server import running_api
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]


@pytest.fixture
async def watched(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    async with running_api(settings) as found:
        yield found


def page_events(num: int) -> list[dict[str, Any]]:
    """Visits of `num` pages on three subjects in turn."""
    pages = make_session((num + 2) // 3)[:num]
    return [visit(p.url, p.visited_at_ms[0], title=p.title, content=p.text) for p in pages]


class Screen:
    """A client: applies what it is sent to what it has."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {}
        self.edges: dict[tuple[str, str], Any] = {}
        self.num_pages = 0

    def apply(self, delta: dict[str, Any]) -> None:
        if delta["whole"]:
            self.nodes, self.edges = {}, {}
        for edge in delta["removed_edges"]:
            del self.edges[edge["source"], edge["target"]]
        for node_id in delta["removed_node_ids"]:
            del self.nodes[node_id]
        self.nodes |= {node["id"]: node for node in delta["nodes"]}
        self.edges |= {(edge["source"], edge["target"]): edge for edge in delta["edges"]}
        self.num_pages = delta["num_pages"]
        assert all(a in self.nodes and b in self.nodes for a, b in self.edges), "no edge dangles, ever"

    async def until(self, frames: AsyncIterator[LiveMapUpdate], num_pages: int) -> int:
        """Apply frames until the map has `num_pages` pages; returns how many frames that took."""
        num_frames = 0
        async with asyncio.timeout(PATIENCE_S):
            while self.num_pages < num_pages:
                self.apply((await anext(frames)).to_json())
                num_frames += 1
        return num_frames

    @property
    def pages(self) -> set[str]:
        return {node["id"] for node in self.nodes.values() if node["type"] == "page"}


async def test_watchers_receive_pages_one_by_one_with_stable_ids(
    watched: tuple[FastAPI, httpx2.AsyncClient], db: Db
) -> None:
    app, client = watched
    ann = await sign_up(client)
    live: LiveMaps = app.state.parts.live_maps
    session = await ann.start()
    key = (uuid.UUID(session), uuid.UUID(ann.id))
    events = page_events(12)
    async with live.watch(*key) as frames, live.watch(*key) as others:
        assert frames is not None
        assert others is not None
        first = await anext(frames)
        assert first.is_snapshot
        assert [node.id for node in first.delta.nodes] == ["core"]
        screen, other = Screen(), Screen()
        frames_to_page: list[int] = []
        before: set[str] = set()
        screen.apply(first.to_json())
        for i, event in enumerate(events):
            await ann.send(session, [event])
            frames_to_page.append(await screen.until(frames, i + 1))
            assert before <= screen.pages
            before = screen.pages
        await other.until(others, len(events))
    _, pages = await load_pages(db, *key)
    assert screen.pages == {page.page_id for page in pages}
    assert other.nodes == screen.nodes, "a watcher that looked away has the same map in the end"
    # A page is in the first frame after it, or in the second if the topics were just grouped again. Frames follow each
    # other at the interval of reading, so this bounds the delay on a machine of any speed.
    assert sorted(frames_to_page)[len(frames_to_page) // 2] <= 2
    assert 2 * POLL_S <= 2.0
    assert live.num_watched == 0


async def test_a_returning_watcher_gets_the_same_ids_and_positions(watched: tuple[FastAPI, httpx2.AsyncClient]) -> None:
    app, client = watched
    ann = await sign_up(client)
    live: LiveMaps = app.state.parts.live_maps
    session = await ann.start()
    key = (uuid.UUID(session), uuid.UUID(ann.id))
    screen, again = Screen(), Screen()
    async with live.watch(*key) as frames:
        assert frames is not None
        for i, event in enumerate(page_events(9)):
            await ann.send(session, [event])
            await screen.until(frames, i + 1)
    async with live.watch(*key) as frames:
        assert frames is not None
        await again.until(frames, 9)
    assert again.pages == screen.pages
    kept = [node_id for node_id in screen.nodes if node_id in again.nodes]
    assert len(kept) >= 0.95 * len(screen.nodes)


async def test_the_stream_sends_the_live_map_until_the_generated_one(
    ann: ApiUser, bob: ApiUser, worker: InProcessWorker
) -> None:
    session = await ann.start()
    events = page_events(6)
    await ann.send(session, events[:4])
    assert (await bob.call("GET", f"/v1/sessions/{session}/stream")).status_code == 404
    asking = asyncio.create_task(ann.call("GET", f"/v1/sessions/{session}/stream"))
    quiet = asyncio.create_task(ann.call("GET", f"/v1/sessions/{session}/stream?live=false"))
    async with asyncio.timeout(PATIENCE_S):
        # The map is remembered after each placing: that is when the stream has it.
        while not await worker.valkey.exists(f"trailmind:live:{session}"):
            await asyncio.sleep(0.02)
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    async with asyncio.timeout(PATIENCE_S):
        answers = [await asking, await quiet]
    updates = []
    for answer in answers:
        frames = [f.splitlines() for f in answer.text.split("\n\n") if f.startswith("event:")]
        updates.append([(f[0].removeprefix("event: "), json.loads(f[1].removeprefix("data: "))) for f in frames])
    kinds = [kind for kind, _ in updates[0]]
    assert kinds[0] == "snapshot"
    assert kinds[-1] == "mindmap"
    deltas = [data for kind, data in updates[0] if kind == "map_delta"]
    assert [delta["whole"] for delta in deltas] == [True] + [False] * (len(deltas) - 1)
    screen = Screen()
    for delta in deltas:
        screen.apply(delta)
    assert len(screen.pages) == 4
    assert "map_delta" not in [kind for kind, _ in updates[1]]
    final = (await ann.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]["data"]["nodes"]
    assert screen.nodes.keys() <= {node["id"] for node in final}, "the final map goes on from the one that was watched"


async def test_a_recording_that_was_not_watched_is_whole_in_the_first_event(
    watched: tuple[FastAPI, httpx2.AsyncClient],
) -> None:
    app, client = watched
    ann = await sign_up(client)
    live: LiveMaps = app.state.parts.live_maps
    session = await ann.start()
    screen = Screen()
    async with live.watch(uuid.UUID(session), uuid.UUID(ann.id)) as frames:
        assert frames is not None
        await ann.send(session, page_events(2))
        await screen.until(frames, 2)
    # No watcher while most of the session is recorded; the cached map has two pages.
    await ann.send(session, page_events(12)[2:])
    async with live.watch(uuid.UUID(session), uuid.UUID(ann.id)) as frames:
        assert frames is not None
        async with asyncio.timeout(PATIENCE_S):
            first = (await anext(frames)).to_json()
    assert (first["whole"], first["num_pages"]) == (True, 12)
    again = Screen()
    again.apply(first)
    assert screen.pages <= again.pages


async def test_without_watchers_no_live_map_is_built(watched: tuple[FastAPI, httpx2.AsyncClient]) -> None:
    app, client = watched
    ann = await sign_up(client)
    session = await ann.start()
    await ann.send(session, page_events(3))
    live: LiveMaps = app.state.parts.live_maps
    assert live._poller is None
    assert not await app.state.parts.valkey.exists(f"trailmind:live:{session}")
