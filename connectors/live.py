"""What is pushed to whoever watches a conversation right now. Lossy by nature; the transcript holds the truth.

Signals travel on the topic ``conversation:<id>`` as JSON objects with a ``type``: ``message`` (the transcript grew),
``changed`` (``message_id`` says something else), ``receipt`` (``message_id``, ``state``), ``delta`` (``turn_id``,
``epoch``, ``index``, ``text``), ``abort`` (``turn_id``), ``typing`` (``author``), ``ended`` (``session``: the visitor
signed out).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import structlog

from schemas.errors import ParleyError
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
