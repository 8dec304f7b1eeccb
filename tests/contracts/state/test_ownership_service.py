"""The ownership service: who may change the owner, in which state, and what a race or a repetition leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas import ids, topics
from schemas.access import ROLES, Role
from schemas.actions import ActionMemory, ApprovalDecided, PendingApproval
from schemas.conversation import Conversation, Facts, Holder, Owner, OwnerRequested
from schemas.desk import HandoffResolved
from schemas.envelope import Envelope
from schemas.errors import BusUnavailable, StateUnavailable, Unavailable
from schemas.handoff.requests import request_by_turn
from schemas.handoff.rules import COMMAND_TOWARDS, SHARED_PERSON, Actor, CommandKind, OwnershipCommand
from schemas.handoff.service import ATTEMPTS, HandoffResolution, OwnershipDecision, OwnershipService, decide_request
from schemas.ports import Bus, Conversations, OwnershipResult, State
from tests.contracts.state.recorded_history import open_log
from tests.contracts.state.samples import begin_turn, commit_turn, later, new_id

MO = Actor("slack:mo", "/desk/slack/plantstore", "Mo")
ROSA = Actor("slack:rosa", "/desk/slack/plantstore", "Rosa")
ANNA = Actor("console:anna", "parley/console", "Anna Bloom")
PROGRAM = Actor("admin", "parley/admin", is_shared=True)
COMMANDS: tuple[CommandKind, ...] = ("claim", "release", "return", "resolve", "transfer")
OWNERS: tuple[Owner, ...] = ("agent", "queue", "person", "closed")


class Clock:
    """Moves on by a millisecond with every look."""

    def __init__(self) -> None:
        self.now = later(60)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class House:
    """A conversation, its state, the log, and the service under test."""

    state: State
    bus: Bus
    clock: Clock
    conversation: str

    @property
    def service(self) -> OwnershipService:
        return OwnershipService(bus=self.bus, conversations=self.state.conversations, clock=self.clock)

    async def now(self) -> Conversation:
        found = await self.state.conversations.get(self.conversation)
        assert found is not None
        return found

    async def become(self, owner: Owner, holder: Actor) -> None:
        """Bring the conversation to this owner."""
        if owner != (await self.now()).owner:
            await self.perform(COMMAND_TOWARDS[owner], replace(holder, is_shared=True), seen=(await self.now()).epoch)

    async def perform(
        self,
        kind: CommandKind,
        actor: Actor,
        *,
        seen: int | None = None,
        resolution: HandoffResolution | None = None,
        **more: Any,
    ) -> OwnershipDecision:
        fields: dict[str, Any] = {"id": new_id(), "reason": "asked for", "at": self.clock()} | more
        command = OwnershipCommand(kind=kind, actor=actor, seen_epoch=seen, **fields)
        return await self.service.perform(await self.now(), command, resolution)

    async def logged(self, kind: str) -> list[Envelope]:
        read = await self.bus.read(topics.inbound("web"))
        events = [Envelope.from_wire(record.headers, record.value) async for record in read]
        return [event for event in events if event.type == kind]

    async def requests(self) -> list[OwnerRequested]:
        return [event.payload(OwnerRequested) for event in await self.logged(topics.OWNER_REQUESTED)]


@pytest.fixture
async def house(state: State, tmp_path: Path) -> AsyncIterator[House]:
    clock = Clock()
    async with open_log(tmp_path / "log.db", clock) as bus:
        conversation = new_id()
        await begin_turn(state, conversation)
        yield House(state, bus, clock, conversation)


async def test_a_change_is_on_the_log_and_in_the_state_under_one_request(house: House) -> None:
    """The request names the epoch that it was made at, and the change raises it by one."""
    decision = await house.perform("claim", ANNA, id="command-1", at=later(30))
    assert (decision.outcome, decision.owner, decision.epoch) == ("changed", "person", 1)
    (event,) = await house.logged(topics.OWNER_REQUESTED)
    assert event.payload(OwnerRequested) == OwnerRequested(
        id="command-1", to="person", expected_epoch=0, by=ANNA.by, name=ANNA.name, reason="asked for", at=later(30)
    )
    assert (event.source, event.conversation, event.correlation_id) == (ANNA.source, house.conversation, "command-1")
    now = await house.now()
    assert (now.owner, now.epoch, now.agent_floor) == ("person", 1, 1)
    assert now.holder == Holder(by=ANNA.by, name=ANNA.name, reason="asked for", since=later(30))


# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────

WITHOUT_EPOCH: dict[tuple[Owner, CommandKind], str] = {
    ("agent", "claim"): "changed",
    ("agent", "release"): "not_with_people",
    ("agent", "return"): "not_with_people",
    ("agent", "resolve"): "not_with_people",
    ("agent", "transfer"): "not_with_people",
    ("queue", "claim"): "changed",
    ("queue", "release"): "not_with_people",
    ("queue", "return"): "changed",
    ("queue", "resolve"): "changed",
    ("queue", "transfer"): "changed",
    ("person", "claim"): "held",
    ("person", "release"): "changed",
    ("person", "return"): "held",
    ("person", "resolve"): "held",
    ("person", "transfer"): "changed",
    ("closed", "claim"): "changed",
    ("closed", "release"): "not_with_people",
    ("closed", "return"): "not_with_people",
    ("closed", "resolve"): "not_with_people",
    ("closed", "transfer"): "not_with_people",
}
"""What a colleague may do who does not name an epoch; a person has the conversation where the owner is ``person``."""
AFTER: dict[CommandKind, Owner] = {
    "claim": "person",
    "release": "queue",
    "return": "agent",
    "resolve": "closed",
    "transfer": "queue",
}


@pytest.mark.parametrize(("owner", "kind"), WITHOUT_EPOCH)
async def test_each_command_of_a_colleague_is_allowed_or_refused_by_the_owner(
    house: House, owner: Owner, kind: CommandKind
) -> None:
    """A refused command changes nothing and leaves nothing on the log."""
    await house.become(owner, MO)
    before, logged = await house.now(), len(await house.requests())
    decision = await house.perform(kind, ROSA)
    after = await house.now()
    assert decision.outcome == WITHOUT_EPOCH[owner, kind]
    assert (decision.owner, decision.epoch) == (after.owner, after.epoch)
    if decision.outcome == "changed":
        assert (after.owner, after.epoch) == (AFTER[kind], before.epoch + 1)
        assert len(await house.requests()) == logged + 1
    else:
        assert after == before
        assert len(await house.requests()) == logged


@pytest.mark.parametrize("kind", COMMANDS)
async def test_the_holder_may_do_everything_with_the_conversation(house: House, kind: CommandKind) -> None:
    """A claim by its holder is satisfied already and changes nothing."""
    await house.become("person", MO)
    decision = await house.perform(kind, MO)
    now = await house.now()
    assert decision.outcome == ("unchanged" if kind == "claim" else "changed")
    assert decision.won
    assert (now.owner, now.epoch) == (AFTER[kind], 1 if kind == "claim" else 2)


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("kind", COMMANDS)
async def test_a_command_at_the_epoch_that_was_seen_is_refused_only_while_a_colleague_has_the_conversation(
    house: House, owner: Owner, kind: CommandKind
) -> None:
    """Who names the epoch knows the owner, so every owner may follow every other."""
    await house.become(owner, MO)
    epoch = (await house.now()).epoch
    decision = await house.perform(kind, ANNA, seen=epoch)
    if owner == "person" and kind in ("claim", "return", "resolve"):
        assert (decision.outcome, decision.epoch) == ("held", epoch)
    else:
        assert (decision.outcome, decision.owner, decision.epoch) == ("changed", AFTER[kind], epoch + 1)


@pytest.mark.parametrize("kind", COMMANDS)
async def test_a_program_that_speaks_for_many_is_bound_by_the_epoch_alone(house: House, kind: CommandKind) -> None:
    await house.become("person", MO)
    assert (await house.perform(kind, PROGRAM, seen=1)).outcome == "changed"


async def test_a_program_that_writes_for_many_takes_nothing_that_a_person_has(house: House) -> None:
    await house.become("person", MO)
    decision = await house.perform("claim", PROGRAM)
    assert (decision.outcome, decision.epoch) == ("unchanged", 1)
    holder = (await house.now()).holder
    assert holder is not None
    assert holder.by == MO.by


async def test_a_transfer_to_a_colleague_makes_them_the_holder(house: House) -> None:
    await house.become("person", MO)
    decision = await house.perform("transfer", ANNA, assignee=ROSA)
    holder = (await house.now()).holder
    assert (decision.owner, holder and holder.by, holder and holder.name) == ("person", ROSA.by, ROSA.name)
    assert (await house.perform("return", MO)).outcome == "held"


@pytest.mark.parametrize("kind", ["release", "return", "resolve", "transfer"])
async def test_a_command_from_before_the_last_claim_on_the_same_surface_is_outdated(
    house: House, kind: CommandKind
) -> None:
    """It was meant for whoever had the conversation then."""
    pressed = house.clock()
    await house.perform("claim", MO)
    assert (await house.perform(kind, MO, at=pressed)).outcome == "outdated"
    assert (await house.now()).epoch == 1


async def test_times_of_two_surfaces_are_not_compared(house: House) -> None:
    """Their clocks differ, so a command that seems older than the claim counts."""
    pressed = house.clock()
    await house.perform("claim", ANNA)
    assert (await house.perform("release", MO, at=pressed)).outcome == "changed"


async def test_a_command_on_a_conversation_that_never_began_is_answered(house: House) -> None:
    found = (await house.now()).model_copy(update={"id": new_id()})
    for seen in (None, 0):
        command = OwnershipCommand(new_id(), "claim", MO, "asked for", house.clock(), seen_epoch=seen)
        assert (await house.service.perform(found, command)).outcome == "gone"


# ── Races ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_of_many_claims_at_once_one_wins_and_all_learn_who(house: House) -> None:
    """Half name the epoch they saw, half do not."""
    found = await house.now()
    actors = [Actor(f"desk:{n}", "test", f"Name {n}") for n in range(40)]
    commands = [
        OwnershipCommand(new_id(), "claim", actor, "claimed", house.clock(), seen_epoch=0 if n % 2 else None)
        for n, actor in enumerate(actors)
    ]
    decisions = await asyncio.gather(*(house.service.perform(found, command) for command in commands))
    (winner,) = [actor for actor, decision in zip(actors, decisions, strict=True) if decision.won]
    now = await house.now()
    assert (now.owner, now.epoch, now.holder and now.holder.by) == ("person", 1, winner.by)
    assert {decision.outcome for decision in decisions} <= {"changed", "held", "lost"}
    assert {(decision.owner, decision.epoch) for decision in decisions} == {("person", 1)}


@pytest.mark.parametrize("kind", COMMANDS)
async def test_a_race_that_is_lost_at_the_seen_epoch_leaves_the_request_on_the_log_and_nothing_else(
    house: House, kind: CommandKind
) -> None:
    await house.become("queue", MO)
    before = await house.now()
    decision = await house.perform(kind, ANNA, seen=before.epoch - 1)
    assert (decision.outcome, decision.owner, decision.epoch) == ("lost", "queue", before.epoch)
    assert await house.now() == before
    assert (await house.requests())[-1].expected_epoch == before.epoch - 1


class RacingConversations:
    """Conversations in which somebody else changes the owner right before each of the first ``times`` attempts."""

    def __init__(self, inner: Conversations, times: int) -> None:
        self._inner = inner
        self.times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def own(self, conversation: str, to: Owner, *, expected_epoch: int, **more: Any) -> OwnershipResult:
        if self.times:
            self.times -= 1
            other = {**more, "request_id": new_id(), "by": "agent"}
            await self._inner.own(conversation, "queue", expected_epoch=expected_epoch, **other)
        return await self._inner.own(conversation, to, expected_epoch=expected_epoch, **more)


async def test_a_command_without_an_epoch_is_tried_again_while_its_rule_holds(house: House) -> None:
    """Each attempt is a request on the log at the epoch of its own moment, under the id of the command."""
    overtaken: Any = RacingConversations(house.state.conversations, times=ATTEMPTS - 1)
    house.state = replace(house.state, conversations=overtaken)
    decision = await house.perform("claim", MO, id="command-1")
    assert (decision.outcome, decision.epoch) == ("changed", ATTEMPTS)
    events = await house.logged(topics.OWNER_REQUESTED)
    assert [event.id for event in events] == [ids.derived_id("command-1", "own", epoch) for epoch in range(ATTEMPTS)]
    assert {request.id for request in await house.requests()} == {"command-1"}


async def test_a_command_gives_up_when_the_owner_never_stays(house: House) -> None:
    overtaken: Any = RacingConversations(house.state.conversations, times=100)
    house.state = replace(house.state, conversations=overtaken)
    decision = await house.perform("claim", MO)
    assert (decision.outcome, decision.owner, decision.epoch) == ("lost", "queue", ATTEMPTS)
    assert (await house.now()).owner == "queue"


async def test_a_turn_that_was_running_when_a_person_claimed_is_not_committed(house: House) -> None:
    start = await begin_turn(house.state, house.conversation, "e1")
    await house.perform("claim", MO)
    assert await commit_turn(house.state, house.conversation, start, handled=["e1"]) == "stale"


# ── Repetitions and crashes ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["release", "return", "resolve", "transfer"])
async def test_a_command_that_is_performed_again_changes_nothing_whatever_happened_since(
    house: House, kind: CommandKind
) -> None:
    await house.become("person", MO)
    again: dict[str, Any] = {"id": "command-1", "at": house.clock()}
    await house.perform(kind, MO, **again)
    first = await house.now()
    assert (await house.perform(kind, MO, **again)).outcome == "unchanged"
    assert await house.now() == first
    await house.perform("claim", ANNA, seen=first.epoch)
    claimed = await house.now()
    await house.perform(kind, MO, **again)
    assert await house.now() == claimed


class FailingProxy:
    """A bus, or a store, that fails once: before or after the call took effect."""

    def __init__(self, inner: Any, method: str, *, call: int, after: bool, error: Exception) -> None:
        self._inner, self._method, self._call = inner, method, call
        self._after, self._error = after, error

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        return self._once(method) if name == self._method else method

    def _once(self, method: Any) -> Any:
        async def call(*args: Any, **more: Any) -> Any:
            self._call -= 1
            if self._call:
                return await method(*args, **more)
            if self._after:
                await method(*args, **more)
            raise self._error

        return call


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("place", "call"), [("append", 1), ("own", 1), ("append", 2)])
async def test_a_resolution_that_breaks_off_anywhere_is_complete_once_it_is_repeated(
    house: House, place: str, call: int, after: bool
) -> None:
    """One change of owner, and one resolution on the log, however often its event is there."""
    await house.become("person", MO)
    found, bus, conversations = await house.now(), house.bus, house.state.conversations
    command = OwnershipCommand("command-1", "resolve", MO, "resolved", house.clock(), cause="command-1")
    resolution = HandoffResolution("Solved", ["refund"], "sent a new one", ask=False)
    broken_bus: Any = FailingProxy(bus, "append", call=call, after=after, error=BusUnavailable("away"))
    broken_state: Any = FailingProxy(conversations, "own", call=call, after=after, error=StateUnavailable("away"))
    broken = OwnershipService(
        bus=broken_bus if place == "append" else bus,
        conversations=broken_state if place == "own" else conversations,
        clock=house.clock,
    )
    with pytest.raises(Unavailable, match="away"):
        await broken.perform(found, command, resolution)
    assert (await house.service.perform(found, command, resolution)).won
    now = await house.now()
    assert (now.owner, now.epoch) == ("closed", 2)
    told = {event.id: event.payload(HandoffResolved) for event in await house.logged(topics.HANDOFF_RESOLVED)}
    (word,) = told.values()
    assert (word.outcome, word.tags, word.note, word.ask) == ("Solved", ["refund"], "sent a new one", False)
    assert (word.by, word.name, word.at) == (MO.by, MO.name, command.at)


@pytest.mark.parametrize(("owner", "told"), [("agent", 0), ("queue", 1), ("person", 1)])
async def test_a_resolution_is_told_of_conversations_that_people_had(house: House, owner: Owner, told: int) -> None:
    """What the agent had is closed without one, as there was nothing to resolve."""
    await house.become(owner, ANNA)
    decision = await house.perform(
        "resolve", ANNA, seen=(await house.now()).epoch, resolution=HandoffResolution("Solved")
    )
    assert decision.outcome == "changed"
    assert len(await house.logged(topics.HANDOFF_RESOLVED)) == told


async def test_a_resolution_that_lost_or_was_refused_is_not_told(house: House) -> None:
    await house.become("person", MO)
    assert (await house.perform("resolve", ANNA, seen=0, resolution=HandoffResolution("Solved"))).outcome == "lost"
    assert (await house.perform("resolve", ANNA, seen=1, resolution=HandoffResolution("Solved"))).outcome == "held"
    assert (await house.perform("resolve", ROSA, resolution=HandoffResolution("Solved"))).outcome == "held"
    assert await house.logged(topics.HANDOFF_RESOLVED) == []


async def test_nothing_is_appended_while_the_state_is_being_rebuilt(house: House) -> None:
    service = OwnershipService(
        bus=house.bus, conversations=house.state.conversations, clock=house.clock, state_lost=lambda: True
    )
    command = OwnershipCommand(new_id(), "claim", MO, "claimed", house.clock())
    with pytest.raises(Unavailable, match="rebuilt"):
        await service.perform(await house.now(), command)
    found = await with_approval(house)
    with pytest.raises(Unavailable, match="rebuilt"):
        await service.decide_approval(found, "approval-1", "approve", MO, id=new_id())
    assert await house.requests() == []


async def test_the_requests_on_the_log_lead_another_store_to_the_same_owner(house: House) -> None:
    """What a rebuild does: every request, also those that lost, in the order of the log."""
    await house.perform("claim", MO)
    await house.perform("release", ROSA)
    await house.perform("claim", ANNA, seen=0)
    await house.perform("transfer", MO, assignee=ROSA)
    await house.perform("resolve", ROSA)
    await house.perform("claim", PROGRAM)
    copy = new_id()
    await begin_turn(house.state, copy)
    for request in await house.requests():
        await decide_request(house.state.conversations, copy, request)
    original, rebuilt = await house.now(), await house.state.conversations.get(copy)
    assert rebuilt is not None
    assert (rebuilt.owner, rebuilt.epoch, rebuilt.holder) == (original.owner, original.epoch, original.holder)
    assert original.epoch == 5


async def test_a_request_of_a_turn_is_decided_once_whoever_decides_it(house: House) -> None:
    """The worker decides it right after its commit, and again when it reads it from the log."""
    request = request_by_turn(await house.now(), "turn-1", "queue", "asked for a person", house.clock())
    results = [
        await decide_request(house.state.conversations, house.conversation, request),
        await decide_request(house.state.conversations, house.conversation, request),
    ]
    assert results == [OwnershipResult(True, "queue", 1)] * 2
    assert (await house.now()).epoch == 1


# ── Approvals ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def with_approval(house: House, *, seconds: float = 3600, **more: Any) -> Conversation:
    """A refund that waits for a colleague's yes."""
    now = house.clock()
    approval = PendingApproval(
        id="approval-1",
        action="refund",
        arguments={},
        digest="d",
        contact_id="contcommand-1",
        reason="over the limit",
        requested_at=now,
        expires_at=now + timedelta(seconds=seconds),
        **more,
    )
    facts = Facts(actions=ActionMemory(approvals=[approval]))
    assert await commit_turn(
        house.state, house.conversation, await begin_turn(house.state, house.conversation), facts=facts
    )
    return await house.now()


@pytest.mark.parametrize("decision", ["approve", "deny"])
async def test_a_decision_is_appended_under_the_name_of_who_made_it(house: House, decision: Any) -> None:
    """It follows from the request for approval, and card numbers in it are masked."""
    found = await with_approval(house)
    why = "paid with 4111 1111 1111 1111"
    outcome = await house.service.decide_approval(found, "approval-1", decision, ANNA, id="decision-1", reason=why)
    assert outcome == "decided"
    (event,) = await house.logged(topics.APPROVAL_DECIDED)
    word = event.payload(ApprovalDecided)
    assert (word.approval_id, word.decision, word.by) == ("approval-1", decision, "Anna Bloom")
    assert "4111 1111" not in word.reason
    assert (event.id, event.causation_id, event.source) == ("decision-1", "approval-1", ANNA.source)


async def test_an_approval_is_decided_by_whoever_has_or_has_not_the_conversation(house: House) -> None:
    await with_approval(house)
    await house.perform("claim", MO)
    decide = house.service.decide_approval
    assert await decide(await house.now(), "approval-1", "approve", ROSA, id=new_id()) == "decided"


@pytest.mark.parametrize(
    ("seconds", "approval", "outcome"), [(-1, "approval-1", "expired"), (60, "approval-2", "not_pending")]
)
async def test_an_expired_or_unknown_approval_is_not_decided(
    house: House, seconds: float, approval: str, outcome: str
) -> None:
    found = await with_approval(house, seconds=seconds)
    assert await house.service.decide_approval(found, approval, "approve", MO, id=new_id()) == outcome
    assert await house.logged(topics.APPROVAL_DECIDED) == []


@pytest.mark.parametrize("least", ROLES)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("decision", ["approve", "deny"])
async def test_an_approval_is_decided_by_its_role_or_a_higher_one(
    house: House, least: Role, role: Role, decision: Any
) -> None:
    found = await with_approval(house, role=least)
    is_allowed = ROLES.index(role) >= ROLES.index(least)
    actor = replace(ANNA, role=role)
    outcome = await house.service.decide_approval(found, "approval-1", decision, actor, id=new_id())
    assert outcome == ("decided" if is_allowed else "role_too_low")
    assert len(await house.logged(topics.APPROVAL_DECIDED)) == is_allowed


async def test_a_second_approval_takes_another_person_on_every_surface(house: House) -> None:
    """An operator is one person in the console and at the desk. All who share a token are one person."""
    anna, at_desk = replace(ANNA, person_id="operator:anna"), Actor("slack:U1", "s", person_id="operator:anna")
    shared = Actor("admin", "s", is_shared=True, person_id=SHARED_PERSON)
    found = await with_approval(house, people=2, approved_by=[anna.person, shared.person])
    decide = house.service.decide_approval
    for actor in (anna, at_desk, shared, replace(shared, by="token:1")):
        assert await decide(found, "approval-1", "approve", actor, id=new_id()) == "same_person"
    assert await house.logged(topics.APPROVAL_DECIDED) == []
    assert await decide(found, "approval-1", "deny", anna, id=new_id()) == "decided"
    assert await decide(found, "approval-1", "approve", MO, id=new_id()) == "decided"
    (denied, approved) = await house.logged(topics.APPROVAL_DECIDED)
    assert denied.payload(ApprovalDecided).person == "operator:anna"
    assert approved.payload(ApprovalDecided).person == MO.by
