"""Limits, failures, refusals and kills: every video is read in the end, nothing twice, and no secret is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest

from agent_worker.sources.retries import MAX_ATTEMPTS
from agent_worker.sources.youtube.source import YouTube
from schemas.errors import Forbidden, ParleyError, RateLimited, Unauthorized, Unavailable
from schemas.ports import ReadDocument, SyncRequest
from tests.harness.sizes import size
from tests.platforms.youtube.library import Track, make_video, video_id
from tests.platforms.youtube.server import SECRETS, TOKEN_S, SimulatedYouTube
from tests.unit.sources.source_reader import convert
from tests.unit.sources.youtube.source_reader import CHANNEL_LOCATION, SourceReader

MANY = size(150, full=1_000)
KILLS = size(6, full=20)
STORM = {"429": 0.05, "rate": 0.02, "500": 0.02, "503": 0.02, "drop": 0.02, "garbage": 0.01}


@pytest.mark.slow
async def test_many_videos_are_read_through_a_storm_and_kills(youtube: SimulatedYouTube) -> None:
    """The documents are those of a calm day; a kill costs one video, and the listing; Retry-After is respected; the
    second reading costs at most a twentieth of the first."""
    youtube.quota = 10_000_000
    youtube.add(*(make_video(number) for number in range(MANY)))
    calm = SourceReader(youtube)
    await calm.read()
    without_faults = len(youtube.requests)
    youtube.next_day()

    youtube.faults.rates = STORM
    chance = random.Random(4)
    kills = sorted(chance.sample(range(MANY // 20, MANY * 12 // 5), KILLS))
    reader = SourceReader(youtube)
    reading, killed = await reader.read_until_done(youtube, kills)
    assert killed == KILLS
    assert reading.skipped == {}
    assert reader.stored == calm.stored
    assert len(reader.stored) == MANY
    assert youtube.violations == []
    counts = youtube.counts()
    assert counts["download"] <= (MANY + KILLS) * 1.2, "what was read before a kill is not read again"

    youtube.faults.rates = {}
    youtube.next_day()
    assert len((await reader.read()).unchanged) == MANY
    assert len(youtube.requests) <= 0.05 * without_faults


async def test_without_memory_a_kill_costs_only_time(youtube: SimulatedYouTube) -> None:
    youtube.quota = 10_000_000
    youtube.add(*(make_video(number) for number in range(60)))
    reader = SourceReader(youtube)
    for stop in (30, 60, 90):
        youtube.next_day()
        with contextlib.suppress(asyncio.CancelledError):
            await reader.read_until_done(youtube, [stop])
        reader.memory = "{}"
    await reader.read()
    assert set(reader.stored) == {f"youtube-{video_id(number)}" for number in range(60)}


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_retry_after_is_respected_up_to_a_minute(youtube: SimulatedYouTube) -> None:
    """A longer wait is left to the next sync."""
    youtube.add(make_video(0))
    youtube.faults.queue = ["", "429", "503"]
    youtube.faults.retry_after = 20
    reader = SourceReader(youtube)
    await reader.read()
    assert youtube.violations == []
    assert [wait // 1 for wait in youtube.slept] == [20, 20]
    youtube.faults.queue = ["", "429"]
    youtube.faults.retry_after = 100
    with pytest.raises(RateLimited, match="100 s") as caught:
        await reader.read()
    assert caught.value.retry_after_ms == 100_000


async def test_the_quota_of_a_day_ends_the_reading_and_the_next_day_goes_on(youtube: SimulatedYouTube) -> None:
    """Each day reads as many videos as the quota allows; each of the others is reported, and none is taken for
    deleted. Deletions are noticed all the same."""
    youtube.add(*(make_video(number) for number in range(100)))
    reader = SourceReader(youtube)
    first = await reader.read()
    assert len(first.documents) == 39, "(10,000 - listing) / 250"
    assert len(first.skipped) == 61
    (why,) = {each.why for each in first.skipped.values()}
    assert why.startswith("YouTube: the quota of the day is used up – the first sync after midnight in California")
    youtube.delete(video_id(99))
    refused = len(youtube.requests)
    for day in (2, 3):
        youtube.next_day()
        reading = await reader.read()
        assert len(reading.unchanged) == min(99, 39 * (day - 1)) - 1, "one was deleted"
        assert youtube.spent <= youtube.quota + 250, "after the refusal, nothing more is asked for"
    assert refused < 100
    assert set(reader.stored) == {f"youtube-{video_id(number)}" for number in range(99)}


async def test_captions_leave_a_part_of_the_quota_to_the_listing(youtube: SimulatedYouTube) -> None:
    """What was spent is remembered for the day, so that the next sync of the day still notices deletions. Videos that
    were never read go before those that are only looked at again."""
    youtube.add(*(make_video(number) for number in range(6)))
    reader = SourceReader(youtube, daily_units=1_000, recheck_days=0)
    assert len((await reader.read()).documents) == 4
    youtube.delete(video_id(5))
    youtube.next_day()
    reading = await reader.read()
    assert len(reader.stored) == 3
    assert (len(reading.unchanged), len(reading.skipped)) == (3, 2)
    assert all("units that captions may take" in each.why for each in reading.skipped.values())
    assert youtube.counts()["captions"] == 0
    memory = json.loads(reader.memory)
    assert memory["units"][1] == 1_000
    for units in (["1999-01-01", 1_000], None, "damaged", [1]):
        reader.memory = json.dumps(memory | {"units": units})
        youtube.next_day()
        await reader.read()
        assert len(reader.stored) == 5
        assert youtube.counts()["captions"] > 0


async def test_videos_that_are_due_for_a_check_stay_as_they_are_when_the_quota_is_used_up(
    youtube: SimulatedYouTube,
) -> None:
    youtube.add(*(make_video(number) for number in range(10)))
    reader = SourceReader(youtube, recheck_days=0)
    await reader.read()
    youtube.next_day()
    youtube.quota = 100
    reading = await reader.read()
    assert (len(reading.unchanged), reading.skipped) == (10, {})


async def test_a_quota_that_is_used_up_before_the_listing_is_an_error(youtube: SimulatedYouTube) -> None:
    youtube.quota = 0
    with pytest.raises(RateLimited, match="quota of the day"):
        await SourceReader(youtube).read()


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", ["500", "503", "429", "drop", "garbage"])
async def test_attempts_are_bounded(youtube: SimulatedYouTube, fault: str) -> None:
    youtube.faults.rates = {fault: 1.0}
    with pytest.raises(Unavailable, match=f"{MAX_ATTEMPTS} attempts"):
        await SourceReader(youtube).read()
    assert len(youtube.requests) == MAX_ATTEMPTS


async def test_an_outage_in_the_middle_is_reported_and_keeps_every_document(youtube: SimulatedYouTube) -> None:
    """The captions of the next video are not asked for any more, so that an outage does not last for hours."""
    youtube.add(*(make_video(number) for number in range(40)))
    youtube.quota = 1_000_000
    reader = SourceReader(youtube)
    await reader.read()
    for video in youtube.videos.values():
        video.title += "!"
    youtube.next_day()

    def fail(name: str) -> None:
        if name == "download" and youtube.counts()["download"] > 10:
            youtube.faults.rates = {"500": 1.0}

    youtube.on_request = fail
    reading = await reader.read()
    assert len(reading.documents) == 10
    assert len(reading.skipped) == 30
    assert all("does not answer" in each.why for each in reading.skipped.values())
    assert len(reader.stored) == 40
    assert youtube.counts()["download"] == 10 + MAX_ATTEMPTS


async def test_an_outage_during_the_listing_is_no_empty_channel(youtube: SimulatedYouTube) -> None:
    youtube.add(*(make_video(number) for number in range(120)))
    youtube.quota = 1_000_000
    reader = SourceReader(youtube)
    await reader.read()
    for request in range(2, 8):
        youtube.faults.queue = [""] * request + ["500"] * MAX_ATTEMPTS
        with pytest.raises(Unavailable):
            await reader.read()
        youtube.faults.queue = []
    assert len(reader.stored) == 120


@pytest.mark.parametrize("fault", ["redirect", "endless"])
async def test_no_answer_leads_elsewhere_or_fills_the_memory(youtube: SimulatedYouTube, fault: str) -> None:
    youtube.trap = f"{youtube.address}/watch"
    youtube.add(make_video(0))
    youtube.faults.queue = ["", fault]
    with pytest.raises(ParleyError):
        await SourceReader(youtube).read()
    assert "watch" not in youtube.requests


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_revoked_token_is_refused_with_a_fix_and_without_retries(youtube: SimulatedYouTube) -> None:
    youtube.is_token_revoked = True
    with pytest.raises(Unauthorized, match="invalid_grant") as caught:
        await SourceReader(youtube).read()
    assert "new refresh token" in caught.value.fix
    assert youtube.requests == ["token"]


@pytest.mark.parametrize("name", ["client_id", "client_secret", "refresh_token"])
async def test_wrong_credentials_are_refused_with_a_fix(youtube: SimulatedYouTube, name: str) -> None:
    with pytest.raises(Unauthorized, match="refuses the refresh token") as caught:
        await SourceReader(youtube, **{name: "wrong-s3cret"}).read()
    assert caught.value.fix
    assert "s3cret" not in str(caught.value)


async def test_a_wrong_key_is_refused_with_a_fix(youtube: SimulatedYouTube) -> None:
    with pytest.raises(Unauthorized, match="API_KEY_INVALID") as caught:
        await SourceReader(youtube, oauth=False, api_key="wrong-s3cret").read()
    assert "api_key" in caught.value.fix
    assert "s3cret" not in str(caught.value) + caught.value.fix


async def test_an_access_token_that_runs_out_is_renewed(youtube: SimulatedYouTube) -> None:
    """Even where Google ends it before its time; a second refusal in a row is final."""
    youtube.add(*(make_video(number) for number in range(5)))

    def age(name: str) -> None:
        if name == "download" and youtube.counts()["download"] == 3:
            youtube.now += TOKEN_S

    youtube.on_request = age
    assert len((await SourceReader(youtube).read()).documents) == 5
    assert youtube.counts()["token"] == 2


async def test_a_token_that_is_withdrawn_while_reading_removes_nothing(youtube: SimulatedYouTube) -> None:
    youtube.add(*(make_video(number) for number in range(5)))
    reader = SourceReader(youtube, recheck_days=0)
    await reader.read()

    def withdraw(name: str) -> None:
        youtube.is_token_revoked |= name == "captions"

    youtube.on_request = withdraw
    reading = await reader.read()
    assert len(reading.skipped) == 5
    assert all("invalid_grant" in each.why for each in reading.skipped.values())
    assert len(reader.stored) == 5


async def test_a_missing_scope_is_explained_and_removes_nothing(youtube: SimulatedYouTube) -> None:
    youtube.add(make_video(0))
    reader = SourceReader(youtube, recheck_days=0)
    await reader.read()
    youtube.is_scope_missing = True
    (skipped,) = (await reader.read()).skipped.values()
    assert "youtube.force-ssl" in skipped.why
    assert len(reader.stored) == 1


@pytest.mark.parametrize("reason", ["accessNotConfigured", "SERVICE_DISABLED"])
async def test_a_project_without_the_api_is_told_to_enable_it(youtube: SimulatedYouTube, reason: str) -> None:
    youtube.faults.rates = {reason: 1.0}
    with pytest.raises(Forbidden, match=reason) as caught:
        await SourceReader(youtube, oauth=False).read()
    assert "enable the YouTube Data API v3" in caught.value.fix
    assert youtube.requests == ["channels"]


# ── secrets and memory ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_secrets_are_in_no_document_no_reason_no_memory_and_no_log(
    youtube: SimulatedYouTube, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    youtube.faults.rates = STORM
    youtube.add(*(make_video(number) for number in range(50)))
    told: list[str] = []
    for options in ({}, {"oauth": False}, {"client_secret": SECRETS[1] + "x"}):
        reader = SourceReader(youtube, **options)
        try:
            reading = await reader.read()
            told += [*map(str, reading.skipped.values()), *map(str, reader.stored.values()), reader.memory]
        except ParleyError as error:
            told.append(f"{error!r} {error.fix} {error.__cause__!r} {error.__context__!r}")
    told += [record.getMessage() for record in caplog.records]
    assert [secret for secret in SECRETS for text in told if secret in text] == []


@contextlib.contextmanager
def allocating_at_most(megabytes: float) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.slow
async def test_videos_are_read_one_after_another(youtube: SimulatedYouTube) -> None:
    """The peak of memory is below the size of all documents."""
    youtube.quota, videos = 10_000_000, size(80, full=200)
    cues = [
        (n * 30.0, n * 30.0 + 30, f"In minute {n // 2} I say " + f"sentence {n} of many, " * 120) for n in range(10)
    ]

    def add(numbers: Iterable[int]) -> None:
        for number in numbers:
            video = make_video(number)
            video.tracks = [Track(f"track-{number}", cues)]
            youtube.add(video)

    async def read() -> int:
        request = SyncRequest(CHANNEL_LOCATION, youtube.options(), convert, {}, set())
        items = YouTube(youtube.sleep).read(request)
        return sum([len(item.content.body) async for item in items if isinstance(item, ReadDocument)])

    add(range(1))
    # What is imported and kept at first use is not the videos'.
    assert await read() > 0
    add(range(1, videos))
    with allocating_at_most(videos * 0.02):
        total = await read()
    assert total > videos * 0.022 * 1024 * 1024
