"""Which shard holds whose buffer."""

from __future__ import annotations

import uuid
from hashlib import blake2b

#: Fixed for ever: buckets move between shards, users never move between buckets.
NUM_BUCKETS = 64


def bucket_of(user_id: uuid.UUID) -> int:
    """The bucket of a user, 0 to 63; the same in every process (Python's own `hash` is salted)."""
    return blake2b(user_id.bytes, digest_size=8).digest()[0] % NUM_BUCKETS


def shard_of_bucket(bucket: int, num_shards: int) -> int:
    """The shard of a bucket: contiguous runs of buckets, as even as they go."""
    if not 1 <= num_shards <= NUM_BUCKETS:
        raise ValueError(f"the number of shards must be 1 to {NUM_BUCKETS}, not {num_shards}")
    return bucket * num_shards // NUM_BUCKETS


def shard_of(user_id: uuid.UUID, num_shards: int) -> int:
    """The shard that holds a user's buffer."""
    return shard_of_bucket(bucket_of(user_id), num_shards)
