"""Notifications for everyone who watches a conversation: browsers, workers and desks.

Signals are lossy; the transcript is the record. They travel on the topic ``conversation:<id>`` as JSON objects with a
``type``: ``message`` (the transcript grew), ``changed`` (``message_id`` was edited or deleted), ``receipt``
(``message_id``, ``state``), ``delta`` (``turn_id``, ``epoch``, ``index``, ``text``), ``abort`` (``turn_id``),
``typing`` (``author``), ``ended`` (``session``: the visitor signed out).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import structlog

from schemas.errors import ParleyError
from schemas.messages import AuthorKind, MessageState
from schemas.ports import Signals

log = structlog.get_logger("parley.live")

MESSAGE_SIGNAL = b'{"type":"message"}'


def conversation_topic(conversation: str) -> str:
    return f"conversation:{conversation}"


async def publish_message(signals: Signals, conversation: str) -> None:
    """Signal that the transcript grew."""
    await _publish(signals, conversation, MESSAGE_SIGNAL)


async def publish_receipts(
    signals: Signals, conversation: str, message_ids: Iterable[str], state: MessageState
) -> None:
    """Signal that these messages have another state."""
    for message_id in message_ids:
        frame = {"type": "receipt", "message_id": message_id, "state": state}
        await _publish(signals, conversation, json.dumps(frame).encode())


async def publish_change(signals: Signals, conversation: str, message_id: str) -> None:
    """Signal that a message was edited or deleted."""
    await _publish(signals, conversation, json.dumps({"type": "changed", "message_id": message_id}).encode())


async def publish_typing(signals: Signals, conversation: str, kind: AuthorKind) -> None:
    """Signal that somebody is typing; a worker that collects messages waits longer."""
    frame = {"type": "typing", "author": {"kind": kind, "name": ""}}
    await _publish(signals, conversation, json.dumps(frame).encode())


async def publish_session_end(signals: Signals, conversation: str, session: str) -> None:
    """Signal the sockets of this session that it has ended."""
    await _publish(signals, conversation, json.dumps({"type": "ended", "session": session}).encode())


async def _publish(signals: Signals, conversation: str, payload: bytes) -> None:
    # It was stored before; a reader that misses the signal reads it within two seconds.
    try:
        await signals.publish(conversation_topic(conversation), payload)
    except ParleyError as error:
        log.debug("signal_lost", conversation_id=conversation, code=error.code)
