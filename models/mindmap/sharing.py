"""Share links: a session's map for whoever has the address, until it is over or taken back.

The address is the link's id and a keyed digest of it, so it can be shown to its owner again, nobody can guess one,
and nothing in the database opens anything.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import uuid
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, UuidKey
from models.mindmap.document import MindmapDocument, Node, NodeData

_DIGEST_BYTES = 24


class ShareLink(Base):
    """One link. `shows` is how much: topics only (`map`), also the pages, also the marked passages."""

    __tablename__ = "share_links"
    __table_args__ = (CheckConstraint("shows IN ('map', 'pages', 'highlights')", name="shows"),)

    id: Mapped[UuidKey]
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("browsing_sessions.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    visibility: Mapped[str] = mapped_column("shows")
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


def _sign(key: str, link_id: uuid.UUID) -> bytes:
    return hmac.new(key.encode(), b"trailmind-share:" + link_id.bytes, sha256).digest()[:_DIGEST_BYTES]


def share_token(key: str, link_id: uuid.UUID) -> str:
    """What stands in the address."""
    return base64.urlsafe_b64encode(link_id.bytes + _sign(key, link_id)).rstrip(b"=").decode()


def share_link_id(keys: Sequence[str], token: str) -> uuid.UUID | None:
    """The link's id, or None when `token` is not one of ours. `keys` are those tokens may be signed with."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error):
        return None
    if len(raw) != 16 + _DIGEST_BYTES:
        return None
    link_id = uuid.UUID(bytes=raw[:16])
    # Whole tokens are compared, not what they decode to: the last character of Base64 has spare bits (RFC 4648 §3.5).
    given = token.encode()
    return link_id if any(hmac.compare_digest(share_token(key, link_id).encode(), given) for key in keys) else None


def visible_document(document: MindmapDocument, visibility: str) -> MindmapDocument:
    """`document` without what the link does not show. Left-out pages and searches are never shown."""
    hidden = {n.id for n in document.nodes if n.data.hidden or (visibility == "map" and n.type == "page")}
    return document.model_copy(
        update={
            "nodes": tuple(_visible_node(n, visibility) for n in document.nodes if n.id not in hidden),
            "edges": tuple(
                e.model_copy(update={"label": None} if visibility == "map" else {})
                for e in document.edges
                if e.source not in hidden and e.target not in hidden
            ),
            "layouts": {
                name: {i: p for i, p in points.items() if i not in hidden} for name, points in document.layouts.items()
            },
            "excluded_pages": (),
            "notes": (),
        }
    )


def _visible_node(node: Node, visibility: str) -> Node:
    data = node.data
    kept: dict[str, object] = {
        "keywords": data.keywords,
        "hue": data.hue,
        "language": data.language,
        "importance": data.importance,
        "total_duration": data.total_duration,
        "visit_count": data.visit_count,
    }
    if visibility != "map":
        # A description may quote the pages.
        kept |= {
            "description": data.description,
            "urls": data.urls,
            "page_id": data.page_id,
            "title": data.title,
            "host": data.host,
        }
    if visibility == "highlights":
        kept["highlights"] = data.highlights
    return node.model_copy(update={"data": NodeData().model_copy(update=kept)})
