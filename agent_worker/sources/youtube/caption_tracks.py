"""Caption tracks of a video: the choice among them, and those of one's own channels.

The Data API lists and sends tracks to the owner of a channel: https://developers.google.com/youtube/v3/docs/captions"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent_worker.knowledge.text.analysis import primary_language
from agent_worker.knowledge.text.documents import decode
from agent_worker.sources.captions import Cue, read_cues
from agent_worker.sources.youtube.data_api import DataApi
from agent_worker.sources.youtube.listing import Video
from agent_worker.sources.youtube.options import YouTubeOptions
from agent_worker.sources.youtube.video_memory import UnitBudget
from schemas.errors import Forbidden, NotFound, Unavailable


@dataclass(frozen=True, slots=True)
class Captions:
    cues: list[Cue]
    language: str


class CaptionsMissing(NotFound):
    """The video has no captions that may be read, so that nothing of it is known."""


class Track(Protocol):
    """``language`` is a BCP 47 tag, or empty if unknown. ``is_automatic``: made by speech recognition."""

    @property
    def language(self) -> str: ...

    @property
    def is_automatic(self) -> bool: ...


TrackType = TypeVar("TrackType", bound=Track)


def choose_track(tracks: Iterable[TrackType], video: Video, options: YouTubeOptions) -> TrackType:
    """The track in the first language of the options, or else in the language that is spoken. Those written by people
    go before automatic ones. Raises CaptionsMissing."""
    usable = [each for each in tracks if options.automatic or not each.is_automatic]
    spoken = video.snippet.audio_language or video.snippet.language
    ranked = [(rank, each) for each in usable if (rank := _rank(each.language, options.languages, spoken)) is not None]
    if not ranked:
        raise _explain(usable, options)
    return min(ranked, key=lambda pair: (pair[0], pair[1].is_automatic, pair[1].language))[1]


def _rank(language: str, wanted: tuple[str, ...], spoken: str) -> int | None:
    """None for a language that is not wanted. A track of unknown language comes last."""
    if not language:
        return 2 * len(wanted) + 2
    tags = wanted or ((spoken,) if spoken else ())
    for place, tag in enumerate(tags):
        if language.casefold() == tag.casefold():
            return 2 * place
        if primary_language(language) == primary_language(tag):
            return 2 * place + 1
    return None if wanted else 2


def _explain(usable: list[TrackType], options: YouTubeOptions) -> CaptionsMissing:
    if not usable:
        kind = "" if options.automatic else " written by people"
        return CaptionsMissing(f"it has no captions{kind}", fix="add captions in YouTube Studio, or a file to `folder`")
    there = ", ".join(sorted({each.language for each in usable}))
    return CaptionsMissing(f"it has captions in {there} only", fix="add the language to `languages`")


# ── one's own channels ───────────────────────────────────────────────────────────────────────────────────────────────


class _TrackSnippet(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    language: str = ""
    kind: str = Field(default="standard", validation_alias="trackKind")
    updated: str = Field(default="", validation_alias="lastUpdated")
    draft: bool = Field(default=False, validation_alias="isDraft")
    status: str = "serving"


class CaptionTrack(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_=-]{1,200}$")]
    snippet: _TrackSnippet

    @property
    def language(self) -> str:
        return self.snippet.language

    @property
    def is_automatic(self) -> bool:
        return self.snippet.kind.casefold() == "asr"

    @property
    def fingerprint(self) -> str:
        return f"track {self.id} {self.snippet.updated}"


_TRACKS = TypeAdapter(list[CaptionTrack])
LIST_UNITS, DOWNLOAD_UNITS = 50, 200
"""https://developers.google.com/youtube/v3/determine_quota_cost"""


class OwnerCaptions:
    """The tracks of the channels that the refresh token belongs to."""

    def __init__(self, api: DataApi, options: YouTubeOptions, budget: UnitBudget) -> None:
        self._api = api
        self._options = options
        self._budget = budget
        self._channels: set[str] | None = None

    async def owns(self, video: Video) -> bool:
        if not self._options.uses_oauth:
            return False
        if self._channels is None:
            answer = await self._api.list("channels", part="id", mine="true")
            items = answer.get("items", [])  # missing for an account without a channel
            self._channels = {str(each.get("id")) for each in items if isinstance(each, dict)}
        return video.snippet.channel in self._channels

    async def find(self, video: Video) -> CaptionTrack:
        """Raises CaptionsMissing, and what the client raises."""
        self._budget.spend(LIST_UNITS)
        try:
            answer = await self._api.list("captions", part="snippet", videoId=video.id)
            tracks = _TRACKS.validate_python(answer.get("items"))
        except ValidationError as error:
            raise Unavailable("YouTube: caption tracks in an unknown form", fix="update Parley") from error
        except (Forbidden, NotFound) as error:
            raise _as_lost(error) from error
        ready = [each for each in tracks if not each.snippet.draft and each.snippet.status == "serving"]
        return choose_track([each for each in ready if each.snippet.kind.casefold() != "forced"], video, self._options)

    async def download(self, track: CaptionTrack) -> Captions:
        """Raises CaptionsMissing, Unprocessable, and what the client raises."""
        self._budget.spend(DOWNLOAD_UNITS)
        try:
            data = await self._api.download_captions(track.id)
        except (Forbidden, NotFound) as error:
            raise _as_lost(error) from error
        return Captions(read_cues("captions", decode("captions", data), "vtt"), track.language)


def _as_lost(error: Forbidden | NotFound) -> Forbidden | NotFound:
    """A refusal of this one video. One with a fix concerns the credentials, and nothing is known of the video."""
    return error if error.fix else CaptionsMissing(f"its captions may not be read: {error.message}")
