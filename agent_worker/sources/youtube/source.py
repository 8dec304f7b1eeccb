"""The source for ``youtube://…``: captions as documents, with the time at which each part is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from agent_worker.knowledge.text.documents import check_body
from agent_worker.sources.captions import clean_text, sentences_of
from agent_worker.sources.retries import Sleep
from agent_worker.sources.youtube.caption_folder import CaptionFile, find_files
from agent_worker.sources.youtube.caption_tracks import Captions, CaptionsMissing, OwnerCaptions, choose_track
from agent_worker.sources.youtube.chapters import render_video
from agent_worker.sources.youtube.data_api import TIMEOUT, DataApi
from agent_worker.sources.youtube.listing import MAX_VIDEOS, Video, batches_of, list_ids, read_videos, url_of
from agent_worker.sources.youtube.options import SCHEME, Location, YouTubeOptions, parse_location, read_options
from agent_worker.sources.youtube.video_memory import (
    UnitBudget,
    VideoMemory,
    VideoRecord,
    document_id,
    is_due,
    is_of_file,
)
from schemas.errors import MissingDependency, NotFound, ParleyError, RequestError, TemporaryRefusal
from schemas.ports import Content, IncompleteListing, ReadDocument, SkippedDocument, SyncRequest, UnchangedDocument
from schemas.runtime.address_guard import AddressGuard, open_session
from schemas.runtime.optional_dependencies import install_command

if TYPE_CHECKING:
    from agent_worker.sources.youtube.transcripts import Transcripts

Yielded = ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing
_TRANSCRIPT = "transcript"
Result = TypeVar("Result")


class YouTube:
    """``sleep`` waits between requests."""

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep

    def takes(self, location: str) -> bool:
        return location.startswith(SCHEME)

    async def read(self, visit: SyncRequest) -> AsyncIterator[Yielded]:
        location, options = parse_location(visit.location), read_options(visit.options)
        transcripts = _make_transcripts(options, self._sleep) if options.transcripts else None
        async with open_session(AddressGuard(options.private_hosts), timeout=TIMEOUT, proxies=True) as session:
            api = DataApi(session, options, self._sleep)
            async for each in _VideoSync(visit, location, options, api, transcripts).run():
                yield each


def _make_transcripts(options: YouTubeOptions, sleep: Sleep) -> Transcripts:
    try:
        from agent_worker.sources.youtube import transcripts
    except ImportError as error:
        raise MissingDependency(
            "the option `transcripts` of a YouTube source needs youtube-transcript-api",
            fix=install_command("transcripts"),
        ) from error
    return transcripts.Transcripts(transcripts.open_session(), options, sleep)


def _postpone(video: str, error: ParleyError, *, is_current: bool) -> Yielded:
    """A video that the next sync looks at again. Its document stays as it is."""
    id = document_id(video)
    return UnchangedDocument(id) if is_current else SkippedDocument.of(url_of(video), error, id)


class _VideoSync:
    """One reading of a location. Once a kind of captions is refused, no more of it is asked for in this reading."""

    def __init__(
        self,
        visit: SyncRequest,
        location: Location,
        options: YouTubeOptions,
        api: DataApi,
        transcripts: Transcripts | None,
    ) -> None:
        self._visit = visit
        self._location = location
        self._options = options
        self._api = api
        self._own = OwnerCaptions(api, options, UnitBudget(visit.memory, options.daily_units))
        self._transcripts = transcripts
        self._memory = VideoMemory(visit.memory, visit.unchanged)
        self._files: dict[str, list[CaptionFile]] = {}
        self._refusals: dict[str, TemporaryRefusal] = {}

    async def run(self) -> AsyncIterator[Yielded]:
        """Raises RequestError, SetupError and TemporaryRefusal when the videos cannot be listed.

        All videos are looked at before any captions are read, because those may use up the quota of the day."""
        try:
            ids = await list_ids(self._api, self._location, self._memory.known_videos())
        except NotFound as error:
            yield SkippedDocument.of(self._visit.location, error, is_gone=True)
            return
        if self._options.folder:
            self._files = await asyncio.to_thread(find_files, Path(self._options.folder), ids)
        if len(ids) >= MAX_VIDEOS:
            yield IncompleteListing(f"{self._visit.location}: YouTube lists no more than {MAX_VIDEOS:,} videos")
        there: set[str] = set()
        pending: dict[str, bool] = {}
        for batch in batches_of(ids):
            for video in filter(self._is_shown, await read_videos(self._api, batch)):
                there.add(video.id)
                if await asyncio.to_thread(self._is_unchanged, video):
                    yield UnchangedDocument(document_id(video.id))
                else:
                    pending[video.id] = self._memory.find(video) is not None
        self._memory.forget_others(there)
        async for each in self._read_pending(pending):
            yield each

    async def _read_pending(self, pending: Mapping[str, bool]) -> AsyncIterator[Yielded]:
        """``pending``: videos to be read, and whether the stored document is current as far as is known. Those come
        last, so that they do not use up the quota."""
        for batch in batches_of(sorted(pending, key=pending.__getitem__)):
            try:
                videos = await self._unless_refused("videos", partial(read_videos, self._api, batch))
            except (RequestError, TemporaryRefusal) as error:
                for id in batch:
                    yield _postpone(id, error, is_current=pending[id])
                continue
            for video in filter(self._is_shown, videos):
                yield await self._read_or_explain(video)

    def _is_shown(self, video: Video) -> bool:
        """A private video is never read, although its owner could; an unlisted one if it is wanted or named."""
        is_unlisted_wanted = self._options.unlisted or self._location.kind == "video"
        return video.status.privacy == "public" or (video.status.privacy == "unlisted" and is_unlisted_wanted)

    def _is_unchanged(self, video: Video) -> bool:
        record = self._memory.find(video)
        if record is None:
            return False
        if not (files := self._files.get(video.id)):
            return not is_of_file(record) and not is_due(video, record, self._options.recheck_days)
        try:
            return choose_track(files, video, self._options).fingerprint == record.captions
        except (CaptionsMissing, OSError):
            return False

    async def _read_or_explain(self, video: Video) -> Yielded:
        id = document_id(video.id)
        if video.snippet.broadcast in ("live", "upcoming"):
            return SkippedDocument(video.url, "it is a broadcast that has not ended", id, is_gone=True)
        try:
            return await self._read(video)
        except CaptionsMissing as error:
            return SkippedDocument.of(video.url, error, id, is_gone=True)
        except (RequestError, TemporaryRefusal) as error:
            return SkippedDocument.of(video.url, error, id)

    async def _read(self, video: Video) -> Yielded:
        if files := self._files.get(video.id):
            file = choose_track(files, video, self._options)
            cues, fingerprint = await asyncio.to_thread(file.read)
            return await self._document(video, Captions(cues, file.language), fingerprint)
        record = self._memory.find(video)
        if record is not None and is_of_file(record):
            record = None  # its file was removed
        try:
            return await self._read_remote(video, record)
        except TemporaryRefusal as error:
            return _postpone(video.id, error, is_current=record is not None)

    async def _read_remote(self, video: Video, record: VideoRecord | None) -> Yielded:
        if await self._unless_refused("captions", lambda: self._own.owns(video)):
            track = await self._unless_refused("captions", lambda: self._own.find(video))
            if record is not None and record.captions == track.fingerprint:
                self._memory.put(video, track.fingerprint)
                return UnchangedDocument(document_id(video.id))
            captions = await self._unless_refused("captions", lambda: self._own.download(track))
            return await self._document(video, captions, track.fingerprint)
        if (transcripts := self._transcripts) is not None:
            captions = await self._unless_refused(_TRANSCRIPT, lambda: transcripts.fetch(video))
            return await self._document(video, captions, _TRANSCRIPT)
        raise CaptionsMissing(
            "there are no captions that may be read",
            fix="put a .vtt or .srt file with the video's id in its name into `folder`; captions of your own channel "
            "can be read by OAuth",
        )

    async def _unless_refused(self, kind: str, request: Callable[[], Awaitable[Result]]) -> Result:
        if kind in self._refusals:
            raise self._refusals[kind]
        try:
            return await request()
        except TemporaryRefusal as error:
            self._refusals[kind] = error
            raise

    async def _document(self, video: Video, captions: Captions, fingerprint: str) -> ReadDocument:
        """Raises CaptionsMissing, DocumentTooLarge and Unprocessable."""
        body = await asyncio.to_thread(lambda: render_video(video, sentences_of(captions.cues)))
        if not body:
            raise CaptionsMissing("its captions have no words")
        check_body(video.url, body)
        self._memory.put(video, fingerprint)
        content = Content(clean_text(video.snippet.title), body, url=video.url, language=captions.language)
        return ReadDocument(document_id(video.id), video.url, content)
