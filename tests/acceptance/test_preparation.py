"""The vectors of pages are made while the user records, so that the map after Stop does not wait for the encoder."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from cluster.maps.loader import MapRequest, load_map_input
from cluster.maps.pipeline import MapPipeline
from cluster.maps.preparation import MIN_NEW_TEXTS, RecordingPreparer
from cluster.maps.prepared_pages import PreparedPages
from cluster.maps.progress import SilentProgress
from cluster.mindmap.text.meaning import DIMENSIONS, encoder_model
from tests.acceptance.test_map_collections import SUBJECTS
from tests.acceptance.test_page_vectors import forbid_model, shown, stored_vectors
from tests.support.client import ApiUser, visit
from tests.support.inline_map_tasks import InlineMapTasks
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]
AGE = timedelta(hours=4)


def visits(subject: str, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Visits to pages on `subject`, each with a text of its own."""
    words = SUBJECTS[subject].split()
    events = []
    for i in numbers:
        turned = words[i % len(words) :] + words[: i % len(words)]
        text = " ".join(f"The {a} of the {subject} meets the {b} {i}." for a, b in zip(turned, words, strict=True))
        url = f"https://{subject}{i}.example/{subject}/{turned[0]}"
        title = f"{subject.capitalize()}: {turned[0]}"
        events.append(visit(url, 1_760_000_000_000 + i * 60_000, title=title, content=text * 3))
    return events


class _Tasks(InlineMapTasks):
    """Counts the pages given to the encoder, and calls `before_answer` before it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.num_pages = 0
        self.before_answer: Callable[[], Any] | None = None

    async def prepare_features(self, pages: Any) -> Any:
        features = await super().prepare_features(pages)
        self.num_pages += len(pages)
        if self.before_answer is not None:
            await self.before_answer()
        return features


def _without_reading(run_step: Callable[..., Any]) -> Callable[..., Any]:
    """`run_step` of tasks that may not read pages."""

    async def run(step: Callable[..., Any], *arguments: Any) -> Any:
        assert "features" not in step.__name__
        return await run_step(step, *arguments)

    return run


async def prepare_all(preparer: RecordingPreparer) -> None:
    """Until nothing is left to do: open recordings of other tests may come first."""
    while await preparer.prepare(AGE):
        pass


async def test_the_map_after_stop_does_not_need_the_encoder(
    ann: ApiUser, worker: InProcessWorker, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await ann.start()
    await ann.send(session, [*visits("bread", range(4)), *visits("chess", range(4, 8))])
    tasks, read = _Tasks(), PreparedPages()
    preparer = RecordingPreparer(worker.pool, tasks, read)
    await prepare_all(preparer)
    vectors = await stored_vectors(db, session)
    assert len(vectors) == 8
    assert {(model, len(vector)) for model, vector in vectors.values()} == {(encoder_model(), DIMENSIONS)}

    num_pages = tasks.num_pages
    await prepare_all(preparer)
    assert tasks.num_pages == num_pages, "no page twice"
    await ann.send(session, visits("tides", range(8, 8 + MIN_NEW_TEXTS)))
    await prepare_all(preparer)
    assert tasks.num_pages == num_pages + MIN_NEW_TEXTS
    vectors = await stored_vectors(db, session)
    assert len(vectors) == 8 + MIN_NEW_TEXTS

    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    with monkeypatch.context() as patch:
        # The worker that prepared the pages does not read them again.
        patch.setattr(tasks, "run_step", _without_reading(tasks.run_step))
        source = await load_map_input(worker.pool, uuid.UUID(session), "")
        assert source is not None
        pipeline = MapPipeline(tasks, worker.valkey, prepared=read)
        made_of_read = await pipeline.run(MapRequest(uuid.UUID(session)), source, SilentProgress())
        # Recordings of other tests may be open, and were prepared too.
        assert uuid.UUID(session) not in read.session_ids
    anew = replace(source, vectors={})
    made_anew = await MapPipeline(tasks, worker.valkey).run(MapRequest(uuid.UUID(session)), anew, SilentProgress())
    assert (made_anew.document, made_anew.vectors) == (made_of_read.document, made_of_read.vectors)
    with monkeypatch.context() as patch:
        forbid_model(patch)
        await worker.run()
    prepared = await shown(ann, session)
    assert await stored_vectors(db, session) == vectors
    # The same map as without preparation.
    await db.execute("DELETE FROM page_vectors WHERE session_id = %(id)s", {"id": uuid.UUID(session)})
    await ann.ok("POST", f"/v1/sessions/{session}/mindmap/generate", json={"force": True})
    await worker.run()
    assert await shown(ann, session) == prepared


@pytest.mark.parametrize("action", ["stop", "delete"])
async def test_nothing_is_stored_about_a_session_that_no_longer_records(
    ann: ApiUser, worker: InProcessWorker, db: Db, action: str
) -> None:
    session = await ann.start()
    await ann.send(session, visits("bread", range(5)))
    tasks = _Tasks()

    async def act() -> None:
        tasks.before_answer = None
        if action == "stop":
            await ann.ok("POST", f"/v1/sessions/{session}/stop")
        else:
            await ann.ok("DELETE", f"/v1/sessions/{session}")

    await db.execute("UPDATE browsing_sessions SET updated_at = now() - interval '5 hours' WHERE id <> %s", [session])
    tasks.before_answer = act
    await prepare_all(RecordingPreparer(worker.pool, tasks))
    assert await stored_vectors(db, session) == {}


async def test_pages_in_an_unknown_language_are_tried_once(ann: ApiUser, worker: InProcessWorker, db: Db) -> None:
    session = await ann.start()
    text = "यह पृष्ठ रोटी बनाने के बारे में है और इसमें आटा पानी और नमक की बात होती है। " * 5
    urls = [f"https://roti{i}.example/" for i in range(MIN_NEW_TEXTS + 1)]
    await ann.send(session, [visit(url, 1_760_000_000_000 + i, content=f"{i} {text}") for i, url in enumerate(urls)])
    await db.execute("UPDATE browsing_sessions SET updated_at = now() - interval '5 hours' WHERE id <> %s", [session])
    tasks = _Tasks()
    preparer = RecordingPreparer(worker.pool, tasks)
    await prepare_all(preparer)
    await prepare_all(preparer)
    assert tasks.num_pages == len(urls)
    assert await stored_vectors(db, session) == {}


async def test_one_worker_prepares_at_a_time(ann: ApiUser, worker: InProcessWorker, db: Db) -> None:
    session = await ann.start()
    await ann.send(session, visits("bread", range(5)))
    tasks = _Tasks()
    second = RecordingPreparer(worker.pool, InlineMapTasks())
    answers: list[int] = []

    async def prepare_elsewhere() -> None:
        answers.append(await second.prepare(AGE))

    tasks.before_answer = prepare_elsewhere
    await prepare_all(RecordingPreparer(worker.pool, tasks))
    assert answers
    assert set(answers) == {0}
    assert len(await stored_vectors(db, session)) == 5
