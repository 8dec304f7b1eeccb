"""Rules that every state store shares, whatever holds the bytes. Pure: no clock, no client, no I/O.

An adapter that needs a rule inside a server-side script states it there again; the contract suite keeps both in
agreement."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import get_args

import orjson

from schemas import ids, topics
from schemas.access import AccessToken
from schemas.conversation import (
    HANDLED_HORIZON_DAYS,
    Conversation,
    DeadLetter,
    DeliveryOutcome,
    Facts,
    Holder,
    Owner,
    OwnerChanged,
    PackedSnapshot,
    PendingRecord,
    Snapshot,
)
from schemas.envelope import Envelope, as_json
from schemas.errors import InvalidRequest
from schemas.handoff.events import conversation_event
from schemas.handoff.rules import PEOPLE
from schemas.messages import Attachment, Author, MessageState, OutboundMessage, TranscriptMessage
from schemas.ports import SendVerdict
from schemas.privacy.sealed_bodies import parse_sealed

OWNERS: tuple[Owner, ...] = get_args(Owner)
SOURCE = "parley/state"
RECENT_SEQS = 50
"""Transcript numbers in a snapshot: more than any lane leaves unpublished."""

HANDLED_HORIZON = timedelta(days=HANDLED_HORIZON_DAYS)
DELIVERY_HORIZON = timedelta(days=8)
"""Longer than outbound messages stay on the bus (7 d), so that no redelivered one is sent twice."""

KEPT_WHATEVER_AGE = 20
"""The newest entries of what a conversation has handled, sent, done and claimed are never dropped for their age: a
clock that jumps ahead must not make a redelivery or a repeat look new."""

TURNS_KEPT = 200
"""Turns of a conversation that can be looked up."""

_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# ── Time and cursors ─────────────────────────────────────────────────────────────────────────────────────────────────


def to_micros(at: datetime) -> int:
    """Microseconds since 1970: exact, ordered, and below 2**53, so that Lua and JSON keep every digit."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(stamp: int) -> datetime:
    """The opposite of ``to_micros``."""
    return _EPOCH + stamp * _MICROSECOND


def cursor(at: int, item: str) -> str:
    """Names the place after the item that was listed with time ``at`` (microseconds)."""
    return f"{at}:{item}"


def cursor_place(text: str) -> tuple[int, str]:
    """``(microseconds, id)`` of a cursor made by ``cursor``. Raises InvalidRequest."""
    stamp, colon, item = text.partition(":")
    if not colon or not stamp.isascii() or not stamp.isdigit() or len(stamp) > 18:
        raise InvalidRequest("the cursor is not one that a listing returned")
    return int(stamp), item


# ── Handled ids and commits ──────────────────────────────────────────────────────────────────────────────────────────


def pack_id(event: str) -> bytes:
    """An id as kept in large sets: a UUID takes 17 bytes instead of 36, any other id is kept as it is."""
    return b"u" + bytes.fromhex(event.replace("-", "")) if _UUID.fullmatch(event) else b"t" + event.encode()


def unpack_id(packed: bytes) -> str:
    """The opposite of ``pack_id``."""
    if packed[:1] != b"u":
        return packed[1:].decode()
    text = packed[1:].hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def handled_floor(now: datetime) -> datetime:
    """Handled ids from before this time may be dropped; trimmed when a commit writes new ones."""
    return now - HANDLED_HORIZON


def first_approval_expiry(facts: Facts) -> int | None:
    """Return the expiry of the first open approval (microseconds); None if none is open."""
    open_ = facts.actions.approvals if facts.actions is not None else ()
    return min((to_micros(each.expires_at) for each in open_), default=None)


def commit_key(token: int, version: int, handled: Iterable[str]) -> str:
    """Identifies a commit, so that its repeat after a lost answer is recognized: the last key is stored."""
    listed = "\n".join(sorted(handled))
    return hashlib.sha256(f"{token}|{version}|{listed}".encode()).hexdigest()[:32]


# ── Owner ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def agent_floor_after(to: Owner, epoch: int, floor: int) -> int:
    """``agent_floor`` once ``to`` owns at ``epoch``. Only a claim by people raises it: what the agent wrote before a
    handback may be stale, but what it wrote before a conversation was closed is still its answer."""
    return epoch if to in PEOPLE else floor


def build_owner_changed(
    conversation: Conversation, to: Owner, holder: Holder, *, epoch: int, request_id: str
) -> Envelope:
    """The event of a won compare-and-set. ``epoch`` is the new one; the id follows from the request alone."""
    changed = OwnerChanged(owner=to, epoch=epoch, by=holder.by, name=holder.name, reason=holder.reason, at=holder.since)
    return conversation_event(
        conversation,
        topics.OWNER_CHANGED,
        changed,
        id=ids.derived_id(request_id, "owner"),
        time=holder.since,
        source=SOURCE,
        cause=request_id,
    )


# ── Transcript ───────────────────────────────────────────────────────────────────────────────────────────────────────

STATE_RANK: dict[MessageState, int] = {
    "received": 0,
    "pending": 0,
    "answered": 1,
    "accepted": 1,
    "unknown": 1,
    "sent": 2,
    "delivered": 3,
    "read": 4,
    "failed": 5,
    "dropped": 5,
    "deleted": 5,
}
"""A state changes only to one of higher rank, so the order in which receipts arrive does not matter, and the three
final ones, equal at the top, never change."""


def may_become(old: MessageState, new: MessageState) -> bool:
    """Return whether a message in state ``old`` may become ``new``."""
    return STATE_RANK[new] > STATE_RANK[old]


BESIDE_TEXT = ("location", "referral", "quote", "unsupported")


def fingerprint(message: TranscriptMessage) -> str:
    """Two messages with the same id and the same fingerprint are the same. Computed when a message is first added and
    kept through edits. Only the author's kind counts: a name may be learnt later, and a redelivery must not fail for
    it."""
    parts = [message.author.kind, message.text, *(attachment.id for attachment in message.attachments)]
    return hashlib.sha256("".join(f"{len(part)}:{part}|" for part in parts).encode()).hexdigest()[:32]


def attach_files(message: TranscriptMessage, attachments: Sequence[Attachment]) -> TranscriptMessage:
    """The message after ``Transcript.attach``: files are attached once, in any number of steps that each repeat the
    earlier ones, and removed for good; with them goes everything else that the message carried beside its text."""
    before = [file.id for file in message.attachments]
    if attachments and (message.state == "deleted" or [file.id for file in attachments[: len(before)]] != before):
        return message
    if not attachments:
        return message.model_copy(update={"attachments": [], "contacts": [], **dict.fromkeys(BESIDE_TEXT)})
    return message.model_copy(update={"attachments": list(attachments)})


def redact(message: TranscriptMessage) -> TranscriptMessage:
    """The line without anything that somebody wrote, or that shows who wrote it. People and the agent keep their
    names."""
    author = message.author if message.author.kind != "contact" else Author(kind="contact")
    return TranscriptMessage(
        seq=message.seq, id=message.id, author=author, text="", created_at=message.created_at, state="deleted"
    )


def is_redacted(message: TranscriptMessage) -> bool:
    return message == redact(message)


def forget_letter(stored: str | bytes) -> DeadLetter:
    """What is left of a sealed dead letter whose contact was erased."""
    sealed = parse_sealed(stored)
    return DeadLetter.model_validate({**(sealed.readable_fields if sealed else {}), "reason": ""})


ERASED = ""
"""The fingerprint of an erased message: nothing derived from its text stays, and any repeat of its id is accepted."""

# ── Deliveries ───────────────────────────────────────────────────────────────────────────────────────────────────────

_VERDICT_OF: dict[str, SendVerdict] = {
    "sent": "already_sent",
    "failed": "already_sent",
    "expired": "expired",
    "stale_owner": "stale_owner",
    "unknown": "in_doubt",
}


def send_verdict(
    message: OutboundMessage, *, floor: int, outcome: DeliveryOutcome | None, intended: bool, now: datetime
) -> SendVerdict:
    """The result of ``begin_send``; the intent is written only for ``go``.

    A final outcome comes first (``failed`` counts as ``already_sent``: a retry is a new message). Then an intent
    without an outcome, because the message may be with the vendor already: neither age nor owner matters before that is
    known. Only then the owner rule, which applies to the agent alone, and the expiry."""
    if outcome is not None:
        return _VERDICT_OF[outcome.state]
    if intended:
        return "in_doubt"
    if message.author.kind == "agent" and message.epoch < floor:
        return "stale_owner"
    return "expired" if now >= message.expires_at else "go"


def resend_verdict(
    message: OutboundMessage,
    *,
    floor: int,
    outcome: DeliveryOutcome | None,
    deadline: datetime | None,
    now: datetime,
    held: datetime | None = None,
) -> SendVerdict:
    """The result of ``begin_resend``. ``unknown`` is no obstacle, because the caller has found out that nothing was
    shown."""
    if outcome is None and deadline is not None and now < deadline and deadline != held:
        return "in_doubt"
    if outcome is not None and outcome.state != "unknown":
        return _VERDICT_OF[outcome.state]
    return send_verdict(message, floor=floor, outcome=None, intended=False, now=now)


def replaces_outcome(old: DeliveryOutcome | None, new: DeliveryOutcome) -> bool:
    """Return whether ``record`` writes ``new``: the first final outcome stays, ``unknown`` gives way to a final one."""
    return old is None or (old.state == "unknown" and new.state != "unknown")


def list_readable(outcome: DeliveryOutcome) -> list[tuple[str, object]]:
    """The fields that stay readable where the outcome of a send is sealed."""
    return [("state", outcome.state), ("at", outcome.at)]


def forget_outcome(message: str, stored: str | bytes) -> DeliveryOutcome:
    """What is left of an outcome once its contact is erased."""
    sealed = parse_sealed(stored)
    return DeliveryOutcome.model_validate(
        {"message_id": message, **(sealed.readable_fields if sealed is not None else {})}
    )


# ── Snapshots ────────────────────────────────────────────────────────────────────────────────────────────────────────


def unpack_envelope(record: PendingRecord) -> Envelope:
    """An outbox entry as it was committed. Payloads are JSON, never empty, so "" stands for a tombstone."""
    return Envelope.from_wire(record.headers, record.data.encode() or None)


def snapshot_of(
    conversation: Conversation,
    handled: Iterable[tuple[str, int]],
    seqs: Iterable[tuple[str, int]],
    outbox: Iterable[Envelope],
) -> Snapshot:
    """``handled`` are ``(event id, microseconds)``, ``seqs`` ``(message id, number)``, ``outbox`` in commit order."""
    oldest_first = sorted(handled, key=itemgetter(1, 0))
    rising = sorted(seqs, key=itemgetter(1))[-RECENT_SEQS:]
    # Validated at once: there may be hundreds of ids, and one by one takes three times as long.
    return Snapshot.model_validate(
        {
            "conversation": conversation,
            "handled": [{"id": event, "at": from_micros(at)} for event, at in oldest_first],
            "recent": [{"id": id_, "seq": seq} for id_, seq in rising],
            "outbox": [{"headers": event.headers(), "data": event.data or b""} for event in outbox],
        }
    )


def packed_snapshot(
    conversation: Conversation,
    handled: Iterable[tuple[str, int]],
    seqs: Iterable[tuple[str, int]],
    outbox: Iterable[Envelope],
) -> PackedSnapshot:
    """Encode a snapshot."""
    written = snapshot_json(orjson.Fragment(as_json(conversation)), handled, seqs, outbox)
    return PackedSnapshot(conversation.id, conversation.version, conversation.origin, written)


def snapshot_json(
    conversation: object,
    handled: Iterable[tuple[str, int]],
    seqs: Iterable[tuple[str, int]],
    outbox: Iterable[Envelope],
) -> bytes:
    """As ``snapshot_of``, encoded; ``conversation`` in a form that orjson takes."""
    oldest_first = sorted(handled, key=itemgetter(1, 0))
    rising = sorted(seqs, key=itemgetter(1))[-RECENT_SEQS:]
    fields = {
        "conversation": conversation,
        "handled": [{"id": event, "at": from_micros(at)} for event, at in oldest_first],
        "recent": [{"id": id_, "seq": seq} for id_, seq in rising],
        "outbox": [{"headers": event.headers(), "data": (event.data or b"").decode()} for event in outbox],
    }
    return orjson.dumps(fields, option=orjson.OPT_UTC_Z)


def supersedes(new: Conversation, old: Conversation | None) -> bool:
    """Return whether a snapshot read from the log replaces what was restored before: both numbers only ever rise."""
    return old is None or (new.version >= old.version and new.epoch >= old.epoch)


# ── Access ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def access_tokens_key(tenant: str) -> str:
    """The key whose shard holds all API tokens of a tenant."""
    return f"tokens:{tenant}"


def sort_tokens(bodies: Iterable[str | bytes]) -> list[AccessToken]:
    """Decode tokens and put the newest first."""
    tokens = [AccessToken.model_validate_json(body) for body in bodies]
    return sorted(tokens, key=lambda token: (token.created_at, token.id), reverse=True)


# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def estimate_free_place(oldest: int, limit: int, now: int) -> float:
    """The seconds until one of ``limit`` places should be free, at least one. ``oldest``: when the first of those who
    have them took its place; by now all of them have been taken once. Times are microseconds."""
    return max(1.0, (now - oldest) / 1e6 / limit)


def take_token(tokens: float, elapsed: int, *, per_second: float, burst: int) -> tuple[float, float]:
    """Refill a bucket for ``elapsed`` microseconds and take one token: ``(tokens left, seconds to wait)``.

    The wait is rounded up to whole microseconds, so that a caller who waits exactly that long is let through."""
    filled = min(float(burst), tokens + max(0, elapsed) / 1e6 * per_second)
    if filled >= 1 - 1e-9:
        return max(0.0, filled - 1), 0.0
    return filled, math.ceil((1 - filled) / per_second * 1e6) / 1e6
