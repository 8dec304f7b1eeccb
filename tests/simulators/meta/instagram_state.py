"""The state of the simulated Instagram: the business's account, the people who write to it, and their messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from tests.simulators.meta.graph import Graph
from tests.simulators.meta.instagram_checks import Choice
from tests.simulators.meta.webhooks import Update
from tests.simulators.vendor import Faults, Ledger, ShownMessage
from tests.simulators.webhook_delivery import Webhook

WINDOW, HUMAN_WINDOW = 24 * 3600, 7 * 24 * 3600
CONVERSATION = "aWdfZAG06"
"""How the ids of conversations begin."""


@dataclass(eq=False)
class Person:
    """``consent``: has written, so that the profile may be looked up. ``blocked``: has blocked the account."""

    name: str
    igsid: str
    username: str
    consent: bool = False
    blocked: bool = False
    last_in: float = 0
    profile_name: str | None = None


@dataclass(slots=True)
class Message:
    mid: str
    person: Person
    outbound: bool
    at: float
    body: dict[str, Any]
    choices: list[Choice] = field(default_factory=list)
    edits: int = 0
    deleted: bool = False
    shown: ShownMessage | None = None


class InstagramState:
    """``login``: by Instagram (graph.instagram.com, the Instagram app's secret) or by a Facebook page
    (graph.facebook.com). ``standby``: another app owns the conversations. ``spelling``: ids as text or as numbers."""

    def __init__(self, graph: Graph | None = None, *, login: Literal["instagram", "facebook"] = "instagram") -> None:
        self.graph = graph or Graph()
        self.ledger = Ledger()
        self.faults = Faults()
        self.login = login
        self.standby = False
        self.spelling: Literal["text", "number"] = "text"
        self.app = self.graph.app()
        self.ig_id = self.graph.ids.digits(17, "17841")
        self.page_id = self.graph.ids.digits(15, "10")
        self.people: dict[str, Person] = {}
        self._by_id: dict[str, Person] = {}
        self.messages: dict[str, Message] = {}
        scopes = ("instagram_basic", "instagram_manage_messages", "pages_messaging", "human_agent")
        own = self.ig_id if login == "instagram" else self.page_id
        self.token = self.graph.token(
            self.app, "instagram" if login == "instagram" else "page", own, self.ig_id, scopes=scopes
        )

    def person(self, name: str) -> Person:
        if name not in self.people:
            username = name.lower().replace(" ", ".")
            new = Person(name, self.graph.ids.digits(16, "7"), username, profile_name=name)
            self.people[name] = self._by_id[new.igsid] = new
        return self.people[name]

    def by_id(self, igsid: str) -> Person | None:
        return self._by_id.get(igsid)

    def conversation(self, person: Person) -> str:
        """Its id in the Conversations API."""
        return CONVERSATION + person.igsid

    def push(
        self,
        person: Person,
        event: dict[str, Any],
        *,
        from_account: bool = False,
        announces: str = "",
        at: float | None = None,
        at_once: bool = False,
    ) -> Webhook | None:
        """One event of a conversation; in milliseconds, as all of Instagram's times."""
        ends = [self._spelt(person.igsid), self._spelt(self.ig_id)]
        sender, recipient = reversed(ends) if from_account else ends
        when = int((self.graph.pace.now() if at is None else at) * 1000)
        told = {"sender": {"id": sender}, "recipient": {"id": recipient}, "timestamp": when, **event}
        place = "standby" if self.standby else "messaging"
        update = Update(self.app, "instagram", self.ig_id, place, told, person.igsid, announces)
        return self.graph.webhooks.push(update, at_once=at_once)

    def _spelt(self, id_: str) -> str | int:
        return int(id_) if self.spelling == "number" else id_
