"""How much of the models' work one contact may cause: up to a number of messages a minute and an hour they are asked,
up to as many again the extractive model answers, then the contact is asked to wait, once, and hears nothing until the
time is over. Every message is on the transcript all the same, and whoever asks for a person gets one."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import structlog

from agent_worker.handoff.reply_templates import person_choice
from agent_worker.phrases import Voice
from agent_worker.settings import ContactRules, MessageLimit
from agent_worker.turn.turn_state import Work
from schemas.ports import Clock, Draft, Limiter

log = structlog.get_logger("parley.worker")
Verdict = Literal["model", "local", "wait", "silence"]
_ANSWERED: tuple[Verdict, ...] = ("model", "local")
_MILDEST: tuple[Verdict, ...] = (*_ANSWERED, "wait", "silence")
HELD: frozenset[Verdict] = frozenset({"wait", "silence"})
"""Nothing is looked up, and no model is asked."""
REMEMBERED = 10_000
"""Messages whose verdict stands when their turn begins again, for a restart or a retry."""


class ContactLimits:
    """One for a process; the counts are everybody's."""

    def __init__(self, limiter: Limiter, clock: Clock) -> None:
        self._limiter = limiter
        self._clock = clock
        self._decided: OrderedDict[str, Verdict] = OrderedDict()

    async def apply(self, work: Work) -> Verdict:
        """What becomes of the turn; where only ``local`` may answer, its rules say so. Raises StateUnavailable."""
        verdict = await self._verdict(work)
        if verdict == "local":
            work.rules = work.rules.without_paid_models()
        return verdict

    async def _verdict(self, work: Work) -> Verdict:
        """The mildest for any message of the turn: together they cost one answer."""
        if not work.rules.asks_models or work.intake.person_asked:
            return "model"
        contact = work.conversation.origin.contact_id
        found = [await self._of(contact, message, work.rules.contact) for message in work.intake.waiting]
        mildest = min(found, key=_MILDEST.index)
        if mildest != "model":
            log.info("contact_over_limit", turn_id=work.id, contact_id=contact, then=mildest)
        return mildest

    async def _of(self, contact: str, message: str, rules: ContactRules) -> Verdict:
        known = self._decided.get(message)
        if known is None:
            known = self._decided[message] = await self._decide(contact, rules)
            while len(self._decided) > REMEMBERED:
                self._decided.popitem(last=False)
        return known

    async def _decide(self, contact: str, rules: ContactRules) -> Verdict:
        over: MessageLimit | None = None
        for verdict in _ANSWERED:
            over = await self._over(f"contact:{contact}:{verdict}", rules)
            if over is None:
                return verdict
        told = over is not None and await self._take(f"contact:{contact}:told", over._replace(most=1))
        return "wait" if told else "silence"

    async def _over(self, key: str, rules: ContactRules) -> MessageLimit | None:
        """The span that has no more room."""
        for span in rules.spans:
            if not await self._take(key, span):
                return span
        return None

    async def _take(self, key: str, span: MessageLimit) -> bool:
        """A bucket for each minute and each hour, which hardly fills again: what is over ends when the time does."""
        now = self._clock()
        window = int(now.timestamp() // span.seconds)
        name = f"{key}:{span.seconds}:{window}"
        return not await self._limiter.take(name, per_second=1 / span.seconds, burst=span.most, now=now)


def wait_draft(voice: Voice) -> Draft:
    return Draft(
        text=voice.too_many,
        answered=True,
        choices=[person_choice(voice)],
        reasons=["the contact wrote more than its limit"],
    )
