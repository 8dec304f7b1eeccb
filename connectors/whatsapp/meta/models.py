"""What Meta sends about WhatsApp, as far as we read it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from connectors.graph.models import Id, KnownId, Listed, Part, Stamp, Words


class Metadata(Part):
    phone_number_id: KnownId
    display_phone_number: Id = ""


class UserIds(Part):
    previous: KnownId
    current: KnownId


class Value(Part):
    metadata: Metadata | None = None
    contacts: Listed = []
    messages: Listed = []
    statuses: Listed = []
    message_echoes: Listed = []
    user_id_update: Listed = []
    user_preferences: Listed = []
    calls: Listed = []
    errors: Listed = []


class Change(Part):
    field: Words = ""
    value: Value


class Profile(Part):
    name: Words = ""
    username: Words = ""


class Person(Part):
    """One of ``contacts``: there may be fewer of them than messages, in another order."""

    profile: Profile = Profile()
    wa_id: Id = ""
    user_id: Id = ""


class Product(Part):
    product_retailer_id: Words = ""


class Context(Part):
    id: Id = ""
    referred_product: Product | None = None


class Problem(Part):
    code: int = 0


class Sent(Part):
    """A message, whatever it says: what it says stands under the name of its type, in ``said``."""

    id: KnownId
    type: Words = ""
    from_: Id = Field(default="", alias="from")
    from_user_id: Id = ""
    to: Id = ""
    to_user_id: Id = ""
    timestamp: Stamp = ""
    group_id: Id = ""
    context: Any = None
    referral: Any = None


class Status(Part):
    id: KnownId
    status: Words
    timestamp: Stamp = ""
    recipient_id: Id = ""
    recipient_user_id: Id = ""
    recipient_type: Words = ""
    biz_opaque_callback_data: Words = ""
    errors: Listed = []


class Preference(Part):
    """Whether somebody wants marketing messages: ``value`` is ``stop`` or ``resume``."""

    wa_id: Id = ""
    user_id: Id = ""
    category: Words = ""
    value: Words = ""
    timestamp: Stamp = ""


class VoiceCall(Part):
    """A call, as it begins (``connect``) or ends (``terminate``), with ``status`` and ``duration`` (seconds) then."""

    id: KnownId
    event: Words = ""
    direction: Words = ""
    from_: Id = Field(default="", alias="from")
    from_user_id: Id = ""
    to: Id = ""
    to_user_id: Id = ""
    timestamp: Stamp = ""
    status: Any = None
    duration: Any = None

    @property
    def is_missed(self) -> bool:
        """A contact called, and nobody took it."""
        if self.event != "terminate" or self.direction == "BUSINESS_INITIATED":
            return False
        was_taken = isinstance(self.duration, int | float) and self.duration > 0
        return not was_taken and "completed" not in str(self.status).lower()


class UserIdUpdate(Part):
    user_id: UserIds
    wa_id: Id = ""
    timestamp: Stamp = ""


class TextContent(Part):
    body: Words


class Medium(Part):
    id: KnownId
    mime_type: Words = ""
    caption: Words = ""
    filename: Words = ""
    voice: bool = False


class Reaction(Part):
    message_id: KnownId
    emoji: Words = ""


class Picked(Part):
    """A button or a row of ours."""

    id: Words = ""
    title: Words = ""


class FlowReply(Part):
    """``response_json`` is JSON inside a text, or so they say."""

    response_json: Words = ""
    body: Words = ""


class CallPermission(Part):
    response: Words = ""


class Interactive(Part):
    type: Words = ""
    call_permission_reply: CallPermission | None = None
    button_reply: Picked | None = None
    list_reply: Picked | None = None
    nfm_reply: FlowReply | None = None


class TemplateButton(Part):
    text: Words = ""
    payload: Words = ""


class Item(Part):
    product_retailer_id: Words = ""
    quantity: Words | int | float = 1


class Order(Part):
    text: Words = ""
    product_items: list[Item] = []


class CardName(Part):
    formatted_name: Words = ""


class CardPhone(Part):
    phone: Words = ""


class CardEmail(Part):
    email: Words = ""


class Card(Part):
    name: CardName = CardName()
    phones: list[CardPhone] = []
    emails: list[CardEmail] = []


class Origin(Part):
    source_type: Words = ""
    source_id: Words = ""
    source_url: Words = ""
    headline: Words = ""
    body: Words = ""
    ctwa_clid: Words = ""


class Edit(Part):
    original_message_id: KnownId
    message: dict[str, Any]


class Revoke(Part):
    original_message_id: KnownId


class System(Part):
    type: Words = ""
    wa_id: Id = ""
    user_id: Id = ""
