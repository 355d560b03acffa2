"""Prepares the maps of open recordings: their pages are read, and get their vectors, while the user reads.

The sentence encoder takes three quarters of the processor time of a first map. A page that was read some seconds before
Stop has its vector already, stored where the map looks for it (`models.recording.page_vectors`), and what was read of
it is in the memory of this worker (`cluster.maps.prepared_pages`). Nothing depends on either: a page without them is
read when its map is made.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from psycopg_pool import AsyncConnectionPool

from cluster.maps.prepared_pages import PreparedPages
from cluster.maps.tasks import MapTasks
from cluster.mindmap.text.meaning import encoder_model
from models.recording.page_vectors import (
    StoredVector,
    UnpreparedRecording,
    add_vectors,
    find_unprepared_recordings,
    load_vectors,
    lock_open_recording,
    try_lock_preparation,
    which_record,
)
from models.recording.timeline_store import load_pages

#: A recording is prepared when it has this many texts more than at the last time.
MIN_NEW_TEXTS = 4
#: Recordings in one pass; those with the most new texts first.
MAX_RECORDINGS = 20
#: Pages of one recording in one pass: others are not kept waiting for long.
MAX_PAGES = 96


@dataclass(slots=True)
class _Progress:
    """What has been done for one recording."""

    #: Its number of texts when nothing was left to do.
    num_texts: int = 0
    #: Pages that were given to the encoder. Some get no vector: their language is unknown to the model.
    tried: set[str] = field(default_factory=set)


class RecordingPreparer:
    """Makes and stores the vectors of the pages of open recordings, and puts the pages into `prepared`.

    A restart tries pages without a vector again.
    """

    def __init__(self, pool: AsyncConnectionPool[Any], tasks: MapTasks, prepared: PreparedPages | None = None) -> None:
        self._pool, self._tasks = pool, tasks
        self._prepared = prepared if prepared is not None else PreparedPages()
        self._progress: dict[uuid.UUID, _Progress] = {}

    async def prepare(self, age: timedelta) -> int:
        """Prepare the open recordings of the last `age`; return how many had new texts, 0 when nothing is left to do.

        Of several workers that call it at once, one does the work.
        """
        model = encoder_model()
        if not model:
            return 0
        await self._forget_closed()
        async with self._pool.connection() as guard, guard.transaction():
            if not await try_lock_preparation(guard):
                return 0
            found = await find_unprepared_recordings(guard, model, age, MIN_NEW_TEXTS)
            self._progress = {r.session_id: self._progress.get(r.session_id, _Progress()) for r in found}
            waiting = [r for r in found if r.num_texts >= self._progress[r.session_id].num_texts + MIN_NEW_TEXTS]
            for recording in waiting[:MAX_RECORDINGS]:
                await self._prepare_recording(recording, model)
            return len(waiting)

    def forget(self) -> None:
        """Forget the pages that were read: no user records."""
        self._prepared.retain(())

    async def _forget_closed(self) -> None:
        session_ids = self._prepared.session_ids
        if session_ids:
            async with self._pool.connection() as connection:
                self._prepared.retain(await which_record(connection, session_ids))

    async def _prepare_recording(self, recording: UnpreparedRecording, model: str) -> None:
        async with self._pool.connection() as connection:
            _, pages = await load_pages(connection, recording.session_id, recording.user_id)
            known = await load_vectors(connection, [recording.session_id], model)
        progress = self._progress[recording.session_id]
        missing = [p for p in pages if p.text and p.page_id not in known and p.page_id not in progress.tried]
        chosen = missing[:MAX_PAGES]
        if len(chosen) == len(missing):
            progress.num_texts = recording.num_texts
        if not chosen:
            return
        features = await self._tasks.prepare_features(chosen)
        progress.tried.update(page.page_id for page in chosen)
        async with self._pool.connection() as connection, connection.transaction():
            # Pages are forgotten, and sessions deleted, only after Stop or under this lock.
            if await lock_open_recording(connection, recording.session_id):
                made = [(page.page_id, page.meaning) for page in features]
                rows = [StoredVector(page_id, v.text_key, v.model, v.vector) for page_id, v in made if v.vector]
                await add_vectors(connection, recording.session_id, rows)
                self._prepared.add(recording.session_id, chosen, features)
