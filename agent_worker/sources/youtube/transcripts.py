"""Transcripts that YouTube shows to everybody, by youtube-transcript-api.

YouTube does not document this interface, and refuses it to the addresses of most data centres:
https://github.com/jdepoix/youtube-transcript-api#working-around-ip-bans-requestblocked-or-ipblocked-exception"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from youtube_transcript_api import (
    AgeRestricted,
    NoTranscriptFound,
    PoTokenRequired,
    RequestBlocked,
    Transcript,
    TranscriptsDisabled,
    VideoUnavailable,
    VideoUnplayable,
    YouTubeRequestFailed,
    YouTubeTranscriptApi,
)

from agent_worker.sources.captions import make_cue
from agent_worker.sources.retries import Retries, Sleep, TemporaryFailure
from agent_worker.sources.youtube.caption_tracks import Captions, CaptionsMissing, choose_track
from agent_worker.sources.youtube.listing import Video
from agent_worker.sources.youtube.options import YouTubeOptions
from schemas.errors import ParleyError, Unavailable, Unprocessable

HOST = "https://www.youtube.com/"
PAUSE_S = 1.0
"""Between two videos, because many requests in a row are blocked."""
_ATTEMPTS = 4
_TIMEOUT_S = (10.0, 30.0)
_FIX = "read the captions by OAuth, put files into `folder`, or sync from an office network"


class _RefusalAdapter(HTTPAdapter):
    """Connects to nothing: the page of a video names addresses, and only those of YouTube may be read."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        raise requests.exceptions.InvalidURL("not an address of YouTube", request=request)


class _TimeoutAdapter(HTTPAdapter):
    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        return super().send(request, stream, timeout or _TIMEOUT_S, verify, cert, proxies)


def open_session() -> requests.Session:
    """A session that reaches YouTube only."""
    session = requests.Session()
    session.mount("https://", _RefusalAdapter())
    session.mount("http://", _RefusalAdapter())
    session.mount(HOST, _TimeoutAdapter())
    return session


@dataclass(frozen=True, slots=True)
class _TranscriptTrack:
    transcript: Transcript

    @property
    def language(self) -> str:
        return self.transcript.language_code

    @property
    def is_automatic(self) -> bool:
        return self.transcript.is_generated


class Transcripts:
    """The library blocks, so it runs in a thread."""

    def __init__(self, session: requests.Session, options: YouTubeOptions, sleep: Sleep) -> None:
        self._client = YouTubeTranscriptApi(http_client=session)
        self._options = options
        self._sleep = sleep
        self._retries = Retries("YouTube", attempts=_ATTEMPTS, sleep=sleep)

    async def fetch(self, video: Video) -> Captions:
        """Raises CaptionsMissing or Unprocessable for this video; Unavailable if YouTube refuses or is silent."""
        await self._sleep(PAUSE_S)
        return await self._retries.run(lambda: self._attempt(video))

    async def _attempt(self, video: Video) -> Captions:
        try:
            return await asyncio.to_thread(self._fetch, video)
        except (YouTubeRequestFailed, requests.RequestException) as error:
            raise TemporaryFailure(type(error).__name__) from None
        except ParleyError:
            raise
        except Exception as error:
            raise _explain(error) from None  # its text repeats addresses

    def _fetch(self, video: Video) -> Captions:
        listed = choose_track(map(_TranscriptTrack, self._client.list(video.id)), video, self._options)
        snippets = listed.transcript.fetch()
        cues = [make_cue(each.start, each.start + each.duration, each.text.split("\n")) for each in snippets]
        return Captions(cues, listed.language)


def _explain(error: Exception) -> ParleyError:
    if isinstance(error, RequestBlocked):
        return Unavailable("YouTube refuses transcripts to this machine, as it does to most data centres", fix=_FIX)
    if isinstance(error, TranscriptsDisabled | NoTranscriptFound | VideoUnavailable):
        return CaptionsMissing("it has no captions", fix="add captions in YouTube Studio, or a file to `folder`")
    if isinstance(error, AgeRestricted | PoTokenRequired | VideoUnplayable):
        return Unprocessable(f"YouTube shows its transcript to nobody without an account ({type(error).__name__})")
    return Unavailable(
        f"YouTube sends transcripts in a form that youtube-transcript-api does not understand ({type(error).__name__})",
        fix="update youtube-transcript-api, or turn `transcripts` off",
    )
