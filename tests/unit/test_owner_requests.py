"""Owner requests that follow from events: when there is one, in whose name, and under which id."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from schemas.conversation import Conversation, Holder, Origin, Owner
from schemas.desk import HandoffResolved
from schemas.handoff import requests
from schemas.handoff.rules import OwnerState
from schemas.messages import Author, AuthorKind, InboundMessage, OutboundMessage

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ORIGIN = Origin(tenant="shop", channel="web", account="main", place="v1", contact_id="c1")


def conversation(owner: Owner) -> Conversation:
    return Conversation(id="talk", origin=ORIGIN, owner=owner, epoch=7, created_at=NOW, updated_at=NOW)


def written(kind: AuthorKind, *, epoch: int = 0, at: datetime = NOW) -> InboundMessage:
    author = Author(kind=kind, name="Rosa")
    return InboundMessage(
        id="m1", external_id="x1", place="v1", contact_id="c1", author=author, text="Hello", epoch=epoch, sent_at=at
    )


def answer(kind: AuthorKind = "agent", text: str = "Yes, we do.") -> OutboundMessage:
    return OutboundMessage(
        id="reply-1",
        author=Author(kind=kind),
        text=text,
        place="v1",
        contact_id="c1",
        created_at=NOW,
        expires_at=NOW + timedelta(days=1),
    )


@pytest.mark.parametrize(
    ("owner", "is_replay", "wants_agent", "to"),
    [
        ("closed", False, False, "agent"),
        ("closed", True, False, None),
        ("queue", False, True, "agent"),
        ("queue", False, False, None),
        ("agent", False, True, None),
        ("person", False, True, None),
    ],
)
def test_a_contact_reopens_what_was_closed_and_leaves_the_queue_on_request(
    owner: Owner, is_replay: bool, wants_agent: bool, to: Owner | None
) -> None:
    state = OwnerState(owner, 7)
    request = requests.request_by_contact("e1", state, NOW, is_replay=is_replay, wants_agent=wants_agent)
    assert (request.to if request is not None else None) == to


@pytest.mark.parametrize("owner", ["agent", "queue", "closed"])
def test_a_person_who_writes_has_the_conversation_since_they_wrote(owner: Owner) -> None:
    """However late it is read, and never later than now."""
    state = OwnerState(owner, 7)
    for sent, since in ((NOW - timedelta(minutes=5), NOW - timedelta(minutes=5)), (NOW + timedelta(minutes=5), NOW)):
        request = requests.request_by_message_of_person("e1", written("person", at=sent), state, NOW)
        assert request is not None
        assert (request.to, request.expected_epoch, request.by, request.at) == ("person", 7, "Rosa", since)


@pytest.mark.parametrize(
    ("owner", "message"),
    [("person", written("person")), ("queue", written("person", epoch=3)), ("queue", written("contact"))],
    ids=["a person has it", "its surface claimed it", "a contact wrote"],
)
def test_a_message_asks_for_no_owner_otherwise(owner: Owner, message: InboundMessage) -> None:
    assert requests.request_by_message_of_person("e1", message, OwnerState(owner, 7), NOW) is None


@pytest.mark.parametrize(
    ("owner", "holder", "minutes", "closes"),
    [
        ("person", "slack:rosa", -5, True),
        ("person", "slack:mo", 5, True),
        ("person", "slack:mo", -5, False),
        ("queue", "slack:rosa", 5, True),
        ("queue", "slack:rosa", -5, False),
        ("queue", None, -5, True),
        ("agent", "slack:rosa", 5, False),
        ("closed", "slack:rosa", 5, False),
    ],
)
def test_a_resolution_closes_what_people_had_when_it_was_said(
    owner: Owner, holder: str | None, minutes: int, closes: bool
) -> None:
    """``minutes``: after the last change of owner. Whoever got the conversation later keeps it."""
    state = OwnerState(owner, 7, Holder(by=holder, since=NOW) if holder is not None else None)
    word = HandoffResolved(id="r1", by="slack:rosa", outcome="Solved", at=NOW + timedelta(minutes=minutes))
    request = requests.request_by_resolution("r1", word, state)
    assert (request is not None) == closes
    if request is not None:
        assert (request.to, request.reason, request.at) == ("closed", "Solved", word.at)


@pytest.mark.parametrize("owner", ["agent", "closed"])
def test_an_answer_of_the_agent_that_may_be_lost_brings_people(owner: Owner) -> None:
    request = requests.request_by_unknown_delivery(conversation(owner), answer(text="a " * 200), NOW)
    assert request is not None
    assert (request.to, request.expected_epoch, request.by) == ("queue", 7, "agent")
    assert len(request.reason) < len(requests.DELIVERY_UNKNOWN) + requests.MOST_QUOTED


@pytest.mark.parametrize(
    ("owner", "kind"), [("queue", "agent"), ("person", "agent"), ("agent", "person"), ("agent", "system")]
)
def test_people_are_not_asked_for_what_they_said_or_have_already(owner: Owner, kind: AuthorKind) -> None:
    assert requests.request_by_unknown_delivery(conversation(owner), answer(kind), NOW) is None


def test_the_same_event_asks_under_the_same_id_and_another_owner_under_another() -> None:
    found = conversation("agent")
    ids = [requests.request_by_turn(found, "turn-1", to, "why", NOW).id for to in ("queue", "queue", "agent")]
    assert ids[0] == ids[1] != ids[2]
