"""Which shard holds the buffer of which user.

A user is hashed to one of 64 fixed buckets, and the buckets are divided among the shards. A change of the number of
shards moves whole buckets, as hash slots move in Redis Cluster
(https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model).
"""

from __future__ import annotations

import uuid
from hashlib import blake2b

#: Must never change: buckets move between shards, users never move between buckets.
NUM_BUCKETS = 64


def bucket_of(user_id: uuid.UUID) -> int:
    """The bucket of a user, 0 to 63, the same in every process.

    BLAKE2b (RFC 7693), because Python's `hash` differs between processes.
    """
    return blake2b(user_id.bytes, digest_size=8).digest()[0] % NUM_BUCKETS


def shard_of_bucket(bucket: int, num_shards: int) -> int:
    """The shard of a bucket. Each shard holds a contiguous range of buckets; the sizes differ by at most one.

    Raises ValueError when `num_shards` is not 1 to 64.
    """
    if not 1 <= num_shards <= NUM_BUCKETS:
        raise ValueError(f"the number of shards must be 1 to {NUM_BUCKETS}, not {num_shards}")
    return bucket * num_shards // NUM_BUCKETS


def shard_of(user_id: uuid.UUID, num_shards: int) -> int:
    """The shard that holds a user's buffer. Raises ValueError when `num_shards` is not 1 to 64."""
    return shard_of_bucket(bucket_of(user_id), num_shards)
