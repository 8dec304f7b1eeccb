"""Reads a YouTube source without an index."""

from __future__ import annotations

from typing import Any

from agent_worker.sources.youtube.source import YouTube
from tests.platforms.youtube.library import HANDLE
from tests.platforms.youtube.server import SimulatedYouTube
from tests.unit.sources import source_reader

CHANNEL_LOCATION = f"youtube://channel/{HANDLE}"


class SourceReader(source_reader.SourceReader):
    def __init__(self, youtube: SimulatedYouTube, location: str = CHANNEL_LOCATION, **options: Any) -> None:
        super().__init__(YouTube(youtube.sleep), location, youtube.options(**options))
        self.youtube = youtube
