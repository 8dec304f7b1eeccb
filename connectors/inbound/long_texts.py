"""Texts longer than a message may be: the message keeps the beginning, a file the full text.

Texts are cut before anything else happens to them, so that a text on any channel costs no more than on the web, where
longer ones are refused. The file is stored before the append, so that an accepted text is never lost.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import structlog

from connectors.inbound.reply_references import ResolvedContact, derive_event_id
from schemas import topics
from schemas.errors import RateLimited, RequestError
from schemas.ids import derived_id
from schemas.messages import MAX_TEXT, Attachment
from schemas.ports import Account, Blobs, ChannelEvent
from schemas.privacy.cards import OwnNumbers, mask_cards

log = structlog.get_logger("parley.connectors")
FILE_NAME = "message.txt"
FILE_TYPE = "text/plain"
_TEXT_EVENTS = frozenset({topics.MESSAGE_RECEIVED, topics.MESSAGE_EDITED})
_MARGIN = 128
"""Characters. Longer than any card number, however it is spaced."""
_MAX_WORD = 200
"""Characters before the cut that are searched for a space."""


@dataclass(frozen=True, slots=True)
class LongText:
    """The full text of an event that was cut."""

    text: str

    async def attach_file(
        self,
        account: Account,
        event: ChannelEvent,
        resolved: ResolvedContact,
        own: OwnNumbers | None,
        blobs: Blobs | None,
    ) -> ChannelEvent:
        """Return the event with the file attached. If the file cannot be stored, the attachment names the reason.
        Raises Unavailable."""
        file = await self._store(account, event, resolved, own, blobs)
        files = [*event.payload.get("attachments", ()), file.model_copy(update={"full_text": True})]
        fields = {"text": shorten_text(event.payload["text"]), "attachments": files}
        return replace(event, payload={**event.payload, **fields})

    async def _store(
        self,
        account: Account,
        event: ChannelEvent,
        resolved: ResolvedContact,
        own: OwnNumbers | None,
        blobs: Blobs | None,
    ) -> Attachment:
        text = await asyncio.to_thread(mask_cards, self.text, own)
        data = text.encode("utf-8", "replace")
        missing = "not_stored"
        if blobs is not None:
            try:
                return await blobs.put(
                    account.tenant, FILE_NAME, FILE_TYPE, data, conversation=resolved[1], uploader=resolved[0].id
                )
            except (RequestError, RateLimited) as error:
                # Refusing would not help: the vendor would send the same again and finally give up.
                log.warning("long_text_not_stored", code=error.code, channel=account.channel)
                missing = error.code
        own_id = derive_event_id(account, event.place, event.external_id, event.type, event.revision)
        return Attachment(
            id=derived_id(own_id, "text"), name=FILE_NAME, type=FILE_TYPE, size=len(data), missing=missing
        )


def cut_long_text(event: ChannelEvent) -> tuple[ChannelEvent, LongText | None]:
    """Return the event itself and None where its text is short enough. Otherwise the event keeps a little more text
    than the message will, so that a card number at the cut is seen in full."""
    text: Any = event.payload.get("text")
    if not isinstance(text, str) or len(text) <= MAX_TEXT or event.type not in _TEXT_EVENTS:
        return event, None
    return replace(event, payload={**event.payload, "text": text[: MAX_TEXT + _MARGIN]}), LongText(text)


def shorten_text(text: str) -> str:
    """Cut to at most ``MAX_TEXT`` characters, at a word boundary, with an ellipsis. The last ``_MARGIN`` characters may
    be part of an unrecognized card number and are dropped."""
    limit = min(MAX_TEXT - 2, max(len(text) - _MARGIN, 0))
    cut = text[: limit + 1]
    space_at = max(cut.rfind(space, limit - _MAX_WORD) for space in " \n\t")
    return f"{cut[: space_at if space_at > 0 else limit].rstrip()} …"
