"""Messages as Twilio's API tells of them: one by one, and in pages with filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from tests.simulators.twilio.errors import TwilioError
from tests.simulators.vendor import File

RANK = {"queued": 0, "accepted": 0, "sending": 1, "sent": 2, "delivered": 3, "read": 4}
LARGEST_PAGE = 1000


@dataclass(eq=False)
class Record:
    """``number``: the position in the account's history; ``at``: seconds since 1970."""

    sid: str
    account: str
    sender: str
    recipient: str
    body: str
    direction: str
    status: str
    at: float
    number: int
    callback: str = ""
    code: int | None = None
    media: dict[str, File] = field(default_factory=dict)
    choices: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Label → kind (button or list) and id."""

    def reach(self, status: str, code: int | None) -> None:
        """A later status stays; what failed has failed."""
        if status not in RANK or (self.status in RANK and RANK[status] > RANK[self.status]):
            self.status, self.code = status, code

    def told(self) -> dict[str, Any]:
        path = f"/2010-04-01/Accounts/{self.account}/Messages/{self.sid}"
        when = format_datetime(datetime.fromtimestamp(self.at, UTC))
        sent = when if self.status not in ("queued", "accepted") else None
        return {
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": when,
            "date_sent": sent,
            "date_updated": when,
            "direction": self.direction,
            "error_code": self.code,
            "error_message": None,
            "from": self.sender,
            "messaging_service_sid": None,
            "num_media": str(len(self.media)),
            "num_segments": "1",
            "price": None,
            "price_unit": None,
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{path}/Media.json"},
            "to": self.recipient,
            "uri": f"{path}.json",
        }


def page(records: list[Record], path: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Newest first. A page begins after the record that its token names, so that new messages do not shift it."""
    size, index = _number(query, "PageSize", 50), _number(query, "Page", 0)
    found = [each for each in reversed(records) if _fits(each, query)]
    before = query.get("PageToken", "")
    if before:
        found = [each for each in found if each.number < int(before.removeprefix("PA"))]
    shown, more = found[:size], len(found) > size
    asked = {name: value for name, value in query.items() if name not in ("Page", "PageToken")}
    asked["PageSize"] = str(size)
    following = {**asked, "Page": str(index + 1), "PageToken": f"PA{shown[-1].number}"} if more else None
    return {
        "end": index * size + len(shown) - 1,
        "first_page_uri": f"{path}?{urlencode({**asked, 'Page': '0'})}",
        "messages": [each.told() for each in shown],
        "next_page_uri": f"{path}?{urlencode(following)}" if following else None,
        "page": index,
        "page_size": size,
        "previous_page_uri": None,
        "start": index * size,
        "uri": f"{path}?{urlencode(query)}",
    }


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    try:
        return max(0, min(LARGEST_PAGE, int(query.get(name, default))))
    except ValueError:
        raise TwilioError(20001, message=f"Invalid {name}") from None


def _fits(record: Record, query: Mapping[str, str]) -> bool:
    if query.get("To", record.recipient) != record.recipient or query.get("From", record.sender) != record.sender:
        return False
    day = query.get("DateSent")
    if day is not None and not _instant(day) <= record.at < _instant(day) + 86_400:
        return False
    return (
        _instant(query.get("DateSent>", "1970-01-01"))
        <= int(record.at)
        <= _instant(query.get("DateSent<", "9999-01-01"))
    )


def _instant(text: str) -> float:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise TwilioError(20001, message=f"Invalid date {text!r}") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
