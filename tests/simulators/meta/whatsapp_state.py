"""The state of the simulated WhatsApp: the business's numbers, its customers, and their messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.simulators.meta.graph import Graph
from tests.simulators.meta.ids import MetaIds
from tests.simulators.meta.webhooks import App, Update
from tests.simulators.vendor import Faults, Ledger, ShownMessage
from tests.simulators.vendor_clock import Bucket
from tests.simulators.webhook_delivery import Webhook

WINDOW = 24 * 3600


@dataclass(eq=False)
class Number:
    """A phone number of the business. Customers may edit and revoke only where the number is also in the business
    app (``coexistence``); elsewhere that arrives as an unsupported message."""

    id: str
    display: str
    waba: str
    throughput: Bucket
    coexistence: bool = True


@dataclass(eq=False)
class Customer:
    """``number_hidden``: a person with a username whose number the business may not see. ``place`` never changes,
    whatever happens to number and user id."""

    name: str
    wa_id: str
    user_id: str
    place: str
    username: str = ""
    number_hidden: bool = False
    profile: dict[str, Any] = field(default_factory=dict)
    last_in: dict[str, float] = field(default_factory=dict)
    """Number id → when they wrote to it last; opens the window of 24 hours."""


@dataclass(slots=True)
class Message:
    id: str
    number: Number
    customer: Customer
    outbound: bool
    at: float
    content: dict[str, Any]
    tag: str = ""
    """Our ``biz_opaque_callback_data``."""
    by_number: bool = True
    """Sent to a phone number, not to a user id."""
    shown: ShownMessage | None = None


class WhatsAppState:
    """``bsuid``: user ids are told, as since April 2026; without it only numbers are."""

    def __init__(self, graph: Graph | None = None) -> None:
        self.graph = graph or Graph()
        self.ledger = Ledger()
        self.faults = Faults()
        self.bsuid = True
        self.app: App = self.graph.app()
        self.waba = self.ids.digits(15, "10")
        self.numbers: dict[str, Number] = {}
        self.customers: dict[str, Customer] = {}
        self._found: dict[str, Customer] = {}
        self.messages: dict[str, Message] = {}
        self.number = self.add_number("+1 555-0100")
        scopes = ("whatsapp_business_management", "whatsapp_business_messaging")
        self.token = self.graph.token(self.app, "system", self.number.id, scopes=scopes)

    @property
    def ids(self) -> MetaIds:
        return self.graph.ids

    def add_number(self, display: str, *, waba: str = "") -> Number:
        """A sibling: same app, same token, perhaps another business account."""
        pace = Bucket(80, 1 / 80, self.graph.pace.now)
        number = Number(self.ids.digits(15, "11"), display, waba or self.waba, pace)
        self.numbers[number.id] = number
        if len(self.numbers) > 1:
            self.token.accounts.add(number.id)
        return number

    def person(self, name: str) -> Customer:
        if name not in self.customers:
            wa_id = self.ids.digits(13, "49151")
            self.customers[name] = Customer(name, wa_id, self.ids.digits(18, "DE.13"), wa_id)
        return self.customers[name]

    def recipient(self, to: str, user_id: str) -> Customer | None:
        """Whom a send is for: the number wins over the user id."""
        digits = "".join(filter(str.isdigit, to))
        likely = self._found.get(digits or user_id)
        for customer in [*([likely] if likely else []), *self.customers.values()]:
            if (digits and customer.wa_id == digits) or (not to and customer.user_id == user_id):
                self._found[digits or user_id] = customer
                return customer
        return None

    def window_open(self, customer: Customer, number: Number) -> bool:
        last = customer.last_in.get(number.id)
        return last is not None and self.graph.pace.now() - last < WINDOW

    def contact(self, customer: Customer) -> dict[str, Any]:
        """As in ``contacts[]``."""
        told: dict[str, Any] = {"profile": customer.profile or {"name": customer.name}}
        if customer.username:
            told["profile"] = {**told["profile"], "username": customer.username}
        return told | self.addresses(customer, "wa_id", "user_id")

    def addresses(self, customer: Customer, number_key: str, id_key: str) -> dict[str, str]:
        """What may be told of who it is: number, user id, or both."""
        told = {} if customer.number_hidden else {number_key: customer.wa_id}
        return told | ({id_key: customer.user_id} if self.bsuid else {})

    def value(self, number: Number, **more: Any) -> dict[str, Any]:
        display = "".join(filter(str.isdigit, number.display))
        metadata = {"display_phone_number": display, "phone_number_id": number.id}
        return {"messaging_product": "whatsapp", "metadata": metadata, **more}

    def push(
        self,
        number: Number,
        value: dict[str, Any],
        *,
        lane: str = "",
        announces: str = "",
        at_once: bool = False,
        field: str = "messages",
    ) -> Webhook | None:
        change = {"value": value, "field": field}
        update = Update(self.app, "whatsapp_business_account", number.waba, "changes", change, lane, announces)
        return self.graph.webhooks.push(update, at_once=at_once)

    def stamp(self) -> str:
        """WhatsApp's timestamps are seconds, as text."""
        return str(int(self.graph.pace.now()))
