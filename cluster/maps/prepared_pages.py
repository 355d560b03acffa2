"""What was read of the pages of open recordings, kept in the memory of the worker that prepared them.

Reading pages is more than a quarter of the processor time of a map whose vectors are stored. Nothing depends on it: a
map that another worker makes, or that is made after a restart, reads its pages again.
"""

from __future__ import annotations

import pickle
import uuid
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping

from cluster.mindmap.pages.features import PageFeatures, content_digest, with_visits
from models.recording.pages import CapturedPage

#: A page takes about 5 kB; recordings that were added to longest ago are forgotten first.
MAX_BYTES = 48 * 1024 * 1024


class PreparedPages:
    """The features of pages by session and content, pickled: a quarter of the memory of the objects."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._sessions: OrderedDict[uuid.UUID, dict[bytes, bytes]] = OrderedDict()
        #: Bytes of all sessions.
        self.num_bytes = 0

    @property
    def session_ids(self) -> list[uuid.UUID]:
        """The sessions of which pages are kept."""
        return list(self._sessions)

    def add(self, session_id: uuid.UUID, pages: Iterable[CapturedPage], features: Iterable[PageFeatures]) -> None:
        """Keep the features of `pages`, which are in the same order."""
        kept = self._sessions.setdefault(session_id, {})
        self._sessions.move_to_end(session_id)
        for page, of_page in zip(pages, features, strict=True):
            digest, data = content_digest(page), pickle.dumps(of_page, pickle.HIGHEST_PROTOCOL)
            self.num_bytes += len(data) - len(kept.get(digest, b""))
            kept[digest] = data
        while self.num_bytes > self._max_bytes:
            self._forget(next(iter(self._sessions)))

    def retain(self, session_ids: Collection[uuid.UUID]) -> None:
        """Forget the other sessions: they do not record any more, or may have been deleted."""
        for session_id in [known for known in self._sessions if known not in session_ids]:
            self._forget(session_id)

    def take(self, session_id: uuid.UUID, pages: Iterable[CapturedPage], model: str) -> Mapping[str, PageFeatures]:
        """By page id, the features of those `pages` that have not changed, and forget the session.

        `model` is that of the vectors: a page with one of another model is left out.
        """
        kept = self._sessions.get(session_id, {})
        found: dict[str, PageFeatures] = {}
        for page in pages:
            data = kept.get(content_digest(page))
            if data is None:
                continue
            features: PageFeatures = pickle.loads(data)  # noqa: S301 - pickled by `add`, in this process
            if features.meaning.model in ("", model):
                found[page.page_id] = with_visits(features, page)
        self._forget(session_id)
        return found

    def _forget(self, session_id: uuid.UUID) -> None:
        self.num_bytes -= sum(map(len, self._sessions.pop(session_id, {}).values()))
