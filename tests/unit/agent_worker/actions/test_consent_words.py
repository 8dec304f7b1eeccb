"""A confirmation and the slot-filling dialogue take the same words for a yes, in every language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent_worker.actions.execution.consent import read_confirmation
from agent_worker.actions.slot_filling.dialogue import SlotFillingDialogue
from agent_worker.nlu.yes_no import load_answer_phrases
from agent_worker.voice import DEFAULT_VOICE
from schemas.actions import Filling, PendingConfirmation
from schemas.messages import InboundMessage
from schemas.ports import ActionOffer, ActionResult, Question, SearchResult

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ORDER = {"type": "object", "properties": {"order": {"type": "string", "pattern": "A-[0-9]{4}"}}, "required": ["order"]}
PHRASES = {
    (phrase.strip(), language, kind == "yes")
    for language in ("en", "de", "fr", "es", "tr", "ja", "ar", "hi")
    for kind in ("yes", "no", "unclear")
    for phrase in getattr(load_answer_phrases()[language], kind).split("|")
    if phrase.strip()
}
LOOSE = [
    ("yes but not today", "en"),
    ("yes, is it free?", "en"),
    ("okay and what does it cost", "en"),
    ("sure, my name is Ann", "en"),
    ("confirm the address", "en"),
    ("ja, aber erst morgen", "de"),
    ("gerne später", "de"),
    ("klar, warum nicht?", "de"),
    ("oui mais demain", "fr"),
    ("no", "pl"),
]


def is_a_confirmation(text: str, language: str) -> bool:
    pending = PendingConfirmation(
        id="p", action="refund", arguments={"order": "A-1001"}, digest="d", contact_id="ann", message_id="m",
        turn_id="t", locale=language, asked_at=NOW, expires_at=NOW + timedelta(hours=1),
    )  # fmt: skip
    message = InboundMessage(id="1", external_id="1", place="p", contact_id="ann", text=text, sent_at=NOW)
    answer = read_confirmation(pending, [message], latest="1", last_turn="t", epoch=0, locale=language)
    return answer.answer == "yes"


async def is_a_yes_in_the_dialogue(text: str, language: str) -> bool:
    """With all parameters known, a yes asks for the action again."""
    calls: list[Mapping[str, Any]] = []

    async def call(arguments: Mapping[str, Any]) -> ActionResult:
        calls.append(arguments)
        return ActionResult("refund", "asked", say="Shall I?")

    offer = ActionOffer("refund", "Refund an order.", ORDER, "write", ["I want my money back for the pot"], call)
    filling = Filling(action="refund", given={"order": "A-1001"}, locale=language, at=NOW)
    question = Question("shop", text, [], SearchResult([], False, 0.0), language, offers=[offer], filling=filling)
    await SlotFillingDialogue(question, DEFAULT_VOICE, "local", NOW, NOW.date()).reply()
    assert calls in ([], [{"order": "A-1001"}])
    return bool(calls)


@pytest.mark.parametrize(("text", "language", "is_yes"), sorted(PHRASES))
async def test_a_phrase_of_the_lists_means_the_same_in_both_places(text: str, language: str, is_yes: bool) -> None:
    assert is_a_confirmation(text, language) is is_yes
    assert await is_a_yes_in_the_dialogue(text, language) is is_yes


@pytest.mark.parametrize(("text", "language"), LOOSE)
async def test_more_than_a_yes_is_a_yes_in_neither_place(text: str, language: str) -> None:
    assert not is_a_confirmation(text, language)
    assert not await is_a_yes_in_the_dialogue(text, language)
