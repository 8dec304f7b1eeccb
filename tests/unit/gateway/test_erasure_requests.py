"""An erasure that a contact asked for: whose it may be, and when it begins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent_worker.actions.context import ActionContext, Identity
from agent_worker.voice import DEFAULT_VOICE
from gateway.config.privacy import PrivacySettings
from gateway.contacts.erasure import LONGEST_WAIT, ContactErasureService
from gateway.contacts.erasure_requests import NAME, ErasureRequests, ErasureResult, build_erasure_action
from schemas import ids
from schemas.conversation import ActionRecord, Contact, DeliveryOutcome, Turn
from schemas.messages import Address, Assurance, Author, OutboundMessage
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_admin_contacts import meet

KEY = "action-key"


def context(instance: Instance, contact: Contact, assurance: Assurance = "anonymous", place: str = "v-1") -> Any:
    now = instance.clock()
    return ActionContext(
        tenant="shop",
        conversation=ids.conversation_id("shop", "web", "main", place),
        contact=Identity(id=contact.id, assurance=assurance),
        key=KEY,
        deadline=now,
        now=now,
        http=instance.http,
    )


async def note(instance: Instance, contact: Contact) -> ErasureResult:
    return await ErasureRequests(instance.services).note(context(instance, contact))


async def is_begun(instance: Instance, erasure: str) -> bool:
    service = ContactErasureService(instance.services)
    await service.sweep()
    return (await service.get("shop", erasure)).keys_erased_at is not None


async def tell(instance: Instance, outcome: Any) -> str:
    """A turn reports the action, in a reply that is not sent yet. Returns the id of the reply."""
    now, conversation = instance.clock(), ids.conversation_id("shop", "web", "main", "v-1")
    reply = OutboundMessage(
        id=f"reply-{outcome}",
        author=Author(kind="agent"),
        text="bye",
        place="v-1",
        contact_id="ada",
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    record = ActionRecord(name=NAME, outcome=outcome, key=KEY)
    turn = Turn(id=f"t-{outcome}", handled=[], route="local", actions=[record], replies=[reply], at=now)
    await instance.services.state.turns.add(conversation, turn)
    return reply.id


async def deliver(instance: Instance, reply: str, state: Any) -> None:
    conversation = ids.conversation_id("shop", "web", "main", "v-1")
    outcome = DeliveryOutcome(message_id=reply, state=state, at=instance.clock())
    await instance.services.state.deliveries.record(conversation, outcome)


async def test_an_erasure_begins_once_the_last_message_has_an_outcome(instance: Instance) -> None:
    ada = await meet(instance, "Ada", "v-1")
    noted = await note(instance, ada)
    assert not await is_begun(instance, noted.erasure_id), "no turn has reported it"
    await tell(instance, "unknown")
    assert not await is_begun(instance, noted.erasure_id), "the contact only knows that it is in doubt"
    reply = await tell(instance, "succeeded")
    assert not await is_begun(instance, noted.erasure_id), "nothing was sent"
    await deliver(instance, reply, "unknown")
    assert not await is_begun(instance, noted.erasure_id), "it may have been sent, and may be sent again"
    await deliver(instance, reply, "sent")
    assert await is_begun(instance, noted.erasure_id)


async def test_a_last_message_that_cannot_be_sent_does_not_keep_the_data(instance: Instance) -> None:
    noted = await note(instance, await meet(instance, "Ada", "v-1"))
    await tell(instance, "succeeded")
    instance.clock.tick(LONGEST_WAIT.total_seconds() - 1)
    assert not await is_begun(instance, noted.erasure_id)
    instance.clock.tick(1)
    assert await is_begun(instance, noted.erasure_id)


async def test_noting_a_request_again_changes_nothing(instance: Instance) -> None:
    ada = await meet(instance, "Ada", "v-1")
    first, again = await note(instance, ada), await note(instance, ada)
    assert first == again
    (erasure,) = await ContactErasureService(instance.services).records.list_all("shop")
    assert (erasure.contact_id, erasure.requested_by) == (ada.id, "contact")


async def test_the_contact_is_the_actor_in_the_audit_trail(instance: Instance) -> None:
    ada = await meet(instance, "Ada", "v-1")
    await note(instance, ada)
    (record,) = (await instance.admin("GET", "/audit?action=contact.erase")).body["items"]
    assert (record["actor"], record["surface"]) == (f"contact:{ada.id}", "web")


@pytest.mark.parametrize(
    ("stored", "shown", "allowed"),
    [
        ("anonymous", "anonymous", True),
        ("verified", "anonymous", False),
        ("channel", "anonymous", False),
        ("channel", "channel", True),
        ("verified", "verified", True),
    ],
)
async def test_an_anonymous_visitor_may_erase_only_what_nobody_has_signed(
    instance: Instance, stored: Assurance, shown: Assurance, allowed: bool
) -> None:
    """``stored``: of another address of the same contact; ``shown``: of whoever asks now."""
    addresses = [Address(channel="web", value="v-1"), Address(channel="email", value="ada@x.org", assurance=stored)]
    ada, _ = await instance.services.state.contacts.resolve(
        "shop", "web", "main", "v-1", addresses, now=instance.clock()
    )
    assert await ErasureRequests(instance.services).is_theirs(context(instance, ada, shown)) is allowed


async def test_nobody_is_erased_when_it_is_not_clear_who_asks(instance: Instance) -> None:
    nobody = Contact(id="", tenant="shop", created_at=instance.clock())
    assert not await ErasureRequests(instance.services).is_theirs(context(instance, nobody))


def test_the_action_asks_in_the_contacts_language_and_for_an_approval_where_it_is_set() -> None:
    action = build_erasure_action(PrivacySettings(erasure_approval=True), DEFAULT_VOICE)
    assert (action.confirm, action.approve) == (True, True)
    assert action.title_in("de") == "Meine Daten löschen"
    assert action.title_in("xx") == DEFAULT_VOICE.erasure_title
    assert build_erasure_action(PrivacySettings(), DEFAULT_VOICE).approve is False
