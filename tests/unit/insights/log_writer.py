"""Writes a conversation as it stands on the log, one call for each thing that happens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from agent_worker.learning.insights.timeline import LogEvent, Timeline, read_timeline
from schemas import topics
from schemas.conversation import ActionRecord, CitedPassage, DeliveryOutcome, Owner, OwnerChanged, Turn
from schemas.conversation_activity import Feedback
from schemas.desk import DraftSettled, Rating, Score
from schemas.envelope import Envelope, envelope
from schemas.ids import derived_id
from schemas.messages import Author, Choice, ChoiceSelection, Citation, InboundMessage, OutboundMessage

START = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


class LogWriter:
    """A conversation of the tenant ``shop``. Time passes only by ``wait``. Methods return the id of what they wrote."""

    def __init__(self, conversation: str = "c1", channel: str = "web", at: datetime = START) -> None:
        self.conversation = conversation
        self.channel = channel
        self.at = at
        self.events: list[Envelope] = []
        self._epoch = 0
        self._waiting: list[str] = []

    def wait(self, **time: float) -> None:
        self.at += timedelta(**time)

    def asks(self, text: str = "Do you ship to Malta?", *, choice: tuple[str, str] | None = None) -> str:
        """The contact writes. ``choice``: the message that offered it, and the id of the choice."""
        id = self._name("m")
        selection = None if choice is None else ChoiceSelection(in_reply_to=choice[0], id=choice[1])
        self._add_message(id, text, Author(kind="contact"), choice=selection)
        self._waiting.append(id)
        return id

    def answers(
        self,
        text: str = "Yes, within four days. [1]",
        *,
        outcome: str = "answer",
        route: str = "cheap",
        model: str = "small",
        intent: str = "",
        cost: float = 0.0,
        cites: Sequence[str] = (),
        finds: Sequence[str] = (),
        actions: Sequence[ActionRecord] = (),
        reasons: Sequence[str] = (),
        confidence: float = 0.8,
        choices: Sequence[Choice] = (),
        citations: Sequence[Citation] = (),
        seen: bool = True,
    ) -> str:
        """The agent answers the waiting messages, and the reply is delivered if ``seen``."""
        turn, reply = self._name("t"), self._name("r")
        handled, self._waiting = self._waiting, []
        message = OutboundMessage(
            id=reply,
            author=Author(kind="agent"),
            text=text,
            place="p",
            contact_id="k",
            turn_id=turn,
            choices=list(choices),
            citations=list(citations),
            created_at=self.at,
            expires_at=self.at + timedelta(days=1),
        )
        record = Turn(
            id=turn,
            handled=handled,
            route=route,
            outcome=outcome,
            intent=intent,
            model=model,
            cost=cost,
            confidence=confidence,
            reasons=list(reasons),
            passages=[
                *(CitedPassage(document=each, score=1.0, cited=True) for each in cites),
                *(CitedPassage(document=each, score=0.5) for each in finds),
            ],
            actions=list(actions),
            replies=[message],
            at=self.at,
        )
        self._add(topics.TURN_COMPLETED, record, turn)
        state: Any = "sent" if seen else "failed"
        self._add(topics.DELIVERY_RECORDED, DeliveryOutcome(message_id=reply, state=state, at=self.at), f"d-{reply}")
        return reply

    def passes_to(self, owner: Owner, *, by: str = "agent", reason: str = "") -> None:
        self._epoch += 1
        change = OwnerChanged(owner=owner, epoch=self._epoch, by=by, reason=reason, at=self.at)
        self._add(topics.OWNER_CHANGED, change, self._name("o"))

    def person_writes(self, text: str = "I have sent it again.", name: str = "Carla") -> str:
        id = self._name("p")
        self._add_message(id, text, Author(kind="person", name=name))
        return derived_id(id, "outbound")

    def thumb(self, message: str, value: Any, comment: str = "") -> None:
        thumb = Feedback(message_id=message, contact_id="k", value=value, comment=comment, at=self.at)
        self._add(topics.FEEDBACK_GIVEN, thumb, self._name("f"))

    def rates(self, score: Score) -> None:
        self._add(topics.RATING_GIVEN, Rating(message_id="q", score=score, at=self.at), self._name("s"))

    def settles_draft(self, draft: str, sent: str, outcome: Any = "edited") -> None:
        settled = DraftSettled(id=self._name("w"), draft=draft, sent=sent, outcome=outcome, by="slack:U1", at=self.at)
        self._add(topics.DRAFT_SETTLED, settled, settled.id)

    def timeline(self) -> Timeline:
        events = (LogEvent(event.id, event.type, event.channel, event.data or b"") for event in self.events)
        return read_timeline(self.conversation, events)

    def _add_message(self, id: str, text: str, author: Author, **more: Any) -> None:
        message = InboundMessage(
            id=id, external_id=id, place="p", contact_id="k", author=author, text=text, sent_at=self.at, **more
        )
        self._add(topics.MESSAGE_RECEIVED, message, id)

    def _name(self, kind: str) -> str:
        return f"{self.conversation}-{kind}{len(self.events)}"

    def _add(self, type: str, payload: BaseModel, id: str) -> None:
        about: dict[str, Any] = {"tenant": "shop", "channel": self.channel, "conversation": self.conversation}
        self.events.append(envelope(type, payload, id=id, time=self.at, source="/t", **about))
