"""Password hashes: argon2id through pwdlib, computed in a thread."""

from __future__ import annotations

import asyncio
from functools import lru_cache

from pwdlib import PasswordHash

_hasher = PasswordHash.recommended()


@lru_cache(maxsize=1)
def _decoy_hash() -> str:
    return _hasher.hash("not the password of any account")


async def hash_password(password: str) -> str:
    """The hash to store."""
    return await asyncio.to_thread(_hasher.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether `password` matches the hash `stored`.

    Without a hash it takes as long, so that the response time does not reveal which accounts exist.
    """
    if stored is None:
        await asyncio.to_thread(lambda: _hasher.verify(password, _decoy_hash()))
        return False
    return await asyncio.to_thread(_hasher.verify, password, stored)
