"""The parts of Meta's WhatsApp updates that are used."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from connectors.meta_graph.models import GraphModel, Id, ItemList, KnownId, Text, Timestamp


class Metadata(GraphModel):
    phone_number_id: KnownId
    display_phone_number: Id = ""


class UserIds(GraphModel):
    previous: KnownId
    current: KnownId


class Value(GraphModel):
    metadata: Metadata | None = None
    contacts: ItemList = []
    messages: ItemList = []
    statuses: ItemList = []
    message_echoes: ItemList = []
    user_id_update: ItemList = []
    user_preferences: ItemList = []
    calls: ItemList = []
    errors: ItemList = []


class Change(GraphModel):
    field: Text = ""
    value: Value


class Profile(GraphModel):
    name: Text = ""
    username: Text = ""


class Person(GraphModel):
    """One of ``contacts``: there may be fewer than messages, in another order."""

    profile: Profile = Profile()
    wa_id: Id = ""
    user_id: Id = ""


class Product(GraphModel):
    product_retailer_id: Text = ""


class Context(GraphModel):
    id: Id = ""
    referred_product: Product | None = None


class Problem(GraphModel):
    code: int = 0


class Message(GraphModel):
    """The common fields of a message; its content is in the field named by ``type``."""

    id: KnownId
    type: Text = ""
    from_: Id = Field(default="", alias="from")
    from_user_id: Id = ""
    to: Id = ""
    to_user_id: Id = ""
    timestamp: Timestamp = ""
    group_id: Id = ""
    context: Any = None
    referral: Any = None


class Status(GraphModel):
    id: KnownId
    status: Text
    timestamp: Timestamp = ""
    recipient_id: Id = ""
    recipient_user_id: Id = ""
    recipient_type: Text = ""
    biz_opaque_callback_data: Text = ""
    errors: ItemList = []


class Preference(GraphModel):
    """A contact's choice about marketing messages: ``value`` is ``stop`` or ``resume``."""

    wa_id: Id = ""
    user_id: Id = ""
    category: Text = ""
    value: Text = ""
    timestamp: Timestamp = ""


class VoiceCall(GraphModel):
    """The start (``connect``) or end (``terminate``) of a call; the end has ``status`` and ``duration`` (seconds)."""

    id: KnownId
    event: Text = ""
    direction: Text = ""
    from_: Id = Field(default="", alias="from")
    from_user_id: Id = ""
    to: Id = ""
    to_user_id: Id = ""
    timestamp: Timestamp = ""
    status: Any = None
    duration: Any = None

    @property
    def is_missed(self) -> bool:
        """True if a contact called and nobody answered."""
        if self.event != "terminate" or self.direction == "BUSINESS_INITIATED":
            return False
        was_taken = isinstance(self.duration, int | float) and self.duration > 0
        return not was_taken and "completed" not in str(self.status).lower()


class UserIdUpdate(GraphModel):
    user_id: UserIds
    wa_id: Id = ""
    timestamp: Timestamp = ""


class TextContent(GraphModel):
    body: Text


class MediaContent(GraphModel):
    id: KnownId
    mime_type: Text = ""
    caption: Text = ""
    filename: Text = ""
    voice: bool = False


class Reaction(GraphModel):
    message_id: KnownId
    emoji: Text = ""


class ChoiceReply(GraphModel):
    """One of our buttons or list rows."""

    id: Text = ""
    title: Text = ""


class FlowReply(GraphModel):
    """``response_json`` should be JSON in a string."""

    response_json: Text = ""
    body: Text = ""


class CallPermission(GraphModel):
    response: Text = ""


class InteractiveReply(GraphModel):
    type: Text = ""
    call_permission_reply: CallPermission | None = None
    button_reply: ChoiceReply | None = None
    list_reply: ChoiceReply | None = None
    nfm_reply: FlowReply | None = None


class TemplateButton(GraphModel):
    text: Text = ""
    payload: Text = ""


class Item(GraphModel):
    product_retailer_id: Text = ""
    quantity: Text | int | float = 1


class Order(GraphModel):
    text: Text = ""
    product_items: list[Item] = []


class CardName(GraphModel):
    formatted_name: Text = ""


class CardPhone(GraphModel):
    phone: Text = ""


class CardEmail(GraphModel):
    email: Text = ""


class Card(GraphModel):
    name: CardName = CardName()
    phones: list[CardPhone] = []
    emails: list[CardEmail] = []


class Origin(GraphModel):
    source_type: Text = ""
    source_id: Text = ""
    source_url: Text = ""
    headline: Text = ""
    body: Text = ""
    ctwa_clid: Text = ""


class Edit(GraphModel):
    original_message_id: KnownId
    message: dict[str, Any]


class Revoke(GraphModel):
    original_message_id: KnownId


class SystemChange(GraphModel):
    type: Text = ""
    wa_id: Id = ""
    user_id: Id = ""
