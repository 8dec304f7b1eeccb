"""An export of conversations that a real worker had: what is approved, what is rejected, and what is left out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from gateway.training_export.export_rows import ConversationExample, ExportMessage, Preference
from schemas import topics
from schemas.conversation_activity import Feedback
from schemas.desk import DraftSettled
from tests.unit.agent_worker.actions.shop import open_shop
from tests.unit.agent_worker.worker_environment import WorkerEnvironment, world_at
from tests.unit.training_export.log_export import export_rows

HEAT = "Do you add a heat pack in winter?"
CRISIS = "I want to kill myself"
PERSON = "I want to speak to a human"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WorkerEnvironment]:
    async with world_at(tmp_path) as made:
        yield made


async def say(world: WorkerEnvironment, *texts: str) -> None:
    for text in texts:
        await world.handle(world.said(text, text))
        world.clock.advance(minutes=1)


async def answer_as_person(world: WorkerEnvironment, text: str) -> None:
    await world.handle(world.said(text, text, by="person"))
    world.clock.advance(minutes=1)


async def settle_draft(world: WorkerEnvironment, draft: str, sent: str, outcome: Literal["sent", "edited"]) -> None:
    """As the desk does: the message to the contact first, then what became of the draft."""
    await answer_as_person(world, sent)
    settled = DraftSettled(
        id="draft-1", draft=draft, sent=sent, outcome=outcome, model="local", by="slack:U1", at=world.clock()
    )
    await world.bus.append([world.wrap(topics.DRAFT_SETTLED, settled, "draft-1-settled")])


async def test_a_question_answered_from_the_documents_is_approved(world: WorkerEnvironment, tmp_path: Path) -> None:
    await say(world, HEAT, "Thanks!")
    (row,) = await export_rows(world.bus, tmp_path)
    assert isinstance(row, ConversationExample)
    assert row.approved == "resolved"


async def test_a_row_holds_the_passages_that_were_found_as_they_were_then(
    world: WorkerEnvironment, tmp_path: Path
) -> None:
    """Also after the document has another text, and after another conversation found them first."""
    await say(world, HEAT, "Within how many days can I return pots?")
    await world.put("shipping", "# Shipping\n\n## Winter\n\nWe no longer ship in winter.\n")
    (row,) = await export_rows(world.bus, tmp_path)
    assert isinstance(row, ConversationExample)
    first, second = ([each for each in row.passages if each.message == index] for index in (1, 3))
    assert "heat pack to every parcel" in first[0].text
    assert (first[0].document, first[0].heading) == ("shipping", "Winter")
    assert "within 30 days of delivery" in second[0].text
    assert len(row.passages) == len(first) + len(second)


async def test_a_rejected_reply_holds_its_own_passages(world: WorkerEnvironment, tmp_path: Path) -> None:
    await say(world, "Within how many days can I return pots?", HEAT, PERSON)
    (row,) = await export_rows(world.bus, tmp_path)
    assert isinstance(row, Preference)
    assert {passage.message for passage in row.passages} == {len(row.prompt)}
    assert "heat pack to every parcel" in row.passages[0].text


async def test_small_talk_alone_is_no_example(world: WorkerEnvironment, tmp_path: Path) -> None:
    await say(world, "Hello", "Thanks!")
    assert await export_rows(world.bus, tmp_path) == []


@pytest.mark.parametrize("texts", [(HEAT, CRISIS), (CRISIS, HEAT), (CRISIS,)])
async def test_nothing_is_learned_from_a_contact_in_danger(
    world: WorkerEnvironment, tmp_path: Path, texts: tuple[str, ...]
) -> None:
    """Neither the answer before it nor that of a colleague afterwards."""
    await say(world, *texts)
    await answer_as_person(world, "Please call 116 123.")
    assert await export_rows(world.bus, tmp_path) == []


async def test_a_crisis_that_was_edited_in_later_is_a_crisis(world: WorkerEnvironment, tmp_path: Path) -> None:
    """Such an edit comes too late for another answer, so no turn knows of it."""
    await say(world, HEAT)
    world.clock.advance(minutes=30)
    await world.handle(world.edited(HEAT, CRISIS))
    assert await export_rows(world.bus, tmp_path) == []


async def test_an_answer_that_led_to_a_request_for_people_is_rejected(world: WorkerEnvironment, tmp_path: Path) -> None:
    await say(world, HEAT, PERSON)
    await answer_as_person(world, "Only to tropical plants.")
    (row,) = await export_rows(world.bus, tmp_path)
    assert isinstance(row, Preference)
    assert (row.reason, row.chosen) == ("handed_off", "Only to tropical plants.")
    assert "heat pack" in row.rejected
    assert row.prompt == [ExportMessage(role="user", content=HEAT)]


async def test_a_comment_on_a_reply_goes_with_its_rejection(world: WorkerEnvironment, tmp_path: Path) -> None:
    await say(world, HEAT)
    (reply,) = await world.replies()
    thumb = Feedback(
        message_id=reply.id, contact_id="contact-1", value="down", comment="not what I asked", at=world.clock()
    )
    await world.bus.append([world.wrap(topics.FEEDBACK_GIVEN, thumb, "thumb-1")])
    (row,) = await export_rows(world.bus, tmp_path)
    assert isinstance(row, Preference)
    assert (row.reason, row.note) == ("thumb", "not what I asked")


async def test_a_draft_that_was_sent_is_approved(world: WorkerEnvironment, tmp_path: Path) -> None:
    await say(world, PERSON)
    await settle_draft(world, "A heat pack costs 4.50 euro.", "A heat pack costs 4.50 euro.", "sent")
    (row,) = await export_rows(world.bus, tmp_path)
    assert isinstance(row, ConversationExample)
    assert (row.approved, row.models) == ("draft_sent", ["local"])
    assert [(each.role, each.content) for each in row.messages] == [
        ("user", PERSON),
        ("assistant", "A heat pack costs 4.50 euro."),
    ]


async def test_an_edited_draft_is_rejected_in_favour_of_its_edit(world: WorkerEnvironment, tmp_path: Path) -> None:
    await say(world, PERSON)
    await settle_draft(world, "A heat pack costs 5 euro.", "A heat pack costs 4.50 euro.", "edited")
    (row,) = await export_rows(world.bus, tmp_path)
    assert isinstance(row, Preference)
    assert (row.reason, row.model) == ("draft_edited", "local")
    assert (row.rejected, row.chosen) == ("A heat pack costs 5 euro.", "A heat pack costs 4.50 euro.")


async def test_a_discarded_draft_is_rejected_in_favour_of_what_the_person_wrote(
    world: WorkerEnvironment, tmp_path: Path
) -> None:
    await say(world, PERSON)
    settled = DraftSettled(id="draft-1", draft="No idea.", outcome="discarded", by="slack:U1", at=world.clock())
    await world.bus.append([world.wrap(topics.DRAFT_SETTLED, settled, "draft-1-settled")])
    world.clock.advance(minutes=1)
    await answer_as_person(world, "It costs 4.50 euro.")
    (row,) = await export_rows(world.bus, tmp_path)
    assert isinstance(row, Preference)
    assert (row.reason, row.rejected, row.chosen) == ("draft_discarded", "No idea.", "It costs 4.50 euro.")


async def test_a_question_that_the_agent_asked_is_no_answer(tmp_path: Path) -> None:
    """The contact left before the refund; nobody knows whether they got what they wanted."""
    async with open_shop(tmp_path) as shop:
        await shop.ask()
        assert await export_rows(shop.world.bus, tmp_path) == []


async def test_a_thumb_that_means_yes_is_no_praise(tmp_path: Path) -> None:
    """It confirms a refund, which the shop then refuses."""
    async with open_shop(tmp_path) as shop:
        pending = await shop.ask(order="A-2001")
        shop.world.clock.advance(seconds=5)
        reaction = await shop.thumb(pending.message_id, "thumb")
        thumb = Feedback(message_id=pending.message_id, contact_id="contact-1", value="up", at=shop.world.clock())
        await shop.world.bus.append([shop.world.wrap(topics.FEEDBACK_GIVEN, thumb, "thumb-1")])
        shop.world.clock.advance(seconds=5)
        await shop.hear(reaction)
        assert await export_rows(shop.world.bus, tmp_path) == []
