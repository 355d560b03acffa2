"""A user's threads: found in their maps, corrected by their links, kept until either changes.

Maps are large and seldom change: each is read once, a few at a time, and only its topics' profiles are kept in this
process. What was found is stored with a digest of everything it was found in.
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
from psycopg.types.json import Jsonb

from cluster.mindmap.clustering.thread_matching import Thread, TopicProfile, find_threads, topic_profiles
from models.database import Connection
from models.mindmap.document import MindmapDocument

Topic = tuple[uuid.UUID, str]
#: All of a user's sessions are searched for threads, the latest so many of somebody who has more.
MAX_SESSIONS = 2000
#: Raised whenever the same maps may give other threads.
ALGORITHM_VERSION = 2
_READ_AT_ONCE = 20
#: Profiles of so many maps are kept, about 20 kB each.
_MAX_KEPT = 3000
_kept: OrderedDict[tuple[str, int, int], list[TopicProfile]] = OrderedDict()


async def load_threads(connection: Connection, user_id: uuid.UUID) -> list[dict[str, Any]]:
    """The user's threads, the longest first, as plain JSON values; the caller commits."""
    cursor = await connection.execute(
        "SELECT s.id, m.current_version, v.edits_seq FROM browsing_sessions s"
        " JOIN mindmaps m ON m.session_id = s.id"
        " JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version"
        " WHERE s.user_id = %s AND s.deleted_at IS NULL ORDER BY s.started_at DESC, s.id LIMIT %s",
        [user_id, MAX_SESSIONS],
    )
    maps = await cursor.fetchall()
    cursor = await connection.execute(
        "SELECT session_id, topic_id FROM thread_unlinks WHERE user_id = %s ORDER BY 1, 2", [user_id]
    )
    unlinked = [(str(session_id), topic_id) for session_id, topic_id in await cursor.fetchall()]
    cursor = await connection.execute(
        "SELECT session_id, topic_id, other_session_id, other_topic_id FROM thread_links WHERE user_id = %s"
        " ORDER BY 1, 2, 3, 4",
        [user_id],
    )
    links = [((str(a), b), (str(c), d)) for a, b, c, d in await cursor.fetchall()]
    facts = [ALGORITHM_VERSION, [[str(one), *rest] for one, *rest in maps], unlinked, links]
    digest = hashlib.blake2b(msgspec.json.encode(facts), digest_size=16).hexdigest()
    cursor = await connection.execute("SELECT digest, threads FROM thread_findings WHERE user_id = %s", [user_id])
    known = await cursor.fetchone()
    if known is not None and known[0] == digest:
        return list(known[1])
    profiles = await _profiles(connection, [(str(one), *rest) for one, *rest in reversed(maps)])
    found = await asyncio.to_thread(_find, profiles, unlinked, links)
    await connection.execute(
        "INSERT INTO thread_findings (user_id, digest, threads) VALUES (%s, %s, %s) ON CONFLICT (user_id)"
        " DO UPDATE SET digest = excluded.digest, threads = excluded.threads, found_at = now()",
        [user_id, digest, Jsonb(found)],
    )
    return found


async def _profiles(connection: Connection, maps: Sequence[tuple[str, int, int]]) -> dict[str, list[TopicProfile]]:
    """The topics of every map (session id, version, edits), in the given order."""
    wanted = [key for key in maps if key not in _kept]
    fresh: dict[tuple[str, int, int], list[TopicProfile]] = {}
    for start in range(0, len(wanted), _READ_AT_ONCE):
        some = {key[0]: key for key in wanted[start : start + _READ_AT_ONCE]}
        cursor = await connection.execute(
            "SELECT m.session_id::text, v.data FROM mindmaps m"
            " JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version"
            " WHERE m.session_id = ANY(%s::uuid[])",
            [list(some)],
        )
        rows = await cursor.fetchall()
        read = await asyncio.to_thread(_read, rows)
        fresh |= {some[session_id]: inside for session_id, inside in read.items()}
    found = {key[0]: fresh[key] if key in fresh else _kept.get(key, []) for key in maps}
    _kept.update(fresh)
    for key in maps:
        if key in _kept:
            _kept.move_to_end(key)
    while len(_kept) > _MAX_KEPT:
        _kept.popitem(last=False)
    return found


def _read(rows: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, list[TopicProfile]]:
    return {session_id: topic_profiles(session_id, MindmapDocument.from_json(data)) for session_id, data in rows}


def _find(
    profiles: dict[str, list[TopicProfile]],
    unlinked: Sequence[tuple[str, str]],
    links: Sequence[tuple[tuple[str, str], tuple[str, str]]],
) -> list[dict[str, Any]]:
    topics = [topic for inside in profiles.values() for topic in inside]
    labels = {(topic.session_id, topic.topic_id): topic.label for topic in topics}
    rank = {session_id: i for i, session_id in enumerate(profiles)}
    threads = [_plain(thread) for thread in find_threads(topics, unlinked=set(unlinked))]
    for pair in links:
        if all(topic in labels for topic in pair):
            threads = _linked(threads, pair, labels, rank)
    return sorted(threads, key=lambda thread: (-len(thread["members"]), -thread["confidence"], thread["id"]))


def _plain(thread: Thread) -> dict[str, Any]:
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
    """`threads` with the two topics in one; a person's word is certain."""
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


async def add_thread_link(connection: Connection, user_id: uuid.UUID, topic: Topic, other: Topic) -> None:
    """Remember that two topics are one subject; what said otherwise is forgotten."""
    first, second = sorted((topic, other))
    await connection.execute(
        "DELETE FROM thread_unlinks WHERE user_id = %s AND (session_id, topic_id) IN ((%s, %s), (%s, %s))",
        [user_id, *first, *second],
    )
    await connection.execute(
        "INSERT INTO thread_links (id, user_id, session_id, topic_id, other_session_id, other_topic_id)"
        " VALUES (gen_random_uuid(), %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [user_id, *first, *second],
    )


async def add_thread_unlink(connection: Connection, user_id: uuid.UUID, topic: Topic) -> None:
    """Remember that a topic belongs to no thread."""
    await connection.execute(
        "DELETE FROM thread_links WHERE user_id = %(user)s AND ((session_id = %(session)s AND topic_id = %(topic)s)"
        " OR (other_session_id = %(session)s AND other_topic_id = %(topic)s))",
        {"user": user_id, "session": topic[0], "topic": topic[1]},
    )
    await connection.execute(
        "INSERT INTO thread_unlinks (session_id, topic_id, user_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [topic[0], topic[1], user_id],
    )
