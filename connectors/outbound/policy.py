"""Rules for whether a message may be sent, for every channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from schemas.conversation import Contact
from schemas.messages import OutboundMessage
from schemas.ports import Account, AccountPolicies, DeliveryPolicy, Transport


@dataclass(frozen=True, slots=True)
class SendDecision:
    """``refused`` is the reason, empty when the message may be sent. The other fields go to ``RenderContext``."""

    refused: str = ""
    window_open: bool = True
    as_person: bool = False


def get_policy_lookup(channel: Transport) -> Callable[[Account], DeliveryPolicy]:
    """Return a function that gives an account's policy."""
    # Checked once, because isinstance with a protocol is slow.
    return channel.policy_of if isinstance(channel, AccountPolicies) else lambda account: channel.policy


def decide_send(
    policy: DeliveryPolicy,
    message: OutboundMessage,
    contact: Contact | None,
    *,
    wrote_at: datetime | None,
    now: datetime,
    reopens: bool,
) -> SendDecision:
    """Decide whether the message may be sent. ``wrote_at``: when the contact last wrote, None if unknown. ``reopens``:
    the account has a template, which may be sent outside the window."""
    # Messages of people are sent anyway; the vendor may refuse them.
    if contact is not None and contact.opted_out and (message.purpose == "notice" or message.author.kind != "person"):
        return SendDecision("opted_out")
    if contact is not None and contact.left and not contact.addresses:
        # The address belongs to somebody else now.
        return SendDecision("address_left")
    if policy.window is None or (wrote_at is not None and now - wrote_at <= policy.window):
        return SendDecision()
    is_person = message.author.kind == "person"
    if is_person and policy.person_window and wrote_at is not None and now - wrote_at <= policy.person_window:
        return SendDecision(as_person=True)
    return SendDecision(window_open=False) if reopens else SendDecision("window_closed")
