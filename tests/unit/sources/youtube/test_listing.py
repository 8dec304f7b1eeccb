"""The videos of a channel, a playlist and a video: all of them, those that changed, and none that are gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_worker.sources.youtube import listing
from schemas.errors import Unavailable
from tests.platforms.youtube.library import (
    CHANNEL,
    OTHER_CHANNEL,
    Playlist,
    fact,
    make_track,
    make_video,
    uploads_of,
    video_id,
)
from tests.platforms.youtube.server import SimulatedYouTube
from tests.unit.sources.youtube.source_reader import SourceReader


def id_of(number: int) -> str:
    return f"youtube-{video_id(number)}"


def ids_of(*numbers: int) -> set[str]:
    return {id_of(number) for number in numbers}


async def test_a_channel_is_read_by_its_handle_and_by_its_id(youtube: SimulatedYouTube) -> None:
    """Each video is a document: the title of the video, its captions, its address, the language of the captions."""
    youtube.add(*(make_video(number) for number in range(3)))
    by_handle = await SourceReader(youtube).read()
    by_id = await SourceReader(youtube, f"youtube://channel/{CHANNEL}").read()
    assert by_handle == by_id
    content = by_handle.documents[id_of(1)]
    assert (content.title, content.language) == ("Care of zorbababaceia", "en")
    assert content.url == f"https://www.youtube.com/watch?v={video_id(1)}"
    assert fact(1) in content.body
    assert (by_handle.skipped, by_handle.notes) == ({}, [])


async def test_the_second_reading_costs_only_the_listing(youtube: SimulatedYouTube) -> None:
    """At most a twentieth of the first one's requests."""
    youtube.add(*(make_video(number) for number in range(100)))
    youtube.quota = 1_000_000
    reader = SourceReader(youtube)
    await reader.read()
    first = len(youtube.requests)
    youtube.next_day()
    again = await reader.read()
    assert len(again.unchanged) == 100
    assert youtube.counts() == {"token": 1, "channels": 1, "playlistItems": 2, "videos": 2}
    assert len(youtube.requests) <= 0.05 * first


async def test_what_changes_is_read_again_and_keeps_its_id(youtube: SimulatedYouTube) -> None:
    """A new title or description shows in the listing; nothing else is asked for."""
    youtube.add(*(make_video(number) for number in range(10)))
    reader = SourceReader(youtube)
    await reader.read()
    youtube.videos[video_id(3)].title = "Renamed"
    youtube.videos[video_id(4)].description = "0:00 First\n1:00 Other\n2:00 Last"
    youtube.add(make_video(10))
    youtube.next_day()
    reading = await reader.read()
    assert set(reading.documents) == ids_of(3, 4, 10)
    assert reading.documents[id_of(3)].title == "Renamed"
    assert "## [Other](" in reading.documents[id_of(4)].body
    assert youtube.counts()["download"] == 3


async def test_new_captions_are_noticed_when_their_tracks_are_listed_again(youtube: SimulatedYouTube) -> None:
    """That is after ``recheck_days``, because the list of a video does not tell, and tracks cost fifty units."""
    youtube.add(make_video(0), make_video(1))
    reader = SourceReader(youtube)
    await reader.read()
    youtube.videos[video_id(0)].tracks = [make_track(0, edition=1)]
    assert (await reader.read()).documents == {}
    reader.options["recheck_days"] = 0
    youtube.next_day()
    reading = await reader.read()
    assert set(reading.documents) == ids_of(0)
    assert fact(0, edition=1) in reading.documents[id_of(0)].body
    assert youtube.counts()["captions"] == 2
    assert youtube.counts()["download"] == 1


@pytest.mark.parametrize("oauth", [True, False])
async def test_videos_that_are_deleted_or_made_private_are_gone_at_once(
    youtube: SimulatedYouTube, tmp_path: Path, oauth: bool
) -> None:
    """Private ones also for their owner, who could still read them."""
    for number in range(120):
        youtube.add(make_video(number))
        (tmp_path / f"{video_id(number)}.vtt").write_text(make_track(number).as_vtt())
    reader = SourceReader(youtube, oauth=oauth, folder=str(tmp_path))
    await reader.read()
    assert set(reader.stored) == ids_of(*range(120))
    youtube.delete(video_id(7))
    youtube.hide(video_id(8))
    reading = await reader.read()
    assert set(reader.stored) == ids_of(*range(120)) - ids_of(7, 8)
    assert (reading.skipped, reading.notes, reading.documents) == ({}, [], {})


async def test_unlisted_videos_are_read_only_when_wanted(youtube: SimulatedYouTube) -> None:
    youtube.add(make_video(0), make_video(1))
    youtube.videos[video_id(1)].privacy = "unlisted"
    assert set((await SourceReader(youtube).read()).documents) == ids_of(0)
    assert set((await SourceReader(youtube, unlisted=True).read()).documents) == ids_of(0, 1)
    named = SourceReader(youtube, f"youtube://video/{video_id(1)}")
    assert set((await named.read()).documents) == ids_of(1)


async def test_a_playlist_has_its_own_videos_and_loses_those_taken_out(youtube: SimulatedYouTube) -> None:
    """What was deleted is still listed in it, and a video that was moved to another playlist is gone from here."""
    youtube.add(*(make_video(number) for number in range(4)))
    youtube.playlists["PLcare"] = Playlist("PLcare", [video_id(2), video_id(0), video_id(1), video_id(2)])
    reader = SourceReader(youtube, "youtube://playlist/PLcare")
    assert set((await reader.read()).documents) == ids_of(0, 1, 2)
    del youtube.videos[video_id(0)]
    youtube.playlists["PLcare"].items.remove(video_id(1))
    await reader.read()
    assert set(reader.stored) == ids_of(2)


async def test_a_deletion_while_pages_are_read_hides_no_other_video(youtube: SimulatedYouTube) -> None:
    """The pages after it move up by one, so that the first video of the next page is on none: it is not gone."""
    youtube.add(*(make_video(number) for number in range(120)))
    youtube.quota = 1_000_000
    reader = SourceReader(youtube)
    await reader.read()
    items = youtube.playlists[uploads_of(CHANNEL)].items
    on_the_edge = items[50]
    youtube.before_page = lambda offset: youtube.delete(items[3]) if offset == 50 and len(items) == 120 else None
    await reader.read()
    assert f"youtube-{on_the_edge}" in reader.stored
    assert len(reader.stored) == 119


async def test_a_deletion_during_the_first_listing_hides_no_other_video(youtube: SimulatedYouTube) -> None:
    youtube.add(*(make_video(number) for number in range(120)))
    youtube.quota = 1_000_000
    items = youtube.playlists[uploads_of(CHANNEL)].items
    youtube.before_page = lambda offset: youtube.delete(items[3]) if offset == 50 and len(items) == 120 else None
    reader = SourceReader(youtube)
    await reader.read()
    assert len(reader.stored) == 119


async def test_more_videos_than_youtube_lists_are_said_to_be_incomplete(
    youtube: SimulatedYouTube, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing counts as gone."""
    monkeypatch.setattr(listing, "MAX_VIDEOS", 100)
    monkeypatch.setattr("agent_worker.sources.youtube.source.MAX_VIDEOS", 100)
    youtube.add(*(make_video(number) for number in range(130)))
    youtube.quota = 1_000_000
    reader = SourceReader(youtube)
    reading = await reader.read()
    assert reading.notes == ["youtube://channel/@nepenthes: YouTube lists no more than 100 videos"]
    assert len(reading.documents) == 100


@pytest.mark.parametrize(
    "location",
    [
        "youtube://channel/@nobody",
        "youtube://channel/UC0000000000000000000000",
        "youtube://playlist/PLnone",
    ],
)
async def test_a_place_that_is_not_there_is_reported_as_gone(youtube: SimulatedYouTube, location: str) -> None:
    skipped = (await SourceReader(youtube, location).read()).skipped[location]
    assert (skipped.id, skipped.is_gone, skipped.code) == ("", True, "not_found")


async def test_a_playlist_that_became_private_is_gone_for_a_key(youtube: SimulatedYouTube) -> None:
    youtube.add(make_video(0))
    youtube.playlists["PLcare"] = Playlist("PLcare", [video_id(0)])
    reader = SourceReader(youtube, "youtube://playlist/PLcare", oauth=False)
    await reader.read()
    youtube.playlists["PLcare"].is_private = True
    skipped = (await reader.read()).skipped[reader.location]
    assert skipped.is_gone
    assert "playlistItemsNotAccessible" in skipped.why


async def test_pages_that_never_end_are_given_up(youtube: SimulatedYouTube, monkeypatch: pytest.MonkeyPatch) -> None:
    youtube.add(*(make_video(number) for number in range(60)))

    async def repeat(*_: object, **__: str) -> dict[str, object]:
        return {"items": [], "nextPageToken": "again", "pageInfo": {"totalResults": 1}}

    monkeypatch.setattr("agent_worker.sources.youtube.data_api.DataApi.list", repeat)
    with pytest.raises(Unavailable, match="do not end"):
        await SourceReader(youtube, "youtube://playlist/PLcare").read()


async def test_broadcasts_are_read_after_their_end(youtube: SimulatedYouTube) -> None:
    youtube.add(make_video(0))
    youtube.videos[video_id(0)].broadcast = "live"
    reader = SourceReader(youtube)
    (skipped,) = (await reader.read()).skipped.values()
    assert "has not ended" in skipped.why
    youtube.videos[video_id(0)].broadcast = "none"
    assert set((await reader.read()).documents) == ids_of(0)


async def test_memory_that_is_lost_or_damaged_costs_only_requests(youtube: SimulatedYouTube) -> None:
    youtube.add(*(make_video(number) for number in range(5)))
    reader = SourceReader(youtube)
    first = await reader.read()
    for memory in ("{}", '{"videos": 5}', json.dumps({"videos": {video_id(1): [1]}})):
        reader.memory = memory
        assert (await reader.read()).documents == first.documents
    assert len((await reader.read()).unchanged) == 5


async def test_a_document_that_was_edited_elsewhere_is_read_again(youtube: SimulatedYouTube) -> None:
    youtube.add(make_video(0), make_video(1))
    reader = SourceReader(youtube)
    await reader.read()
    del reader.stored[id_of(1)]
    assert set((await reader.read()).documents) == ids_of(1)


async def test_the_videos_of_strangers_are_listed_too(youtube: SimulatedYouTube) -> None:
    """Without a file or leave to read transcripts, each is reported."""
    video = make_video(0)
    video.channel = OTHER_CHANNEL
    youtube.add(video)
    reading = await SourceReader(youtube, f"youtube://channel/{OTHER_CHANNEL}").read()
    (skipped,) = reading.skipped.values()
    assert "no captions that may be read" in skipped.why
    assert "folder" in skipped.why
    assert youtube.counts()["captions"] == 0
