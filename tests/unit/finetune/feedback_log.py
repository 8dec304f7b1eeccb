"""Conversations of a real worker that people judged: good ones, and ones that must not be learned from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from agent_worker.learning.finetune.prompt_reader import PromptReader, TargetModel
from agent_worker.learning.finetune.training_example import TrainingExample
from agent_worker.models.providers.provider import ModelLimits
from agent_worker.settings import WorkerSettings
from gateway.finetune.contact_names import ContactNames
from gateway.finetune.example_builder import FINETUNE_TYPES, ExampleBuilder, ExampleContext
from gateway.training_export import conversation_grouping
from schemas import topics
from schemas.conversation_activity import Feedback
from schemas.desk import DraftSettled
from schemas.envelope import Envelope
from schemas.ids import conversation_id
from schemas.messages import Author, InboundMessage, OutboundMessage
from schemas.ports import Position
from tests.unit.agent_worker.worker_environment import ACCOUNT, CHANNEL, TENANT, WorkerEnvironment, world_at

ANY_MODEL = TargetModel("model", "openai/model", ModelLimits())


@dataclass
class FeedbackLog:
    """Writes conversations; ``begin`` starts another one with another contact."""

    world: WorkerEnvironment
    folder: Path
    contact: str = "contact-1"
    name: str = ""
    _first: str = ""
    _count: int = 0
    _replies: list[OutboundMessage] = field(default_factory=list)

    def begin(self, contact: str, name: str = "") -> str:
        """The id of the conversation."""
        world = self.world
        self.contact, self.name, self._first = contact, name, f"{contact}-{self._count + 1}"
        world.conversation = conversation_id(TENANT, CHANNEL, ACCOUNT, contact)
        world.origin = world.origin.model_copy(update={"place": contact, "contact_id": contact})
        world.clock.advance(minutes=1)
        return world.conversation

    async def says(self, text: str, by: Literal["contact", "person"] = "contact") -> None:
        self._count += 1
        world, id = self.world, self.world.message_id(f"{self.contact}-{self._count}")
        name = "Rosa Helper" if by == "person" else self.name
        message = InboundMessage(
            id=id,
            external_id=id,
            place=world.origin.place,
            contact_id=self.contact,
            author=Author(kind=by, name=name),
            text=text,
            sent_at=world.clock(),
        )
        await world.handle(world.wrap(topics.MESSAGE_RECEIVED, message, id))
        world.clock.advance(minutes=1)

    async def deletes_first(self) -> None:
        """The contact deletes their first message in this conversation."""
        await self.world.handle(self.world.deleted(self._first))

    async def answers(self, text: str) -> None:
        """A person answers."""
        await self.says(text, "person")

    def last_reply(self) -> str:
        """The text of the agent's newest reply."""
        return self._replies[-1].text

    def watch_replies(self) -> None:
        """Note each reply when it is published, because reading the whole log for each would take long."""
        append = self.world.bus.append

        async def append_and_note(envelopes: Sequence[Envelope], *, topic: str | None = None) -> list[Position]:
            positions = await append(envelopes, topic=topic)
            self._replies += [each.payload(OutboundMessage) for each in envelopes if each.type == topics.MESSAGE_SEND]
            return positions

        setattr(self.world.bus, "append", append_and_note)  # noqa: B010 - a method cannot be assigned

    async def thumbs(self, value: Literal["up", "down"], comment: str = "") -> None:
        """The contact judges the agent's newest reply."""
        reply = self._replies[-1]
        thumb = Feedback(
            message_id=reply.id, contact_id=self.contact, value=value, comment=comment, at=self.world.clock()
        )
        await self._append(topics.FEEDBACK_GIVEN, thumb, f"thumb-{reply.id}")

    async def settles_draft(self, draft: str, sent: str, outcome: Literal["sent", "edited", "discarded"]) -> None:
        """As the desk does: the message to the contact first, then what became of the draft."""
        if sent:
            await self.answers(sent)
        self._count += 1
        id = f"draft-{self._count}"
        settled = DraftSettled(
            id=id, draft=draft, sent=sent, outcome=outcome, model="local", by="slack:U1", at=self.world.clock()
        )
        await self._append(topics.DRAFT_SETTLED, settled, f"{id}-settled")

    async def _append(self, type: str, payload: Any, id: str) -> None:
        await self.world.bus.append([self.world.wrap(type, payload, id)])

    async def read_examples(
        self, target: TargetModel = ANY_MODEL, settings: WorkerSettings | None = None
    ) -> list[TrainingExample]:
        """The examples of everything on the log."""
        world = self.world
        with conversation_grouping.open_conversation_grouping(self.folder / "exports") as grouping:
            sources = [topics.inbound(CHANNEL), topics.outbound(CHANNEL), topics.EVENTS]
            await grouping.gather(world.bus, TENANT, sources, FINETUNE_TYPES)
            names, conversations = ContactNames(), list(grouping.conversations(None, None))
            for _, events in conversations:
                names.note(events)
            documents = await world.library.documents(TENANT)
            context = ExampleContext(
                tenant=TENANT,
                prompts=PromptReader(TENANT, settings or world.settings, lambda _: target),
                documents={document.id: document for document in documents},
                names=names,
                find_passages=grouping.find_passages,
            )
            return [
                example
                for conversation, events in conversations
                for example in await ExampleBuilder(context, conversation, events, ()).build()
            ]


@asynccontextmanager
async def open_feedback_log(folder: Path, **options: Any) -> AsyncIterator[FeedbackLog]:
    async with world_at(folder, **options) as world:
        log = FeedbackLog(world, folder)
        log.watch_replies()
        yield log


def replace_limits(target: TargetModel, **limits: Any) -> TargetModel:
    return replace(target, limits=replace(target.limits, **limits))


def with_text(examples: Sequence[TrainingExample]) -> list[TrainingExample]:
    return [each for each in examples if each.problem is None]
