"""Passwords: argon2id through pwdlib, off the event loop."""

from __future__ import annotations

import asyncio
from functools import lru_cache

from pwdlib import PasswordHash

_hasher = PasswordHash.recommended()


@lru_cache(maxsize=1)
def _decoy() -> str:
    return _hasher.hash("nobody has this password")


async def hash_password(password: str) -> str:
    """The hash to store."""
    return await asyncio.to_thread(_hasher.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether `password` matches. With nothing stored it takes as long, so that the time tells nobody who exists."""
    if stored is None:
        await asyncio.to_thread(lambda: _hasher.verify(password, _decoy()))
        return False
    return await asyncio.to_thread(_hasher.verify, password, stored)
