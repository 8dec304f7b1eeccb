"""Breaking something under people who write, and what they may notice of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiohttp

from tests.harness.chat_client import Attempt, Contact
from tests.harness.installation import QUESTIONS, Installation

Step = Callable[[], Awaitable[object]]

BUS_WAIT = 5.0
"""Seconds that an append waits for Kafka before it is refused."""
STATE_WAIT = 3.0
"""Seconds that a call waits for Redis before it is refused."""


@dataclass(frozen=True)
class Outage:
    """Seconds. ``edge``: from the end of the fault to the first message accepted. ``worker``: to the first answer to a
    message that was written after the end."""

    lasted: float
    refused: int
    slowest: float
    edge: float
    worker: float

    def __str__(self) -> str:
        return (
            f"{self.lasted:.1f} s, {self.refused} refused, slowest answer {self.slowest:.2f} s; "
            f"edge back after {self.edge:.2f} s, worker after {self.worker:.2f} s"
        )


async def outage(
    parley: Installation, contacts: Sequence[Contact], breaks: Step, mends: Step, *, lasts: float
) -> Outage:
    """Break, let it last until somebody was refused and ``lasts`` seconds are over, mend, and time the recovery.

    Asserts what holds during any fault of a dependency: each request is answered, by success or by a refusal that says
    when to come again.
    """
    begun = time.monotonic()
    await breaks()
    await wait_until(
        lambda: refusals(contacts, begun) > 0 and time.monotonic() - begun > lasts, 120, "somebody is refused"
    )
    await mends()
    mended = time.monotonic()
    worker = asyncio.create_task(first_answer(parley))
    await wait_until(lambda: accepted(contacts, mended) is not None, 120, "somebody is accepted again")
    answered = await worker
    seen = [attempt for contact in contacts for attempt in contact.attempts if attempt.at >= begun]
    assert_refused_well(seen)
    edge = accepted(contacts, mended)
    assert edge is not None
    return Outage(
        lasted=mended - begun,
        refused=refusals(contacts, begun),
        slowest=max(attempt.seconds for attempt in seen if attempt.what.startswith("POST")),
        edge=edge - mended,
        worker=answered - mended,
    )


async def first_answer(parley: Installation) -> float:
    """A stranger comes and asks; the moment at which they are answered."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        stranger = Contact(parley.base, http, "stranger")
        await stranger.open()
        await stranger.answered((await stranger.say(QUESTIONS[0])).message_id)
    return time.monotonic()


def assert_refused_well(attempts: Sequence[Attempt]) -> None:
    """Every request got an answer of the contract: none hung, none was a 500, a refusal says when to come again."""
    hung = [attempt for attempt in attempts if not attempt.status]
    assert not hung, f"{len(hung)} requests without an answer: {hung[:3]}"
    wrong = [a for a in attempts if a.status >= 400 and (a.status not in (429, 503) or not a.retry_after.isdigit())]
    assert not wrong, wrong[:3]


def refusals(contacts: Sequence[Contact], since: float) -> int:
    return sum(a.status == 503 and a.at >= since for contact in contacts for a in contact.attempts)


def accepted(contacts: Sequence[Contact], since: float) -> float | None:
    """When the first message after ``since`` was accepted."""
    return min(
        (
            a.at
            for contact in contacts
            for a in contact.attempts
            if a.what == "POST messages" and a.status == 202 and a.at >= since
        ),
        default=None,
    )


async def wait_until(holds: Callable[[], object], deadline: float, what: str) -> None:
    """Raises TimeoutError, naming ``what``, when it does not hold in time."""
    ends = time.monotonic() + deadline
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError(f"not within {deadline:g} s: {what}")
        await asyncio.sleep(0.02)
