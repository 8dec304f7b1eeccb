"""People at work in the simulated Slack, with the real door and the real acts behind it, in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from connectors.desk.client import DeskClient
from connectors.desk.commands.dispatch import DeskCommandDispatcher
from connectors.desk.commands.replies import line_id
from connectors.desk.contents import Button
from connectors.desk.inbound.pipeline import DeskInboundPipeline
from connectors.desk.posts.posted_state import root_id
from connectors.desk.rules import DeskPerson, TenantDeskRules
from connectors.outbound.connections import AccountConnections
from connectors.registry import load_settings_model, open_channel
from connectors.slack.channel import SlackChannel
from connectors.slack.desk.block_kit import button
from infra.bus.lanes import Lanes
from schemas import ids, topics
from schemas.audit.trail import AuditTrail
from schemas.conversation import Conversation, DeliveryOutcome, Origin
from schemas.desk import DeskCommand
from schemas.envelope import Envelope
from schemas.errors import TemporaryRefusal
from schemas.messages import Address, Attachment, InboundMessage, RemoteFile
from schemas.ports import Account, Batch, ChannelEvent
from tests.simulators.slack.event_delivery import Delivery, Outcome
from tests.simulators.slack.events import SUBSCRIPTIONS
from tests.simulators.slack.workspace import Post, Room
from tests.unit.desk.conftest import TENANT, DeskEnvironment

GROUP = topics.desk_group("slack")
TOPIC = topics.outbound("slack")
BUTTONS = ("claim", "release", "return", "resolve", "transfer", "draft")
COLLEAGUES = ("Ben", "Cleo", "Dan", "Eve", "Fay")
Store = Callable[[str, Origin, RemoteFile], Awaitable[Attachment]]


@dataclass
class RecordingTransport:
    """Carries Slack's events to the door. ``strays``: what became no act, and may never be any event at all."""

    channel: SlackChannel
    account: Account
    door: DeskInboundPipeline
    strays: list[ChannelEvent] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        return True

    async def carry(self, delivery: Delivery, attempt: int, reason: str) -> Outcome:
        events = self.channel.parse_payload(delivery.what, delivery.payload, self.account)
        self.strays += [event for event in events if event.type != topics.DESK_COMMAND]
        try:
            await self.door.accept(self.account, events)
        except TemporaryRefusal:
            return Outcome(False, "http_error")
        return Outcome(True)


@dataclass
class Team:
    """``undo``: seconds for which replies are held. ``revises``: channels on which what was sent can be changed.
    ``people``: colleagues who are operators, by name."""

    world: DeskEnvironment
    undo: float = 0.0
    store: Store | None = None
    number: int = 0
    revises: frozenset[str] = frozenset()
    people: Mapping[str, DeskPerson] = field(default_factory=dict)

    def __post_init__(self) -> None:
        world = self.world
        self.slack, self.room = world.slack, world.slack.channel("support")
        settings = load_settings_model("slack").model_validate(world.slack.settings())
        self.account = Account(TENANT, "slack", "main", settings, desk=frozenset({self.room.id}))
        channel = open_channel("slack", world.tools)
        assert isinstance(channel, SlackChannel)
        self.files = AccountConnections(channel, world.clock)
        self.client = DeskClient(channel.at_desk(), world.clock)
        self.rules = TenantDeskRules(
            TENANT,
            "main",
            self.room.id,
            undo_seconds=self.undo,
            outcomes=("Solved", "Not solved"),
            tags=("refund",),
            people={f"slack:{world.slack.person(name).id}": person for name, person in self.people.items()},
        )
        about: dict[str, Any] = {"bus": world.bus, "state": world.state, "clock": world.clock}
        audit = AuditTrail(**about)
        self.door = DeskInboundPipeline(rules={TENANT: self.rules}, client=self.client, audit=audit, **about)
        self.acts = DeskCommandDispatcher(
            rules={TENANT: self.rules},
            client=self.client,
            account_of=lambda tenant, channel, name: self.account,
            store=self.store or self.stored,
            revises=self.revises,
            **about,
        )
        self.carrier = RecordingTransport(channel, self.account, self.door)
        self.slack.event_delivery.carrier = self.carrier
        self.slack.announcer.subscriptions |= SUBSCRIPTIONS
        for name in COLLEAGUES:
            self.slack.workspace.enter(self.room, self.slack.person(name))

    async def stored(self, conversation: str, origin: Origin, file: RemoteFile) -> Attachment:
        connection: Any = self.files.get_connection(self.account)
        data, kind, name = await connection.fetch(file, 1_000_000)
        kept: Attachment = await self.world.blobs.put(origin.tenant, name, kind, data, conversation=conversation)
        return kept

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Team]:
        """With the desk's lanes running."""
        lanes = Lanes(self.world.bus, self.world.state.parking, clock=self.world.clock)
        running = asyncio.create_task(lanes.run([TOPIC], GROUP, self._handle, self._give_up))
        try:
            yield self
        finally:
            lanes.stop()
            await running
            await self.client.close()
            await self.files.close()

    async def _handle(self, batch: Batch) -> None:
        done = 0
        while done < len(batch.records):
            event = Envelope.from_wire(batch.records[done].headers, batch.records[done].value)
            done += 1
            if event.type == topics.DESK_COMMAND:
                found = await self.world.state.conversations.get(event.conversation)
                assert found is not None
                await self.acts.perform(found, event.payload(DeskCommand), batch)

    async def _give_up(self, conversation: str, records: Any, error: Exception, attempts: int) -> None:
        raise AssertionError(f"given up: {error!r}") from error

    # ── what people do ───────────────────────────────────────────────────────────────────────────────────────────────

    async def open(self, owner: str = "queue") -> DeskThread:
        """A conversation with its card in the channel."""
        self.number += 1
        world, place = self.world, f"visitor-{self.number}"
        contact, conversation = await world.state.contacts.resolve(
            TENANT, "web", "main", place, [Address(channel="web", value=place)], now=world.clock()
        )
        origin = Origin(tenant=TENANT, channel="web", account="main", place=place, contact_id=contact.id)
        await world.state.conversations.open(conversation, origin, now=world.clock())
        talk = DeskThread(self, conversation, "")
        talk.root = self.card(conversation).ts
        if owner != "agent":
            await talk.own(owner, "agent")
        return talk

    def card(self, conversation: str, number: int = 0, room: Room | None = None) -> Post:
        about = {"conversation": conversation, "tenant": TENANT, "channel": "web"}
        payload = {**about, "id": root_id(conversation, number)}
        elements = [button(Button(act, act.title(), conversation)) for act in BUTTONS]
        body = {
            "user": self.slack.bot.id,
            "bot_id": self.slack.bot.bot_id,
            "text": "A customer",
            "blocks": [{"type": "actions", "block_id": "b", "elements": elements}],
            "metadata": {"event_type": "parley_desk", "event_payload": payload},
        }
        return self.slack.publish(room or self.room, self.slack.bot, body)

    def captured(self, act: Callable[[], Any]) -> list[Delivery]:
        """What Slack would tell of what is done in ``act``: to be brought by the test, in its own order."""
        found: list[Delivery] = []

        def keep(held: list[Delivery]) -> None:
            found.extend(held)
            held.clear()

        self.slack.event_delivery.hold()
        try:
            act()
        finally:
            self.slack.event_delivery.release(keep)
        return found

    async def bring(self, *deliveries: Delivery) -> None:
        for delivery in deliveries:
            outcome = await self.carrier.carry(delivery, 0, "")
            assert outcome.heard

    async def heard(self) -> None:
        """Until Slack has told what was done last."""
        await self.slack.event_delivery.log[-1].ended.wait()

    async def quiet(self) -> None:
        """Until everything that was told is done."""
        await self.slack.settled()

        async def is_done() -> bool:
            return not any((await self.world.bus.lag(GROUP, [TOPIC])).values())

        await wait_until(is_done)

    async def inbound(self, kind: str) -> list[Envelope]:
        found = [
            Envelope.from_wire(record.headers, record.value)
            async for record in await self.world.bus.read(topics.inbound("web"))
        ]
        return [event for event in found if event.type == kind]

    async def told(self, kind: str, topic: str = topics.EVENTS) -> list[Envelope]:
        found = [Envelope.from_wire(each.headers, each.value) async for each in await self.world.bus.read(topic)]
        return [event for event in found if event.type == kind]

    async def seen(self) -> dict[str, list[tuple[str, int]]]:
        """By conversation, what its contact gets of people: words and number of files. A repeat of the same event is
        handled once."""
        got: dict[str, dict[str, tuple[str, int]]] = {}
        for event in await self.inbound(topics.MESSAGE_RECEIVED):
            said = event.payload(InboundMessage)
            assert said.author.kind == "person"
            got.setdefault(event.conversation, {}).setdefault(event.id, (said.text, len(said.attachments)))
        return {conversation: list(messages.values()) for conversation, messages in got.items()}

    async def deliver(self) -> None:
        """What people said has reached the customers, as their connector puts on record."""
        for event in await self.inbound(topics.MESSAGE_RECEIVED):
            told = DeliveryOutcome(message_id=line_id(event.id), state="sent", external_id="x", at=self.world.clock())
            await self.world.state.deliveries.record(event.conversation, told)

    def whispers(self, name: str) -> list[str]:
        """What this person alone was shown."""
        user = self.slack.person(name).id
        posts = sorted(self.room.posts.values(), key=lambda post: post.ts)
        return [post.body["text"] for post in posts if post.to == user]


async def wait_until(is_so: Callable[[], Awaitable[bool]], deadline: float = 60) -> None:
    async with asyncio.timeout(deadline):
        while not await is_so():  # noqa: ASYNC110  # nothing here tells us
            await asyncio.sleep(0.005)


@dataclass
class DeskThread:
    """One conversation and its thread."""

    team: Team
    id: str
    root: str

    async def own(self, to: Any, by: str, name: str = "") -> None:
        found = await self.now()
        state, clock = self.team.world.state, self.team.world.clock
        owned = await state.conversations.own(
            self.id,
            to,
            expected_epoch=found.epoch,
            request_id=ids.derived_id(self.id, f"test-{to}", found.epoch),
            by=by,
            name=name,
            now=clock(),
        )
        assert owned.won

    async def now(self) -> Conversation:
        found = await self.team.world.state.conversations.get(self.id)
        assert found is not None
        return found

    async def react(self, name: str, emoji: str, ts: str = "", *, removed: bool = False) -> None:
        self.team.slack.people.react(name, ts or self.root, emoji, removed=removed)
        await self.team.heard()

    async def claim(self, name: str) -> None:
        """Heard by the door when it returns."""
        await self.react(name, "👀")

    def say(self, name: str, text: str, **more: Any) -> Post:
        return self.team.slack.people.say(name, text, self.team.room, thread=self.root, **more)

    async def press(self, name: str, label: str) -> None:
        await self.team.slack.interactions.press(name, self.team.slack.post(self.root), label)

    async def is_with(self, owner: str, by: str = "") -> None:
        """Wait until it is."""

        async def is_so() -> bool:
            found = await self.now()
            holder = found.holder.by if found.holder is not None else ""
            return found.owner == owner and by in ("", holder)

        await wait_until(is_so)

    async def offered(self, name: str) -> Post:
        """Wait until this person may undo a reply."""

        async def is_so() -> bool:
            return any("Goes to" in post.body["text"] for post in self.thread(name))

        await wait_until(is_so)
        return next(post for post in self.thread(name) if "Goes to" in post.body["text"])

    def thread(self, name: str) -> list[Post]:
        """What only this person sees in the thread."""
        user = self.team.slack.person(name).id
        return [post for post in self.team.room.posts.values() if post.to == user and post.root == self.root]
