"""Conversations against a plain model: whatever is called in whatever order, both say the same."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from schemas import ids
from schemas.conversation import Facts, Owner
from schemas.envelope import Envelope
from schemas.ports import OwnershipResult, State
from tests.contracts.state.engines import OpenState
from tests.contracts.state.samples import NOW, later, new_id, origin, reply

T = TypeVar("T")
EVENTS = [f"event-{n}" for n in range(6)]
REQUESTS = [f"request-{n}" for n in range(4)]
OWNERS: list[Owner] = ["agent", "queue", "person", "closed"]


@dataclass
class Model:
    """One conversation, as its docstrings describe it."""

    token: int = 0
    version: int = 0
    epoch: int = 0
    floor: int = 0
    owner: Owner = "agent"
    facts: Facts = field(default_factory=Facts)
    handled: set[str] = field(default_factory=set)
    outbox: list[str] = field(default_factory=list)
    claims: dict[str, OwnershipResult] = field(default_factory=dict)
    last: tuple[int, int, frozenset[str]] | None = None
    updated_at: datetime = NOW

    def commit(self, token: int, version: int, epoch: int, facts: Facts, handled: list[str], sent: list[str]) -> str:
        key = (token, version, frozenset(handled))
        if key == self.last:
            return "committed"
        if (token, version, epoch) != (self.token, self.version, self.epoch):
            return "stale"
        self.version, self.facts, self.last = version + 1, facts, key
        self.handled |= set(handled)
        self.outbox += sent
        return "committed"

    def own(self, to: Owner, expected: int, request: str) -> OwnershipResult:
        if request in self.claims:
            return self.claims[request]
        if expected != self.epoch:
            return OwnershipResult(False, self.owner, self.epoch)
        self.owner, self.epoch = to, self.epoch + 1
        if to in ("queue", "person"):
            self.floor = self.epoch
        self.outbox.append(ids.derived_id(request, "owner"))
        self.claims[request] = OwnershipResult(True, to, self.epoch)
        return self.claims[request]


class ConversationMachine(RuleBasedStateMachine):
    state: State
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.id, self.model, self.ticks = new_id(), Model(), 0
        self.tokens: list[int] = []
        self.begin([])

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)

    def now(self) -> datetime:
        self.ticks += 1
        return later(self.ticks)

    @rule(events=st.lists(st.sampled_from(EVENTS), unique=True))
    def begin(self, events: list[str]) -> None:
        start = self.run(self.state.conversations.begin(self.id, origin(place=self.id), events, now=later(self.ticks)))
        assert start.token > self.model.token
        assert start.handled == self.model.handled & set(events)
        assert [event.id for event in start.outbox] == self.model.outbox
        self.model.token = start.token
        self.tokens.append(start.token)

    @rule()
    def open(self) -> None:
        self.run(self.state.conversations.open(self.id, origin(), now=self.now()))

    @rule(
        age=st.sampled_from([0, 0, 0, 1]),
        behind=st.sampled_from([0, 0, 0, 1]),
        missed=st.sampled_from([0, 0, 0, 1]),
        handled=st.lists(st.sampled_from(EVENTS), unique=True, max_size=3),
        replies=st.integers(0, 2),
        turns=st.integers(0, 3),
    )
    def commit(self, age: int, behind: int, missed: int, handled: list[str], replies: int, turns: int) -> None:
        token = self.tokens[max(0, len(self.tokens) - 1 - age)]
        version, epoch = self.model.version - behind, self.model.epoch - missed
        sent: list[Envelope] = [reply(self.id) for _ in range(replies)]
        facts = Facts(turns=turns)
        result = self.run(
            self.state.conversations.commit(
                self.id,
                token=token,
                version=version,
                epoch=epoch,
                facts=facts,
                handled=handled,
                outbox=sent,
                now=self.now(),
            )
        )
        verdict = self.model.commit(token, version, epoch, facts, handled, [event.id for event in sent])
        assert result.verdict == verdict
        held = self.run(self.state.conversations.snapshot(self.id)) if verdict == "committed" else None
        assert (result.snapshot and result.snapshot.unpack()) == held

    @precondition(lambda self: self.model.last is not None)
    @rule()
    def commit_again(self) -> None:
        assert self.model.last is not None
        token, version, handled = self.model.last
        result = self.run(
            self.state.conversations.commit(
                self.id,
                token=token,
                version=version,
                epoch=self.model.epoch,
                facts=Facts(turns=99),
                handled=sorted(handled),
                outbox=[reply(self.id)],
                now=self.now(),
            )
        )
        assert result.verdict == "committed"
        assert result.snapshot is not None
        assert result.snapshot.unpack() == self.run(self.state.conversations.snapshot(self.id))

    @rule(to=st.sampled_from(OWNERS), missed=st.sampled_from([0, 0, 1]), request=st.sampled_from([*REQUESTS, "", ""]))
    def own(self, to: Owner, missed: int, request: str) -> None:
        request, expected = request or new_id(), self.model.epoch - missed
        result = self.run(
            self.state.conversations.own(
                self.id, to, expected_epoch=expected, request_id=request, by="x", now=self.now()
            )
        )
        assert result == self.model.own(to, expected, request)

    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(0, len(self.model.outbox)))
        self.run(self.state.conversations.published(self.id, self.model.outbox[:count]))
        del self.model.outbox[:count]

    @invariant()
    def both_say_the_same(self) -> None:
        snapshot = self.run(self.state.conversations.snapshot(self.id))
        assert snapshot is not None
        held, model = snapshot.conversation, self.model
        assert (held.owner, held.epoch, held.agent_floor) == (model.owner, model.epoch, model.floor)
        assert (held.version, held.facts) == (model.version, model.facts)
        assert {item.id for item in snapshot.handled} == model.handled
        assert [record.headers["ce_id"] for record in snapshot.outbox] == model.outbox


def test_the_store_behaves_as_its_model(open_state: OpenState) -> None:
    loop = asyncio.new_event_loop()

    async def conclude(opened: Any) -> None:
        await opened.__aexit__(None, None, None)

    async def enter(opened: Any) -> State:
        entered: State = await opened.__aenter__()
        return entered

    opened = open_state()
    try:
        state = loop.run_until_complete(enter(opened))
        machine = type("Machine", (ConversationMachine,), {"state": state, "loop": loop})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=25,
                stateful_step_count=20,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        loop.run_until_complete(conclude(opened))
    finally:
        loop.close()
