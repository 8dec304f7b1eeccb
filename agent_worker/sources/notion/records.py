"""Records of the pages that were read, for the next sync, in the memory that is kept for the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

_FORMAT = 1
ROUNDING = timedelta(minutes=2)
"""Notion rounds the time of an edit down to the minute
(https://developers.notion.com/changelog/last-edited-time-is-now-rounded-to-the-nearest-minute), so that a second edit
within that minute does not change it. The second minute is for servers whose clocks differ."""


class PageRecord(BaseModel):
    """A page as it was read. ``fingerprint``: of its title and properties. ``has_document``: False for a page without
    text. ``problem``: why it could not become a document. ``originals`` and ``copies``: see ``PageContent``.
    ``unlisted``: nested pages that the search did not find."""

    model_config = ConfigDict(frozen=True)

    edited: datetime
    read: datetime
    fingerprint: str
    has_document: bool = True
    problem: str = ""
    originals: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()

    def holds(self, edited: datetime) -> bool:
        """Whether the page was read after an edit at this time, and after all edits that would have the same time."""
        return self.read >= edited + ROUNDING


class PageRecords:
    """Works on ``memory`` in place. A record is written only after its document was handed over, so that a sync that is
    killed at any moment reads too much the next time, but never too little."""

    def __init__(self, memory: MutableMapping[str, Any]) -> None:
        if memory.get("format") != _FORMAT:
            memory.clear()
            memory["format"] = _FORMAT
        self._pages: dict[str, Any] = memory.setdefault("pages", {})
        self._data_sources: dict[str, str] = memory.setdefault("data_sources", {})
        self._places: dict[str, str] = memory.setdefault("places", {})

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._pages))

    def find(self, page: str) -> PageRecord | None:
        try:
            return PageRecord.model_validate(self._pages[page])
        except (KeyError, ValidationError):
            return None

    def put(self, page: str, record: PageRecord) -> None:
        self._pages[page] = record.model_dump(mode="json", exclude_defaults=True)

    def forget(self, page: str) -> None:
        self._pages.pop(page, None)

    # ── places ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def data_sources(self) -> list[str]:
        """The tables of databases that were known the last time."""
        return list(self._data_sources)

    def keep_data_sources(self, found: Mapping[str, str]) -> None:
        """``found``: data source → database."""
        self._data_sources.clear()
        self._data_sources.update(found)

    def page_around(self, block: str) -> str:
        """The page on which a block with nested pages stood the last time, or empty."""
        return self._places.get(block, "")

    def forget_places(self) -> None:
        """Of pages that are forgotten."""
        for block, page in list(self._places.items()):
            if page not in self._pages:
                del self._places[block]

    def put_place(self, block: str, page: str) -> None:
        self._places[block] = page
