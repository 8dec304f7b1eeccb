"""The partition and the shard of a key: Kafka's default hash, so that both engines place records alike."""

from __future__ import annotations

import struct
from functools import lru_cache

SHARDS = 256

_KEYS = 8_192
"""Keys whose hashes are kept: of the conversations that are talking now."""
_SEED = 0x9747B28C
_MIX = 0x5BD1E995
_WORD = 0xFFFFFFFF


def partition_of(key: str, count: int) -> int:
    """The partition of ``key`` in a topic of ``count`` partitions, as Java's and aiokafka's default partitioners choose
    it."""
    return _positive_hash(key) % count


def shard_of(conversation: str) -> int:
    """The state shard of a conversation, 0–255."""
    return _positive_hash(conversation) % SHARDS


@lru_cache(maxsize=_KEYS)
def _positive_hash(key: str) -> int:
    return murmur2(key.encode()) & 0x7FFFFFFF


def murmur2(data: bytes) -> int:
    """32-bit MurmurHash2 with Kafka's seed."""
    size = len(data)
    tail = size & 3
    value = _SEED ^ size
    for (word,) in struct.iter_unpack("<I", data[: size - tail]):
        mixed = word * _MIX & _WORD
        mixed = (mixed ^ mixed >> 24) * _MIX & _WORD
        value = (value * _MIX & _WORD) ^ mixed
    if tail:
        value = (value ^ int.from_bytes(data[size - tail :], "little")) * _MIX & _WORD
    value = (value ^ value >> 13) * _MIX & _WORD
    return value ^ value >> 15
