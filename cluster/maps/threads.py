"""A user's threads: topics with the same subject in several sessions, corrected by the user's links.

Maps are large and change seldom, so each is read once, a few at a time, and only the profiles of its topics are cached
in the process. The threads are saved with a digest of their input and computed again only when it changes.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from cluster.mindmap.clustering.thread_matching import Thread, TopicProfile, find_threads, topic_profiles
from models.database import Connection
from models.mindmap.document import MindmapDocument
from models.mindmap.thread_store import (
    ThreadSource,
    load_saved_threads,
    load_shown_documents,
    load_thread_source,
    save_threads,
)

#: Threads are searched in the user's newest sessions, at most so many.
MAX_SESSIONS = 2000
#: Increase it whenever the same maps may give other threads.
ALGORITHM_VERSION = 2
_DOCUMENTS_PER_QUERY = 20
#: About 20 kB per map.
_MAX_CACHED_MAPS = 3000

#: What a map shows: session id, version, number of edits. The time of its last change tells a map apart from one of
#: before a part of it was forgotten.
MapRevision = tuple[str, int, int, str]


class ProfileCache:
    """Topic profiles of maps, by what the map shows; the least recently used are evicted."""

    def __init__(self, max_maps: int = _MAX_CACHED_MAPS) -> None:
        self._max_maps = max_maps
        self._profiles: OrderedDict[MapRevision, list[TopicProfile]] = OrderedDict()

    async def load(self, connection: Connection, maps: Sequence[MapRevision]) -> dict[str, list[TopicProfile]]:
        """The topic profiles of every map by session id, in the order of `maps`; reads what is not cached."""
        missing = [revision for revision in maps if revision not in self._profiles]
        loaded: dict[MapRevision, list[TopicProfile]] = {}
        for start in range(0, len(missing), _DOCUMENTS_PER_QUERY):
            revisions = {revision[0]: revision for revision in missing[start : start + _DOCUMENTS_PER_QUERY]}
            rows = await load_shown_documents(connection, list(revisions))
            profiles = await asyncio.to_thread(_read_profiles, rows)
            loaded |= {revisions[session_id]: topics for session_id, topics in profiles.items()}
        # Collected before the cache is trimmed: `maps` may be larger than the cache.
        result = {
            revision[0]: loaded[revision] if revision in loaded else self._profiles.get(revision, [])
            for revision in maps
        }
        self._profiles.update(loaded)
        for revision in maps:
            if revision in self._profiles:
                self._profiles.move_to_end(revision)
        while len(self._profiles) > self._max_maps:
            self._profiles.popitem(last=False)
        return result


#: The cache of this process; a replica serves many users, whose maps it reads again for each request.
_PROFILE_CACHE = ProfileCache()


async def load_threads(
    connection: Connection, user_id: uuid.UUID, cache: ProfileCache = _PROFILE_CACHE
) -> list[dict[str, Any]]:
    """The user's threads, longest first, as JSON values. Saves them when they are computed; does not commit."""
    source = await load_thread_source(connection, user_id, max_sessions=MAX_SESSIONS)
    digest = _source_digest(source)
    saved = await load_saved_threads(connection, user_id, digest)
    if saved is not None:
        return saved
    # Oldest session first: members of a thread are in the order of their sessions.
    profiles = await cache.load(connection, list(reversed(source.maps)))
    threads = await asyncio.to_thread(_find_threads, profiles, source.unlinked, source.links)
    await save_threads(connection, user_id, digest, threads)
    return threads


def _source_digest(source: ThreadSource) -> str:
    facts = [ALGORITHM_VERSION, source.maps, source.unlinked, source.links]
    return hashlib.blake2b(msgspec.json.encode(facts), digest_size=16).hexdigest()


def _read_profiles(rows: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, list[TopicProfile]]:
    return {session_id: topic_profiles(session_id, MindmapDocument.from_json(data)) for session_id, data in rows}


def _find_threads(
    profiles: dict[str, list[TopicProfile]],
    unlinked: Sequence[tuple[str, str]],
    links: Sequence[tuple[tuple[str, str], tuple[str, str]]],
) -> list[dict[str, Any]]:
    topics = [topic for inside in profiles.values() for topic in inside]
    labels = {(topic.session_id, topic.topic_id): topic.label for topic in topics}
    rank = {session_id: i for i, session_id in enumerate(profiles)}
    threads = [_to_json(thread) for thread in find_threads(topics, unlinked=set(unlinked))]
    for pair in links:
        if all(topic in labels for topic in pair):
            threads = _linked(threads, pair, labels, rank)
    return sorted(threads, key=lambda thread: (-len(thread["members"]), -thread["confidence"], thread["id"]))


def _to_json(thread: Thread) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(asdict(thread))
    for member in plain["members"]:
        member["linked_by"] = "trailmind"
    return plain


def _linked(
    threads: list[dict[str, Any]],
    pair: tuple[tuple[str, str], tuple[str, str]],
    labels: dict[tuple[str, str], str],
    rank: dict[str, int],
) -> list[dict[str, Any]]:
    """`threads` with the threads of the two topics joined; a link made by the user has confidence 1."""
    touched = [t for t in threads if any((m["session_id"], m["topic_id"]) in pair for m in t["members"])]
    members = {(m["session_id"], m["topic_id"]): m for thread in touched for m in thread["members"]}
    for topic in pair:
        members[topic] = {
            "session_id": topic[0],
            "topic_id": topic[1],
            "label": labels[topic],
            "confidence": 1.0,
            "linked_by": "user",
        }
    ordered = sorted(members.values(), key=lambda m: (rank[m["session_id"]], m["topic_id"]))
    head = max(touched, key=lambda t: (len(t["members"]), t["id"]), default=None)
    first = f"{ordered[0]['session_id']}/{ordered[0]['topic_id']}"
    joined = {
        "id": head["id"] if head else "th_" + hashlib.blake2b(first.encode(), digest_size=8).hexdigest(),
        "label": head["label"] if head else ordered[0]["label"],
        "members": ordered,
        "terms": head["terms"] if head else [],
        "confidence": round(sum(m["confidence"] for m in ordered) / len(ordered), 4),
    }
    return [*(thread for thread in threads if thread not in touched), joined]
