"""Captions come from a folder, the owner's tracks or what everybody sees; a video without any is reported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from agent_worker.sources.youtube import transcripts
from schemas.errors import InvalidRequest, MissingDependency, SetupError
from tests.platforms.youtube.library import (
    OTHER_CHANNEL,
    SimulatedVideo,
    Track,
    fact,
    make_track,
    make_video,
    video_id,
)
from tests.platforms.youtube.server import SimulatedYouTube
from tests.unit.sources.source_reader import Reading
from tests.unit.sources.youtube.source_reader import SourceReader

ID = f"youtube-{video_id(0)}"
STRANGERS = f"youtube://channel/{OTHER_CHANNEL}"


def make_strangers_video(number: int) -> SimulatedVideo:
    video = make_video(number)
    video.channel = OTHER_CHANNEL
    return video


def only_skipped(reading: Reading) -> str:
    (skipped,) = reading.skipped.values()
    return skipped.why


# ── the owner's tracks ───────────────────────────────────────────────────────────────────────────────────────────────


def make_tracks(*kinds: str) -> list[Track]:
    """Such as ``en``, ``de asr`` or ``fr draft``. Each says which it is."""
    return [
        Track(
            f"track-{place}",
            [(0, 5, f"This is {kind}.")],
            language=kind.split()[0],
            kind=next((word for word in ("asr", "forced") if word in kind), "standard"),
            is_draft="draft" in kind,
            status="failed" if "failed" in kind else "serving",
        )
        for place, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize(
    ("kinds", "options", "chosen"),
    [
        (["de", "en", "fr"], {}, "en"),
        (["de", "en-US asr", "en-GB"], {}, "en-GB"),
        (["en asr", "de"], {}, "en asr"),
        (["fr", "de"], {}, "de"),
        (["en", "de"], {"languages": ["de", "en"]}, "de"),
        (["en", "de-AT"], {"languages": ["de", "en"]}, "de-AT"),
        (["en", "de-AT", "de"], {"languages": ["de"]}, "de"),
        (["en draft", "en failed", "en forced", "de"], {}, "de"),
        (["en asr", "de"], {"automatic": False}, "de"),
    ],
)
async def test_the_track_of_the_wanted_or_the_spoken_language_is_read(
    youtube: SimulatedYouTube, kinds: list[str], options: dict[str, Any], chosen: str
) -> None:
    """Those that people wrote go before automatic ones; drafts, failed and forced ones are no captions."""
    video = make_video(0)
    video.tracks = make_tracks(*kinds)
    youtube.add(video)
    content = (await SourceReader(youtube, **options).read()).documents[ID]
    assert f"This is {chosen}." in content.body
    assert content.language == chosen.split()[0]


@pytest.mark.parametrize(
    ("kinds", "options", "why"),
    [
        ([], {}, "it has no captions"),
        (["en draft"], {}, "it has no captions"),
        (["en asr"], {"automatic": False}, "no captions written by people"),
        (["en", "fr"], {"languages": ["de"]}, "captions in en, fr only"),
    ],
)
async def test_a_video_without_captions_is_reported_and_loses_its_document(
    youtube: SimulatedYouTube, kinds: list[str], options: dict[str, Any], why: str
) -> None:
    youtube.add(make_video(0), make_video(1))
    reader = SourceReader(youtube, recheck_days=0, **options)
    reader.options |= {"languages": [], "automatic": True}
    await reader.read()
    assert ID in reader.stored
    reader.options |= options
    youtube.videos[video_id(0)].tracks = make_tracks(*kinds)
    youtube.videos[video_id(1)].tracks[0].language = "de"
    reading = await reader.read()
    assert why in only_skipped(reading)
    assert set(reader.stored) == {f"youtube-{video_id(1)}"}
    assert "–" in only_skipped(reading), "with what to do"


async def test_captions_without_words_are_none(youtube: SimulatedYouTube) -> None:
    video = make_video(0)
    video.tracks = [Track("music", [(0, 5, "[Music]"), (5, 9, "♪♪")])]
    youtube.add(video)
    assert "no words" in only_skipped(await SourceReader(youtube).read())


async def test_captions_that_are_too_long_for_a_document_are_reported(youtube: SimulatedYouTube) -> None:
    video = make_video(0)
    video.tracks = [Track("long", [(n, n + 1, f"word{n} " * 500) for n in range(500)])]
    youtube.add(video, make_video(1))
    reading = await SourceReader(youtube).read()
    assert "KB of text" in only_skipped(reading)
    assert len(reading.documents) == 1


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_files_in_a_folder_are_read_with_a_key_alone(youtube: SimulatedYouTube, tmp_path: Path) -> None:
    """Their names contain the video's id and, before the ending, the language. They go before other captions."""
    youtube.add(*(make_strangers_video(number) for number in range(4)))
    (tmp_path / "deep").mkdir()
    (tmp_path / f"{video_id(0)}.vtt").write_text(make_track(0).as_vtt())
    (tmp_path / "deep" / f"Care of it [{video_id(1)}].de.srt").write_text(
        f"1\n00:00:01,000 --> 00:00:05,000\n{fact(1)}\n"
    )
    (tmp_path / f"{video_id(2)}.txt").write_text("not captions")
    (tmp_path / f".{video_id(2)}.vtt").write_text("hidden")
    reading = await SourceReader(youtube, STRANGERS, oauth=False, folder=str(tmp_path)).read()
    assert {id: content.language for id, content in reading.documents.items()} == {
        f"youtube-{video_id(0)}": "",
        f"youtube-{video_id(1)}": "de",
    }
    assert fact(1) in reading.documents[f"youtube-{video_id(1)}"].body
    assert len(reading.skipped) == 2
    assert set(youtube.counts()) == {"channels", "playlistItems", "videos"}


async def test_the_file_in_the_first_language_is_read(youtube: SimulatedYouTube, tmp_path: Path) -> None:
    youtube.add(make_video(0))
    for name in ("", ".en", ".de", ".pt-BR"):
        text = f"WEBVTT\n\n00:01.000 --> 00:05.000\nThis is {name or 'unknown'}.\n"
        (tmp_path / f"{video_id(0)}{name}.vtt").write_text(text)
    for languages, chosen in (([], ".en"), (["pt"], ".pt-BR"), (["fr"], "unknown"), (["de", "en"], ".de")):
        reader = SourceReader(youtube, folder=str(tmp_path), languages=languages)
        assert f"This is {chosen}." in (await reader.read()).documents[ID].body


async def test_an_edited_file_is_read_again_and_a_removed_one_is_gone(
    youtube: SimulatedYouTube, tmp_path: Path
) -> None:
    youtube.add(make_strangers_video(0))
    file = tmp_path / f"{video_id(0)}.vtt"
    file.write_text(make_track(0).as_vtt())
    reader = SourceReader(youtube, STRANGERS, oauth=False, folder=str(tmp_path))
    await reader.read()
    assert (await reader.read()).unchanged == [ID]
    file.write_text(make_track(0, edition=1).as_vtt())
    os.utime(file, ns=(1, 1))
    assert fact(0, edition=1) in (await reader.read()).documents[ID].body
    file.unlink()
    await reader.read()
    assert reader.stored == {}


async def test_a_file_takes_the_place_of_the_owners_captions_and_gives_it_back(
    youtube: SimulatedYouTube, tmp_path: Path
) -> None:
    youtube.add(make_video(0))
    reader = SourceReader(youtube, folder=str(tmp_path))
    await reader.read()
    file = tmp_path / f"{video_id(0)}.vtt"
    file.write_text("WEBVTT\n\n00:01.000 --> 00:05.000\nCorrected by hand.\n")
    assert "Corrected by hand." in (await reader.read()).documents[ID].body
    file.unlink()
    assert fact(0) in (await reader.read()).documents[ID].body


async def test_a_bad_file_is_reported_and_the_document_stays(youtube: SimulatedYouTube, tmp_path: Path) -> None:
    youtube.add(make_video(0), make_video(1))
    file = tmp_path / f"{video_id(0)}.vtt"
    file.write_text(make_track(0).as_vtt())
    reader = SourceReader(youtube, folder=str(tmp_path))
    await reader.read()
    file.write_bytes(b"\xff\xff\x00")
    reading = await reader.read()
    assert "UTF-8" in only_skipped(reading)
    assert ID in reader.stored


async def test_a_folder_that_is_missing_is_the_operators_fault(youtube: SimulatedYouTube, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no such folder"):
        await SourceReader(youtube, folder=str(tmp_path / "none")).read()


# ── transcripts ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _SimulatorAdapter(HTTPAdapter):
    """Sends what is meant for YouTube to the simulator; the library itself is untouched."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
        assert request.url is not None
        assert request.url.startswith("https://www.youtube.com/")
        request.url = request.url.replace("https://www.youtube.com", self._address)
        return super().send(request, *args, **kwargs)  # type: ignore[arg-type]


@pytest.fixture
def transcribing(youtube: SimulatedYouTube, monkeypatch: pytest.MonkeyPatch) -> SimulatedYouTube:
    """A YouTube that shows transcripts to this machine."""
    open_session = transcripts.open_session

    def open_relayed() -> requests.Session:
        session = open_session()
        session.mount(transcripts.HOST, _SimulatorAdapter(youtube.address))
        return session

    monkeypatch.setattr(transcripts, "open_session", open_relayed)
    return youtube


async def test_transcripts_are_read_where_the_options_allow_it(transcribing: SimulatedYouTube) -> None:
    transcribing.add(make_strangers_video(0), make_strangers_video(1))
    transcribing.videos[video_id(1)].tracks = make_tracks("de", "en asr")
    reader = SourceReader(transcribing, STRANGERS, oauth=False, transcripts=True)
    reading = await reader.read()
    assert fact(0) in reading.documents[ID].body
    assert "This is en asr." in reading.documents[f"youtube-{video_id(1)}"].body
    assert transcribing.slept == [transcripts.PAUSE_S] * 2
    before = len(transcribing.requests)
    assert len((await reader.read()).unchanged) == 2
    assert len(transcribing.requests) - before == 3


async def test_a_video_without_a_transcript_is_reported(transcribing: SimulatedYouTube) -> None:
    transcribing.add(make_strangers_video(0))
    transcribing.videos[video_id(0)].tracks = []
    reading = await SourceReader(transcribing, STRANGERS, oauth=False, transcripts=True).read()
    assert "it has no captions" in only_skipped(reading)


async def test_a_machine_that_youtube_blocks_is_told_so_and_asks_no_more(transcribing: SimulatedYouTube) -> None:
    """Each video says why, and what to do; what was read before stays."""
    transcribing.add(*(make_strangers_video(number) for number in range(20)))
    reader = SourceReader(transcribing, STRANGERS, oauth=False, transcripts=True)
    await reader.read()
    for video in transcribing.videos.values():
        video.title += "!"
    transcribing.add(make_strangers_video(20))
    transcribing.is_blocking_transcripts = True
    transcribing.next_day()
    reading = await reader.read()
    assert transcribing.counts()["watch"] == 1
    assert len(reading.skipped) == 21
    (why,) = {each.why for each in reading.skipped.values()}
    assert why.startswith("YouTube refuses transcripts to this machine, as it does to most data centres – ")
    assert "`folder`" in why
    assert len(reader.stored) == 20


async def test_an_answer_that_the_library_does_not_understand_names_no_address(
    transcribing: SimulatedYouTube,
) -> None:
    transcribing.add(make_strangers_video(0))
    transcribing.videos[video_id(0)].tracks = [Track("broken", [(0, 5, "<unclosed")])]
    reading = await SourceReader(transcribing, STRANGERS, oauth=False, transcripts=True).read()
    assert "youtube-transcript-api does not understand (ParseError)" in only_skipped(reading)
    assert "http" not in only_skipped(reading)


def test_a_session_for_transcripts_reaches_no_other_host() -> None:
    session = transcripts.open_session()
    for url in (
        "https://evil.example/",
        "http://www.youtube.com/",
        "https://www.youtube.com.evil.example/",
        "file:///x",
    ):
        with pytest.raises(requests.RequestException):
            session.get(url)


async def test_a_missing_library_is_named_with_the_command_that_adds_it(
    youtube: SimulatedYouTube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "agent_worker.sources.youtube.transcripts", None)
    monkeypatch.delattr("agent_worker.sources.youtube.transcripts", raising=False)
    with pytest.raises(MissingDependency, match="transcripts") as caught:
        await SourceReader(youtube, transcripts=True).read()
    assert "youtube-transcript-api" in caught.value.fix


async def test_a_wrong_location_asks_nothing(youtube: SimulatedYouTube) -> None:
    with pytest.raises(InvalidRequest):
        await SourceReader(youtube, "youtube://channel/nobody").read()
    assert youtube.requests == []
