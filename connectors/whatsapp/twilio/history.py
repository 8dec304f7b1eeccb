"""Lookup of our messages in Twilio's message list.

Twilio keeps no marker of ours. A message is recognized by its recipient, its content, its earliest possible time, and
by not being another message of ours: a conversation's parts are sent one after the other, and the id of each is on
record. The same text that somebody else has sent since counts as ours: the contact has read it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.whatsapp.twilio.errors import FAILED, require_external_id
from connectors.whatsapp.twilio.outbound import describe_call, normalize_spaces
from schemas.errors import SendRefused, SendUnknown
from schemas.ports import VendorCall, VendorResponse

PAGE_SIZE, MAX_PAGES = 100, 10
CLOCK_SKEW = timedelta(seconds=10)
"""Between Twilio's clock and ours, including its precision of one second."""
Model = TypeVar("Model", bound=BaseModel)
ReadPage = Callable[[str, dict[str, str] | None], Awaitable[VendorResponse]]
"""``(uri, query)`` → a page; the first has no uri."""
IsAnother = Callable[[str], Awaitable[bool]]
"""Checks whether an id is on record as another message or part."""


class MessageRecord(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    sid: str
    sender: str = Field(default="", alias="from")
    recipient: str = Field(default="", alias="to")
    body: str | None = None
    direction: str = ""
    status: str = ""
    num_media: str | None = "0"
    date_created: str | None = None

    @property
    def is_inbound(self) -> bool:
        return self.direction == "inbound"

    @property
    def contact(self) -> str:
        return self.sender if self.is_inbound else self.recipient

    @property
    def made_at(self) -> datetime | None:
        """None where it cannot be read."""
        try:
            made = parsedate_to_datetime(self.date_created or "")
        except ValueError:
            return None
        return made if made.tzinfo else made.replace(tzinfo=UTC)


class Page(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    messages: list[MessageRecord]
    next_page_uri: str | None = None


async def find_message(call: VendorCall, read_page: ReadPage, is_another: IsAnother) -> str | None:
    """Return the id, None when Twilio has not accepted the message. Raises SendUnknown, RetryLater,
    CredentialsRevoked, and SendRefused when it can never be known."""
    since = datetime.fromisoformat(call.arguments["since"]) - CLOCK_SKEW
    query = {"To": call.arguments["To"], "From": call.arguments["From"], "PageSize": str(PAGE_SIZE)}
    page = parse_reply(await read_page("", query), Page)
    records = list(page.messages)
    for _ in range(MAX_PAGES):
        if not page.next_page_uri or _is_before(records[-1:], since):
            break
        page = parse_reply(await read_page(page.next_page_uri, None), Page)
        records += page.messages
    else:
        raise SendRefused("too_many_messages")
    for record in reversed(records):
        if _matches(record, describe_call(call), since) and not await is_another(record.sid):
            return record.sid
    return None


def parse_reply(reply: VendorResponse, model: type[Model]) -> Model:
    """Raises SendUnknown, and what ``require_external_id`` raises."""
    if reply.status != 200:
        require_external_id(reply)  # raises
    try:
        return model.model_validate(reply.body)
    except ValidationError as error:
        raise SendUnknown("the list cannot be read") from error


def _is_before(records: Sequence[MessageRecord], since: datetime) -> bool:
    created = [at for each in records if (at := each.made_at) is not None]
    return bool(created) and created[0] < since


def _matches(record: MessageRecord, form: tuple[str, frozenset[str]], since: datetime) -> bool:
    kind, texts = form
    # Automatic answers of Twilio, such as to HELP, are "outbound-reply".
    if record.direction != "outbound-api" or record.status in FAILED or _is_before([record], since):
        return False
    if kind == "file":
        return (record.num_media or "0") != "0"
    return kind == "template" or ((record.num_media or "0") == "0" and normalize_spaces(record.body or "") in texts)
