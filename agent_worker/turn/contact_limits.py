"""Limits on the model work that one contact may cause.

Up to a number of messages a minute and an hour, models are asked; up to as many again, the extractive model answers;
then the contact is asked to wait, once, and hears nothing until the time is over. Every message still joins the
transcript, and a contact who asks for a person gets one.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import structlog

from agent_worker.handoff.reply_templates import person_choice
from agent_worker.settings import ContactRules, MessageLimit
from agent_worker.turn.values import TurnInput
from agent_worker.voice import Voice
from schemas.ports import AnswerDraft, Clock, Limiter

log = structlog.get_logger("parley.worker")
Limit = Literal["model", "local", "wait", "silence"]
"""The way to answer: by any model, only by the extractive one, by a request to wait, or not at all."""
_ANSWERING: tuple[Limit, ...] = ("model", "local")
_MILDEST_FIRST: tuple[Limit, ...] = (*_ANSWERING, "wait", "silence")
UNANSWERED: frozenset[Limit] = frozenset({"wait", "silence"})
"""Limits under which nothing is searched and no model is used."""
_SPANS_KEPT = 2
"""Spans for which a bucket is kept: nobody asks for it after its own, whatever the clocks say."""
MAX_REMEMBERED = 10_000
"""Messages whose limit is cached, so that it stays the same when their turn restarts or is retried."""


class ContactLimits:
    """Limits of one process; the counters are shared by all processes."""

    def __init__(self, limiter: Limiter, clock: Clock) -> None:
        self._limiter = limiter
        self._clock = clock
        self._decided: OrderedDict[str, Limit] = OrderedDict()

    async def check(self, turn: TurnInput) -> Limit:
        """Return the mildest limit of the turn's messages, because together they cost one answer. Raises
        StateUnavailable."""
        if not turn.rules.asks_models or turn.intake.asks_for_person:
            return "model"
        contact = turn.conversation.origin.contact_id
        limits = [await self._check_message(contact, message, turn.rules.contact) for message in turn.intake.waiting]
        mildest = min(limits, key=_MILDEST_FIRST.index)
        if mildest != "model":
            log.info("contact_over_limit", turn_id=turn.id, contact_id=contact, then=mildest)
        return mildest

    async def _check_message(self, contact: str, message: str, rules: ContactRules) -> Limit:
        decided = self._decided.get(message)
        if decided is None:
            decided = self._decided[message] = await self._decide(contact, rules)
            while len(self._decided) > MAX_REMEMBERED:
                self._decided.popitem(last=False)
        return decided

    async def _decide(self, contact: str, rules: ContactRules) -> Limit:
        full: MessageLimit | None = None
        for limit in _ANSWERING:
            full = await self._find_full_span(f"contact:{contact}:{limit}", rules)
            if full is None:
                return limit
        asked_to_wait = full is not None and await self._take_token(f"contact:{contact}:told", full._replace(most=1))
        return "wait" if asked_to_wait else "silence"

    async def _find_full_span(self, key: str, rules: ContactRules) -> MessageLimit | None:
        """Return the first span whose limit is reached, None if there is none."""
        for span in rules.spans:
            if not await self._take_token(key, span):
                return span
        return None

    async def _take_token(self, key: str, span: MessageLimit) -> bool:
        """Take a token from the bucket of the current minute or hour. It hardly refills, so a limit lasts until its
        time is over."""
        now = self._clock()
        window = int(now.timestamp() // span.seconds)
        name = f"{key}:{span.seconds}:{window}"
        return not await self._limiter.take(
            name, per_second=1 / span.seconds, burst=span.most, now=now, keep=_SPANS_KEPT * span.seconds
        )


def please_wait_draft(voice: Voice) -> AnswerDraft:
    return AnswerDraft(
        text=voice.too_many,
        answered=True,
        choices=[person_choice(voice)],
        reasons=["the contact wrote more than its limit"],
    )
