"""The envelopes that a worker puts on the bus: outbound messages, turn records, snapshots, owner requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from agent_worker.turn.inbound_events import InboundEvent
from schemas.actions import ApprovalRequested
from schemas.conversation import Conversation, OwnerRequested, Turn
from schemas.conversation_activity import FilesStored
from schemas.envelope import Envelope, as_json
from schemas.ids import derived_id, reply_id, turn_record_id
from schemas.messages import Author, AuthorKind, InboundMessage, OutboundMessage, ReplyBegun
from schemas.ports import AnswerDraft
from schemas.topics import (
    APPROVAL_REQUESTED,
    FILES_STORED,
    MESSAGE_SEND,
    OWNER_REQUESTED,
    REPLY_BEGUN,
    TURN_COMPLETED,
)

SOURCE = "parley/worker"
REPLY_LIFE = timedelta(hours=24)


@lru_cache(maxsize=1024)
def _author(kind: AuthorKind, name: str) -> Author:
    return Author(kind=kind, name=name)


@dataclass(frozen=True, slots=True)
class TurnEnvelopes:
    """The attributes that all envelopes of one turn share, and the builders of those envelopes."""

    conversation: Conversation
    correlation_id: str
    causation_id: str
    traceparent: str = ""

    @classmethod
    def of(
        cls, conversation: Conversation, event: InboundEvent | None, turn: str, traceparent: str = ""
    ) -> TurnEnvelopes:
        """``event``: the last one that the turn handles, which counts as its cause."""
        if event is None:
            return cls(conversation, turn, "", traceparent)
        cause = event.envelope
        return cls(conversation, cause.correlation_id or turn, cause.id, traceparent or cause.traceparent)

    def wrap(self, event_type: str, payload: BaseModel | bytes, *, id: str, now: datetime) -> Envelope:
        origin = self.conversation.origin
        return Envelope(
            id=id,
            type=event_type,
            data=as_json(payload),
            time=now,
            source=SOURCE,
            tenant=origin.tenant,
            channel=origin.channel,
            account=origin.account,
            conversation=self.conversation.id,
            correlation_id=self.correlation_id,
            causation_id=self.causation_id,
            traceparent=self.traceparent,
        )

    def wrap_message(self, message: OutboundMessage, now: datetime) -> Envelope:
        return self.wrap(MESSAGE_SEND, message, id=message.id, now=now)

    def wrap_reply_begun(self, begun: ReplyBegun) -> Envelope:
        return self.wrap(REPLY_BEGUN, begun, id=derived_id(begun.turn_id, "begun"), now=begun.at)

    def wrap_turn(self, turn: Turn) -> Envelope:
        return self.wrap(TURN_COMPLETED, turn, id=turn_record_id(turn.id), now=turn.at)

    def wrap_files(self, stored: FilesStored) -> Envelope:
        return self.wrap(FILES_STORED, stored, id=derived_id(stored.message_id, "files"), now=stored.at)

    def wrap_approval(self, request: ApprovalRequested) -> Envelope:
        return self.wrap(APPROVAL_REQUESTED, request, id=request.approval.id, now=request.at)

    def wrap_owner_request(self, request: OwnerRequested) -> Envelope:
        return self.wrap(OWNER_REQUESTED, request, id=request.id, now=request.at)


def build_outbound(
    conversation: Conversation, *, id: str, author: Author, text: str, now: datetime, **more: Any
) -> OutboundMessage:
    """A message to the contact. ``more``: its other fields."""
    return OutboundMessage(
        id=id,
        author=author,
        text=text,
        place=conversation.origin.place,
        contact_id=conversation.origin.contact_id,
        epoch=conversation.epoch,
        created_at=now,
        expires_at=now + REPLY_LIFE,
        **more,
    )


def announce_reply(
    conversation: Conversation, turn: str, *, name: str, message: InboundMessage, now: datetime
) -> ReplyBegun:
    """Announce the reply that ``build_reply`` will build."""
    return ReplyBegun(
        id=reply_id(turn, 0),
        author=Author(kind="agent", name=name),
        place=conversation.origin.place,
        contact_id=conversation.origin.contact_id,
        answers=message.external_id,
        turn_id=turn,
        epoch=conversation.epoch,
        at=now,
    )


def build_reply(
    draft: AnswerDraft,
    conversation: Conversation,
    turn: str,
    *,
    name: str,
    message: InboundMessage,
    locale: str,
    now: datetime,
) -> OutboundMessage:
    """The reply to ``message``."""
    return build_outbound(
        conversation,
        id=reply_id(turn, 0),
        author=_author(draft.author, name if draft.author == "agent" else ""),
        text=draft.text,
        now=now,
        citations=draft.citations,
        choices=draft.choices,
        attachments=[],
        in_reply_to=message.id,
        answers=message.external_id,
        turn_id=turn,
        locale=locale,
    )


def forward_from_person(message: InboundMessage, conversation: Conversation, now: datetime) -> OutboundMessage:
    """A person's message, forwarded to the contact. Its id follows the message, so that a repeat is one message."""
    return build_outbound(
        conversation,
        id=derived_id(message.id, "outbound"),
        author=message.author,
        text=message.text,
        now=now,
        attachments=message.attachments,
        in_reply_to=message.in_reply_to,
    )
