"""Requests of the agent to people, and their answers: approvals, drafts, and acts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from schemas import ids, topics
from schemas.actions import ActionMemory, PendingApproval
from schemas.conversation import Conversation, DeliveryOutcome
from schemas.desk import DeskCommand
from tests.simulators.slack.message_contents import labels, words
from tests.unit.desk.conftest import DeskEnvironment, RecordingActs


def approval(world: DeskEnvironment, **fields: Any) -> PendingApproval:
    whole = {
        "id": "a1",
        "action": "refund_order",
        "title": "Refund an order",
        "arguments": {"order": "N-17", "amount": 240.5, "note": "x" * 1000},
        "digest": "d",
        "contact_id": world.contact,
        "reason": "above 100",
        "requested_at": world.clock(),
        "expires_at": world.clock() + timedelta(hours=1),
    }
    return PendingApproval.model_validate(whole | fields)


async def wait_for(world: DeskEnvironment, *approvals: PendingApproval) -> None:
    await world.change(actions=ActionMemory(approvals=list(approvals)).model_dump())


def build_command(world: DeskEnvironment, kind: str, **fields: Any) -> DeskCommand:
    told = {"id": f"act-{kind}", "kind": kind, "by": "slack:U1", "name": "Mo", "account": "main", "place": "C:1.0"}
    return DeskCommand.model_validate(told | {"at": world.clock()} | fields)


class DecisionActs(RecordingActs):
    """Puts on record that a decision or a draft's end came about by this act."""

    def __init__(self, world: DeskEnvironment) -> None:
        super().__init__()
        self._world = world

    async def perform(self, conversation: Conversation, acted: DeskCommand, batch: Any) -> None:
        await super().perform(conversation, acted, batch)
        draft = acted.kind in ("send_draft", "discard_draft")
        about = ids.derived_id(acted.value, "draft-settled") if draft else acted.id
        told = DeliveryOutcome(message_id=about, state="sent", reason=f"{acted.id} sent", at=self._world.clock())
        await self._world.state.deliveries.record(conversation.id, told)


async def test_an_approval_is_asked_with_its_exact_arguments_while_the_agent_has_the_conversation(
    world: DeskEnvironment,
) -> None:
    await world.say("I want my money back")
    await wait_for(world, approval(world))
    keeper = world.keeper()
    for _ in range(2):
        await world.look(keeper)
    await keeper.close()
    (asked,) = world.thread
    said = words(asked.body)
    for part in ("Refund an order", "order: N-17", "amount: 240.5", "x" * 1000, "above 100", "Web visitor"):
        assert part in said
    assert "refund_order" not in said
    assert labels(asked.body) == ["Approve", "Deny"]


async def test_an_approval_of_an_older_release_has_no_title_and_is_named_by_its_action(world: DeskEnvironment) -> None:
    await wait_for(world, approval(world, title=""))
    keeper = world.keeper()
    for _ in range(2):
        await world.look(keeper)
    await keeper.close()
    assert "refund_order" in words(world.thread[0].body)


async def test_a_conversation_that_is_handed_over_again_for_an_approval_says_why_once(world: DeskEnvironment) -> None:
    keeper = world.keeper()
    await world.hand_off("asked for a person")
    await world.look(keeper)
    why = "approval needed: Refund an order, amount is above 50"
    await world.hand_off(why, number=2, summary=["Asked: my money", f"Open: {why}"])
    for _ in range(2):
        await world.look(keeper)
    await keeper.close()
    again = next(words(post.body) for post in world.thread if "Handed over to people again" in words(post.body))
    assert again.count(why) == 1
    assert "my money" in words(world.cards[0].body)
    assert "my money" not in again, "nothing would take it back there if the customer deleted it"


async def test_a_decided_approval_says_by_whom_and_where_and_can_be_decided_no_more(world: DeskEnvironment) -> None:
    keeper, decided = world.keeper(), []
    cases: dict[str, list[tuple[str, str, str]]] = {
        "a1": [("approve", "Mo", "slack")],
        "a2": [("approve", "Mo", "slack"), ("approve", "Anna", "console")],
        "a3": [("approve", "Mo", "slack"), ("deny", "Anna", "console")],
        "a4": [("deny", "Root", "admin")],
    }
    for id_, said in cases.items():
        await wait_for(world, approval(world, id=id_))
        await world.look(keeper)
        decided += [
            {"approval_id": id_, "decision": decision, "by": by, "surface": surface, "at": world.clock()}
            for decision, by, surface in said
        ]
        await world.change(actions=None, decisions=decided)
        await world.look(keeper)
    await keeper.close()
    assert [words(post.body).splitlines()[-1] for post in world.thread] == [
        "✅ Approved by Mo",
        "✅ Approved by Mo and Anna in the console",
        "⛔ Denied by Anna in the console",
        "⛔ Denied by Root through the admin API",
    ]
    assert all(labels(post.body) == [] for post in world.thread)


async def test_an_approval_that_expired_says_so(world: DeskEnvironment) -> None:
    await wait_for(world, approval(world))
    keeper = world.keeper()
    await world.look(keeper)
    world.clock.now += timedelta(hours=2)
    await world.look(keeper)
    await keeper.close()
    assert "Not decided in time" in words(world.thread[0].body)


async def test_a_draft_is_shown_once_with_its_text_in_the_metadata_and_ends_with_the_act_that_sent_it(
    world: DeskEnvironment,
) -> None:
    await world.hand_off()
    keeper = world.keeper(DecisionActs(world))
    for _ in range(2):
        await world.look(keeper, world.draft(text="We **do** deliver."))
    (shown,) = world.thread
    assert labels(shown.body) == ["Send", "Edit", "Discard"]
    about = shown.body["metadata"]["event_payload"]
    assert (about["draft"], about["text"]) == ("d1", "We **do** deliver.")
    await world.look(keeper, world.record(topics.DESK_COMMAND, build_command(world, "send_draft", value="d1")))
    await keeper.close()
    assert "Sent by Mo" in words(world.thread[0].body)
    assert labels(world.thread[0].body) == []


async def test_a_draft_goes_out_without_the_numbers_of_its_sources(world: DeskEnvironment) -> None:
    await world.hand_off()
    keeper = world.keeper()
    cited = {"n": 1, "document": "islands", "title": "Islands", "quote": "We do."}
    await world.look(keeper, world.draft(text="We do. [1] Write to box [2].", citations=[cited]))
    await keeper.close()
    (shown,) = world.thread
    assert shown.body["metadata"]["event_payload"]["text"] == "We do. Write to box [2]."
    assert "Islands" in words(shown.body)
    assert "[1]" not in words(shown.body)


async def test_without_an_answer_a_draft_says_why(world: DeskEnvironment) -> None:
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper, world.draft(text="", reason="nothing in the documents"))
    await keeper.close()
    assert "nothing in the documents" in words(world.thread[0].body)


async def test_acts_are_done_once_and_in_their_order_also_when_they_come_twice(world: DeskEnvironment) -> None:
    await world.hand_off()
    keeper = world.keeper()
    kinds = ("reply", "edit", "return")
    records = [world.record(topics.DESK_COMMAND, build_command(world, kind)) for kind in kinds]
    for _ in range(2):
        await world.look(keeper, *records)
    await keeper.close()
    assert world.acts.acts == list(kinds)


async def test_a_conversation_that_is_passed_on_is_shown_whole_in_the_other_channel(world: DeskEnvironment) -> None:
    other = world.slack.channel("billing").id
    await world.hand_off()
    keeper = world.keeper(channels={"billing": other})
    await world.look(keeper)
    await world.say("where is my invoice?")
    await world.look(keeper)
    passed = build_command(world, "transfer", value=other)
    known = await world.state.conversations.get(world.conversation)
    assert known is not None
    await world.state.conversations.own(
        world.conversation, "queue", expected_epoch=known.epoch, request_id="t", by="slack:U1", now=passed.at
    )
    for _ in range(2):
        await world.look(keeper, world.record(topics.DESK_COMMAND, passed))
    await keeper.close()
    old, room = world.cards[0], world.slack.workspace.rooms[other]
    assert f"<#{other}>" in words(old.body)
    assert labels(old.body) == []
    (card,) = room.top()
    assert labels(card.body)[0] == "Claim"
    (line,) = room.replies(card.ts)
    assert "where is my invoice?" in words(line.body)
