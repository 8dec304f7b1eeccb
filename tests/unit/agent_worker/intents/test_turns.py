"""A contact in danger or asking for a person reaches people, in their language, with any model and without `routes`."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_worker.nlu.classification import topics_in
from agent_worker.router import decision
from agent_worker.router.rules import RiskTopic, RouteRules
from agent_worker.voice import DEFAULT_VOICE, translate_voice
from schemas import topics
from schemas.conversation import OwnerRequested
from schemas.desk import IN_DANGER
from schemas.envelope import Envelope
from tests.unit.agent_worker.router.test_routed_turn import QuotingModel
from tests.unit.agent_worker.worker_environment import VOICE, WorkerEnvironment, world_at

DANGER = {
    "de": "Ich will mich umbringen",
    "es": "me quiero morir",
    "hi": "मैं मरना चाहता हूँ",
    "ar": "أريد أن أموت",
    "zh": "我不想活了",
}
PERSON = {
    "de": "Ich möchte mit einem Menschen sprechen",
    "es": "quiero hablar con una persona",
    "hi": "मुझे किसी इंसान से बात करनी है",
    "ar": "أريد التحدث مع موظف",
    "zh": "请转人工客服",
}
ROUTES = {"local": RouteRules(), "remote": RouteRules(cheap="small", strong="large")}


async def reasons(world: WorkerEnvironment) -> list[str]:
    read = await world.bus.read(topics.inbound("web"))
    found = [Envelope.from_wire(record.headers, record.value) async for record in read]
    return [event.payload(OwnerRequested).reason for event in found if event.type == topics.OWNER_REQUESTED]


@pytest.mark.parametrize("kind", ROUTES)
@pytest.mark.parametrize("language", DANGER)
async def test_danger_to_life_reaches_people_before_any_model(tmp_path: Path, language: str, kind: str) -> None:
    small, large = QuotingModel("small"), QuotingModel("large")
    async with world_at(tmp_path, routes=ROUTES[kind], models=[small, large]) as world:
        await world.handle(world.said("m1", DANGER[language]))
        (reply,), (turn,) = await world.replies(), await world.turns()
        assert reply.text == translate_voice(DEFAULT_VOICE, language).danger
        assert (turn.route, turn.reasons) == ("person", [IN_DANGER])
        assert (await world.known()).owner == "queue"
        assert [*world.model.asked, *small.asked, *large.asked] == []
        assert await reasons(world) == [IN_DANGER]


@pytest.mark.parametrize("kind", ROUTES)
@pytest.mark.parametrize("language", PERSON)
async def test_a_contact_who_wants_a_person_gets_one_before_any_model_call(
    tmp_path: Path, language: str, kind: str
) -> None:
    small, large = QuotingModel("small"), QuotingModel("large")
    async with world_at(tmp_path, routes=ROUTES[kind], models=[small, large]) as world:
        await world.handle(world.said("m1", PERSON[language]))
        assert (await world.known()).owner == "queue"
        assert [*world.model.asked, *small.asked, *large.asked] == []
        assert await reasons(world) == [decision.PERSON_REQUESTED]


async def test_a_tenant_may_say_its_own_words_of_danger(tmp_path: Path) -> None:
    rules = RouteRules(risks=(RiskTopic("self-harm", (), say="Call the clinic.", built_in="danger"),))
    async with world_at(tmp_path, routes=rules) as world:
        await world.handle(world.said("m1", "I want to kill myself"))
        (reply,) = await world.replies()
        assert reply.text == "Call the clinic."


@pytest.mark.parametrize(
    ("text", "built_in"),
    [("Voy a denunciarlos", "legal"), ("我会让银行拒付", "chargeback"), ("Löscht alle meine Daten", "deletion")],
)
async def test_built_in_topics_go_to_people_where_there_are_routes(tmp_path: Path, text: str, built_in: str) -> None:
    topic = RiskTopic("a topic", (), built_in=built_in)  # type: ignore[arg-type]
    async with world_at(tmp_path, routes=RouteRules(risks=(topic,))) as world:
        await world.handle(world.said("m1", text))
        assert await reasons(world) == ["risk: a topic"]


async def test_a_second_complaint_in_a_row_reaches_people(world: WorkerEnvironment) -> None:
    """The first one is apologised for, with the offer of a person."""
    await world.handle(world.said("m1", "your answer was wrong"))
    (first,) = await world.replies()
    assert [choice.id for choice in first.choices] == ["person"]
    assert "wrong" in first.text
    await world.handle(world.said("m2", "das stimmt nicht"))
    assert (await world.known()).owner == "queue"
    assert await reasons(world) == [decision.WRONG_AGAIN]


async def test_a_declined_offer_is_closed_politely(world: WorkerEnvironment) -> None:
    await world.handle(world.said("m1", "Who painted the Mona Lisa?"))
    await world.handle(world.said("m2", "No"))
    *_, last = await world.replies()
    assert last.text == DEFAULT_VOICE.offer_declined
    assert last.choices == []


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("My parcel came crushed, this is a disgrace", "en"),
        ("I have been waiting for weeks. Worst company ever!", "en"),
        ("Mein Paket war völlig zerdrückt, das ist eine Frechheit", "de"),
        ("C'est scandaleux, je suis très déçue du colis écrasé", "fr"),
    ],
)
async def test_an_upset_contact_gets_an_apology_and_the_offer_of_a_person(
    world: WorkerEnvironment, text: str, language: str
) -> None:
    await world.handle(world.said("m1", text))
    (reply,) = await world.replies()
    voice = translate_voice(VOICE, language)
    assert reply.text == f"{voice.apology} {voice.person_offer}"
    assert [choice.id for choice in reply.choices] == ["person"]


@pytest.mark.parametrize("text", ["👍", "🙏", "❤️", "😂", "👋", "lol", "?", "hello? is anyone there", "what can you do"])
async def test_signs_and_chat_get_a_fitting_phrase(world: WorkerEnvironment, text: str) -> None:
    """Never that the documents do not hold it."""
    await world.handle(world.said("m1", text))
    (reply,), (turn,) = await world.replies(), await world.turns()
    assert turn.outcome == "small_talk"
    assert reply.text != "Not in our documents."


EMERGENCIES = {
    "my toddler has eaten a leaf of the Euphorbia": "en",
    "our puppy chewed a piece of the monstera, is that poisonous?": "en",
    "the charger caught fire": "en",
    "i can hardly breathe since i opened the bag": "en",
    "Mein Hund hat ein Blatt der Euphorbia gefressen": "de",
    "Mon chat a mangé une feuille de la plante": "fr",
    "mi hijo se ha tragado una pila": "es",
    "Il mio cane ha ingoiato un sasso": "it",
    "孩子误食了植物": "zh",
}
SAFETY = """# Safety

## Not poisonous

To our knowledge Nepenthes and Drosera are not poisonous to people, cats and dogs. A toddler may chew a leaf.

## In an emergency

If somebody has swallowed fertilizer, phone the poison information centre, or a vet for animals, straight away.
"""


@pytest.mark.parametrize("text", EMERGENCIES)
async def test_an_emergency_reaches_people_with_the_section_that_says_whom_to_call(tmp_path: Path, text: str) -> None:
    """Not with one that says what is harmless."""
    async with world_at(tmp_path) as world:
        await world.put("safety", SAFETY)
        await world.handle(world.said("m1", text))
        (reply,), (turn,) = await world.replies(), await world.turns()
        assert reply.text.startswith(translate_voice(DEFAULT_VOICE, EMERGENCIES[text]).emergency)
        assert "phone the poison information centre" in reply.text
        assert "not poisonous" not in reply.text
        assert (turn.route, turn.reasons, await reasons(world)) == (
            "person",
            [IN_DANGER],
            [IN_DANGER],
        )
        assert world.model.asked == []


ORDINARY = [
    "is aloe poisonous to cats?",
    "my flytrap ate a fly",
    "My plant was eaten by slugs",
    "Do you sell fire tablets?",
]


def test_ordinary_questions_are_no_emergency() -> None:
    assert [text for text in ORDINARY if "emergency" in topics_in(text)] == []
