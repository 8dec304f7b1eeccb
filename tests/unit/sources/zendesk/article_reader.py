"""Reads a Zendesk source without an index."""

from __future__ import annotations

from typing import Any

from agent_worker.sources.zendesk.source import Zendesk
from schemas.conversation import Visibility
from tests.platforms.zendesk.server import SUBDOMAIN, SimulatedZendesk
from tests.unit.sources.source_reader import SourceReader

LOCATION = f"zendesk://{SUBDOMAIN}"


def document(number: int, locale: str = "en-us") -> str:
    return f"zendesk-{360_000_000_000 + number}-{locale}"


class ArticleReader(SourceReader):
    def __init__(
        self,
        zendesk: SimulatedZendesk,
        location: str = LOCATION,
        visibility: Visibility = "public",
        **options: Any,
    ) -> None:
        super().__init__(Zendesk(zendesk.sleep), location, zendesk.options(**options), visibility)
