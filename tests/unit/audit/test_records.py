"""The hash chain of the audit trail: nothing can be changed, removed, moved or added without being noticed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.audit.records import AuditRecord, AuditVerification, verify_records

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def record(name: str, previous: AuditRecord | None = None, **more: Any) -> AuditRecord:
    fields = {
        "id": name,
        "tenant": "shop",
        "at": NOW if previous is None else previous.at + timedelta(minutes=1),
        "actor": "console:anna",
        "action": "conversation.read",
        "subject": "conversation:1",
        "surface": "console",
        "number": 1 if previous is None else previous.number + 1,
        "previous": "" if previous is None else previous.hash,
        "previous_at": None if previous is None else previous.at,
    }
    return AuditRecord.model_validate(fields | more).seal()


def chain(length: int, first: AuditRecord | None = None, name: str = "a") -> list[AuditRecord]:
    records: list[AuditRecord] = []
    for number in range(length):
        records.append(record(f"{name}{number}", records[-1] if records else first))
    return records


def problems(records: list[AuditRecord]) -> list[str]:
    return verify_records(records).problems


def test_an_untouched_chain_has_no_problems() -> None:
    assert verify_records(chain(50)) == AuditVerification(50, [], NOW, None)
    assert verify_records([]) == AuditVerification()


def test_two_processes_may_continue_the_same_record() -> None:
    trunk = chain(3)
    one, two = chain(4, trunk[-1], "b"), chain(4, trunk[-1], "c")
    woven = [each for pair in zip(one, two, strict=True) for each in pair]
    assert problems(trunk + woven + chain(2, woven[-1], "d")) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("actor", "console:ben"),
        ("action", "knowledge.publish"),
        ("subject", "conversation:2"),
        ("surface", "slack"),
        ("at", NOW + timedelta(hours=5)),
        ("tenant", "other"),
        ("id", "x"),
        ("number", 9),
        ("previous", "0" * 64),
        ("previous_at", NOW - timedelta(days=1)),
        ("hash", "0" * 64),
    ],
)
def test_a_changed_field_is_noticed(field: str, value: Any) -> None:
    records = chain(5)
    records[2] = records[2].model_copy(update={field: value})
    assert problems(records)


@pytest.mark.parametrize("changed", range(5))
def test_a_change_with_a_hash_that_fits_is_noticed_by_the_next_record(changed: int) -> None:
    records = chain(6)
    records[changed] = records[changed].model_copy(update={"actor": "console:ben"}).seal()
    assert problems(records) == [
        f"the record before record a{changed + 1} of {records[changed + 1].at.isoformat()} is missing"
    ]


@pytest.mark.parametrize("removed", range(1, 5))
def test_a_removed_record_is_missed_by_the_next(removed: int) -> None:
    records = chain(6)
    del records[removed]
    assert len(problems(records)) == 1


def test_a_record_that_was_moved_or_repeated_or_begins_anew_is_noticed() -> None:
    records = chain(6)
    assert problems([*records[:2], records[3], records[2], *records[4:]])
    assert problems([*records, record("z")])
    assert problems([*records, record("z", records[2], number=9)])


def test_a_beginning_that_retention_removed_is_no_problem_but_is_dated() -> None:
    records = chain(6)
    result = verify_records(records[3:])
    assert (result.problems, result.removed_before, result.oldest_at) == ([], records[2].at, records[3].at)


def test_a_process_whose_earlier_records_retention_removed_goes_on() -> None:
    trunk = chain(2)
    one, two = chain(4, trunk[-1], "b"), chain(4, trunk[-1], "c")
    woven = [each for pair in zip(one, two, strict=True) for each in pair][2:]
    assert problems(woven) == []
    for removed in (1, 2, 3):
        assert problems(woven[:removed] + woven[removed + 1 :])
