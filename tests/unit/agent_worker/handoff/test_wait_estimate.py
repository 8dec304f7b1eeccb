"""The estimate of the wait, as a contact hears it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent_worker.handoff.cancel_handoff import ASSISTANT, wants_assistant
from agent_worker.handoff.desk_service_level import DeskServiceLevel
from agent_worker.handoff.wait_estimate import (
    WaitEstimate,
    format_duration,
    format_time,
    format_wait_notice,
    is_reachable,
)
from agent_worker.router.decision import PERSON_REQUESTED
from agent_worker.settings import FoldRules
from agent_worker.voice import DEFAULT_VOICE, translate_voice
from schemas.conversation import Facts, Origin
from schemas.desk import IN_DANGER, Handoff
from schemas.handoff.business_hours import OfficeHours
from schemas.ids import derived_id
from schemas.messages import InboundMessage
from schemas.ports import State
from tests.contracts.state.engines import server_state
from tests.unit.agent_worker.handoff.people_events import (
    ALWAYS,
    HEAT,
    NINE_TO_FIVE,
    PERSON,
    claim_conversation,
    deliver_replies,
    handed_over,
    handoff_of,
    pick_choice,
    read_back,
    request_owner,
    resolve_handoff,
    return_conversation,
)
from tests.unit.agent_worker.worker_environment import CHANNEL, WorkerEnvironment, world_at

BERLIN = ZoneInfo("Europe/Berlin")
SOON = DeskServiceLevel(first_reply=timedelta(minutes=15))
GERMAN = translate_voice(DEFAULT_VOICE, "de")
HURRIED = FoldRules(quiet={CHANNEL: 0.0})


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        (SOON, "A colleague comes.\n\nYou will usually hear from somebody within 15 minutes."),
        (ALWAYS, "A colleague comes."),
        (NINE_TO_FIVE, "A colleague comes.\n\nYou will usually hear from somebody within 15 minutes."),
        (
            DeskServiceLevel(hours=OfficeHours(BERLIN, {})),
            f"A colleague comes.\n\n{DEFAULT_VOICE.desk_closed} {DEFAULT_VOICE.leave_address}",
        ),
    ],
    ids=["always there, with a limit", "always there", "in office hours", "never there"],
)
async def test_contact_hears_what_to_expect(tmp_path: Path, terms: DeskServiceLevel, told: str) -> None:
    """With the words of the handoff: how long it usually takes, or that nobody is there; nothing that is not known."""
    async with world_at(tmp_path, desk=terms) as world:
        reply = await handed_over(world)
        assert (reply.text, reply.author.kind) == (told, "system")


async def test_contact_hears_when_the_office_opens(tmp_path: Path) -> None:
    """After hours the contact hears when somebody is back, by the clocks of the office."""
    async with world_at(tmp_path, desk=NINE_TO_FIVE) as world:
        world.clock.now = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)
        reply = await handed_over(world)
        assert reply.text.endswith(
            f"Nobody is here at the moment. We are back on Monday, 9 March, at 09:00. {DEFAULT_VOICE.leave_address}"
        )


async def test_contact_hears_it_in_its_language(tmp_path: Path) -> None:
    """Who writes German is told so in German, times included."""
    async with world_at(tmp_path, desk=NINE_TO_FIVE) as world:
        world.clock.now = datetime(2026, 3, 5, 20, 0, tzinfo=UTC)
        await world.handle(world.said("m1", "Ich möchte bitte, wo ist die Bestellung? I want to talk to a human"))
        reply = (await world.replies())[-1]
        assert reply.text.endswith(
            f"Gerade ist niemand da. Wir sind morgen um 09:00 Uhr wieder da. {GERMAN.leave_address}"
        )
        assert [choice.label for choice in reply.choices] == ["Mit dem Assistenten weitermachen"]


async def test_expectation_is_that_of_others(tmp_path: Path) -> None:
    """Once five contacts got their first reply, the next one hears within what half of them did."""
    async with world_at(tmp_path, desk=SOON) as world:
        for number, minutes in enumerate((1, 4, 25, 28, 29)):
            await world.handle(world.said(f"m{number}", PERSON))
            await deliver_replies(world)
            await read_back(world)
            world.clock.advance(seconds=30)
            await claim_conversation(world, f"claim {number}")
            world.clock.advance(minutes=minutes)
            await world.handle(world.said(f"p{number}", "Done.", by="person"))
            await return_conversation(world, f"return {number}")
        await world.handle(world.said("m-last", PERSON))
        assert (await world.replies())[-1].text.endswith("within 30 minutes.")


async def _expect_beside(state: State, origin: Origin, now: datetime) -> list[timedelta | None]:
    """The estimates while somebody has waited for no time, for a minute more, and for an hour."""
    waits, expected, conversations = WaitEstimate(state.limiter, state.conversations), [], state.conversations
    for minutes in (0, 1, 60):
        since, id_ = now - timedelta(minutes=minutes), derived_id("other", "waits", minutes)
        begun = await conversations.begin(id_, origin.model_copy(update={"place": id_}), [], now=since)
        facts = Facts(handoff=Handoff(number=1, opened_at=since))
        await conversations.commit(
            id_, token=begun.token, version=0, epoch=0, facts=facts, handled=[], outbox=[], now=since
        )
        await conversations.own(id_, "queue", expected_epoch=0, request_id=id_, by="agent", now=since)
        waiting = await conversations.count(origin.tenant, "queue")
        expected.append(await waits.expect(origin.tenant, SOON, waiting, now))
    return expected


async def test_nothing_is_promised_that_the_queue_contradicts(tmp_path: Path) -> None:
    """While somebody waits for an hour, nobody hears of fifteen minutes."""
    async with world_at(tmp_path, desk=SOON) as world:
        expected = await _expect_beside(world.state, world.origin, world.clock())
        assert expected == [SOON.first_reply, SOON.first_reply, None]
        assert (await handed_over(world)).text == "A colleague comes."


@pytest.mark.scaled
async def test_the_queue_of_the_scaled_engine_counts_too(redis_url: str) -> None:
    origin = Origin(tenant="shop", channel="web", account="main", place="p", contact_id="c")
    async with server_state(redis_url) as state:
        expected = await _expect_beside(state, origin, datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
    assert expected == [SOON.first_reply, SOON.first_reply, None]


async def test_expectation_is_that_of_others_who_met_as_long_a_queue(tmp_path: Path) -> None:
    """Quick replies to contacts who waited alone say nothing about a long queue."""
    async with world_at(tmp_path, desk=SOON) as world:
        now, waits = world.clock(), WaitEstimate(world.state.limiter, world.state.conversations)
        for _ in range(20):
            await waits.count(world.origin.tenant, timedelta(minutes=1), 0, now)
        expected = [await waits.expect(world.origin.tenant, SOON, crowd, now) for crowd in (0, 4)]
        for _ in range(5):
            await waits.count(world.origin.tenant, timedelta(minutes=25), 7, now)
        expected += [await waits.expect(world.origin.tenant, SOON, crowd, now) for crowd in (0, 4, 8)]
        minutes = [each and each.total_seconds() / 60 for each in expected]
        assert minutes == [2, None, 2, 30, None]


async def test_contact_in_danger_who_waits_already_is_told_where_to_find_help_and_comes_first(tmp_path: Path) -> None:
    """Nobody has come yet, and the agent is silent: the words are those of the agent's own reply, once."""
    async with world_at(tmp_path, desk=SOON) as world:
        await handed_over(world)
        for number, text in enumerate(("Hello?", "I do not want to live any more.", "I want to die.")):
            await world.handle(world.said(f"more {number}", text))
        handoff = await handoff_of(world)
        assert handoff.in_danger
        assert handoff.reason == f"{IN_DANGER}; {PERSON_REQUESTED}"
        assert "do not want to live" in handoff.summary[0]
        assert [reply.text for reply in (await world.replies())[1:]] == [DEFAULT_VOICE.danger]
        assert (await world.known()).owner == "queue"


async def test_summary_is_of_the_present_matter_and_says_each_thing_once(tmp_path: Path) -> None:
    """Neither the words of a matter that is settled, nor the same words twice."""
    async with world_at(tmp_path, desk=SOON) as world:
        await world.handle(world.said("m1", f"My first pot arrived broken. {PERSON}"))
        assert (await handoff_of(world)).summary[0].count("first pot") == 1
        await deliver_replies(world)
        await read_back(world)
        await claim_conversation(world)
        await world.handle(resolve_handoff(world, ask=False))
        world.clock.advance(minutes=60)
        await world.handle(world.said("m2", f"My second pot has no holes. {PERSON}"))
        asked, *others = (await handoff_of(world)).summary
        assert asked.count("second pot") == 1
        assert "first pot" not in asked
        assert not any("Answered" in line for line in others)


async def test_first_reply_is_counted_in_office_time(tmp_path: Path) -> None:
    """A night between question and reply makes nobody expect a night."""
    async with world_at(tmp_path, desk=NINE_TO_FIVE) as world:
        for number in range(5):
            world.clock.now = datetime(2026, 3, 2 + number % 3, 15, 58, tzinfo=UTC) + timedelta(days=7 * (number // 3))
            await world.handle(world.said(f"m{number}", PERSON))
            await read_back(world)
            world.clock.now = world.clock.now.replace(hour=8, minute=4) + timedelta(days=1)
            await claim_conversation(world, f"claim {number}")
            await world.handle(world.said(f"p{number}", "Done.", by="person"))
            await return_conversation(world, f"return {number}")
        await world.handle(world.said("m-last", PERSON))
        assert (await world.replies())[-1].text.endswith("within 10 minutes.")


async def test_it_is_told_once(tmp_path: Path) -> None:
    """While people are asked for, a further message of the contact is answered by nobody."""
    async with world_at(tmp_path, desk=SOON) as world:
        await handed_over(world)
        await world.handle(world.said("m2", "Hello?"))
        assert len(await world.replies()) == 1


async def test_contact_may_go_on_with_the_assistant(tmp_path: Path) -> None:
    """The choice beside the notice gives the conversation back to the agent, which says so."""
    async with world_at(tmp_path, desk=SOON) as world:
        notice = await handed_over(world)
        assert [choice.id for choice in notice.choices] == [ASSISTANT]
        await world.handle(pick_choice(world, "m2", notice, ASSISTANT))
        assert (await world.known()).owner == "agent"
        reply = (await world.replies())[-1]
        assert reply.text == DEFAULT_VOICE.assistant_back
        await deliver_replies(world)
        await world.handle(world.said("m3", HEAT))
        assert "heat pack" in (await world.replies())[-1].text


@pytest.mark.parametrize("typed", ["1", DEFAULT_VOICE.assistant_choice, "go on with the assistant."])
async def test_choice_may_be_typed(tmp_path: Path, typed: str) -> None:
    """Where there are no buttons its number and its label do the same."""
    async with world_at(tmp_path, desk=SOON) as world:
        await handed_over(world)
        await world.handle(world.said("m2", typed))
        assert (await world.known()).owner == "agent"
        assert (await world.replies())[-1].text == DEFAULT_VOICE.assistant_back


async def test_choice_is_there_without_a_desk(world: WorkerEnvironment) -> None:
    """People may answer in the console only. Nothing is known about the wait then, but nobody has to wait."""
    notice = await handed_over(world)
    assert [choice.id for choice in notice.choices] == [ASSISTANT]
    await world.handle(world.said("m2", "1"))
    assert (await world.known()).owner == "agent"


async def test_number_without_a_choice_is_a_message_for_people(world: WorkerEnvironment) -> None:
    await handed_over(world)
    await world.handle(world.said("m2", "2"))
    assert (await world.known()).owner == "queue"


async def test_waiting_messages_are_answered_instead_of_a_greeting(tmp_path: Path) -> None:
    """Who asked something while it waited gets the answer once it goes on with the assistant."""
    async with world_at(tmp_path, desk=SOON) as world:
        notice = await handed_over(world)
        world.clock.advance(minutes=1)
        await world.handle(world.said("m2", HEAT))
        world.clock.advance(minutes=1)
        before = len(await world.replies())
        await world.handle(pick_choice(world, "m3", notice, ASSISTANT))
        (reply,) = (await world.replies())[before:]
        assert "heat pack" in reply.text


async def test_choice_comes_too_late_once_somebody_has_claimed(tmp_path: Path) -> None:
    """A person who has taken the conversation keeps it."""
    async with world_at(tmp_path, desk=SOON) as world:
        notice = await handed_over(world)
        await world.handle(request_owner(world, "person", "claim", epoch=(await world.known()).epoch))
        await world.handle(pick_choice(world, "m2", notice, ASSISTANT))
        assert (await world.known()).owner == "person"


@pytest.mark.parametrize(
    ("text", "wants"),
    [
        ("Go on with the bot", True),
        ("never mind, I don't need a person any more", True),
        ("Let's continue with the assistant please", True),
        ("Ich möchte mit dem Bot weitermachen", True),
        ("Ich brauche keinen Mitarbeiter mehr", True),
        ("I don't want a person to call me, I want my money", False),
        ("The assistant was no help", False),
        ("Can I talk to the assistant manager?", False),
        ("never mind", False),
        ("", False),
    ],
)
def test_only_plain_words_give_up_the_place_in_the_queue(world: WorkerEnvironment, text: str, wants: bool) -> None:
    """Who says that and nothing else goes on with the assistant; who says anything more keeps waiting."""
    message = InboundMessage(id="m", external_id="m", place="p", contact_id="c", text=text, sent_at=world.clock())
    assert wants_assistant(message) is wants


@pytest.mark.parametrize(
    ("days", "locale", "told"),
    [
        (0, "en", "today at 09:00"),
        (1, "en-GB", "tomorrow at 09:00"),
        (3, "en", "on Thursday, 5 March, at 09:00"),
        (3, "de-AT", "am Donnerstag, den 5. März, um 09:00 Uhr"),
        (0, "de", "heute um 09:00 Uhr"),
        (1, "es", "mañana a las 09:00"),
        (3, "fr", "le jeudi 5 mars à 09:00"),
        (3, "ru", "5 марта (четверг) в 09:00"),
        (3, "ja-JP", "3月5日（木曜日）09:00"),
        (3, "fi", "2026-03-05 09:00"),
    ],
)
def test_moments_are_told_as_people_tell_them(days: int, locale: str, told: str) -> None:
    """A day near by has a name, one further off its date; a language that we have no words for gets figures."""
    now = datetime(2026, 3, 2, 7, 0, tzinfo=BERLIN)
    assert format_time(now.replace(hour=9) + timedelta(days=days), now, BERLIN, locale) == told


@pytest.mark.parametrize(
    ("minutes", "locale", "told"),
    [
        (1, "en", "a minute"),
        (45, "en", "45 minutes"),
        (60, "en", "an hour"),
        (120, "de", "2 Stunden"),
        (90, "de", "90 Minuten"),
        (1440, "de", "einem Tag"),
        (2880, "de", "2 Tagen"),
        (30, "fr", "30 minutes"),
        (2, "ru", "2 минуты"),
        (120, "ar", "ساعتان"),
        (120, "pl_PL", "2 godziny"),
        (30, "fi", "30 min"),
    ],
)
def test_spans_are_told_in_the_largest_whole_unit(minutes: int, locale: str, told: str) -> None:
    """An hour and a half is ninety minutes, two hours are two hours."""
    assert format_duration(timedelta(minutes=minutes), locale) == told


async def test_a_visitor_who_may_not_come_back_can_leave_an_address_after_hours(tmp_path: Path) -> None:
    """It is acknowledged, people see it, and it proves nothing. An order number is no address."""
    async with world_at(tmp_path, desk=NINE_TO_FIVE) as world:
        world.clock.now = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)
        assert (await handed_over(world)).text.endswith(f"at 09:00. {DEFAULT_VOICE.leave_address}")
        said = ["anna.wood@example.com", "or +49 30 1234567", "it is about 10231", "anna.wood@example.com!"]
        for number, text in enumerate(said):
            await world.handle(world.said(f"m{number}", text))
        thanked = [reply for reply in await world.replies() if reply.text == DEFAULT_VOICE.address_noted]
        assert [reply.author.kind for reply in thanked] == ["system", "system"]
        handoff = await handoff_of(world)
        assert handoff.summary_lines[-1] == "Left for a reply (not verified): anna.wood@example.com, +49 30 1234567"
        assert await world.state.contacts.get(world.origin.tenant, world.origin.contact_id) is None
        await world.handle(world.deleted("m1"))
        assert (await handoff_of(world)).reach_at == ["anna.wood@example.com"]


def test_whoever_sees_later_answers_is_told_that_they_come_here() -> None:
    web = Origin(tenant="shop", channel="web", account="main", place="visitor", contact_id="contact")
    whatsapp = web.model_copy(update={"channel": "whatsapp"})
    cases = [(web, ["anonymous"]), (web, []), (web, ["anonymous", "verified"]), (whatsapp, ["channel"])]
    assert [is_reachable(origin, levels) for origin, levels in cases] == [False, False, True, True]  # type: ignore[arg-type]
    closed = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)
    notice = format_wait_notice(DEFAULT_VOICE, NINE_TO_FIVE, None, closed, "en")
    assert notice.endswith("at 09:00. The answer will come here.")


async def test_an_address_that_is_written_with_the_request_is_acknowledged_at_once(tmp_path: Path) -> None:
    async with world_at(tmp_path, desk=NINE_TO_FIVE) as world:
        world.clock.now = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)
        reply = await handed_over(world, f"{PERSON} My mail is anna@example.com")
        assert reply.text.endswith(f"at 09:00. {DEFAULT_VOICE.address_noted}")
        assert (await handoff_of(world)).reach_at == ["anna@example.com"]
