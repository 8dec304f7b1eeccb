"""The label of a contact wherever people read one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.conversation import Contact, Origin, display_name

CONTACT = Contact(id="c", tenant="shop", created_at=datetime(2026, 5, 4, tzinfo=UTC))


def origin(channel: str = "web", place: str = "0f1e", contact: str = "f9b6-1") -> Origin:
    return Origin(tenant="shop", channel=channel, account="main", place=place, contact_id=contact)


def test_a_contact_with_a_name_is_called_by_it() -> None:
    assert display_name(CONTACT.model_copy(update={"name": "Anna Bloom"}), origin(place="id:c-1003")) == "Anna Bloom"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (origin(place="id:c-1003"), "Visitor c-1003"),
        (origin(place="id:" + "x" * 200), "Visitor " + "x" * 39 + "…"),
        (origin(), "Web visitor f9b6"),
        (origin(contact="07aa-2"), "Web visitor 07aa"),
        (origin("whatsapp", "491"), "Customer f9b6"),
        (origin("slack", "id:U1"), "Customer f9b6"),
    ],
)
def test_a_contact_without_a_name_gets_a_distinguishing_label(where: Origin, said: str) -> None:
    """Also where nothing at all is known of the contact."""
    assert display_name(CONTACT, where) == display_name(None, where) == said
