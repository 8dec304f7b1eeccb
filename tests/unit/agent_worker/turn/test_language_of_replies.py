"""Replies are in the language of the conversation, from the first word to the labels of the choices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_worker.handoff.desk_service_level import DeskServiceLevel
from agent_worker.voice import DEFAULT_VOICE, translate_voice
from schemas.privacy.cards import mask_cards
from tests.unit.agent_worker.worker_environment import WorkerEnvironment, world_at

UNANSWERABLE = {
    "de": "Habt ihr auch Goldfische im Angebot?",
    "es": "¿Tienen también peces dorados a la venta?",
    "tr": "Akvaryum balığı da satıyor musunuz acaba?",
    "ar": "هل تبيعون أيضًا أسماك الزينة في المتجر؟",
    "ja": "金魚も販売していますか？",
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WorkerEnvironment]:
    """A tenant without phrases of its own."""
    async with world_at(tmp_path, voice=DEFAULT_VOICE) as opened:
        yield opened


@pytest.mark.parametrize("language", UNANSWERABLE)
async def test_a_declined_reply_and_its_choices_are_in_the_contacts_language(
    world: WorkerEnvironment, language: str
) -> None:
    await world.handle(world.said("m1", UNANSWERABLE[language]))
    (reply,) = await world.replies()
    voice = translate_voice(DEFAULT_VOICE, language)
    assert reply.text == voice.not_found
    assert [choice.label for choice in reply.choices] == [voice.person_choice]


@pytest.mark.parametrize("language", UNANSWERABLE)
async def test_a_handoff_and_its_choices_are_in_the_contacts_language(tmp_path: Path, language: str) -> None:
    """Three turns: the question, the person by the choice's label, and the way back to the assistant by its label."""
    voice = translate_voice(DEFAULT_VOICE, language)
    async with world_at(tmp_path, voice=DEFAULT_VOICE, desk=DeskServiceLevel()) as world:
        await world.handle(world.said("m1", UNANSWERABLE[language]))
        await world.handle(world.said("m2", voice.person_choice))
        reply = (await world.replies())[-1]
        assert reply.text.startswith(voice.handoff)
        assert [choice.label for choice in reply.choices] == [voice.assistant_choice]
        await world.handle(world.said("m3", voice.assistant_choice))
        assert (await world.replies())[-1].text == voice.assistant_back


@pytest.mark.parametrize("word", ["Monstera", "42", "NP-10231", "👍🏽 Kowalski"])
async def test_a_message_without_a_language_keeps_that_of_the_conversation(world: WorkerEnvironment, word: str) -> None:
    await world.handle(world.said("m1", UNANSWERABLE["es"]))
    await world.handle(world.said("m2", word))
    assert (await world.known()).facts.locale == "es"
    assert (await world.replies())[-1].text == translate_voice(DEFAULT_VOICE, "es").not_found


async def test_the_language_may_change_within_a_conversation(world: WorkerEnvironment) -> None:
    for number, language in enumerate(("es", "tr", "es")):
        await world.handle(world.said(f"m{number}", UNANSWERABLE[language]))
    assert [reply.text for reply in await world.replies()] == [
        translate_voice(DEFAULT_VOICE, language).not_found for language in ("es", "tr", "es")
    ]


async def test_the_language_of_the_page_decides_where_no_message_did(world: WorkerEnvironment) -> None:
    """The chat on a Turkish page answers a bare number in Turkish; a message in German is answered in German."""
    await world.handle(world.said("m1", "NP-10231", locale="tr-TR"))
    await world.handle(world.said("m2", UNANSWERABLE["de"], locale="tr-TR"))
    assert [reply.text for reply in await world.replies()] == [
        translate_voice(DEFAULT_VOICE, language).not_found for language in ("tr", "de")
    ]


async def test_a_contact_hears_of_a_failure_in_its_language(world: WorkerEnvironment) -> None:
    await world.handle(world.said("m1", UNANSWERABLE["es"]))
    records = await world.records(world.said("m2", "NP-10231"))
    await world.worker.give_up(world.conversation, records, ValueError("broken"), 5)
    assert (await world.replies())[-1].text == translate_voice(DEFAULT_VOICE, "es").processing_failed


async def test_channels_are_told_the_language_of_a_message(world: WorkerEnvironment) -> None:
    """They label what they add themselves: the heading above sources, the button that opens a list."""
    for number, language in enumerate(("es", "de")):
        await world.handle(world.said(f"m{number}", UNANSWERABLE[language]))
    assert [reply.locale for reply in await world.replies()] == ["es", "de"]


@pytest.mark.parametrize(
    ("language", "text"), [("en", "my card is {}, can you charge it?"), ("de", "Hier meine Karte: {}")]
)
async def test_whoever_writes_a_card_number_is_told_that_it_is_hidden(
    world: WorkerEnvironment, language: str, text: str
) -> None:
    """The number itself never reaches a worker: the connectors mask it."""
    await world.handle(world.said("m1", text.format(mask_cards("4111 1111 1111 1111"))))
    voice = translate_voice(DEFAULT_VOICE, language)
    assert (await world.replies())[-1].text == f"{voice.not_found}\n\n{voice.card_hidden}"
