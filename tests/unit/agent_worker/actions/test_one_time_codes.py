"""A one-time code proves an address: once, for ten minutes, within five attempts; and it is kept as a hash only."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel

from agent_worker.actions.context import ActionContext, Identity
from agent_worker.actions.execution.effects import Effects, IdentityProofs
from agent_worker.actions.execution.executor import Executor
from agent_worker.actions.failures import ActionRefused
from agent_worker.actions.one_time_codes import actions, one_time_code
from agent_worker.settings import ActionRules
from infra.state.sqlite.coordination import SqliteLimiter
from schemas.actions import ActionMemory
from schemas.messages import Address

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
MOSS = Address(channel="email", value="mossbench@example.com", assurance="verified")


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_the_right_code_proves_its_address_and_is_then_gone() -> None:
    code, pending = await actions.issue_code(MOSS, NOW)
    verdict = await actions.verify_code(pending, code, NOW)
    assert (verdict.kind, verdict.address, verdict.pending) == ("right", MOSS, None)
    assert (await actions.verify_code(verdict.pending, code, NOW)).kind == "none"


async def test_stored_records_do_not_contain_the_code() -> None:
    code, pending = await actions.issue_code(MOSS, NOW)
    again, other = await actions.issue_code(MOSS, NOW)
    assert len(code) == len(again) == 6
    assert code not in pending.model_dump_json().replace(pending.salt, "").replace(pending.hash, "")
    assert pending.salt != other.salt


async def test_a_code_lives_ten_minutes() -> None:
    code, pending = await actions.issue_code(MOSS, NOW)
    assert (await actions.verify_code(pending, code, NOW + timedelta(minutes=9, seconds=59))).kind == "right"
    assert (await actions.verify_code(pending, code, NOW + timedelta(minutes=10))).kind == "expired"


async def test_the_fifth_wrong_attempt_ends_it() -> None:
    code, pending = await actions.issue_code(MOSS, NOW)
    kinds, left = [], []
    for _ in range(5):
        verdict = await actions.verify_code(pending, other_than(code), NOW)
        kinds.append(verdict.kind)
        left.append(verdict.attempts_left)
        if verdict.pending is not None:
            pending = verdict.pending
    assert kinds == ["wrong"] * 4 + ["used_up"]
    assert left == [4, 3, 2, 1, 0]


async def test_without_an_address_no_code_is_right() -> None:
    """And an attempt looks the same as one against a real code."""
    code, pending = await actions.issue_code(None, NOW)
    verdict = await actions.verify_code(pending, code, NOW)
    assert (verdict.kind, verdict.attempts_left) == ("wrong", 4)


async def test_a_code_is_its_contacts_alone() -> None:
    """In a thread with several people nobody else can use it, and what is proven is proven of that contact."""
    effects = Effects(ActionMemory())
    fern, reed = IdentityProofs(effects, "fern", lambda: NOW), IdentityProofs(effects, "reed", lambda: NOW)
    _, pending = await actions.issue_code(MOSS, NOW)
    fern.remember(pending)
    assert fern.code is not None
    assert reed.code is None
    fern.prove(MOSS)
    assert [proof.contact_id for proof in effects.memory.proofs] == ["fern"]


class CodeRequests:
    """Contacts who ask for codes, each for an address that they name; a mail service that keeps what it is given."""

    def __init__(self) -> None:
        self.now, self.mails = NOW, list[tuple[str, str]]()
        self.told, self.refuses = "", False
        nothing: Any = None
        self.executor = Executor(
            bus=nothing,
            journal=nothing,
            limiter=SqliteLimiter(nothing),
            clock=lambda: self.now,
            http=lambda: nothing,
        )

    async def ask(
        self, contact: str, about: str, effects: Effects | None = None, *, known: bool = True
    ) -> IdentityProofs:
        """``told``: what the contact is told afterwards. ``known``: whether the shop has such an address."""

        async def address_of(_context: ActionContext, _given: Any) -> str | None:
            return about if known else None

        async def send(_context: ActionContext, to: str, text: str) -> None:
            if self.refuses:
                raise ActionRefused("This address has had enough mails.")
            self.mails.append((to, text))

        sending, _ = one_time_code(SubjectArguments, address_of=address_of, send=send)
        proving = IdentityProofs(effects or Effects(ActionMemory()), contact, lambda: self.now)
        conversation: Any = SimpleNamespace(
            origin=SimpleNamespace(tenant="shop"), id=contact, facts=SimpleNamespace(locale="")
        )
        rules = ActionRules(secret=b"of this shop")
        context = self.executor.context(conversation, rules, sending, Identity(contact), "key", proofs=proving)
        result = await sending.run(context, SubjectArguments(about=about))
        assert sending.report is not None
        self.told = sending.report(context, None, result)
        return proving


class SubjectArguments(BaseModel):
    about: str


async def test_an_address_is_sent_five_codes_an_hour_whoever_asks_for_them() -> None:
    """Spelled as they like. Who asks in vain is told the same, and cannot tell it from an address that nobody has."""
    asking = CodeRequests()
    for number in range(9):
        await asking.ask(f"contact-{number}", "Moss@Example.com" if number % 2 else "moss@example.com")
        assert ("I have sent a six-digit code" in asking.told) == (number < 5)
    assert len(asking.mails) == 5
    told = (await asking.ask("somebody", "moss@example.com")).code
    assert told is not None
    assert told.address is None
    await asking.ask("contact-9", "fern@example.com")
    assert [to for to, _ in asking.mails[5:]] == ["fern@example.com"]
    asking.now += timedelta(minutes=13)
    await asking.ask("contact-9", "moss@example.com")
    assert len(asking.mails) == 7


async def test_the_last_code_stays_good_when_no_further_one_is_sent() -> None:
    asking, effects = CodeRequests(), Effects(ActionMemory())
    codes_sent = [(await asking.ask("moss", "moss@example.com", effects)).code for _ in range(5)]
    last = codes_sent[-1]
    assert (await asking.ask("moss", "moss@example.com", effects)).code == last
    assert len(asking.mails) == 5
    assert "several codes to m•••s@•••" in asking.told
    assert "another one for the next 12 min" in asking.told
    assert "the last e-mail here: it is still valid for 10 min" in asking.told


async def test_who_asks_about_something_unknown_reads_the_same_with_an_address_that_does_not_change() -> None:
    """Sent or not, in one conversation or in many, and however late: nobody learns what the shop knows."""
    asking, conversations = CodeRequests(), (Effects(ActionMemory()), Effects(ActionMemory()))
    named: set[str] = set()
    for number in range(16):
        told = []
        for known, effects in zip((True, False), conversations, strict=True):
            contact = f"{known}-{number % 4}"
            kept = effects if number % 2 else None
            await asking.ask(contact, "moss@example.com" if known else "NP-99999", kept, known=known)
            (to,) = re.findall(r"[a-z]•••[a-z]@•••", asking.told)
            named.add(to)
            told.append(asking.told.replace(to, "TO"))
        assert told[0] == told[1]
        asking.now += timedelta(minutes=3)
    assert "m•••s@•••" in named
    assert len(named) == 2
    asking.executor = CodeRequests().executor
    await asking.ask("another", "NP-99999", known=False)
    assert any(to in asking.told for to in named - {"m•••s@•••"}), "in every process"


async def test_a_mail_that_is_refused_leaves_the_last_code_and_says_so() -> None:
    asking, effects = CodeRequests(), Effects(ActionMemory())
    last = (await asking.ask("moss", "moss@example.com", effects)).code
    asking.refuses, asking.now = True, NOW + timedelta(minutes=4)
    assert (await asking.ask("moss", "moss@example.com", effects)).code == last
    assert "the last e-mail here: it is still valid for 6 min" in asking.told


async def test_once_the_last_code_is_too_old_it_says_when_there_can_be_another() -> None:
    asking, effects = CodeRequests(), Effects(ActionMemory())
    for _ in range(5):
        await asking.ask("moss", "moss@example.com", effects)
    asking.now += timedelta(minutes=11)
    await asking.ask("moss", "moss@example.com", effects)
    assert "cannot send another six-digit code for the next 1 min. Please ask me again then." in asking.told
