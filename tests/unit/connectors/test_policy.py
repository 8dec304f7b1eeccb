"""The policy decides whether a message may be sent at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.outbound.policy import SendDecision, decide_send
from schemas.conversation import Contact
from schemas.messages import Address, Author, OutboundMessage
from schemas.ports import DeliveryPolicy

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
DAY = timedelta(hours=24)
WEEK = timedelta(days=7)


def message(kind: Any = "agent", purpose: Any = "reply") -> OutboundMessage:
    return OutboundMessage(
        id="r1",
        author=Author(kind=kind),
        text="text",
        place="p",
        contact_id="c",
        purpose=purpose,
        created_at=NOW,
        expires_at=NOW + DAY,
    )


def decide_after(
    policy: DeliveryPolicy, sent: OutboundMessage, ago: timedelta | None, *, reopens: bool = False
) -> SendDecision:
    wrote_at = None if ago is None else NOW - ago
    return decide_send(policy, sent, None, wrote_at=wrote_at, now=NOW, reopens=reopens)


def test_without_a_window_everything_may_be_sent() -> None:
    assert decide_after(DeliveryPolicy(), message(), None) == SendDecision()


@pytest.mark.parametrize(
    ("ago", "refused"),
    [(timedelta(0), ""), (DAY, ""), (DAY + timedelta(seconds=1), "window_closed"), (None, "window_closed")],
)
def test_the_window_begins_with_the_contacts_last_message(ago: timedelta | None, refused: str) -> None:
    assert decide_after(DeliveryPolicy(window=DAY), message(), ago).refused == refused


@pytest.mark.parametrize(
    ("kind", "ago", "expected"),
    [
        ("person", 2 * DAY, SendDecision(as_person=True)),
        ("person", WEEK + DAY, SendDecision("window_closed")),
        ("agent", 2 * DAY, SendDecision("window_closed")),
        ("system", 2 * DAY, SendDecision("window_closed")),
        ("person", DAY / 2, SendDecision()),
    ],
)
def test_only_a_person_may_write_in_the_longer_window(kind: str, ago: timedelta, expected: SendDecision) -> None:
    assert decide_after(DeliveryPolicy(window=DAY, person_window=WEEK), message(kind), ago) == expected


def test_outside_the_window_a_template_may_reopen_it() -> None:
    assert decide_after(DeliveryPolicy(window=DAY), message(), 2 * DAY, reopens=True) == SendDecision(window_open=False)


@pytest.mark.parametrize(
    ("kind", "purpose", "refused"),
    [
        ("agent", "notice", "opted_out"),
        ("person", "notice", "opted_out"),
        ("agent", "reply", "opted_out"),
        ("system", "reply", "opted_out"),
        ("person", "reply", ""),
    ],
)
def test_an_opted_out_contact_gets_messages_from_people_alone(kind: str, purpose: str, refused: str) -> None:
    contact = Contact(id="c", tenant="shop", opted_out=True, created_at=NOW)
    decided = decide_send(DeliveryPolicy(), message(kind, purpose), contact, wrote_at=NOW, now=NOW, reopens=False)
    assert decided.refused == refused


def test_nothing_is_sent_to_an_address_that_is_the_contacts_no_more() -> None:
    left = [Address(channel="whatsapp", value="111")]
    contact = Contact(id="c", tenant="shop", left=left, created_at=NOW)
    decided = decide_send(DeliveryPolicy(), message("person"), contact, wrote_at=NOW, now=NOW, reopens=False)
    assert decided.refused == "address_left"
