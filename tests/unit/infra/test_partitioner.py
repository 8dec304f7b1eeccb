"""The partitioner is Kafka's, so that both engines place records alike."""

from __future__ import annotations

from aiokafka.partitioner import DefaultPartitioner, murmur2
from hypothesis import given
from hypothesis import strategies as st

from infra.bus import partitioner

UNICODE = st.text(st.characters(exclude_categories=["Cs"]))


@given(data=st.binary(max_size=200))
def test_the_hash_is_the_client_s(data: bytes) -> None:
    """For any bytes of any length, also those that do not fill a word."""
    assert partitioner.murmur2(data) == murmur2(data)


@given(key=UNICODE, count=st.integers(1, 200))
def test_the_partition_is_the_client_s(key: str, count: int) -> None:
    """For any text, in any script."""
    expected = DefaultPartitioner()(key.encode(), list(range(count)), list(range(count)))
    assert partitioner.partition_of(key, count) == expected


def test_known_values_of_the_java_client() -> None:
    """From the tests of Kafka's own Utils.murmur2."""
    known = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    assert {data: partitioner.murmur2(data) for data in known} == {d: v & 0xFFFFFFFF for d, v in known.items()}


@given(key=UNICODE)
def test_the_shard_is_one_of_256(key: str) -> None:
    """And it is the partition that a topic of 256 would give."""
    assert partitioner.shard_of(key) == partitioner.partition_of(key, partitioner.SHARDS)
