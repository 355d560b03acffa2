"""The labels that a user gave to topics: the input from which the user's other maps reuse them.

A label counts while it is on a map that is shown: an edit that was undone, or that does not fit the version shown, is
none. A label that a map has reused is no source for further maps. Functions use the caller's transaction and do not
commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec

from models.database import Connection

#: Maps with labels of the user's that are read, last changed first.
MAX_MAPS = 100

# By the document that is shown, which has the edits in effect; its reports say which entry of the log named a topic.
READ_USER_LABELS: Final = """
    WITH RECURSIVE named_maps AS MATERIALIZED (
        SELECT s.id AS session_id, m.id AS mindmap_id, v.data, v.edit_reports
        FROM browsing_sessions s JOIN mindmaps m ON m.session_id = s.id
        JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version
        WHERE s.user_id = %(user_id)s AND s.id <> %(session_id)s AND s.deleted_at IS NULL AND v.generated IS NOT NULL
            AND EXISTS (SELECT FROM mindmap_edits e WHERE e.mindmap_id = m.id AND e.entry ->> 'label' IS NOT NULL)
        ORDER BY m.updated_at DESC, m.id LIMIT %(max_maps)s
    ), nodes AS (
        SELECT n.session_id, node ->> 'id' AS id, node ->> 'label' AS label, node ->> 'type' AS type,
            node #>> '{data,language}' AS language,
            node #>> '{data,label_by}' = 'user' AND node #> '{data,reused_from}' IS NULL
                AND node #>> '{data,hidden}' IS DISTINCT FROM 'true' AS is_named
        FROM named_maps n CROSS JOIN LATERAL jsonb_array_elements(n.data -> 'nodes') AS node
    ), topics AS (
        SELECT t.session_id, n.mindmap_id, t.id, t.label, t.type, r.named_at
        FROM nodes t JOIN named_maps n ON n.session_id = t.session_id CROSS JOIN LATERAL (
            SELECT max(e.created_at) AS named_at FROM jsonb_array_elements(n.edit_reports) AS report
            JOIN mindmap_edits e ON e.mindmap_id = n.mindmap_id AND e.op_id = report ->> 'op_id'
            WHERE report ->> 'node_id' = t.id AND e.entry ->> 'label' IS NOT NULL
                AND e.entry ->> 'op' IN ('rename', 'merge', 'split', 'add_node')) r
        WHERE t.is_named AND t.type IN ('topic', 'subtopic') AND r.named_at IS NOT NULL
            AND NOT EXISTS (SELECT FROM thread_unlinks u WHERE u.session_id = t.session_id AND u.topic_id = t.id)
    ), tree AS (
        SELECT n.session_id, edge ->> 'source' AS parent, edge ->> 'target' AS child
        FROM named_maps n CROSS JOIN LATERAL jsonb_array_elements(n.data -> 'edges') AS edge
        WHERE coalesce(edge ->> 'kind', 'contains') = 'contains'
    ), below AS (
        SELECT t.session_id, t.id AS topic_id, e.child FROM topics t
        JOIN tree e ON e.session_id = t.session_id AND e.parent = t.id
        UNION
        SELECT b.session_id, b.topic_id, e.child FROM below b
        JOIN tree e ON e.session_id = b.session_id AND e.parent = b.child
    )
    SELECT t.session_id, t.mindmap_id, t.id, t.label, t.type, t.named_at,
        array_agg(p.id ORDER BY p.id),
        array_agg(DISTINCT p.language) FILTER (WHERE p.language IS NOT NULL),
        array_agg(x.vector ORDER BY p.id) FILTER (WHERE x.vector IS NOT NULL),
        ARRAY(SELECT l.other_topic_id FROM thread_links l WHERE l.session_id = t.session_id AND l.topic_id = t.id
                AND l.other_session_id = %(session_id)s
            UNION SELECT l.topic_id FROM thread_links l WHERE l.other_session_id = t.session_id
                AND l.other_topic_id = t.id AND l.session_id = %(session_id)s ORDER BY 1)
    FROM topics t
    JOIN below b ON b.session_id = t.session_id AND b.topic_id = t.id
    JOIN nodes p ON p.session_id = t.session_id AND p.id = b.child AND p.type = 'page'
    LEFT JOIN page_vectors x ON x.session_id = t.session_id AND x.page_id = p.id AND x.model = %(model)s
    GROUP BY t.session_id, t.mindmap_id, t.id, t.label, t.type, t.named_at
    ORDER BY t.named_at DESC, t.session_id, t.id
"""
READ_UNLINKED_TOPICS_OF_SESSION: Final = """
    SELECT topic_id FROM thread_unlinks WHERE session_id = %(session_id)s ORDER BY topic_id
"""
FIND_MAPS_OF_USER: Final = """
    SELECT m.id FROM mindmaps m JOIN browsing_sessions s ON s.id = m.session_id
    WHERE m.id = ANY(%(mindmap_ids)s::uuid[]) AND s.user_id = %(user_id)s AND s.deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class UserLabel:
    """A label that a user gave to a topic or sub-topic of one session, and what that topic is about.

    `vectors` are those of its pages, as far as they are stored; `linked_topic_ids` the topics of the session to map
    that the user has linked with this topic.
    """

    session_id: str
    mindmap_id: uuid.UUID
    topic_id: str
    label: str
    kind: Literal["topic", "subtopic"]
    named_at: datetime
    page_ids: tuple[str, ...]
    languages: tuple[str, ...] = ()
    vectors: tuple[bytes, ...] = ()
    linked_topic_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserLabels:
    """What a map may reuse: the user's labels, last given first, and the topics that reuse none.

    `unlinked_topic_ids` are topics of the session to map that the user has taken out of their thread.
    """

    labels: tuple[UserLabel, ...] = ()
    unlinked_topic_ids: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Stands for all that a map may take from them; empty without labels."""
        if not self.labels:
            return ""
        facts: list[Any] = [self.unlinked_topic_ids]
        for label in self.labels:
            vectors = blake2b(b"".join(label.vectors), digest_size=16).hexdigest()
            facts.append(
                [
                    label.session_id,
                    label.topic_id,
                    label.label,
                    label.kind,
                    # Independent of the time zone of the connection.
                    label.named_at.timestamp(),
                    label.page_ids,
                    label.languages,
                    label.linked_topic_ids,
                    vectors,
                ]
            )
        return blake2b(msgspec.json.encode(facts), digest_size=16).hexdigest()


NO_LABELS: Final = UserLabels()


async def load_user_labels(connection: Connection, user_id: uuid.UUID, session_id: uuid.UUID, model: str) -> UserLabels:
    """The labels that the user gave in other sessions than `session_id`, with vectors that `model` made."""
    values = {"user_id": user_id, "session_id": session_id, "model": model, "max_maps": MAX_MAPS}
    rows = await (await connection.execute(READ_USER_LABELS, values)).fetchall()
    if not rows:
        return NO_LABELS
    labels = tuple(
        UserLabel(
            str(source_id),
            mindmap_id,
            topic_id,
            label,
            kind,
            named_at,
            tuple(page_ids),
            tuple(languages or ()),
            tuple(bytes(vector) for vector in vectors or ()),
            tuple(linked_topic_ids),
        )
        for (
            source_id, mindmap_id, topic_id, label, kind, named_at, page_ids, languages, vectors, linked_topic_ids,
        ) in rows
    )  # fmt: skip
    cursor = await connection.execute(READ_UNLINKED_TOPICS_OF_SESSION, values)
    return UserLabels(labels, tuple(topic_id for (topic_id,) in await cursor.fetchall()))


async def sources_that_are_gone(
    connection: Connection, user_id: uuid.UUID, labels: Sequence[UserLabel], session_ids: Collection[str]
) -> set[str]:
    """Those of `session_ids`, from which a map has reused `labels`, that were deleted or forgotten in part since."""
    sources = {label.session_id: label.mindmap_id for label in labels if label.session_id in session_ids}
    values = {"mindmap_ids": list(sources.values()), "user_id": user_id}
    found = {row[0] for row in await (await connection.execute(FIND_MAPS_OF_USER, values)).fetchall()}
    return {session_id for session_id in session_ids if sources.get(session_id) not in found}
