"""Records of the log go into a backup and come back unchanged, and the offsets of groups follow them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from gateway.backup import log_records
from gateway.backup.log_records import OffsetTranslation, group_records, pack_records, unpack_records
from schemas.ports import Record


def build_record(topic: str, partition: int, offset: int, value: bytes | None = b"\x00\n\xff") -> Record:
    return Record(topic, partition, offset, f"key-{offset}", 1_000 + offset, {"ce_id": "ä"}, value)


async def iterate(records: Iterable[Record]) -> AsyncIterator[Record]:
    for record in records:
        yield record


def test_records_come_back_unchanged() -> None:
    records = [build_record("log", 1, 7), build_record("log", 0, 9, None), build_record("log", 0, 12, b"")]
    found = list(unpack_records("log", pack_records(records)))
    fields = ("topic", "partition", "offset", "key", "timestamp_ms", "headers", "value")
    for name in fields:
        assert [getattr(each, name) for each in found] == [getattr(each, name) for each in records]


async def test_an_entry_holds_records_of_one_topic_and_not_too_many() -> None:
    records = [build_record("a", 0, n) for n in range(log_records.AT_ONCE + 1)] + [build_record("b", 0, 0)]
    groups = [(topic, len(group)) async for topic, group in group_records(iterate(records))]
    assert groups == [("a", log_records.AT_ONCE), ("a", 1), ("b", 1)]
    large = [build_record("a", 0, n, bytes(log_records.MAX_BYTES // 2 + 1)) for n in range(4)]
    assert [len(group) async for _, group in group_records(iterate(large))] == [2, 2]


def test_a_group_goes_on_behind_the_records_that_it_had_read() -> None:
    """The topic began at 100 and has gaps, where records were removed; the restored one begins at 0 and has none."""
    offsets = OffsetTranslation({"log": {"group": {0: 105, 1: 3, 2: 50}}})
    for record in [*(build_record("log", 0, n) for n in (100, 102, 104, 105, 109)), build_record("log", 1, 5)]:
        offsets.observe(record)
    offsets.observe(build_record("others", 0, 1))
    assert offsets.restored == {"log": {"group": {0: 3, 1: 0, 2: 0}}}
