"""Records of the audit trail, their hash chain, and its verification. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from schemas.messages import WireModel

INSTALLATION = "-"
"""The tenant of what concerns the whole installation, such as the sign-in of somebody who sees all tenants."""


class AuditRecord(WireModel):
    """``parley.audit.recorded.v1``: somebody did something, or was about to: the record is written before the act.

    ``actor`` and ``surface`` say who did it and where (``console:anna`` in ``console``), ``subject`` what it concerns
    (``conversation:<id>``). ``previous`` is the hash of the record before it in its chain, which was written at
    ``previous_at``; ``number`` counts from 1. ``hash`` covers all other fields, so that no record can be changed or
    removed without breaking the chain."""

    id: str
    tenant: str
    at: datetime
    actor: str
    action: str
    subject: str
    surface: str
    number: int
    previous: str = ""
    previous_at: datetime | None = None
    hash: str = ""

    def compute_hash(self) -> str:
        # Without defaults, so that a field that a later release adds does not change the hashes of earlier records.
        fields = self.model_dump(mode="json", exclude={"hash"}, exclude_defaults=True)
        return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def seal(self) -> AuditRecord:
        """Return the record with its hash."""
        return self.model_copy(update={"hash": self.compute_hash()})


@dataclass(slots=True)
class AuditVerification:
    """The result of a verification. ``removed_before``: the oldest record follows one that is no longer there, written
    at this time."""

    records: int = 0
    problems: list[str] = field(default_factory=list)
    oldest_at: datetime | None = None
    removed_before: datetime | None = None


def verify_records(records: Iterable[AuditRecord]) -> AuditVerification:
    """Verify the records of one tenant in the order of the log.

    Every process writes a chain of its own, which begins at the newest record that was there when the process first
    wrote. So each record follows one that comes earlier on the log, unless retention has removed that."""
    result, numbers = AuditVerification(), dict[str, int]()
    for record in records:
        result.records += 1
        if result.oldest_at is None:
            result.oldest_at = record.at
        if record.compute_hash() != record.hash:
            result.problems.append(f"record {record.id} of {record.at.isoformat()} was changed")
        elif problem := _check_link(record, numbers, result):
            result.problems.append(problem)
        numbers[record.hash] = record.number
    return result


def _check_link(record: AuditRecord, numbers: dict[str, int], result: AuditVerification) -> str:
    """Describe what is wrong with the link to the record before; empty if nothing is."""
    where = f"record {record.id} of {record.at.isoformat()}"
    if not record.previous:
        return "" if record.number == 1 and not numbers else f"{where} begins a new chain"
    if record.previous in numbers:
        is_next = record.number == numbers[record.previous] + 1
        return "" if is_next else f"{where} has the wrong number"
    at, oldest = record.previous_at, result.oldest_at
    # What retention removed is older than everything that is left.
    if at is None or oldest is None or at >= oldest:
        return f"the record before {where} is missing"
    result.removed_before = max(at, result.removed_before or at)
    return ""
