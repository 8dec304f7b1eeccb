"""Acts are matched to their conversation, whatever is known of the thread; malformed acts are handled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.desk.inbound.bindings import is_root
from connectors.desk.posts.posted_state import root_id
from connectors.slack.backfill import read_history
from connectors.slack.desk import connection
from schemas import topics
from schemas.audit.records import AuditRecord, verify_records
from schemas.audit.trail import AuditTrail
from schemas.conversation import OwnerRequested
from schemas.desk import DeskCommand, DeskUpdate
from schemas.errors import BusUnavailable
from schemas.messages import Address
from tests.simulators.slack.workspace import Post
from tests.simulators.vendor import Fault
from tests.unit.desk.conftest import DeskEnvironment
from tests.unit.desk.slack_team import Team


@pytest.fixture
async def team(world: DeskEnvironment) -> AsyncIterator[Team]:
    async with Team(world).at_work() as team:
        yield team


async def list_commands(team: Team) -> list[DeskCommand]:
    topic = topics.outbound("slack")
    return [event.payload(DeskCommand) for event in await team.told(topics.DESK_COMMAND, topic)]


async def test_a_thread_whose_record_is_lost_is_known_by_what_its_card_carries(team: Team) -> None:
    talk = await team.open()
    known = (team.account.tenant, "slack", "main", f"{team.room.id}/{talk.root}")
    assert await team.world.state.deliveries.by_external_id(*known) is None
    await talk.claim("Ben")
    assert (await talk.now()).owner == "person"
    assert await team.world.state.deliveries.by_external_id(*known) == (talk.id, root_id(talk.id, 0))


@pytest.mark.parametrize("has_replies", [True, False])
async def test_a_deleted_card_is_reported_to_its_conversation(team: Team, has_replies: bool) -> None:
    """Slack tells it in two ways. Replies, and what is no card, are not reported."""
    talk = await team.open()
    await talk.claim("Ben")
    others = [team.slack.people.say("Ben", "lunch?", team.room).ts]
    if has_replies:
        others.append(talk.say("Ben", "hello").ts)
        talk.say("Ben", "hello again")
    await team.quiet()
    for ts in others:
        team.slack.people.delete("Ben", ts)
    team.slack.remove(team.room.posts[talk.root])
    await team.quiet()
    told = await team.told(topics.DESK_UPDATE, topics.outbound("slack"))
    deleted = [(each.conversation, each.payload(DeskUpdate).deleted_card) for each in told]
    assert [each for each in deleted if each[1]] == [(talk.id, f"{team.room.id}/{talk.root}")]


async def test_another_apps_card_or_another_tenants_is_nobodys(team: Team) -> None:
    talk = await team.open()
    payload = {"conversation": talk.id, "tenant": "bakery", "channel": "web", "id": root_id(talk.id, 0)}
    forged = {"event_type": "parley_desk", "event_payload": {**payload, "tenant": "shop"}}
    robo = team.slack.people.join(team.room, "Robo", "bot")
    by_robo = team.slack.publish(
        team.room, robo, {"bot_id": robo.bot_id, "text": "mine", "metadata": forged, "subtype": "bot_message"}
    )
    told = {"event_type": "parley_desk", "event_payload": payload}
    ours = {"user": team.slack.bot.id, "bot_id": team.slack.bot.bot_id, "text": "a card", "metadata": told}
    of_bakery = team.slack.publish(team.room, team.slack.bot, ours)
    for post in (by_robo, of_bakery):
        await talk.react("Ben", "👀", post.ts)
    await team.quiet()
    assert (await talk.now()).owner == "queue"


async def test_a_thread_that_is_none_of_ours_is_asked_about_once(team: Team) -> None:
    lunch = team.slack.people.say("Cleo", "lunch?", team.room)
    for text in ("yes", "where", "when"):
        team.slack.people.say("Ben", text, team.room, thread=lunch.ts)
    await team.quiet()
    asked = [each for each in team.slack.ledger.requests if each.operation == "conversations.replies"]
    assert len(asked) == 1
    assert await list_commands(team) == []


async def test_a_reply_told_eleven_times_under_other_event_ids_goes_out_once(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    said = talk.say("Ben", "Hello")
    await team.heard()
    team.slack.redeliver(said.ts, times=10, at_once=True, other_event_ids=True)
    await team.quiet()
    assert len(await list_commands(team)) == 11
    assert len({act.id for act in await list_commands(team)}) == 1
    assert await team.seen() == {talk.id: [("Hello", 0)]}


async def test_everything_told_in_the_wrong_order_says_the_same_to_the_customer(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    posts: list[Post] = []

    def work() -> None:
        posts.append(talk.say("Ben", "one"))
        posts.append(talk.say("Ben", "two"))
        team.slack.people.edit("Ben", posts[0].ts, "one, corrected")
        team.slack.people.delete("Ben", posts[1].ts)

    told = team.captured(work)
    await team.bring(*reversed(told), *told)
    await team.quiet()
    assert await team.seen() == {talk.id: [("one, corrected", 0)]}


async def test_a_release_that_was_pressed_before_the_claim_and_comes_after_it_frees_nothing(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Cleo")
    late = team.captured(lambda: team.slack.people.react("Dan", talk.root, "🔁"))
    await talk.press("Cleo", "Release")
    await talk.is_with("queue")
    await talk.claim("Ben")
    await team.bring(*late)
    await team.quiet()
    assert (await talk.now()).owner == "person"


async def test_taking_the_eyes_back_lets_go_of_the_conversation(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    await talk.react("Ben", "👀", removed=True)
    await team.quiet()
    assert (await talk.now()).owner == "queue"


async def test_a_reaction_to_a_reply_that_is_no_note_means_nothing(team: Team) -> None:
    talk = await team.open()
    said = talk.say("Cleo", "who takes it?")
    await talk.react("Ben", "👀", said.ts)
    await talk.react("Ben", "🎉")
    await team.quiet()
    assert (await talk.now()).owner == "queue"
    assert [act.kind for act in await list_commands(team)] == ["reply"]


async def test_a_request_for_the_owner_says_when_slack_was_told(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    (told,) = await team.inbound(topics.OWNER_REQUESTED)
    word, found = told.payload(OwnerRequested), await talk.now()
    assert found.holder is not None
    assert word.at == found.holder.since
    assert (word.to, word.expected_epoch) == (found.owner, found.epoch - 1)


async def test_numbers_of_cards_are_masked_before_anything_is_written_down(team: Team) -> None:
    talk = await team.open()
    talk.say("Ben", "my card is 4111 1111 1111 1111")
    await team.quiet()
    (act,) = await list_commands(team)
    assert "4111 1111" not in act.text


async def test_a_form_that_slack_does_not_open_is_told(team: Team) -> None:
    talk = await team.open()
    team.slack.faults.next(Fault("refuse", "views.open", status=200, code="expired_trigger_id"))
    await talk.press("Ben", "Resolve")
    assert team.whispers("Ben") == [connection.FORM_NOT_OPENED]
    assert await list_commands(team) == []


class NoContacts:
    """No contact is known. See schemas.ports.BackfillContext."""

    session: Mapping[str, Any] = {}

    async def places(self) -> Sequence[str]:
        return []

    async def addresses(self, place: str, addresses: Sequence[Address]) -> Sequence[Address]:
        return addresses


async def test_desk_messages_from_an_outage_are_backfilled_and_not_taken_for_a_contacts(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    since = team.world.clock()
    team.world.clock.now += timedelta(seconds=1)
    team.captured(lambda: (talk.say("Ben", "Hello"), team.slack.people.say("Ben", "lunch?", team.room)))
    found = [event async for page in read_history(team.account, since, NoContacts()) for event in page]
    assert [event.type for event in found] == [topics.DESK_COMMAND]
    await team.door.accept(team.account, found)
    await team.quiet()
    assert await team.seen() == {talk.id: [("Hello", 0)]}


async def test_a_tenant_without_a_desk_takes_nothing(team: Team) -> None:
    talk = await team.open()
    (told,) = team.captured(lambda: team.slack.people.react("Ben", talk.root, "👀"))
    events = team.carrier.channel.parse_payload(told.what, told.payload, team.account)
    await team.door.accept(replace(team.account, tenant="bakery"), events)
    assert (await talk.now()).owner == "queue"


def test_a_card_is_known_by_the_records_it_may_have() -> None:
    assert is_root("c", root_id("c", 3))
    assert not is_root("c", root_id("d", 0))


# ── the audit trail ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_colleagues_decide_is_in_the_audit_trail(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    await team.quiet()
    records = [event.payload(AuditRecord) for event in await team.told(topics.AUDIT_RECORDED, topics.AUDIT)]
    ben = f"slack:{team.slack.person('Ben').id}"
    assert [(each.actor, each.action, each.surface, each.subject) for each in records] == [
        (ben, "owner.change", "slack", f"conversation:{talk.id}")
    ]
    assert verify_records(records).problems == []


async def test_a_command_that_cannot_be_recorded_is_not_accepted_until_it_can(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.slack.event_delivery.pace = 0.0
    talk, record, owners = await team.open(), AuditTrail.record, list[str]()

    async def record_at_last(trail: AuditTrail, *about: Any, **more: Any) -> None:
        owners.append((await talk.now()).owner)
        if len(owners) < 3:
            raise BusUnavailable("no broker answers")
        await record(trail, *about, **more)

    monkeypatch.setattr(AuditTrail, "record", record_at_last)
    await talk.claim("Ben")
    await team.quiet()
    assert owners == ["queue", "queue", "queue"]
    assert (await talk.now()).owner == "person"
    assert len(await team.told(topics.AUDIT_RECORDED, topics.AUDIT)) == 1
