"""A Twilio account: its sender, the people on WhatsApp who talk to it, its messages, its contents, its media."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulators.ids import Ids
from tests.simulators.twilio.content import Content
from tests.simulators.twilio.records import Record
from tests.simulators.twilio.signing import Signer
from tests.simulators.twilio.webhooks import Webhooks
from tests.simulators.vendor import Faults, File, Ledger
from tests.simulators.vendor_clock import Bucket, VendorClock

WINDOW = 24 * 3600


@dataclass(eq=False)
class Person:
    """``number_hidden``: a person with a username, whose address is a user id. ``place`` never changes."""

    name: str
    number: str
    user_id: str
    number_hidden: bool = False
    opted_out: bool = False
    last_in: float | None = None

    @property
    def place(self) -> str:
        return f"whatsapp:{self.number}"

    @property
    def address(self) -> str:
        return f"whatsapp:{self.user_id if self.number_hidden else self.number}"


class AccountState:
    def __init__(self, *, pace: VendorClock | None = None, seed: int = 1) -> None:
        self.pace = pace or VendorClock()
        self.ids = Ids(seed)
        self.ledger = Ledger()
        self.faults = Faults()
        self.account_sid = self.sid("AC")
        self.auth_token = self.ids.hex(32)
        self.secondary_token = ""
        """Valid for requests; webhooks are signed with the primary one until this one is promoted."""
        self.secondary_in_a_row = 0
        """Requests with the secondary token since the last one with the primary one."""
        self.api_key = (self.sid("SK"), self.ids.hex(32))
        self.sender = "whatsapp:+15550100"
        self.url = ""
        """Where messages go."""
        self.webhooks = Webhooks(self.pace, Signer(self.auth_token), self.reply_of, seed)
        self.people: dict[str, Person] = {}
        self._found: dict[str, Person] = {}
        self.records: dict[str, Record] = {}
        self.contents: dict[str, Content] = {}
        self.api_calls = Bucket(100, 1 / 100, self.pace.now)
        self.channel = Bucket(80, 1 / 80, self.pace.now)
        self.port = self.cdn_port = 0

    def promote_secondary_token(self) -> None:
        """As the button in the console does: the primary token is not valid any more."""
        self.auth_token, self.secondary_token = self.secondary_token, ""
        self.webhooks.signer = Signer(self.auth_token)

    def reply_of(self, person: str, text: str) -> None:
        """The answer to a webhook spoke to this person."""
        raise NotImplementedError

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def person(self, name: str) -> Person:
        if name not in self.people:
            self.people[name] = Person(name, self.ids.digits(14, "+49151"), self.ids.digits(18, "DE.13"))
        return self.people[name]

    def at_address(self, address: str) -> Person | None:
        """Who is reached at it: the number works although it is hidden."""
        wanted = address.removeprefix("whatsapp:")
        likely = self._found.get(wanted)
        for person in [*([likely] if likely else []), *self.people.values()]:
            if wanted in (person.number, person.user_id):
                self._found[wanted] = person
                return person
        return None

    def window_open(self, person: Person) -> bool:
        return person.last_in is not None and self.pace.now() - person.last_in < WINDOW

    def record(self, sender: str, recipient: str, body: str, *, direction: str, status: str, sid: str = "SM") -> Record:
        """A new message in the account's history."""
        number = len(self.records) + 1
        new = Record(
            self.sid(sid), self.account_sid, sender, recipient, body, direction, status, self.pace.now(), number
        )
        self.records[new.sid] = new
        return new

    def attach(self, record: Record, file: File) -> str:
        """The address of a file of this message."""
        media = self.sid("ME")
        record.media[media] = file
        return f"{self.base}/2010-04-01/Accounts/{self.account_sid}/Messages/{record.sid}/Media/{media}"

    def content(self, told: dict[str, object], *, approved: bool = False) -> Content:
        content = Content(self.sid("HX"), told, approved)
        self.contents[content.sid] = content
        return content

    def sid(self, prefix: str) -> str:
        return prefix + self.ids.hex(32)
