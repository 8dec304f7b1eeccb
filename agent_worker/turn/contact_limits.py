"""Limits on the model work that one contact may cause.

Up to a number of messages a minute and an hour, models are asked; up to as many again, the extractive model answers;
then the contact is asked to wait, once, and hears nothing until the time is over. Every message still joins the
transcript, and whoever asks for a person gets one.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import structlog

from agent_worker.handoff.reply_templates import person_choice
from agent_worker.phrases import Voice
from agent_worker.settings import ContactRules, MessageLimit
from agent_worker.turn.values import TurnInput
from schemas.ports import AnswerDraft, Clock, Limiter

log = structlog.get_logger("parley.worker")
Limit = Literal["model", "local", "wait", "silence"]
"""The answering party: any model, only the extractive one, or nobody, with or without a word of it."""
_ANSWERING: tuple[Limit, ...] = ("model", "local")
_MILDEST_FIRST: tuple[Limit, ...] = (*_ANSWERING, "wait", "silence")
UNANSWERED: frozenset[Limit] = frozenset({"wait", "silence"})
"""Nothing is looked up, and no model is asked."""
REMEMBERED = 10_000
"""Messages whose limit stays the same when their turn restarts or is retried."""


class ContactLimits:
    """One for each process; the counts are shared by all of them."""

    def __init__(self, limiter: Limiter, clock: Clock) -> None:
        self._limiter = limiter
        self._clock = clock
        self._decided: OrderedDict[str, Limit] = OrderedDict()

    async def check(self, turn: TurnInput) -> Limit:
        """The mildest limit of any message of the turn: together they cost one answer. Raises StateUnavailable."""
        if not turn.rules.asks_models or turn.intake.asks_for_person:
            return "model"
        contact = turn.conversation.origin.contact_id
        limits = [await self._check_message(contact, message, turn.rules.contact) for message in turn.intake.waiting]
        mildest = min(limits, key=_MILDEST_FIRST.index)
        if mildest != "model":
            log.info("contact_over_limit", turn_id=turn.id, contact_id=contact, then=mildest)
        return mildest

    async def _check_message(self, contact: str, message: str, rules: ContactRules) -> Limit:
        known = self._decided.get(message)
        if known is None:
            known = self._decided[message] = await self._decide(contact, rules)
            while len(self._decided) > REMEMBERED:
                self._decided.popitem(last=False)
        return known

    async def _decide(self, contact: str, rules: ContactRules) -> Limit:
        full: MessageLimit | None = None
        for limit in _ANSWERING:
            full = await self._full_span(f"contact:{contact}:{limit}", rules)
            if full is None:
                return limit
        asked_to_wait = full is not None and await self._take(f"contact:{contact}:told", full._replace(most=1))
        return "wait" if asked_to_wait else "silence"

    async def _full_span(self, key: str, rules: ContactRules) -> MessageLimit | None:
        """The span that has no more room."""
        for span in rules.spans:
            if not await self._take(key, span):
                return span
        return None

    async def _take(self, key: str, span: MessageLimit) -> bool:
        """From a bucket for each minute and each hour, which hardly fills again: a limit ends when its time does."""
        now = self._clock()
        window = int(now.timestamp() // span.seconds)
        name = f"{key}:{span.seconds}:{window}"
        return not await self._limiter.take(name, per_second=1 / span.seconds, burst=span.most, now=now)


def please_wait_draft(voice: Voice) -> AnswerDraft:
    return AnswerDraft(
        text=voice.too_many,
        answered=True,
        choices=[person_choice(voice)],
        reasons=["the contact wrote more than its limit"],
    )
