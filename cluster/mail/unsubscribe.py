"""The links with which a reader turns optional mails off, without a login (RFC 8058).

They do not expire: a mail may be read years later. A link names the account and nothing else, and can do nothing but
turn these mails off.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Sequence

from models.errors import NotFound

UNSUBSCRIBE_PATH = "/v1/mail/unsubscribe"
_DIGEST_BYTES = 16


def unsubscribe_token(keys: Sequence[str], user_id: uuid.UUID) -> str:
    """The secret of the user's links, signed with the first of `keys`."""
    return base64.urlsafe_b64encode(user_id.bytes + _signature(keys[0], user_id)).decode().rstrip("=")


def unsubscribing_user(keys: Sequence[str], token: str) -> uuid.UUID:
    """The user that `token` names; any of `keys` may have signed it. Raises NotFound."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        user_id, signature = uuid.UUID(bytes=raw[:16]), raw[16:]
    except ValueError:
        raise NotFound("this link is not one of ours") from None
    if not any(hmac.compare_digest(signature, _signature(key, user_id)) for key in keys):
        raise NotFound("this link is not one of ours")
    return user_id


def _signature(key: str, user_id: uuid.UUID) -> bytes:
    return hmac.digest(key.encode(), b"trailmind unsubscribe\0" + user_id.bytes, hashlib.sha256)[:_DIGEST_BYTES]
