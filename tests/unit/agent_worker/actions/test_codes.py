"""A one-time code proves an address: once, for ten minutes, within five attempts; and it is kept as a hash only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agent_worker.actions.effects import Effects
from agent_worker.actions.proof import codes
from agent_worker.actions.proving import Proving
from schemas.actions import ActionMemory
from schemas.messages import Address

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
MOSS = Address(channel="email", value="mossbench@example.com", assurance="verified")


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_the_right_code_proves_its_address_and_is_then_gone() -> None:
    code, pending = await codes.issue(MOSS, NOW)
    verdict = await codes.check(pending, code, NOW)
    assert (verdict.kind, verdict.address, verdict.pending) == ("right", MOSS, None)
    assert (await codes.check(verdict.pending, code, NOW)).kind == "none"


async def test_what_is_kept_does_not_hold_the_code() -> None:
    code, pending = await codes.issue(MOSS, NOW)
    again, other = await codes.issue(MOSS, NOW)
    assert len(code) == len(again) == 6
    assert code not in pending.model_dump_json().replace(pending.salt, "").replace(pending.hash, "")
    assert pending.salt != other.salt


async def test_a_code_lives_ten_minutes() -> None:
    code, pending = await codes.issue(MOSS, NOW)
    assert (await codes.check(pending, code, NOW + timedelta(minutes=9, seconds=59))).kind == "right"
    assert (await codes.check(pending, code, NOW + timedelta(minutes=10))).kind == "expired"


async def test_the_fifth_wrong_attempt_ends_it() -> None:
    code, pending = await codes.issue(MOSS, NOW)
    kinds, left = [], []
    for _ in range(5):
        verdict = await codes.check(pending, other_than(code), NOW)
        kinds.append(verdict.kind)
        left.append(verdict.left)
        if verdict.pending is not None:
            pending = verdict.pending
    assert kinds == ["wrong"] * 4 + ["used_up"]
    assert left == [4, 3, 2, 1, 0]


async def test_without_an_address_no_code_is_right() -> None:
    """And an attempt looks the same as one against a real code."""
    code, pending = await codes.issue(None, NOW)
    verdict = await codes.check(pending, code, NOW)
    assert (verdict.kind, verdict.left) == ("wrong", 4)


async def test_a_code_is_its_contacts_alone() -> None:
    """In a thread with several people nobody else can use it, and what is proven is proven of that contact."""
    effects = Effects(ActionMemory())
    fern, reed = Proving(effects, "fern", lambda: NOW), Proving(effects, "reed", lambda: NOW)
    _, pending = await codes.issue(MOSS, NOW)
    fern.remember(pending)
    assert fern.code is not None
    assert reed.code is None
    fern.prove(MOSS)
    assert [proof.contact_id for proof in effects.memory.proofs] == ["fern"]
