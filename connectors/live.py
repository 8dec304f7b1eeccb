"""What is pushed to whoever watches a conversation right now. Lossy by nature; the transcript holds the truth.

Signals travel on the topic ``conversation:<id>`` as JSON objects with a ``type``: ``message`` (the transcript grew),
``changed`` (``message_id`` says something else), ``receipt`` (``message_id``, ``state``), ``delta`` (``turn_id``,
``epoch``, ``index``, ``text``), ``abort`` (``turn_id``), ``typing`` (``author``), ``ended`` (``session``: the visitor
signed out).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

import structlog

from schemas import ids, topics
from schemas.changes import ReactionChanged, Value, value_of
from schemas.desk import DeskTouched
from schemas.envelope import Envelope, envelope
from schemas.errors import ParleyError
from schemas.facts import Feedback
from schemas.messages import AuthorKind, MessageState
from schemas.ports import Signals

log = structlog.get_logger("parley.live")

MESSAGE = b'{"type":"message"}'


def topic(conversation: str) -> str:
    return f"conversation:{conversation}"


async def message(signals: Signals, conversation: str) -> None:
    """Tell watchers that the transcript grew."""
    await _publish(signals, conversation, MESSAGE)


async def receipts(signals: Signals, conversation: str, message_ids: Iterable[str], state: MessageState) -> None:
    """Tell watchers that these messages are in another state now."""
    for message_id in message_ids:
        frame = {"type": "receipt", "message_id": message_id, "state": state}
        await _publish(signals, conversation, json.dumps(frame).encode())


async def changed(signals: Signals, conversation: str, message_id: str) -> None:
    """Tell watchers that a message says something else now, or nothing any more."""
    await _publish(signals, conversation, json.dumps({"type": "changed", "message_id": message_id}).encode())


async def typing(signals: Signals, conversation: str, kind: AuthorKind, name: str = "") -> None:
    """Tell watchers, and a worker that waits for more, that somebody types."""
    frame = {"type": "typing", "author": {"kind": kind, "name": name}}
    await _publish(signals, conversation, json.dumps(frame).encode())


async def session_ended(signals: Signals, conversation: str, session: str) -> None:
    """Tell those who hold sockets of this session that it is over."""
    await _publish(signals, conversation, json.dumps({"type": "ended", "session": session}).encode())


async def _publish(signals: Signals, conversation: str, payload: bytes) -> None:
    # What is told here was stored before; a reader that misses it finds it within two seconds.
    try:
        await signals.publish(topic(conversation), payload)
    except ParleyError as error:
        log.debug("signal_lost", conversation_id=conversation, code=error.code)


# Word to the desk that a line of a conversation is not as it was.
def of_line(about: Envelope, line: str, state: str, at: datetime) -> Envelope:
    """``about`` is any event of the same conversation. The same state of the same line is always told as the same."""
    return envelope(
        topics.DESK_TOUCHED,
        DeskTouched(changed=[line], at=at),
        id=ids.derived_id(line, f"desk-touched:{state}"),
        time=at,
        source=f"/connectors/{about.channel}/{about.tenant}/{about.account}",
        tenant=about.tenant,
        channel=about.channel,
        account=about.account,
        conversation=about.conversation,
        correlation_id=about.correlation_id or about.id,
        causation_id=about.id,
    )


def of_time(desk: str, tenant: str, conversation: str, at: datetime) -> Envelope:
    """That something is due by now."""
    return envelope(
        topics.DESK_TOUCHED,
        DeskTouched(at=at),
        id=ids.derived_id(conversation, f"desk-time:{at.isoformat()}"),
        time=at,
        source=f"/connectors/{desk}/{tenant}",
        tenant=tenant,
        channel=desk,
        conversation=conversation,
    )


# Reactions that say whether an answer was any good, as the feedback that the web chat's thumbs are.
__all__ = ["fact", "value_of"]


def fact(event: Envelope, reaction: ReactionChanged, message_id: str, value: Value) -> Envelope:
    """The same for the same event, each time."""
    return envelope(
        topics.FEEDBACK_GIVEN,
        Feedback(message_id=message_id, contact_id=reaction.contact_id, value=value, at=reaction.at),
        id=ids.derived_id(event.id, "feedback"),
        time=event.time,
        source=f"/connectors/{event.channel}/{event.tenant}/{event.account}",
        tenant=event.tenant,
        channel=event.channel,
        account=event.account,
        conversation=event.conversation,
        correlation_id=event.correlation_id,
        causation_id=message_id,
    )
