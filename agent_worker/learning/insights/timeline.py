"""A conversation in the order in which it happened: what the contact wrote, the agent answered, and people did.

It is read from the events on the log, so it is the same after a crash or a rebuild. An event that is on the log twice,
because a process was killed between two steps, counts once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from agent_worker.handoff.rating import is_rating
from schemas import topics
from schemas.conversation import DeliveryOutcome, OwnerChanged, Turn
from schemas.conversation_activity import Feedback, FilesStored, MessageDeleted, MessageEdited
from schemas.desk import DraftSettled, Rating
from schemas.ids import derived_id
from schemas.messages import InboundMessage
from schemas.transcript import join_speech

TIMELINE_TYPES = frozenset(
    {
        *(topics.MESSAGE_RECEIVED, topics.MESSAGE_EDITED, topics.MESSAGE_DELETED, topics.FILES_STORED),
        *(topics.TURN_COMPLETED, topics.OWNER_CHANGED, topics.FEEDBACK_GIVEN, topics.DELIVERY_RECORDED),
        *(topics.RATING_GIVEN, topics.DRAFT_SETTLED),
    }
)
"""The events that a timeline is read from."""
_LOST = frozenset({"failed", "expired", "stale_owner"})
"""States of replies that the contact never saw."""


class LogEvent(NamedTuple):
    """An event of a conversation, as it is on the log."""

    id: str
    type: str
    channel: str
    body: bytes


@dataclass(slots=True)
class ContactMessage:
    """``choice`` is the id of the choice that the contact picked from the message ``in_reply_to``. ``is_gone``: the log
    only has the turn that answered it."""

    id: str
    at: datetime
    text: str
    contact: str = ""
    choice: str = ""
    in_reply_to: str = ""
    is_rating: bool = False
    is_gone: bool = False


@dataclass(slots=True)
class PersonMessage:
    """A message that a person wrote to the contact."""

    id: str
    at: datetime
    text: str
    name: str = ""


@dataclass(slots=True)
class Timeline:
    """``names``: of the people in it. ``thumbs``: (message, contact) → the newest thumb. ``deliveries``: message → how
    sending it ended."""

    id: str
    channel: str = ""
    names: set[str] = field(default_factory=set)
    messages: dict[str, ContactMessage] = field(default_factory=dict)
    people: dict[str, PersonMessage] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    owners: list[OwnerChanged] = field(default_factory=list)
    thumbs: dict[tuple[str, str], Feedback] = field(default_factory=dict)
    ratings: list[Rating] = field(default_factory=list)
    drafts: list[DraftSettled] = field(default_factory=list)
    deliveries: dict[str, DeliveryOutcome] = field(default_factory=dict)

    def thumbs_on(self, turn: Turn) -> list[Feedback]:
        """What contacts think of the turn's replies now."""
        replies = {reply.id for reply in turn.replies}
        return [thumb for (message, _), thumb in self.thumbs.items() if message in replies and thumb.value != "none"]

    def has_helped(self, turn: Turn) -> bool:
        """True if the turn answered, or did what the contact wanted, and the contact saw it and did not object."""
        done = any(action.outcome == "succeeded" for action in turn.actions)
        answered = outcome_of(turn) == "answer" or (outcome_of(turn) == "action" and done)
        return answered and self.was_seen(turn) and not any(thumb.value == "down" for thumb in self.thumbs_on(turn))

    def was_seen(self, turn: Turn) -> bool:
        """False if a reply of the turn never reached the contact."""
        ended = (self.deliveries.get(reply.id) for reply in turn.replies if reply.author.kind == "agent")
        return not any(delivery is not None and delivery.state in _LOST for delivery in ended)

    def list_person_messages(self) -> set[str]:
        """The ids under which contacts saw what people wrote."""
        return {*self.people, *(derived_id(id, "outbound") for id in self.people)}


def outcome_of(turn: Turn) -> str:
    """The turn's outcome. Records of older releases have it as their route."""
    return turn.outcome or turn.route


def read_timeline(conversation: str, events: Iterable[LogEvent]) -> Timeline:
    """Read a conversation from its events, in the order of the log. Events that cannot be read are skipped: nobody
    answered them."""
    timeline, seen = Timeline(conversation), set[tuple[str, str]]()
    for event in events:
        if (event.type, event.id) in seen:
            continue
        seen.add((event.type, event.id))
        timeline.channel = timeline.channel or event.channel
        try:
            payload = topics.EVENT_TYPES[event.type][0].model_validate_json(event.body)
        except (KeyError, ValidationError):
            continue
        _add(timeline, payload)
    timeline.turns.sort(key=lambda turn: turn.at)
    timeline.owners.sort(key=lambda change: change.epoch)
    return timeline


def _add(timeline: Timeline, payload: BaseModel) -> None:
    if isinstance(payload, InboundMessage):
        _add_inbound(timeline, payload)
    elif isinstance(payload, Turn):
        timeline.turns.append(payload)
    elif isinstance(payload, OwnerChanged):
        timeline.owners.append(payload)
    elif isinstance(payload, DeliveryOutcome):
        if not payload.part_of:
            timeline.deliveries[payload.message_id] = payload
    elif isinstance(payload, Feedback):
        _add_thumb(timeline, payload)
    elif isinstance(payload, Rating):
        timeline.ratings.append(payload)
    elif isinstance(payload, DraftSettled):
        timeline.drafts.append(payload)
    elif isinstance(payload, MessageEdited | FilesStored | MessageDeleted):
        _change(timeline, payload)


def _add_inbound(timeline: Timeline, message: InboundMessage) -> None:
    if message.author.name:
        timeline.names.add(message.author.name)
    if message.author.kind == "person":
        timeline.people[message.id] = PersonMessage(message.id, message.sent_at, message.text, message.author.name)
    elif message.author.kind == "contact":
        choice = message.choice
        timeline.messages[message.id] = ContactMessage(
            message.id,
            message.sent_at,
            message.text,
            contact=message.contact_id,
            choice="" if choice is None else choice.id,
            in_reply_to=message.in_reply_to if choice is None else choice.in_reply_to,
            is_rating=is_rating(message),
        )


def _add_thumb(timeline: Timeline, thumb: Feedback) -> None:
    key = thumb.message_id, thumb.contact_id
    earlier = timeline.thumbs.get(key)
    if earlier is None or earlier.at <= thumb.at:
        timeline.thumbs[key] = thumb


def _change(timeline: Timeline, change: MessageEdited | FilesStored | MessageDeleted) -> None:
    message = timeline.messages.get(change.message_id) or timeline.people.get(change.message_id)
    if message is None:
        return
    if isinstance(change, MessageDeleted):
        message.text = ""
    else:
        # The transcription of an earlier release only replaces an empty text.
        written = change.text if isinstance(change, MessageEdited) else message.text or change.text
        message.text = join_speech(written, change.attachments)
