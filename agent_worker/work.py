"""One attempt at one turn: what it knows, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from agent_worker.handoff.drafts import PERSON
from agent_worker.intake import Intake
from agent_worker.replies import Chain, begun_of, cited, reply_of, said_by_person
from agent_worker.settings import TenantRules
from agent_worker.streaming import Stream
from schemas.conversation import Conversation, Facts, OwnerRequested, PackedSnapshot, Turn
from schemas.envelope import Envelope
from schemas.ids import derived_id
from schemas.messages import InboundMessage, OutboundMessage, TranscriptMessage
from schemas.ports import Begun, Draft, Found

NOTHING = Found(passages=[], answerable=False, confidence=0.0)


@dataclass(slots=True)
class Work:
    """``stages`` in milliseconds. ``draft`` is None when nothing is to be answered. ``read_at``: see ``Fold``."""

    id: str
    rules: TenantRules
    begun: Begun
    intake: Intake
    chain: Chain
    stream: Stream
    stages: dict[str, float]
    read_at: float
    history: list[TranscriptMessage] = field(default_factory=list)
    found: Found = NOTHING
    draft: Draft | None = None
    facts: Facts = field(default_factory=Facts)
    outbox: list[Envelope] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    """Those in ``outbox``."""
    snapshot: PackedSnapshot | None = None
    """The conversation as committed."""

    @property
    def conversation(self) -> Conversation:
        return self.begun.conversation

    @property
    def must_answer(self) -> bool:
        return bool(self.intake.waiting) and self.conversation.owner == "agent"

    @property
    def asked(self) -> InboundMessage:
        """The last of the messages that are to be answered."""
        return list(self.intake.waiting.values())[-1]

    def announcement(self, now: datetime) -> Envelope:
        """Tells a connector that the reply is being written."""
        return self.chain.begun(
            begun_of(self.conversation, self.id, name=self.rules.voice.name, asked=self.asked, now=now)
        )

    def conclude(self, now: datetime) -> None:
        """Fill ``outbox`` and ``facts`` with what is to be committed."""
        self.facts = self.conversation.facts
        self.turns = []
        self.outbox = [self.chain.files(stored) for stored in self.intake.stored]
        self.outbox += [
            self.chain.send(said_by_person(event, message, self.conversation, now), now)
            for event, message in self.intake.said
        ]
        if self.draft is not None:
            self._reply(self.draft, now)
        answered = self.intake.answered
        self.facts = self.facts.model_copy(update={"heard_at": answered.heard, "answered_at": answered.until})

    def _reply(self, draft: Draft, now: datetime) -> None:
        reply = reply_of(
            draft,
            self.conversation,
            self.id,
            name=self.rules.voice.name,
            asked=self.asked,
            now=now,
        )
        turn = self._record(draft, reply, now)
        for message in self.intake.waiting.values():
            self.intake.answered.answer(message.sent_at)
        self.outbox.append(self.chain.send(reply, now))
        if draft.handoff:
            self.outbox.append(self.chain.ask_owner(self.ask_people(now)))
        self.outbox.append(self.chain.turn(turn))
        self.turns = [turn]
        self.facts = self.facts.model_copy(
            update={
                "turns": self.facts.turns + 1,
                "last_turn_id": self.id,
                "last_route": turn.route,
                "declined_in_a_row": 0 if draft.answered else self.facts.declined_in_a_row + 1,
                "person_offered": any(choice.id == PERSON for choice in draft.choices),
            }
        )

    def ask_people(self, now: datetime) -> OwnerRequested:
        """The same request each time: its id follows the turn."""
        return OwnerRequested(
            id=derived_id(self.id, "own-queue"),
            to="queue",
            expected_epoch=self.conversation.epoch,
            by="agent",
            reason="the contact asked for a person",
            at=now,
        )

    def _record(self, draft: Draft, reply: OutboundMessage, now: datetime) -> Turn:
        route, reasons = route_of(draft, self.found)
        return Turn(
            id=self.id,
            handled=list(self.intake.waiting),
            route=route,
            reasons=[*reasons, *draft.reasons],
            confidence=min(1.0, max(0.0, self.found.confidence)),
            model=draft.model,
            tokens=draft.tokens,
            cost=draft.cost,
            stages=dict(self.stages),
            passages=cited(self.found, draft),
            replies=[reply],
            at=now,
        )


def route_of(draft: Draft, found: Found) -> tuple[str, list[str]]:
    """Where the turn went, and why, for the turn's record."""
    if draft.handoff:
        return "person", ["the contact asked for a person"]
    if not draft.answered:
        return "declined", [f"the documents hold no answer (confidence {found.confidence:.2f})"]
    if draft.citations:
        return "answer", [f"{len(draft.citations)} quotes from {draft.citations[0].document}"]
    return "small_talk", ["nothing was asked"]
