"""The videos of a location: ids of a playlist, and the videos' properties, fifty a request.

https://developers.google.com/youtube/v3/docs/playlistItems/list, …/videos/list, …/channels/list"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent_worker.sources.youtube.data_api import DataApi
from agent_worker.sources.youtube.options import VIDEO_ID, Location
from schemas.errors import NotFound, Unavailable

PAGE_SIZE = 50
MAX_VIDEOS = 20_000
"""The uploads of a channel are not listed further back."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Snippet(_Part):
    title: str = ""
    description: str = ""
    channel: str = Field(default="", validation_alias="channelId")
    broadcast: str = Field(default="none", validation_alias="liveBroadcastContent")
    language: str = Field(default="", validation_alias="defaultLanguage")
    audio_language: str = Field(default="", validation_alias="defaultAudioLanguage")


class _ContentDetails(_Part):
    caption: str = ""


class _Status(_Part):
    privacy: str = Field(default="public", validation_alias="privacyStatus")


def url_of(video: str) -> str:
    return f"https://www.youtube.com/watch?v={video}"


class Video(_Part):
    """The properties of a video that a document depends on."""

    id: Annotated[str, Field(pattern=rf"^{VIDEO_ID}$")]
    snippet: Snippet = Snippet()
    details: _ContentDetails = Field(default=_ContentDetails(), validation_alias="contentDetails")
    status: _Status = _Status()

    @property
    def url(self) -> str:
        return url_of(self.id)


@dataclass(slots=True)
class VideoList:
    """``ids`` in the order of the playlist. ``total``: the numbers of items that the pages stated."""

    ids: dict[str, None]
    totals: set[int]


async def list_ids(api: DataApi, location: Location, known: Iterable[str]) -> dict[str, None]:
    """The ids of all videos. ``known``: those of the last listing.

    Pages shift while videos are deleted, and a video may then be on none of them. So when the number of videos changed
    on the way, or a known one is missing, the list is read once more, and a video counts as gone if both lack it."""
    if location.kind == "video":
        return {location.id: None}
    playlist = location.id if location.kind == "playlist" else await _find_uploads(api, location.id)
    found = await _list_playlist(api, playlist)
    if len(found.totals) > 1 or any(id not in found.ids for id in known):
        found.ids |= (await _list_playlist(api, playlist)).ids
    return found.ids


async def _find_uploads(api: DataApi, channel: str) -> str:
    name = "forHandle" if channel.startswith("@") else "id"
    answer = await api.list("channels", part="contentDetails", **{name: channel})
    try:
        uploads = answer["items"][0]["contentDetails"]["relatedPlaylists"]["uploads"]
    except (KeyError, IndexError, TypeError):
        uploads = ""
    if not uploads or not isinstance(uploads, str):
        raise NotFound(f"YouTube: there is no channel {channel}", fix="check the id or the handle of the channel")
    return uploads


async def _list_playlist(api: DataApi, playlist: str) -> VideoList:
    found, page, pages = VideoList({}, set()), "", set[str]()
    while True:
        answer = await api.list(
            "playlistItems",
            part="contentDetails",
            playlistId=playlist,
            maxResults=str(PAGE_SIZE),
            **({"pageToken": page} if page else {}),
        )
        found.ids.update(dict.fromkeys(_read_ids(answer)))
        found.totals.add(_read_total(answer))
        page = answer.get("nextPageToken", "")
        if not page or len(found.ids) >= MAX_VIDEOS:
            return found
        if not isinstance(page, str) or page in pages:
            raise Unavailable("YouTube: the pages of the playlist do not end", fix="sync again later")
        pages.add(page)


def _read_ids(answer: dict[str, Any]) -> list[str]:
    """Raises Unavailable, because without its ids a page would count as empty."""
    try:
        ids = [each["contentDetails"]["videoId"] for each in answer["items"]]
    except (KeyError, TypeError) as error:
        raise Unavailable("YouTube: an answer without the videos of a playlist", fix="sync again later") from error
    return [id for id in ids if isinstance(id, str)]


def _read_total(answer: dict[str, Any]) -> int:
    info = answer.get("pageInfo")
    total = info.get("totalResults") if isinstance(info, dict) else None
    return total if isinstance(total, int) else 0


_VIDEOS = TypeAdapter(list[Video])


async def read_videos(api: DataApi, ids: Sequence[str]) -> list[Video]:
    """Those of at most fifty videos that are still there and that these credentials may see."""
    answer = await api.list("videos", part="snippet,contentDetails,status", id=",".join(ids))
    try:
        return _VIDEOS.validate_python(answer.get("items"))
    except ValidationError as error:
        raise Unavailable("YouTube: videos in an unknown form", fix="update Parley") from error


def batches_of(ids: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(ids)
    while batch := list(islice(remaining, PAGE_SIZE)):
        yield batch
