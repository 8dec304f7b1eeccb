"""A write happens after the contact's yes to exactly it, and at most once."""

from __future__ import annotations

import asyncio

import pytest

from agent_worker.voice import DEFAULT_VOICE
from schemas import topics
from schemas.messages import Choice, RemoteFile
from tests.unit.agent_worker.actions.shop import Shop, another_worker

REFUND = 'refund {"order": "A-1001", "amount": "12.50"}'


async def test_the_question_shows_all_that_will_be_done_with_two_choices(shop: Shop) -> None:
    pending = await shop.ask()
    reply = (await shop.world.replies())[-1]
    assert reply.id == pending.message_id
    assert reply.text == (f"**Refund**\n- Order: A-1001\n- Amount: 12.50\n- Currency: EUR\n\n{DEFAULT_VOICE.confirm}")
    assert reply.choices == [
        Choice(id=f"yes:{pending.id}", label="Yes, go ahead"),
        Choice(id=f"no:{pending.id}", label="No, leave it"),
    ]
    assert shop.payments.done == []


async def test_the_yes_does_it_and_the_result_is_told(shop: Shop) -> None:
    pending = await shop.ask()
    await shop.hear(shop.yes(pending))
    assert await shop.last() == "Refund R-1 of 12.50 is on its way."
    assert shop.payments.effects() == {"A-1001 12.50": 1}
    assert (await shop.memory()).confirmation is None
    (record,) = await shop.records()
    assert (record.name, record.outcome, record.key) == ("refund", "succeeded", shop.payments.done[0]["key"])
    (settled,) = await shop.settled()
    assert (settled.outcome, settled.result) == ("succeeded", {"refund": "R-1", "amount": "12.50"})
    counted = b'parley_actions_total{action="refund",outcome="succeeded",tenant="shop"} 1.0'
    assert counted in shop.world.metrics.render()


@pytest.mark.parametrize("text", ["1", "yes, go ahead!", "1. Yes, go ahead", "1️⃣"])
async def test_the_label_or_the_number_typed_next_is_a_yes(shop: Shop, text: str) -> None:
    await shop.ask()
    await shop.say("answer", text)
    assert shop.payments.effects() == {"A-1001 12.50": 1}


@pytest.mark.parametrize(
    "text",
    ["yes", "ok", "sure, do it", "yes please go ahead", "👍🏿", "YESSS!!", "ja", "sí", "はい", "نعم", "हाँ"],
)
async def test_a_phrase_that_means_nothing_but_yes_is_one(shop: Shop, text: str) -> None:
    await shop.ask()
    await shop.say("answer", text)
    assert shop.payments.effects() == {"A-1001 12.50": 1}
    assert len(shop.model.asked) == 1, "no model is asked about the answer"


@pytest.mark.parametrize("text", ["no", "nope", "no thanks!", "👎", "nein", "не надо", "いいえ"])
async def test_a_phrase_that_means_nothing_but_no_is_one(shop: Shop, text: str) -> None:
    await shop.ask()
    await shop.say("answer", text)
    assert await shop.outcomes() == ["refund refused"]
    assert (await shop.memory()).confirmation is None
    assert (shop.payments.done, len(shop.model.asked)) == ([], 1)


@pytest.mark.parametrize(
    "text",
    ["3", "yes go ahead or not", "yes but change the address", "ok?", "cancel", "ne", "yes no", "yes 2"],
)
async def test_an_answer_that_is_no_plain_yes_is_asked_about_again(shop: Shop, text: str) -> None:
    pending = await shop.ask()
    await shop.say("answer", text)
    assert shop.payments.done == []
    reply = (await shop.world.replies())[-1]
    assert reply.text.endswith(
        f"**Refund**\n- Order: A-1001\n- Amount: 12.50\n- Currency: EUR\n\n{DEFAULT_VOICE.confirm}"
    )
    assert [choice.id for choice in reply.choices] == [f"yes:{pending.id}", f"no:{pending.id}"]
    again = await shop.pending()
    assert (again.id, again.message_id) == (pending.id, reply.id), "the same question, open on"
    await shop.say("then", "yes")
    assert shop.payments.effects() == {"A-1001 12.50": 1}


async def test_a_file_with_the_yes_is_something_else_in_the_message(shop: Shop) -> None:
    await shop.ask()
    await shop.hear(shop.world.said("answer", "yes", files=[RemoteFile(ref="f", name="a.png", type="image/png")]))
    assert shop.payments.done == []


async def test_a_yes_is_only_the_very_next_message(shop: Shop) -> None:
    """Below another message of the same moment it may mean that one; the question is asked again."""
    pending = await shop.ask()
    await shop.hear(shop.world.said("before", "hm, is it the fern?"), shop.world.said("then", "yes"))
    assert shop.payments.done == []
    assert shop.model.asked[-1].text == "hm, is it the fern?", "the yes is given to no model"
    assert (await shop.pending()).id != pending.id
    await shop.say("now", "yes")
    assert shop.payments.effects() == {"A-1001 12.50": 1}


@pytest.mark.parametrize(
    ("greeting", "said", "done"), [("Πού είναι η παραγγελία μου;", "ne", 1), ("Hello there", "ne", 0)]
)
async def test_a_word_that_is_a_yes_in_one_language_alone_counts_for_who_writes_it(
    shop: Shop, greeting: str, said: str, done: int
) -> None:
    """ "Ne" is a yes in Greek and a no in Bulgarian, Czech and Serbian."""
    await shop.say("ask", f'{greeting}\nrefund {{"order": "A-1001", "amount": "12.50"}}')
    await shop.say("answer", said)
    assert len(shop.payments.done) == done


async def test_the_third_answer_in_a_row_that_nobody_understands_offers_a_person(shop: Shop) -> None:
    """Each time in other words; then the question is closed, and a yes is one to the offer."""
    await shop.ask()
    for name in ("one", "two", "three"):
        await shop.say(name, "maybe")
    told = [reply.text.partition("\n")[0] for reply in (await shop.world.replies())[1:]]
    assert told == [
        DEFAULT_VOICE.confirm_unclear,
        DEFAULT_VOICE.confirm_unread.format(yes=DEFAULT_VOICE.confirm_yes, no=DEFAULT_VOICE.confirm_no),
        DEFAULT_VOICE.confirm_given_up,
    ]
    assert [choice.id for choice in (await shop.world.replies())[-1].choices] == ["person"]
    assert (await shop.memory()).confirmation is None
    await shop.say("four", "yes")
    assert (shop.payments.done, await shop.outcomes()) == ([], ["refund refused"])


async def test_an_answer_between_the_question_and_the_yes_starts_the_count_anew(shop: Shop) -> None:
    await shop.ask()
    for number in range(6):
        await shop.say(f"maybe-{number}", "maybe")
        await shop.say(f"status-{number}", 'status {"order": "A-1001"}')
        assert (await shop.last()).startswith(f"- Status: on its way\n\n{DEFAULT_VOICE.confirm_open}\n\n**Refund**")
    await shop.say("yes", "yes")
    assert shop.payments.effects() == {"A-1001 12.50": 1}


async def test_a_thumb_up_on_the_question_is_a_yes(shop: Shop) -> None:
    pending = await shop.ask()
    await shop.hear(await shop.thumb(pending.message_id, "up", "👍🏽"))
    assert shop.payments.effects() == {"A-1001 12.50": 1}
    assert await shop.last() == "Refund R-1 of 12.50 is on its way."


@pytest.mark.parametrize("emoji", ["👎", "❤️", "✅"])
async def test_another_reaction_is_not_a_yes(shop: Shop, emoji: str) -> None:
    pending = await shop.ask()
    await shop.hear(await shop.thumb(pending.message_id, "r", emoji))
    assert shop.payments.done == []


async def test_a_thumb_up_on_another_message_is_not_a_yes(shop: Shop) -> None:
    await shop.say("first", "hello")
    (hello,) = await shop.world.replies()
    pending = await shop.ask()
    await shop.hear(await shop.thumb(hello.id, "r"))
    assert shop.payments.done == []
    assert await shop.pending() == pending


async def test_no_leaves_it_and_closes_the_question(shop: Shop) -> None:
    pending = await shop.ask()
    await shop.hear(shop.picked(f"no:{pending.id}", pending, "no"))
    assert await shop.last() == DEFAULT_VOICE.action_declined
    await shop.hear(shop.yes(pending))
    assert await shop.last() == DEFAULT_VOICE.confirm_gone
    assert shop.payments.done == []
    assert await shop.outcomes() == ["refund refused"]


async def test_something_said_after_the_yes_in_the_same_fold_is_answered_and_the_question_asked_again(
    shop: Shop,
) -> None:
    pending = await shop.ask()
    await shop.hear(shop.yes(pending), shop.world.said("wait", "wait, which order?"))
    assert shop.payments.done == []
    again = await shop.pending()
    assert again.id != pending.id
    reply = (await shop.world.replies())[-1]
    assert reply.text.startswith(f"Hm.\n\n{DEFAULT_VOICE.confirm_again}\n\n**Refund**")
    assert [choice.id for choice in reply.choices] == [f"yes:{again.id}", f"no:{again.id}"]
    await shop.hear(shop.yes(pending, "old"))
    assert shop.payments.done == [], "the old question's yes means nothing any more"
    await shop.hear(shop.yes(again, "new"))
    assert shop.payments.effects() == {"A-1001 12.50": 1}


async def test_an_edit_after_the_yes_is_something_said_after_it(shop: Shop) -> None:
    pending = await shop.ask()
    await shop.hear(
        shop.world.said("before", "for my fern"), shop.yes(pending), shop.world.edited("before", "for my fern, I mean")
    )
    assert shop.payments.done == []
    assert (await shop.pending()).id != pending.id


async def test_a_question_before_the_yes_in_the_same_fold_is_answered_too(shop: Shop) -> None:
    pending = await shop.ask()
    await shop.hear(shop.world.said("before", 'status {"order": "A-1001"}'), shop.yes(pending))
    assert [reply.text for reply in (await shop.world.replies())[-2:]] == [
        "Refund R-1 of 12.50 is on its way.",
        "- Status: on its way",
    ]
    assert shop.model.asked[-1].text == 'status {"order": "A-1001"}', "the yes itself is no question"


async def test_an_expired_question_is_asked_again(shop: Shop) -> None:
    pending = await shop.ask()
    shop.world.clock.advance(seconds=600)
    await shop.hear(shop.yes(pending))
    assert shop.payments.done == []
    assert (await shop.last()).startswith(f"{DEFAULT_VOICE.confirm_expired}\n\n**Refund**")
    await shop.hear(shop.yes(await shop.pending(), "again"))
    assert shop.payments.effects() == {"A-1001 12.50": 1}


async def test_other_arguments_need_another_yes(shop: Shop) -> None:
    """Asking for more replaces the question; the yes that was shown the lower amount means nothing then."""
    pending = await shop.ask("12.50")
    await shop.ask("49.00", name="more")
    await shop.hear(shop.yes(pending))
    assert shop.payments.done == []


async def test_arguments_that_were_changed_behind_the_question_are_refused(shop: Shop) -> None:
    pending = await shop.ask()
    known = await shop.world.known()
    forged = pending.model_copy(update={"arguments": {**pending.arguments, "amount": "45.00"}})
    memory = (await shop.memory()).model_copy(update={"confirmation": forged})
    begun = await shop.world.state.conversations.begin(known.id, known.origin, [], now=shop.world.clock())
    await shop.world.state.conversations.commit(
        known.id,
        token=begun.token,
        version=known.version,
        epoch=known.epoch,
        facts=known.facts.model_copy(update={"actions": memory}),
        handled=[],
        outbox=[],
        now=shop.world.clock(),
    )
    await shop.hear(shop.yes(pending))
    assert shop.payments.done == []
    assert [record.reason.partition(":")[0] for record in await shop.records()] == ["changed"]


async def test_a_yes_of_somebody_else_in_the_conversation_does_not_count(shop: Shop) -> None:
    pending = await shop.ask()
    event = shop.yes(pending)
    data = (event.data or b"").replace(b"contact-1", b"contact-2")
    await shop.hear(shop.world.wrap(topics.MESSAGE_RECEIVED, data, event.id))
    assert shop.payments.done == []


async def test_a_yes_after_people_have_taken_over_and_given_back_does_not_count(shop: Shop) -> None:
    pending = await shop.ask()
    await shop.hear(shop.world.owner_asked("person", 0, "take"), shop.world.owner_asked("agent", 1, "give"))
    await shop.hear(shop.yes(pending))
    assert shop.payments.done == []


async def test_fifty_yeses_at_once_in_one_fold_do_it_once(shop: Shop) -> None:
    pending = await shop.ask()
    await shop.hear(*(shop.yes(pending, f"yes-{n}") for n in range(50)))
    assert shop.payments.effects() == {"A-1001 12.50": 1}


async def test_fifty_yeses_one_after_the_other_do_it_once(shop: Shop) -> None:
    pending = await shop.ask()
    for n in range(50):
        await shop.hear(shop.yes(pending, f"yes-{n}"))
    assert shop.payments.effects() == {"A-1001 12.50": 1}
    assert shop.payments.asked["pay"] == 1
    assert len(await shop.world.replies()) == 51


async def test_fifty_workers_with_the_same_yes_do_it_once(shop: Shop) -> None:
    """As after rebalances that overlap: whoever does not hold the conversation any more is fenced."""
    pending = await shop.ask()
    shop.payments.pause, shop.payments.honours = 0.02, False
    lanes = [await shop.world.lane(shop.yes(pending)) for _ in range(50)]
    workers = [another_worker(shop) for _ in lanes]
    done = await asyncio.gather(
        *(worker.handle(lane) for worker, lane in zip(workers, lanes, strict=True)), return_exceptions=True
    )
    await shop.hear(shop.yes(pending))
    assert shop.payments.effects() == {"A-1001 12.50": 1}
    assert any(isinstance(each, Exception) for each in done)
