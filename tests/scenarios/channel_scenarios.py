"""Scenarios between customers and Parley, the same for every channel. ``SCENARIOS`` is the whole list.

Each is played on every channel by a customer of its own. How a customer writes, and what they see, is the matter of
``tests.scenarios.customers``. None waits for time to pass: that nothing more comes is shown by a question whose
answer comes behind all else, and by a second look at the end of the run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from agent_worker.voice import DEFAULT_VOICE
from schemas import topics
from schemas.conversation_activity import Feedback
from tests.scenarios.customer_conversation import FACTS, HEAT, RETURN, WATER, CustomerConversation
from tests.scenarios.edit_scenarios import deletion, edit, edits_overtaken
from tests.simulators.vendor import Fault, File

Scenario = Callable[[CustomerConversation], Awaitable[None]]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000000000500010d0a2db40000000049454e44ae426082"
)
UNKNOWN = "Who won the football world championship in 1974?"
PERSON = DEFAULT_VOICE.person_choice
TAKEN_OVER = "A colleague will take over"


async def question(talk: CustomerConversation) -> None:
    """A question is answered with its source."""
    shown = await talk.ask(HEAT)
    assert "Shipping" in shown.text, shown.text
    await talk.whole()


async def burst(talk: CustomerConversation) -> None:
    """Ten messages at once are all taken in, in order, and folded into few answers."""
    for number in range(10):
        await talk.say(f"{(HEAT, RETURN, WATER)[number % 3]} ({number})")
    found = await talk.whole()
    assert len(found["turns"]) < 5, found["turns"]


async def reaction(talk: CustomerConversation) -> None:
    """A reaction to a message that waits, or to an answer, is no message."""
    message = await talk.say(HEAT)
    await talk.vendor.react(talk.person, message, "👍")
    await talk.accepted()
    (shown,) = await talk.sees(FACTS[HEAT])
    await talk.vendor.react(talk.person, shown.id, "❤️")
    await talk.vendor.react(talk.person, shown.id, "❤️", take_back=True)
    await talk.accepted()
    await talk.ask(WATER)
    await talk.sees(FACTS[HEAT], FACTS[WATER])
    await talk.whole([HEAT, WATER])


async def attachment_out(talk: CustomerConversation) -> None:
    """A colleague's picture arrives as it is, below their words, once."""
    await talk.ask(HEAT)
    conversation = talk.stage.conversation_id(talk.customers, talk.person)
    file = await talk.stage.upload(conversation, "leaf.png", "image/png", PNG)
    await talk.person_says("picture", "Like this:", file)
    await talk.until(lambda: [each for shown in talk.screen for each in shown.files], "the picture")
    files = [each for shown in talk.screen for each in shown.files]
    assert [(each.type, each.data) for each in files] == [("image/png", PNG)]
    assert [shown for shown in talk.screen if "Like this:" in shown.text]


async def attachment_in(talk: CustomerConversation) -> None:
    """A picture that a customer sends is kept, and a colleague can fetch it."""
    await talk.say(HEAT, files=[File("leaf.png", "image/png", PNG)])
    await talk.until(lambda: talk.screen, "an answer")
    found = await talk.record(lambda one: any(_links(one)), "the picture on record")
    data = [await talk.stage.fetch(link) for link in _links(found)]
    assert data == [PNG]


async def feedback(talk: CustomerConversation) -> None:
    """A thumb on an answer is kept as feedback on it, and is no message."""
    shown = await talk.ask(HEAT)
    await talk.whole()
    await talk.vendor.react(talk.person, shown.id, "👍")
    await talk.accepted()
    await talk.ask(WATER)
    found = await talk.whole()
    await talk.week()
    conversation = talk.stage.conversation_id(talk.customers, talk.person)
    given = [
        each for each in talk.stage.log if each.conversation == conversation and each.type == topics.FEEDBACK_GIVEN
    ]
    answer = next(line["id"] for line in found["transcript"] if line["author"]["kind"] == "agent")
    told = {(each.payload(Feedback).message_id, each.payload(Feedback).value) for each in given}
    assert told == {(answer, "up")}, f"{told or 'no feedback'} for {answer}"


async def beside_text(talk: CustomerConversation) -> None:
    """A location, a missed call or an unknown kind is on record as what it is, and is answered fittingly, once."""
    acts = talk.customers.beside_text(talk.person)
    for act, answer, _ in acts:
        before = len(talk.screen)
        act()
        await talk.until(partial(_grown, talk, before), f"an answer with {answer!r}")
        assert answer in talk.screen[-1].text, [shown.text for shown in talk.screen]
    await talk.ask(HEAT)
    assert len(talk.screen) == len(acts) + 1, [shown.text for shown in talk.screen]
    found = await talk.record(lambda one: len(_own(one)) == len(acts) + 1, "everything on record")
    for line, (_, _, field) in zip(_own(found), acts, strict=False):
        assert line.get(field), (field, line)


async def quoted(talk: CustomerConversation) -> None:
    """Of a message that is quoted the agent, people and the record know the words."""
    shown = await talk.ask(HEAT)
    await talk.whole()
    talk.said.append(RETURN)
    await talk.vendor.say(talk.person, RETURN, reply_to=shown.id)
    await talk.sees(FACTS[HEAT], FACTS[RETURN])
    found = await talk.whole()
    assert FACTS[HEAT] in _own(found)[-1]["quote"]["text"], found


async def opting_out(talk: CustomerConversation) -> None:
    """Whoever says STOP is not written to by the agent any more, until they say START."""
    await talk.ask(HEAT)
    await talk.say("STOP")
    await talk.say(RETURN)
    await talk.record(lambda one: _states(one)[-1:] == ["failed"] and len(one["turns"]) >= 2, "a refused answer")
    await talk.sees(FACTS[HEAT])
    await talk.say("START")
    await talk.say(WATER)
    await talk.until(lambda: FACTS[WATER] in talk.screen[-1].text, "an answer again")


async def choice(talk: CustomerConversation) -> None:
    """A choice that is picked the vendor's way comes back as that choice."""
    await talk.say(UNKNOWN)
    await talk.until(lambda: talk.screen, "an answer")
    (shown,) = talk.screen
    assert shown.choices == [PERSON], shown
    await talk.vendor.choose(talk.person, shown, PERSON)
    await talk.sees("could not find", TAKEN_OVER)
    await talk.record(lambda one: one["owner"] == "queue", "the conversation to wait for a person")


async def duplicates(talk: CustomerConversation) -> None:
    """Fifty deliveries of one message at the same time are one message and one answer."""
    message = await talk.say(HEAT)
    talk.vendor.redeliver(message, times=50, at_once=True)
    await talk.accepted()
    await talk.sees(FACTS[HEAT])
    await talk.ask(RETURN)
    await talk.sees(FACTS[HEAT], FACTS[RETURN])
    await talk.whole()


async def redelivery(talk: CustomerConversation) -> None:
    """A message that is delivered again after seven days is not answered again."""
    message = await talk.say(HEAT)
    await talk.until(lambda: talk.screen, "an answer")
    await talk.week()
    talk.vendor.redeliver(message, times=3, at_once=True)
    await talk.accepted()
    await talk.ask(RETURN)
    await talk.sees(FACTS[HEAT], FACTS[RETURN])
    await talk.whole()


async def batch(talk: CustomerConversation) -> None:
    """Of a hundred updates in one request, one of them malformed, all others are taken in, in order."""
    people = [
        CustomerConversation(talk.stage, talk.customers, f"{talk.person}-{number}", talk.week) for number in range(5)
    ]
    shown = [(each.person, await each.ask(HEAT)) for each in people]
    said = [(each, f"{(RETURN, WATER)[number % 2]} ({number})") for number in range(10) for each in people]
    for each, text in said:
        each.said.append(text)
    await talk.customers.batch([(each.person, text) for each, text in said], shown, notes=99 - len(said))
    await talk.accepted()
    await asyncio.gather(*(each.whole() for each in people))


async def echo(talk: CustomerConversation) -> None:
    """What the vendor tells of our own messages is not answered."""
    shown = await talk.ask(HEAT)
    talk.customers.hear_again(shown)
    await talk.accepted()
    await talk.ask(RETURN)
    await talk.sees(FACTS[HEAT], FACTS[RETURN])
    await talk.whole()


async def bot(talk: CustomerConversation) -> None:
    """Another program is not answered."""
    place = talk.customers.bot_says(HEAT)
    await talk.accepted()
    await talk.ask(RETURN)
    await talk.ask(WATER)
    assert talk.vendor.ledger.at(place) == []


async def limit(talk: CustomerConversation) -> None:
    """When the vendor asks to wait, again and again, every answer comes in the end, once, in order."""
    send = talk.customers.send
    talk.vendor.faults.next(*[Fault("limit", send, retry_after=0.2) for _ in range(4)])
    await talk.say(HEAT)
    await talk.until(lambda: talk.vendor.faults.left < 4, "the first refusal")
    await talk.say(RETURN)
    await talk.until(lambda: any(FACTS[RETURN] in shown.text for shown in talk.screen), "both answers")
    await talk.whole()
    assert talk.vendor.faults.left == 0


async def failure_after(talk: CustomerConversation) -> None:
    """An answer that was shown although the vendor failed is not shown again."""
    await _in_doubt(talk, Fault("fail_after", talk.customers.send, status=503))


async def cut_after(talk: CustomerConversation) -> None:
    """An answer that was shown although the connection broke before the vendor's word is not shown again."""
    await _in_doubt(talk, Fault("drop_after", talk.customers.send))


async def cut_before(talk: CustomerConversation) -> None:
    """When the connection breaks before anything was shown, the answer comes all the same, once and in order; where
    the vendor gives no evidence of that, people have the conversation and know of the doubt."""
    talk.vendor.faults.next(Fault("drop", talk.customers.send))
    await talk.say(HEAT)
    await talk.until(lambda: not talk.vendor.faults.left, "the broken connection")
    await talk.say(WATER)
    await talk.until(lambda: any(FACTS[WATER] in shown.text for shown in talk.screen), "the next answer")
    arrived, unsure = partial(_is_seen, talk, HEAT), not talk.customers.sure
    await talk.record(lambda one: arrived() or (unsure and _is_with_people(one)), "the first answer's fate")
    await talk.sees(*([FACTS[HEAT]] if arrived() else []), FACTS[WATER])


async def revoked(talk: CustomerConversation) -> None:
    """While the token does not work nothing is lost; when it works again every answer comes, once, in order."""
    requests = talk.vendor.ledger.requests
    before = len(requests)
    talk.customers.revoke()
    try:
        await talk.say(HEAT)
        await talk.until(lambda: talk.customers.send in [each.operation for each in requests[before:]], "a refusal")
        await talk.say(RETURN)
        await talk.accepted()
        assert talk.screen == []
    finally:
        talk.customers.restore()
    await talk.until(lambda: any(FACTS[RETURN] in shown.text for shown in talk.screen), "both answers")
    await talk.whole()


async def window_closed(talk: CustomerConversation) -> None:
    """When nobody may write to the customer any more, nothing is sent, and the colleague can see that."""
    await talk.ask(HEAT)
    await talk.week()
    asked = len(_sends(talk))
    message = await talk.person_says("late", "Is everything well?")
    found = await talk.record(lambda one: message in [line["id"] for line in one["transcript"]], "the message's end")
    assert [line["state"] for line in found["transcript"] if line["id"] == message] == ["failed"]
    await talk.sees(FACTS[HEAT])
    assert len(_sends(talk)) == asked


async def _in_doubt(talk: CustomerConversation, fault: Fault) -> None:
    talk.vendor.faults.next(fault)
    await talk.say(HEAT)
    await talk.until(lambda: not talk.vendor.faults.left, "the fault")
    await talk.ask(WATER)
    await talk.sees(FACTS[HEAT], FACTS[WATER])
    await talk.whole()


def _sends(talk: CustomerConversation) -> list[str]:
    where = talk.vendor.place(talk.person)
    return [
        where
        for each in talk.vendor.ledger.requests
        if where in str(each.body) and each.operation == talk.customers.send
    ]


def _states(found: dict[str, Any]) -> list[str]:
    """Of the agent's lines."""
    return [line["state"] for line in found["transcript"] if line["author"]["kind"] == "agent"]


def _is_seen(talk: CustomerConversation, question: str) -> bool:
    return any(FACTS[question] in shown.text for shown in talk.screen)


def _is_with_people(found: dict[str, Any]) -> bool:
    """Whether an answer may not have arrived, and people have the conversation."""
    return "unknown" in _states(found) and found["owner"] in ("queue", "person")


def _grown(talk: CustomerConversation, before: int) -> bool:
    return len(talk.screen) > before


def _own(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The contact's lines."""
    return [line for line in found["transcript"] if line["author"]["kind"] == "contact"]


def _links(found: dict[str, Any]) -> list[str]:
    return [file["url"] for line in found["transcript"] for file in line["attachments"] if file["url"]]


TODAY: dict[str, Scenario] = {
    play.__name__: play
    for play in (
        *(
            question,
            burst,
            edit,
            edits_overtaken,
            deletion,
            reaction,
            attachment_out,
            choice,
            duplicates,
            batch,
            echo,
            bot,
        ),
        *(echo, bot, limit, failure_after, cut_after, cut_before, revoked, attachment_in, opting_out),
        *(beside_text, quoted),
    )
}
A_WEEK_LATER: dict[str, Scenario] = {play.__name__: play for play in (redelivery, window_closed, feedback)}
"""These begin today and end when a week has passed."""
SCENARIOS = TODAY | A_WEEK_LATER
NOT_YET: dict[str, tuple[Scenario, str]] = {}
"""Written, and played by nobody until the product can do it; each with the reason."""
