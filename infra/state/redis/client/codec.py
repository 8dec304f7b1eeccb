"""Encode models as Redis values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import orjson
from pydantic import TypeAdapter

from infra.state import rules
from schemas.conversation import Conversation, Facts, Holder, Origin, PackedSnapshot, Snapshot
from schemas.envelope import Envelope
from schemas.messages import TranscriptMessage
from schemas.ports import Record
from schemas.privacy.sealed_events import forget_record

_LINES = TypeAdapter(list[TranscriptMessage])
_SEPARATE_FIELDS = {"seq", "state", "text", "revision"}
"""Fields of a transcript line that are stored outside of its JSON."""

KEEP = 9 * 86_400
"""Seconds until Redis drops handled ids, deliveries and won requests of a conversation without activity: past the 8
days for which they are needed."""


def pack_envelope(event: Envelope) -> bytes:
    """Headers as JSON, a newline, and the payload ("" is a tombstone)."""
    return orjson.dumps(event.headers()) + b"\n" + (event.data or b"")


def unpack_envelope(packed: bytes) -> Envelope:
    headers, _, data = packed.partition(b"\n")
    return Envelope.from_wire(orjson.loads(headers), data or None)


def unpack_outbox(entries: Iterable[bytes | None]) -> list[Envelope]:
    """Entries are ``time:n:envelope``; ``n`` gives the order of commits. None is one of somebody who was erased."""
    split = (entry.split(b":", 2) for entry in entries if entry is not None)
    numbered = sorted(((int(n), packed) for _, n, packed in split))
    return [unpack_envelope(packed) for _, packed in numbered]


@lru_cache(maxsize=1024)
def _origin(packed: bytes) -> Origin:
    """Cached, because an origin never changes and every turn reads it twice."""
    return Origin.model_validate_json(packed)


def conversation_of(id_: str, fields: Sequence[bytes | None]) -> Conversation | None:
    """``fields`` as get_conversation.lua returns them; None when there is no conversation, at most a transcript."""
    origin, *_, facts, holder = fields
    if origin is None:
        return None
    return Conversation(
        origin=_origin(origin),
        facts=Facts.model_validate_json(facts or b"{}"),
        holder=Holder.model_validate_json(holder) if holder else None,
        **_plain_fields(id_, fields),
    )


def _plain_fields(id_: str, fields: Sequence[bytes | None]) -> dict[str, Any]:
    """The fields of a conversation that are not stored as JSON."""
    _, owner, epoch, floor, version, head, created, updated, *_ = fields
    return {
        "id": id_,
        "owner": (owner or b"").decode(),
        "epoch": int(epoch or 0),
        "agent_floor": int(floor or 0),
        "version": int(version or 0),
        "head_seq": int(head or 0),
        "created_at": rules.from_micros(int(created or 0)),
        "updated_at": rules.from_micros(int(updated or 0)),
    }


def snapshot_of(
    id_: str,
    fields: Sequence[bytes | None],
    handled: Sequence[bytes],
    outbox: Iterable[Envelope],
    *numbers: Sequence[bytes],
) -> Snapshot | None:
    """``fields`` as get_conversation.lua returns them, ``handled`` and ``numbers`` as flat pairs."""
    state = conversation_of(id_, fields)
    return None if state is None else rules.snapshot_of(state, _parse_handled(handled), _parse_numbers(numbers), outbox)


def packed_snapshot(
    id_: str,
    fields: Sequence[bytes | None],
    handled: Sequence[bytes],
    outbox: Iterable[Envelope],
    *numbers: Sequence[bytes],
) -> PackedSnapshot | None:
    """Encode a snapshot like that of ``snapshot_of``. Parts that are stored as JSON are copied as they are."""
    origin, *_, facts, holder = fields
    if origin is None:
        return None
    conversation = _plain_fields(id_, fields)
    version: int = conversation["version"]
    conversation |= {"origin": orjson.Fragment(origin), "facts": orjson.Fragment(facts or b"{}")}
    if holder:
        conversation["holder"] = orjson.Fragment(holder)
    written = rules.snapshot_json(conversation, _parse_handled(handled), _parse_numbers(numbers), outbox)
    return PackedSnapshot(id_, version, _origin(origin), written)


def _parse_handled(flat: Sequence[bytes]) -> list[tuple[str, int]]:
    return [(rules.unpack_id(event), int(at)) for event, at in pairs(flat)]


def _parse_numbers(flats: Iterable[Sequence[bytes]]) -> list[tuple[str, int]]:
    return [(id_.decode(), int(number)) for flat in flats for id_, number in pairs(flat)]


def pack_line(message: TranscriptMessage) -> tuple[str, bytes]:
    """``(fingerprint, line)``; see transcript_add.lua for the layout of a line."""
    text, known = message.text.encode(), rules.fingerprint(message) or "-"
    return known, f"{message.state} {known} {len(text)}\n".encode() + text + _rest(message)


def _rest(message: TranscriptMessage) -> bytes:
    """The other fields."""
    rest = message.__pydantic_serializer__.to_json(message, exclude=_SEPARATE_FIELDS)
    return b'{"revision":%d,%b' % (message.revision, rest[1:]) if message.revision else rest


def repack_line(line: bytes, message: TranscriptMessage, *, is_erased: bool = False) -> bytes:
    """``message`` as the line that replaces ``line``. The fingerprint stays that of the message as it was first added,
    unless it is erased: then any repeat of its id is accepted."""
    known = "-" if is_erased else line.partition(b"\n")[0].split(b" ")[1].decode()
    text = message.text.encode()
    return f"{message.state} {known} {len(text)}\n".encode() + text + _rest(message)


def unpack_line(line: bytes, seq: int) -> TranscriptMessage:
    return TranscriptMessage.model_validate_json(_line_json(line, seq))


def deleted_among(flat: Sequence[bytes]) -> frozenset[str]:
    """Ids of the deleted ones among the lines, in the form that ``unpack_lines`` takes."""
    return frozenset([flat[at].decode() for at in range(0, len(flat), 3) if flat[at + 2].startswith(b"deleted ")])


def unpack_lines(flat: Sequence[bytes]) -> list[TranscriptMessage]:
    """Decode triples of id, number and line, one after the other."""
    # All at once: a turn reads twenty, and one by one they take a third longer.
    lines = [_line_json(flat[at + 2], int(flat[at + 1])) for at in range(0, len(flat), 3)]
    return _LINES.validate_json(b"[%b]" % b",".join(lines))


def _line_json(line: bytes, seq: int) -> bytes:
    head, _, rest = line.partition(b"\n")
    state, _, length = head.split(b" ")
    size = int(length)
    text = orjson.dumps(rest[:size].decode())
    # The rest is an object that is never empty; the separately stored fields are put in front.
    return b'{"seq":%d,"state":"%b","text":%b,%b' % (seq, state, text, rest[size + 1 :])


def pack_record(record: Record) -> bytes:
    where = [record.topic, record.partition, record.offset, record.key, record.timestamp_ms, dict(record.headers)]
    return orjson.dumps([*where, record.value is not None]) + b"\n" + (record.value or b"")


def unpack_record(packed: bytes, opened: bytes | None) -> Record:
    """A parked record; ``opened`` is None if its contact was erased."""
    head, _, value = (opened or packed).partition(b"\n")
    *where, has_value = orjson.loads(head)
    topic, partition, offset, key, timestamp_ms, headers = where
    record = Record(topic, partition, offset, key, timestamp_ms, headers, value if has_value else None)
    return forget_record(record) if opened is None else record


def position_of(record: Record) -> str:
    return f"{record.topic}|{record.partition}|{record.offset}"


def pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Redis returns pairs as a flat list."""
    return zip(flat[::2], flat[1::2], strict=True)
