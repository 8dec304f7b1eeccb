"""One attempt at one turn: what it knows, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent_worker.actions.execution.effects import Effects, Notice
from agent_worker.actions.execution.turn_actions import TurnActions
from agent_worker.handoff import notifications
from agent_worker.handoff.cancel_handoff import ASSISTANT, wants_assistant
from agent_worker.handoff.handoff_period import REOPENED, Stretch, is_open, opened
from agent_worker.handoff.reply_templates import PERSON
from agent_worker.nlu.language_detection import detect_language
from agent_worker.phrases import Voice, translate_voice
from agent_worker.router.decision import PERSON_REQUESTED, Route
from agent_worker.settings import TenantRules
from agent_worker.turn.envelopes import Chain, begun_of, cited, outbound, reply_of, said_by_person
from agent_worker.turn.intake import Intake
from agent_worker.turn.streaming import Stream
from schemas.actions import ActionMemory
from schemas.conversation import Conversation, Facts, Owner, OwnerRequested, PackedSnapshot, Turn
from schemas.desk import DraftMade
from schemas.envelope import Envelope
from schemas.handoff.requests import request_by_turn
from schemas.ids import derived_id
from schemas.messages import Author, InboundMessage, OutboundMessage, TranscriptMessage
from schemas.ports import Begun, Draft, Found

NOTHING = Found(passages=[], answerable=False, confidence=0.0)
NO_FACTS = Facts()
LOCAL = Route("local", ("local",), ())


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
    history: Sequence[TranscriptMessage] = ()
    found: Found = NOTHING
    route: Route = LOCAL
    draft: Draft | None = None
    facts: Facts = NO_FACTS
    outbox: list[Envelope] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    """Those in ``outbox``."""
    snapshot: PackedSnapshot | None = None
    """The conversation as committed."""
    acting: TurnActions | None = None
    """None when the tenant has no actions."""
    stretch: Stretch | None = None
    """What the turn's events make of the time in which people have the conversation; None when they have no part."""
    summary: list[str] = field(default_factory=list)
    """For people who are about to be asked; ``wait_notice`` for the contact, where the turn says nothing else."""
    wait_notice: str = ""
    drafts: list[DraftMade] = field(default_factory=list)
    conversation: Conversation = field(init=False)
    _locale: str = ""

    def __post_init__(self) -> None:
        self.conversation = self.begun.conversation

    @property
    def locale(self) -> str:
        """What the contact writes in."""
        self._locale = self._locale or self._spoken()
        return self._locale

    def _spoken(self) -> str:
        memory = self.conversation.facts.actions
        before = memory.filling.locale if memory is not None and memory.filling is not None else ""
        known = before or self.conversation.facts.locale or self.rules.voice.locale
        return detect_language(self.intake.text, known)

    @property
    def voice(self) -> Voice:
        return translate_voice(self.rules.voice, self.locale)

    @property
    def must_answer(self) -> bool:
        return bool(self.intake.waiting) and self.conversation.owner == "agent"

    def must_act(self, now: datetime) -> bool:
        """Whether there is anything to do but to take note."""
        memory = self.conversation.facts.actions
        expired = memory is not None and any(approval.expires_at <= now for approval in memory.approvals)
        # Where people have taken over, an earlier attempt may have begun something that nobody was told of.
        told = bool(self.intake.waiting) and self.rules.actions.writing
        drafts = self.stretch is not None and bool(self.stretch.drafts)
        return self.must_answer or told or bool(self.intake.settling) or expired or drafts

    @property
    def goes_on(self) -> bool:
        """Whether the contact says nothing but that it wants the agent again."""
        waiting = self.intake.waiting.values()
        if self.stretch is None or not waiting:
            return False
        picked = all(message.choice is not None and message.choice.id == ASSISTANT for message in waiting)
        stretch = self.stretch
        return picked or (stretch.returned and all(wants_assistant(each, stretch.offered) for each in waiting))

    @property
    def effects(self) -> Effects | None:
        return None if self.acting is None else self.acting.effects

    @property
    def handoff(self) -> str:
        """Why people are to take over; empty when they are not, or have already."""
        if self.conversation.owner != "agent":
            return ""
        if self.effects is not None and self.effects.handoff:
            return self.effects.handoff
        return self._why_people(self.draft) if self.draft is not None and self.draft.handoff else ""

    def _why_people(self, draft: Draft) -> str:
        if self.route.name == "person":
            return "; ".join(self.route.reasons)
        return "; ".join(draft.reasons) or PERSON_REQUESTED

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
        answered = self.intake.answered
        if self.draft is not None:
            answered.answer(self.intake.waiting.values())
        kept = answered.facts()
        replies = [*self._notices(now), *([self._reply(self.draft, now)] if self.draft is not None else [])]
        self.outbox += [self.chain.send(reply, now) for reply in replies]
        if self.effects is not None:
            self.outbox += [self.chain.approval(request) for request in self.effects.approval_requests]
            kept["actions"] = remembered(self.effects.memory)
        effects = self.effects
        if self.handoff:
            self.outbox.append(self.chain.ask_owner(self.ask_people(now)))
        elif effects is not None and effects.hand_back and self.conversation.owner == "queue":
            self.outbox.append(self.chain.ask_owner(self._ask_owner("agent", "what people were asked is settled", now)))
        elif self.stretch is not None and self.stretch.reopens:
            self.outbox.append(self.chain.ask_owner(self._ask_owner("agent", REOPENED, now)))
        if replies or (effects is not None and effects.records):
            kept |= self._conclude_turn(replies, now)
        if self.handoff:
            kept |= self._handed_over(now)
        self.outbox += notifications.told(self, now)
        self.facts = self.facts.model_copy(update=kept)

    def _handed_over(self, now: datetime) -> dict[str, Any]:
        """What is remembered of it, unless people were asked before and have not come yet."""
        before, conversation = self.facts.handoff, self.conversation
        known = {"locale": self.locale}
        if is_open(before):
            return known
        handoff = opened(
            before,
            reason=self.handoff,
            since_seq=conversation.head_seq,
            at=now,
            epoch=conversation.epoch,
            summary=self.summary,
        )
        return known | {"handoff": handoff}

    def _conclude_turn(self, replies: list[OutboundMessage], now: datetime) -> dict[str, Any]:
        """What is to be remembered of it."""
        turn = self._record(replies, now)
        self.outbox.append(self.chain.turn(turn))
        self.turns = [turn]
        if self.draft is None:
            return {}
        return {
            "turns": self.facts.turns + 1,
            "last_turn_id": self.id,
            "last_route": turn.route,
            "declined_in_a_row": 0 if self.draft.answered else self.facts.declined_in_a_row + 1,
            "person_offered": any(choice.id == PERSON for choice in self.draft.choices),
        }

    def _reply(self, draft: Draft, now: datetime) -> OutboundMessage:
        return reply_of(draft, self.conversation, self.id, name=self.rules.voice.name, asked=self.asked, now=now)

    def _notices(self, now: datetime) -> list[OutboundMessage]:
        """Of the system where an owner change must not drop them."""
        notices = list(self.effects.notices) if self.effects is not None else []
        if self.wait_notice:
            notices.append(Notice(f"{self.id}-wait", self.wait_notice))
        agent = self.conversation.owner == "agent" and not self.handoff
        author = Author(kind="agent", name=self.rules.voice.name) if agent else Author(kind="system")
        return [
            outbound(
                self.conversation,
                id=derived_id(notice.purpose, "notice"),
                author=author,
                text=notice.text,
                now=now,
                turn_id=self.id,
            )
            for notice in notices
        ]

    def ask_people(self, now: datetime) -> OwnerRequested:
        """The same request each time: its id follows the turn."""
        return self._ask_owner("queue", self.handoff, now)

    def _ask_owner(self, to: Owner, reason: str, now: datetime) -> OwnerRequested:
        return request_by_turn(self.conversation, self.id, to, reason, now)

    def _record(self, replies: list[OutboundMessage], now: datetime) -> Turn:
        draft = self.draft or Draft(text="", answered=True)
        outcome, came_of_it = self._acted() or outcome_of(draft, self.found)
        handed = [self.handoff] if self.handoff and self.route.name != "person" else []
        return Turn(
            id=self.id,
            handled=list(self.intake.waiting),
            route=self.route.name,
            outcome=outcome,
            intent=self.route.intent,
            scores=dict(self.route.scores),
            reasons=[*self.route.reasons, *came_of_it, *handed, *draft.reasons],
            confidence=min(1.0, max(0.0, self.found.confidence)),
            model=draft.model,
            tokens=draft.tokens,
            cost=draft.cost,
            stages=dict(self.stages),
            passages=cited(self.found, draft),
            actions=[] if self.effects is None else self.effects.records,
            replies=replies,
            at=now,
        )

    def _acted(self) -> tuple[str, list[str]] | None:
        """The outcome of a turn that did something, or asked whether it should."""
        effects = self.effects
        if effects is None or not (effects.records or effects.question):
            return None
        done = [f"{record.name}: {record.outcome}" for record in effects.records]
        return "action", [*done, *([f"{effects.question.action}: asked first"] if effects.question else [])]


def remembered(memory: ActionMemory) -> ActionMemory | None:
    return None if memory == ActionMemory() else memory


def outcome_of(draft: Draft, found: Found) -> tuple[str, list[str]]:
    """What came of the turn, and why, for the turn's record."""
    if draft.handoff:
        return "person", []
    if not draft.answered:
        return "declined", [f"the documents hold no answer (confidence {found.confidence:.2f})"]
    if draft.citations:
        return "answer", [f"{len(draft.citations)} quotes from {draft.citations[0].document}"]
    return "small_talk", ["nothing was asked"]
