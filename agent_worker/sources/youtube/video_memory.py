"""Memory of a source's videos for the next sync, so that unchanged ones cost only the listing."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, MutableMapping
from datetime import datetime, timedelta, timezone
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agent_worker.sources.youtube.data_api import QuotaExhausted
from agent_worker.sources.youtube.listing import Video

FILE = "file "
"""Begins what identifies the version of a caption file."""
_DAY_S = 24 * 60 * 60
_PACIFIC = timezone(timedelta(hours=-8))
"""Quotas start anew at midnight in California. In summer this is an hour late, which does no harm."""


class VideoRecord(BaseModel):
    """``details``: digest of the properties; ``captions``: identifies the version of the captions that were read;
    ``checked``: when that was last known, in seconds since 1970."""

    model_config = ConfigDict(frozen=True)

    details: str
    captions: str
    checked: float


def document_id(video: str) -> str:
    return f"youtube-{video}"


def digest_of(video: Video) -> str:
    return hashlib.sha256(video.model_dump_json().encode("utf-8", "surrogatepass")).hexdigest()[:32]


class VideoMemory:
    """Works on ``memory`` in place, video by video, so that what was read before a crash is not read again. Counts only
    for documents that are ``unchanged``: one that was edited or removed elsewhere has to be read again."""

    def __init__(self, memory: MutableMapping[str, Any], unchanged: Collection[str]) -> None:
        if not isinstance(memory.get("videos"), dict):
            memory["videos"] = {}
        self._videos: dict[str, Any] = memory["videos"]
        self._unchanged = unchanged

    def find(self, video: Video) -> VideoRecord | None:
        """The record of a video whose properties have not changed."""
        try:
            record = VideoRecord.model_validate(self._videos[video.id])
        except (KeyError, ValidationError):
            return None
        is_current = record.details == digest_of(video) and document_id(video.id) in self._unchanged
        return record if is_current else None

    def known_videos(self) -> list[str]:
        return list(self._videos)

    def put(self, video: Video, captions: str) -> None:
        record = VideoRecord(details=digest_of(video), captions=captions, checked=time.time())
        self._videos[video.id] = record.model_dump(mode="json")

    def forget_others(self, videos: Collection[str]) -> None:
        for video in self._videos.keys() - set(videos):
            del self._videos[video]


class UnitBudget:
    """The units of the quota that captions may take in a day, and those that were spent, in ``memory``."""

    def __init__(self, memory: MutableMapping[str, Any], units: int) -> None:
        self._memory = memory
        self._units = units

    def spend(self, units: int) -> None:
        """Raises QuotaExhausted."""
        today = datetime.now(_PACIFIC).date().isoformat()
        try:
            day, spent = self._memory["units"]
            spent = int(spent) if day == today else 0
        except (KeyError, TypeError, ValueError):
            spent = 0
        if spent + units > self._units:
            raise QuotaExhausted("the units that captions may take in a day are used up")
        self._memory["units"] = [today, spent + units]


def is_of_file(record: VideoRecord) -> bool:
    return record.captions.startswith(FILE)


def is_due(video: Video, record: VideoRecord, days: float) -> bool:
    """Return whether the caption tracks should be listed again: after ``days``, less up to a half, by which the videos
    of a first sync are spread over time."""
    spread = 0.5 + int(hashlib.sha256(video.id.encode()).hexdigest()[:4], 16) / 0x20000
    return time.time() - record.checked >= days * _DAY_S * spread
