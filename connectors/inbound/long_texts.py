"""Texts that are longer than a message may be: the message gets their beginning, a file all of them.

They are cut before anything else is done with them, so that no channel's text costs more than the web's, where longer
ones are refused. The file is stored before the append: what was accepted is not lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import structlog

from connectors.inbound.reply_references import Found, event_id
from schemas import topics
from schemas.errors import RateLimited, RequestError
from schemas.ids import derived_id
from schemas.messages import MAX_TEXT, Attachment
from schemas.ports import Account, Blobs, Event
from schemas.privacy.cards import OwnNumbers, masked

log = structlog.get_logger("parley.connectors")
NAME = "message.txt"
TYPE = "text/plain"
_WRITTEN = frozenset({topics.MESSAGE_RECEIVED, topics.MESSAGE_EDITED})
_MARGIN = 128
"""Characters: a card's number is shorter, however it is spaced."""
_LONGEST_WORD = 200
"""Characters that are looked through for the last space before the cut."""


@dataclass(frozen=True, slots=True)
class LongText:
    """All of the text of an event that has only the beginning of it."""

    text: str

    async def kept(
        self, account: Account, event: Event, found: Found, own: OwnNumbers | None, blobs: Blobs | None
    ) -> Event:
        """The event with the file. A file that nobody can take is named with the reason. Raises Unavailable."""
        file = await self._stored(account, event, found, own, blobs)
        files = [*event.payload.get("attachments", ()), file.model_copy(update={"full_text": True})]
        said = {"text": beginning(event.payload["text"]), "attachments": files}
        return replace(event, payload={**event.payload, **said})

    async def _stored(
        self, account: Account, event: Event, found: Found, own: OwnNumbers | None, blobs: Blobs | None
    ) -> Attachment:
        text = await asyncio.to_thread(masked, self.text, own)
        data = text.encode("utf-8", "replace")
        missing = "not_stored"
        if blobs is not None:
            try:
                return await blobs.put(account.tenant, NAME, TYPE, data, conversation=found[1], uploader=found[0].id)
            except (RequestError, RateLimited) as error:
                # To refuse it would not help: the vendor sends the same again, and gives up.
                log.warning("long_text_not_stored", code=error.code, channel=account.channel)
                missing = error.code
        own_id = event_id(account, event.place, event.external_id, event.type, event.revision)
        return Attachment(id=derived_id(own_id, "text"), name=NAME, type=TYPE, size=len(data), missing=missing)


def shortened(event: Event) -> tuple[Event, LongText | None]:
    """The event itself where its text is short enough; else with a little more than what is kept in the message, so
    that the number of a card is seen whole."""
    text: Any = event.payload.get("text")
    if not isinstance(text, str) or len(text) <= MAX_TEXT or event.type not in _WRITTEN:
        return event, None
    return replace(event, payload={**event.payload, "text": text[: MAX_TEXT + _MARGIN]}), LongText(text)


def beginning(text: str) -> str:
    """At most ``MAX_TEXT`` characters, without a part of a word at the end, and an ellipsis for the rest. What stands
    within ``_MARGIN`` of the end may be a part of a number that was not recognized."""
    room = min(MAX_TEXT - 2, max(len(text) - _MARGIN, 0))
    cut = text[: room + 1]
    last = max(cut.rfind(space, room - _LONGEST_WORD) for space in " \n\t")
    return f"{cut[: last if last > 0 else room].rstrip()} …"
