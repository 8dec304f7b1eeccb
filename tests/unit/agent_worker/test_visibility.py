"""Visibility of documents by contact, language and tenant; questions in any script and of any length."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from agent_worker.knowledge.vectors.encoder import light_encoder
from schemas.conversation import Contact
from schemas.envelope import Envelope
from schemas.messages import Address, Assurance, InboundMessage
from schemas.topics import MESSAGE_RECEIVED
from tests.unit.agent_worker.languages import SENTENCES
from tests.unit.agent_worker.worker_environment import ACCOUNT, CHANNEL, PLACE, TENANT, WorkerEnvironment, world_at

BODY = "# Margins\n\n## Orchids\n\nThe margin on orchids is {} percent for wholesale growers."
ASKED = "What is the margin on orchids for wholesale growers?"


async def _visible_documents(
    world: WorkerEnvironment, assurance: Assurance = "anonymous", tenant: str = TENANT
) -> set[str]:
    """Which documents a search may draw on; wide, so that whatever could be found is."""
    return {p.document for p in (await world.library.search(tenant, ASKED, k=50, assurance=assurance)).passages}


async def test_documents_for_verified_contacts_are_found_by_these_alone(world: WorkerEnvironment) -> None:
    await world.put("open", BODY.format("ten"))
    await world.put("closed", BODY.format("twenty"), visibility="verified")
    await world.put("secret", BODY.format("forty"), visibility="internal")
    assert await _visible_documents(world) >= {"open"}
    for assurance in ("anonymous", "channel"):
        assert not await _visible_documents(world, assurance) & {"closed", "secret"}
    assert await _visible_documents(world, "verified") >= {"open", "closed"}
    assert "secret" not in await _visible_documents(world, "verified")


async def test_a_change_of_visibility_holds_from_the_next_search(world: WorkerEnvironment) -> None:
    """Closed, opened and expired: each holds from the next search on, for words and vectors alike."""
    for visibility, anonymous, verified in (("verified", 0, 1), ("internal", 0, 0), ("public", 1, 1)):
        await world.put("margins", BODY.format("ten"), visibility=visibility)
        assert ("margins" in await _visible_documents(world)) == bool(anonymous), visibility
        assert ("margins" in await _visible_documents(world, "verified")) == bool(verified), visibility
    ends = world.clock() + timedelta(minutes=1)
    await world.put("margins", BODY.format("ten"), visibility="verified", expires_at=ends)
    assert "margins" in await _visible_documents(world, "verified")
    world.clock.advance(minutes=1)
    assert "margins" not in await _visible_documents(world, "verified")


async def test_no_assurance_opens_the_documents_of_another_tenant(world: WorkerEnvironment) -> None:
    await world.put("margins", BODY.format("ten"), tenant="books")
    await world.put("closed", BODY.format("ten"), tenant="books", visibility="verified")
    assert not await _visible_documents(world, "verified") & {"margins", "closed"}
    assert await _visible_documents(world, "verified", "books") == {"margins", "closed"}


async def test_the_wanted_language_comes_first_and_hides_nothing(world: WorkerEnvironment) -> None:
    text = "# Club\n\n## Terrarium Club\n\nTerrarium Club: 12 euro, {}."
    await world.put("club-en", text.format("monthly"), language="en")
    await world.put("club-de", text.format("monatlich"), language="de-AT")
    for language, first in (("de", "club-de"), ("DE_ch", "club-de"), ("en-GB", "club-en")):
        found = await world.library.search(TENANT, "Terrarium Club euro", language=language, wait=20)
        assert found.passages[0].document == first, language
    only = await world.library.search(TENANT, "Do you add a heat pack in winter?", language="fr")
    assert only.passages[0].document == "shipping"


@pytest.mark.parametrize("encoder", [True, False])
async def test_documents_in_forty_languages_are_found_by_their_own_words(tmp_path: Path, encoder: bool) -> None:
    """With word vectors and with words alone; also a question in two scripts at once."""
    async with world_at(tmp_path, prepare=False, encoder=light_encoder if encoder else lambda: None) as world:
        for language, (said, _) in SENTENCES.items():
            await world.put(f"doc-{language}", f"# {language}\n\n{said}\n", language=language)
        for language, (_, asked) in SENTENCES.items():
            for query in (asked, f"{asked} please, OK? Ок. 好"):
                found = await world.library.search(TENANT, query, wait=20)
                assert found.passages[0].document == f"doc-{language}", (language, query)
    assert len(SENTENCES) >= 40


@pytest.mark.parametrize("unit", ["heat pack in winter? ", "冬にヒートパックは", "a", "?!.", "\u0301", "💐"])
async def test_a_question_of_any_length_is_answered(world: WorkerEnvironment, unit: str) -> None:
    """Most of a second would do; one that grew with the square of the length would take hours."""
    query = (unit * 200_000)[:200_000]
    async with asyncio.timeout(30):
        found = await world.library.search(TENANT, query)
    assert 0 <= found.confidence <= 1


async def test_an_empty_knowledge_base_answers_nothing(tmp_path: Path) -> None:
    async with world_at(tmp_path, prepare=False) as world:
        found = await world.library.search(TENANT, ASKED)
        assert (found.passages, found.answerable) == ([], False)


def _inbound_message(world: WorkerEnvironment, name: str, text: str, contact: str) -> Envelope:
    message = InboundMessage(
        id=world.message_id(name), external_id=name, place=PLACE, contact_id=contact, text=text, sent_at=world.clock()
    )
    return world.wrap(MESSAGE_RECEIVED, message, message.id)


async def test_a_turn_shows_a_contact_what_the_contact_may_see(world: WorkerEnvironment) -> None:
    """Who has proven who they are is answered from documents for verified contacts, and nobody else is; the contact is
    looked up only where there are such documents."""
    looked_up = []
    get = world.state.contacts.get

    async def counted(tenant: str, contact: str) -> Contact | None:
        looked_up.append(contact)
        return await get(tenant, contact)

    world.state.contacts.get = counted  # type: ignore[method-assign]
    first = [Address(channel=CHANNEL, value=PLACE)]
    contact, _ = await world.state.contacts.resolve(TENANT, CHANNEL, ACCOUNT, PLACE, first, now=world.clock())
    await world.handle(_inbound_message(world, "first", "Do you add a heat pack in winter?", contact.id))
    assert looked_up == []
    await world.put(
        "closed", "# Rebates\n\nWholesale growers get a rebate of 17 percent on sundews.", visibility="verified"
    )
    asked, seen = "What rebate do wholesale growers get on sundews?", []
    for number, assurance in enumerate(("anonymous", "channel", "verified")):
        address = Address(channel=CHANNEL, value=PLACE, assurance=assurance)  # type: ignore[arg-type]
        contact, _ = await world.state.contacts.resolve(TENANT, CHANNEL, ACCOUNT, PLACE, [address], now=world.clock())
        await world.handle(_inbound_message(world, f"m{number}", asked, contact.id))
        reply = (await world.replies())[-1]
        seen.append("17 percent" in reply.text)
        assert [each.document for each in reply.citations] == (["closed"] if seen[-1] else [])
    assert seen == [False, False, True]


async def test_nobody_is_verified_in_a_place_with_several_speakers(world: WorkerEnvironment) -> None:
    """What one of them may see is not shown to the others of a shared place."""
    await world.put("closed", "# Rebates\n\nWholesale growers get a rebate of 17 percent.", visibility="verified")
    address = Address(channel=CHANNEL, value=PLACE, assurance="verified")
    contact, _ = await world.state.contacts.resolve(TENANT, CHANNEL, ACCOUNT, PLACE, [address], now=world.clock())
    asked = "What rebate do wholesale growers get?"
    await world.handle(
        _inbound_message(world, "one", asked, contact.id), _inbound_message(world, "two", asked, "somebody-else")
    )
    assert "17 percent" not in (await world.replies())[-1].text
    await world.handle(_inbound_message(world, "three", asked, contact.id))
    assert "17 percent" in (await world.replies())[-1].text
