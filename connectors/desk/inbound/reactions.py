"""Which act a reaction stands for. Pure."""

from __future__ import annotations

from dataclasses import replace

from connectors.desk.rules import DeskEmojiRules
from connectors.slack.desk.parse_messages import REACTION
from schemas.desk import DeskAct
from schemas.ports import Event

ON_CARDS: frozenset[DeskAct] = frozenset({"claim", "release", "resolve", "return"})
"""What a reaction to the card means; ``note`` is one to a reply."""


def is_reaction(event: Event) -> bool:
    return event.payload.get("kind") == REACTION


def told(event: Event, emoji: DeskEmojiRules) -> Event | None:
    """The event as the act that its reaction means; None for one that means nothing. Taking 👀 back lets go of the
    conversation; taking any other back undoes nothing."""
    name = str(event.payload.get("value")).partition("::")[0]
    acts: dict[str, DeskAct] = {
        emoji.note: "note",
        emoji.give_back: "return",
        emoji.resolve: "resolve",
        emoji.claim: "claim",
    }
    act = acts.get(name)
    if event.payload.get("fields"):  # it was taken back
        act = "release" if act == "claim" else None
    if act is None:
        return None
    return replace(event, payload={**event.payload, "kind": act, "value": "", "fields": {}})
