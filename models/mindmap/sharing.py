"""Share links: the map of one or several sessions for everyone who has the URL, until the link expires or is revoked.

The token in the URL is the link's id with an HMAC-SHA256 of it (RFC 2104). So the server can show the URL to its owner
again, a token cannot be guessed, and the database alone does not give access.
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

_DIGEST_BYTES = 24


class ShareLink(Base):
    """One link. `visibility`: topics only (`map`), with pages (`pages`), or with highlights too (`highlights`)."""

    __tablename__ = "share_links"
    __table_args__ = (
        CheckConstraint("shows IN ('map', 'pages', 'highlights')", name="shows"),
        CheckConstraint("num_nonnulls(session_id, map_id) = 1", name="owner"),
    )

    id: Mapped[UuidKey]
    session_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("browsing_sessions.id", ondelete="CASCADE"), index=True
    )
    #: The map over several sessions that the link shows, instead of a session.
    map_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("joint_maps.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    visibility: Mapped[str] = mapped_column("shows")
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


def _sign(key: str, link_id: uuid.UUID) -> bytes:
    return hmac.new(key.encode(), b"trailmind-share:" + link_id.bytes, sha256).digest()[:_DIGEST_BYTES]


def share_token(key: str, link_id: uuid.UUID) -> str:
    """The token of the link's URL, signed with `key`."""
    return base64.urlsafe_b64encode(link_id.bytes + _sign(key, link_id)).rstrip(b"=").decode()


def share_link_id(keys: Sequence[str], token: str) -> uuid.UUID | None:
    """The id of the link with this token, or None when the token is not valid. `keys` are the accepted signing keys."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error):
        return None
    if len(raw) != 16 + _DIGEST_BYTES:
        return None
    link_id = uuid.UUID(bytes=raw[:16])
    # Compares encoded tokens, because several Base64 strings decode to the same bytes (RFC 4648, section 3.5).
    received = token.encode()
    is_signed = any(hmac.compare_digest(share_token(key, link_id).encode(), received) for key in keys)
    return link_id if is_signed else None
