"""Whether a message is in Twilio's own list, which is the only place where it can be asked for.

No mark of ours is kept there. A message is known by its recipient, by how it looks, by when it may have been made at
the earliest, and by not being any other of ours: a conversation sends one piece after the other, and the id of each
that was sent is on record. The same words from somebody else, since, are taken for ours: the person has read them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.whatsapp.twilio.errors import FAILED, shown
from connectors.whatsapp.twilio.outbound import folded, look
from schemas.errors import SendRefused, SendUnknown
from schemas.ports import Call, Reply

PAGE, PAGES = 100, 10
SKEW = timedelta(seconds=10)
"""Between Twilio's clock and ours, its whole seconds included."""
Ask = Callable[[str, dict[str, str] | None], Awaitable[Reply]]
"""``(uri, query)`` → a page; the first has no uri."""
IsAnother = Callable[[str], Awaitable[bool]]
"""Whether an id is on record as another message of ours, or another piece."""


class Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    sid: str
    direction: str = ""
    status: str = ""
    body: str | None = None
    num_media: str = "0"
    date_created: str | None = None

    def made_at(self) -> datetime | None:
        try:
            made = parsedate_to_datetime(self.date_created or "")
        except ValueError:
            return None
        return made if made.tzinfo else made.replace(tzinfo=UTC)


class Page(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    messages: list[Record]
    next_page_uri: str | None = None


async def find(call: Call, ask: Ask, is_another: IsAnother) -> str | None:
    """The id, or None when Twilio has not taken it. Raises SendUnknown, SendDelayed, CredentialsRevoked, and
    SendRefused when nobody will ever know."""
    since = datetime.fromisoformat(call.arguments["since"]) - SKEW
    ends = {"To": call.arguments["To"], "From": call.arguments["From"], "PageSize": str(PAGE)}
    page = _page(await ask("", ends))
    records = list(page.messages)
    for _ in range(PAGES):
        if not page.next_page_uri or _is_before(records[-1:], since):
            break
        page = _page(await ask(page.next_page_uri, None))
        records += page.messages
    else:
        raise SendRefused("too_many_messages")
    for record in reversed(records):
        if _fits(record, look(call), since) and not await is_another(record.sid):
            return record.sid
    return None


def _page(reply: Reply) -> Page:
    if reply.status != 200:
        shown(reply)  # it raises
    try:
        return Page.model_validate(reply.body)
    except ValidationError as error:
        raise SendUnknown("the list cannot be read") from error


def _is_before(records: Sequence[Record], since: datetime) -> bool:
    made = [at for each in records if (at := each.made_at()) is not None]
    return bool(made) and made[0] < since


def _fits(record: Record, looks: tuple[str, frozenset[str]], since: datetime) -> bool:
    kind, texts = looks
    # What Twilio answers by itself, to HELP for one, is an "outbound-reply".
    if record.direction != "outbound-api" or record.status in FAILED or _is_before([record], since):
        return False
    if kind == "file":
        return record.num_media != "0"
    return kind == "template" or (record.num_media == "0" and folded(record.body or "") in texts)
