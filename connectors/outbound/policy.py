"""Whether something may be sent at all: one place for the rules of every channel (design §6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from schemas.conversation import Contact
from schemas.messages import OutboundMessage
from schemas.ports import Account, Diverse, Policy, Transport


@dataclass(frozen=True, slots=True)
class Ruling:
    """``refused`` is the reason, empty when it may be sent; the rest goes to ``Sending``."""

    refused: str = ""
    window_open: bool = True
    as_person: bool = False


def policies(channel: Transport) -> Callable[[Account], Policy]:
    """What the channel allows an account."""
    # Asked once: whether an object fits a protocol is a slow question.
    return channel.policy_of if isinstance(channel, Diverse) else lambda account: channel.policy


def ruling(
    policy: Policy,
    message: OutboundMessage,
    contact: Contact | None,
    *,
    wrote_at: datetime | None,
    now: datetime,
    reopens: bool,
) -> Ruling:
    """``wrote_at``: when the contact wrote last, None when that is not known. ``reopens``: the account has something
    that may be sent outside the window (a template)."""
    # What a person of ours writes is for the vendor to refuse.
    if contact is not None and contact.opted_out and (message.purpose == "notice" or message.author.kind != "person"):
        return Ruling("opted_out")
    if contact is not None and contact.left and not contact.addresses:
        # Whoever is reached there now is somebody else.
        return Ruling("address_left")
    if policy.window is None or (wrote_at is not None and now - wrote_at <= policy.window):
        return Ruling()
    is_person = message.author.kind == "person"
    if is_person and policy.person_window and wrote_at is not None and now - wrote_at <= policy.person_window:
        return Ruling(as_person=True)
    return Ruling(window_open=False) if reopens else Ruling("window_closed")
