"""The choice of the records that are about one contact, among those of everybody.

Where only the contact writes, all records of the conversation are about it. In a room, other people write too, so a
record counts by the contact that it names, or by the message or turn that it belongs to."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterable
from typing import Any

import orjson

from schemas import topics
from schemas.conversation import DeadLetter, Turn
from schemas.messages import TranscriptMessage
from schemas.ports import Record

Payload = dict[str, Any]
CONTACT_KEY = "contact:"
_REFERENCES = ("id", "message_id", "part_of", "turn_id", "in_reply_to", "key", "approval_id")
"""Fields that name the message, turn or action that a record is, or belongs to."""


class RecordSelection:
    """``direct``: the conversations in which only the contact writes; ``rooms``: others that the contact began."""

    def __init__(self, contact_ids: Iterable[str], name: str, *, direct: Iterable[str], rooms: Iterable[str]) -> None:
        self._ids = frozenset(contact_ids)
        self._needles = [id_.encode() for id_ in self._ids]
        self._name = name
        self.direct = set(direct)
        self.rooms = set(rooms)
        self.visited: set[str] = set()
        """Rooms that somebody else began, and in which the contact wrote."""
        self._own: set[str] = set()
        self._foreign: set[str] = set()
        """Ids of messages and turns in rooms, of the contact and of others."""

    @property
    def conversations(self) -> set[str]:
        return self.direct | self.rooms | self.visited

    def is_known(self, key: str) -> bool:
        """Return whether records with this key may be about the contact."""
        if key.startswith(CONTACT_KEY):
            return key.removeprefix(CONTACT_KEY) in self._ids
        return key in self.direct or key in self.rooms or key in self.visited

    def names_contact(self, record: Record) -> bool:
        """Return whether a record of a conversation that is not known names the contact as the one who wrote it."""
        if not any(needle in (record.value or b"") for needle in self._needles):
            return False
        return read_speaker(decode_payload(record.value)) in self._ids

    def select(self, record: Record) -> Payload | None:
        """The payload of a record of a known key, if it is about the contact."""
        if record.value is None:
            return None
        payload, kind = decode_payload(record.value), record.headers.get("ce_type", "")
        if kind == topics.DEADLETTER_RECORDED:
            payload = unpack_dead_letter(payload)
            return payload if self._is_own(record.key, payload["payload"]) else None
        return payload if self._is_own(record.key, payload) else None

    def select_letter(self, letter: DeadLetter) -> Payload | None:
        payload = unpack_dead_letter(letter.model_dump(mode="json"))
        inner = payload["payload"]
        is_own = self.is_known(letter.conversation_id) and self._is_own(letter.conversation_id, inner)
        return payload if is_own or read_speaker(inner) in self._ids else None

    def has_line(self, conversation: str, line: TranscriptMessage) -> bool:
        """Return whether a line of a transcript is about the contact. In a room that it began, a line whose record is
        no longer on the log counts by the name of its author."""
        if conversation in self.direct or line.id in self._own:
            return True
        if conversation in self.visited or line.id in self._foreign or line.turn_id in self._foreign:
            return False
        return line.author.kind != "contact" or line.author.name in ("", self._name)

    def has_turn(self, conversation: str, turn: Turn) -> bool:
        return conversation in self.direct or self._is_own_turn(conversation, turn.model_dump(mode="json"))

    def _is_own(self, key: str, payload: Payload) -> bool:
        if key in self.direct or key.startswith(CONTACT_KEY):
            return True
        named = _read_texts(payload, *_REFERENCES)
        if speaker := read_speaker(payload):
            is_own = speaker in self._ids
            self._note(is_own, _read_texts(payload, "id", "key") | _read_texts(payload.get("approval"), "id"))
            return is_own
        if isinstance(payload.get("handled"), list):
            return self._is_own_turn(key, payload)
        if key in self.visited:
            return not named.isdisjoint(self._own)
        return named.isdisjoint(self._foreign)

    def _is_own_turn(self, conversation: str, turn: Payload) -> bool:
        handled = {id_ for id_ in turn["handled"] if isinstance(id_, str)}
        replies = [reply for reply in turn.get("replies") or () if isinstance(reply, dict)]
        speakers = {speaker for reply in replies if (speaker := read_speaker(reply))}
        if conversation in self.visited:
            is_own = not handled.isdisjoint(self._own) or not speakers.isdisjoint(self._ids)
        else:
            is_foreign = bool(handled) and handled <= self._foreign
            is_own = not is_foreign and (not speakers or not speakers.isdisjoint(self._ids))
        answered = set[str]().union(*(_read_texts(reply, "id") for reply in replies))
        self._note(is_own, _read_texts(turn, "id") | handled | answered)
        return is_own

    def _note(self, is_own: bool, ids: Iterable[str]) -> None:
        (self._own if is_own else self._foreign).update(ids)


def _read_texts(value: Any, *fields: str) -> set[str]:
    """Those of the fields that are texts and not empty; what was dead-lettered may have any form."""
    found = (value.get(field) for field in fields) if isinstance(value, dict) else ()
    return {text for text in found if isinstance(text, str) and text}


def read_speaker(payload: Payload) -> str:
    """The id of the contact that a payload names; empty if it names none."""
    named = _read_texts(payload, "contact_id") or _read_texts(payload.get("approval"), "contact_id")
    return next(iter(named), "")


def names_contact(letter: DeadLetter, contact_ids: Collection[str]) -> bool:
    """Return whether the dead letter was written by one of these contacts."""
    payload = unpack_dead_letter(letter.model_dump(mode="json"))["payload"]
    return read_speaker(payload) in contact_ids


def decode_payload(value: bytes | None) -> Payload:
    """The payload as JSON; what is none, or no object, as its bytes."""
    try:
        decoded = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        decoded = None
    return decoded if isinstance(decoded, dict) else {"base64": base64.b64encode(value or b"").decode()}


def unpack_dead_letter(letter: Payload) -> Payload:
    """The dead letter with its payload in a form that people can read."""
    try:
        data = base64.b64decode(letter.get("value", ""), validate=True)
    except (binascii.Error, ValueError):
        return letter | {"payload": {}}
    return {name: part for name, part in letter.items() if name != "value"} | {"payload": decode_payload(data)}
