"""The actions that a message requests, when none is open or another one may be wanted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_worker.actions.one_time_codes import CHECK, SEND
from agent_worker.actions.parsing import ParseContext, fields_of
from agent_worker.actions.slot_filling.action_matching import match_action
from schemas.ports import ActionOffer

MAX_ACTIONS = 3
"""Actions that one message may request."""
_AND = re.compile(r"\band (?:then |also )?(?=\w)|\bund (?:dann |auch )?(?=\w)|;|\n|(?<=[.!?])\s", re.IGNORECASE)
_OTHER_THING = re.compile(r"\b(?:my|our|mein\w*|unser\w*)\s+(?!e-?mail|mail|spam|inbox)\w+", re.IGNORECASE)
"""Something else than the e-mail with the code that did not come: "I never got my order"."""


def list_requested(
    text: str, all_offers: Sequence[ActionOffer], context: ParseContext
) -> list[tuple[ActionOffer, str]]:
    """The requested actions, each once, with the words that request them."""
    offers = select_matchable(text, all_offers)
    parts = [part for each in _AND.split(text) if (part := each.strip())][:8]
    matches = [(match.offer, part) for part in parts if (match := match_action(part, offers)) is not None]
    if len({offer.name for offer, _ in matches}) < 2:
        overall = None if parts == [text] else match_action(text, offers)
        found = overall.offer if overall is not None else matches[0][0] if matches else None
        offer = found or _read_for(text, all_offers, context)
        return [(offer, text)] if offer is not None else []
    return list({offer.name: (offer, part) for offer, part in reversed(matches)}.values())[::-1][:MAX_ACTIONS]


def select_matchable(text: str, offers: Sequence[ActionOffer], *, awaits_code: bool = False) -> list[ActionOffer]:
    """The offers that the text may request. One-time codes are only matched when the text mentions a code, or while one
    is awaited: "I never got it"."""
    if "code" in text.lower():
        return list(offers)
    may_resend = awaits_code and not _OTHER_THING.search(text)
    return [offer for offer in offers if offer.name not in (SEND, CHECK) or (may_resend and offer.name == SEND)]


def _read_for(text: str, offers: Sequence[ActionOffer], context: ParseContext) -> ActionOffer | None:
    """A message that is nothing but an order number asks to see that order."""
    if len(text.split()) > 4:
        return None
    reads = [offer for offer in offers if offer.risk == "read" and offer.name != CHECK]
    return next(
        (
            offer
            for offer in reads
            for field in fields_of(offer.parameters, context.locale)
            if field.kind == "identifier" and field.read(text, context)
        ),
        None,
    )
