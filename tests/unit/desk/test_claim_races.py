"""A person claims while the agent speaks: in the outbox, in the connector, in the middle of a sentence. Never both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import orjson
import pytest

from connectors import conversation_signals
from connectors.desk.posts.posted_state import root_id
from connectors.live_replies import reply
from connectors.outbound.pipeline import OutboundPipeline
from infra.metrics import PrometheusMetrics
from schemas import ids, topics
from schemas.conversation import Contact
from schemas.envelope import Envelope, envelope
from schemas.messages import Author, AuthorKind, OutboundMessage, ReplyBegun
from schemas.ports import (
    Account,
    Capabilities,
    Connection,
    Deliveries,
    DeliveryPolicy,
    LiveReplyLimits,
    RateLimit,
    Record,
    RenderContext,
    SendVerdict,
    VendorCall,
    VendorResponse,
)
from tests.harness.sizes import size
from tests.unit.desk.conftest import TENANT, DeskBatch, DeskEnvironment
from tests.unit.desk.slack_team import DeskThread, Team

ROUNDS, AT_ONCE = size(300, full=1_000), 40
WAYS = ("outbox", "connector", "stream")
FREE = RateLimit(1e9, 1_000_000)


class Voice:
    """What the customer hears, in order: ``(operation, message)``. The channel, and its own connection."""

    name = "web"
    capabilities = Capabilities(max_text=1000, live_text=True)
    policy = DeliveryPolicy(reconciliation="never")
    live_reply_limits = LiveReplyLimits(FREE, FREE, 0.0, 30.0)

    def __init__(self, random: Random) -> None:
        self.random = random
        self.heard: list[tuple[str, str]] = []

    def verify(self, request: Any, account: Account) -> None: ...

    def parse(self, request: Any, account: Account) -> list[Any]:
        return []

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        return [VendorCall("say", {"text": message.text})]

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        return str(reply.body)

    def connect(self, account: Account) -> Connection:
        return self

    def render_opening(self, begun: ReplyBegun, contact: Contact | None, text: str) -> VendorCall | None:
        return VendorCall("open", {"text": text})

    def render_update(self, opening: VendorCall, shown: str, text: str) -> VendorCall:
        return VendorCall("more", {"text": text})

    def render_final(self, call: VendorCall, opening: VendorCall, shown: str) -> VendorCall | None:
        return call

    def render_retraction(self, opening: VendorCall, shown: str) -> VendorCall:
        return VendorCall("remove", {})

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        self.heard.append((call.operation, ids.message_of_part(marker)))
        await self.pause()
        return VendorResponse(200, f"x-{marker}")

    async def pause(self) -> None:
        """Somebody else's turn, for a while that nobody can foresee."""
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)
        if self.random.random() < 0.3:
            await asyncio.sleep(self.random.random() * 0.004)

    async def close(self) -> None:
        return None


class WatchedDeliveries:
    """Deliveries, with a look at what began to be sent, and whether a person had claimed before that was asked."""

    def __init__(self, inner: Deliveries) -> None:
        self._inner = inner
        self.has_claimed = False
        self.wrong: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def begin_send(self, conversation: str, message: OutboundMessage, **more: Any) -> SendVerdict:
        claimed = self.has_claimed
        verdict = await self._inner.begin_send(conversation, message, **more)
        if claimed and verdict == "go" and message.author.kind == "agent":
            self.wrong.append(message.id)
        return verdict


@dataclass
class Round:
    """One conversation in which the agent answers and somebody claims."""

    team: Team
    talk: DeskThread
    way: str
    voice: Voice
    turn: str
    contact: str
    offset: int = 0

    def __post_init__(self) -> None:
        state = self.team.world.state
        self.watched = WatchedDeliveries(state.deliveries)
        self.state: Any = replace(state, deliveries=self.watched)
        self.outbound = OutboundPipeline(
            self.voice,
            bus=self.team.world.bus,
            state=self.state,
            metrics=PrometheusMetrics(),
            clock=self.team.world.clock,
            account_of=lambda tenant, channel, name: Account(tenant, channel, name, None),
        )
        self.batch = DeskBatch(self.talk.id, [])
        self.lane: asyncio.Task[None] | None = None

    def wrap(self, kind: str, payload: Any) -> Envelope:
        about = {"tenant": TENANT, "channel": "web", "account": "main", "conversation": self.talk.id}
        event_id = ids.derived_id(payload.id, kind)
        return envelope(kind, payload, id=event_id, time=self.team.world.clock(), source="/worker", **about)

    def message(self, name: str, kind: AuthorKind, epoch: int) -> OutboundMessage:
        now = self.team.world.clock()
        return OutboundMessage(
            id=ids.derived_id(self.turn, name),
            author=Author(kind=kind),
            text=f"{name} speaks",
            place="p",
            contact_id=self.contact,
            turn_id=self.turn if kind == "agent" else "",
            epoch=epoch,
            created_at=now,
            expires_at=now + timedelta(days=1),
        )

    async def send(self, event: Envelope) -> None:
        """Through the conversation's one lane."""
        self.offset += 1
        record = Record(topics.topic_of(event), 0, self.offset, self.talk.id, 0, event.headers(), event.data)
        if self.lane is not None and not self.lane.done():
            self.batch.behind.append(record)
            self.batch.arrived.set()
            return
        self.batch = DeskBatch(self.talk.id, [record])
        self.lane = asyncio.create_task(self._handle())

    async def _handle(self) -> None:
        await self.outbound.handle(self.batch)
        while more := self.batch.take_more():
            self.batch = DeskBatch(self.talk.id, more)
            await self.outbound.handle(self.batch)

    async def agent(self) -> None:
        """A turn, from its beginning to its reply on the log."""
        conversations = self.state.conversations
        found = await self.talk.now()
        begun = await conversations.begin(self.talk.id, found.origin, [], now=self.team.world.clock())
        known = begun.conversation
        said = self.message("agent", "agent", known.epoch)
        if self.way == "stream":
            await self._write(said)
        # As long as a claim may take, which is recorded before it happens.
        for _ in range(self.voice.random.randrange(1, 12)):
            await self.voice.pause()
        done = await conversations.commit(
            self.talk.id,
            token=begun.token,
            version=known.version,
            epoch=known.epoch,
            facts=known.facts,
            handled=[],
            outbox=[self.wrap(topics.MESSAGE_SEND, said)],
            now=self.team.world.clock(),
        )
        if done.verdict == "stale":
            return await self._signal({"type": "abort", "turn_id": self.turn})
        if self.way == "outbox":
            await self.voice.pause()
        await self.send(self.wrap(topics.MESSAGE_SEND, said))

    async def _write(self, said: OutboundMessage) -> None:
        about: dict[str, Any] = {
            "place": said.place,
            "contact_id": said.contact_id,
            "turn_id": self.turn,
            "epoch": said.epoch,
        }
        begun = ReplyBegun(id=said.id, author=said.author, at=self.team.world.clock(), **about)
        await self.send(self.wrap(topics.REPLY_BEGUN, begun))
        for index in range(self.voice.random.randrange(1, 5)):
            await self.voice.pause()
            frame = {"type": "delta", "turn_id": self.turn, "index": index, "text": "word "}
            await self._signal({**frame, "epoch": said.epoch})

    async def _signal(self, frame: dict[str, Any]) -> None:
        await self.state.signals.publish(conversation_signals.conversation_topic(self.talk.id), orjson.dumps(frame))

    async def person(self) -> None:
        """Claims at any moment, and answers at once."""
        told = self.team.captured(lambda: self.team.slack.people.react("Ben", self.talk.root, "👀"))
        for _ in range(self.voice.random.randrange(12)):
            await self.voice.pause()
        await self.team.bring(*told)
        self.watched.has_claimed = True
        await self.send(self.wrap(topics.MESSAGE_SEND, self.message("person", "person", (await self.talk.now()).epoch)))

    async def play(self) -> None:
        both = [self.agent(), self.person()]
        self.voice.random.shuffle(both)
        await asyncio.gather(*both)
        assert self.lane is not None
        async with asyncio.timeout(30):
            await self.lane

    def wrong(self) -> str:
        """What was said that should not have been; empty when nothing was."""
        person = ids.derived_id(self.turn, "person")
        if self.watched.wrong:
            return "the agent's message began to be sent after the claim"
        said = [(operation, message) for operation, message in self.voice.heard if operation != "remove"]
        if ("say", person) not in said:
            return "the person was not heard"
        after = said[said.index(("say", person)) + 1 :]
        return "the agent spoke after the person" if any(message != person for _, message in after) else ""


@pytest.fixture
async def team(world: DeskEnvironment, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Team]:
    monkeypatch.setattr(reply, "START_DELAY", 0.0)
    monkeypatch.setattr(reply, "CHECK_OWNER", 0.02)
    monkeypatch.setattr(reply, "REPLY_GRACE", 0.05)
    async with Team(world).at_work() as team:
        yield team


async def _play(team: Team, number: int) -> tuple[str, str]:
    random = Random(number)
    talk = await team.open("agent")
    marker = root_id(talk.id, 0)
    await team.world.state.deliveries.bind(TENANT, "slack", "main", f"{team.room.id}/{talk.root}", talk.id, marker)
    contact = (await talk.now()).origin.contact_id
    way = WAYS[number % len(WAYS)]
    game = Round(team, talk, way, Voice(random), ids.derived_id(talk.id, "turn"), contact)
    await game.play()
    spoke = any(message == ids.derived_id(game.turn, "agent") for _, message in game.voice.heard)
    return game.wrong() and f"{way} {number}: {game.wrong()}", f"{way} {'spoke' if spoke else 'silent'}"


@pytest.mark.slow
async def test_over_hundreds_of_interleavings_the_agent_never_begins_to_speak_after_a_claim(team: Team) -> None:
    free = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> tuple[str, str]:
        async with free:
            return await _play(team, number)

    played = await asyncio.gather(*(one(number) for number in range(ROUNDS)))
    assert [wrong for wrong, _ in played if wrong] == []
    # Each of them came out both ways: else nothing raced.
    assert {how for _, how in played} == {f"{way} {how}" for way in WAYS for how in ("spoke", "silent")}
