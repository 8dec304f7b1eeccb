"""Limits, failures, refusals and kills: every article is read in the end, and no secret is told."""

from __future__ import annotations

import logging
import random
import tracemalloc
from collections.abc import Sequence
from itertools import accumulate

import pytest

from agent_worker.sources.retries import MAX_ATTEMPTS
from schemas.errors import Forbidden, InvalidRequest, NotFound, ParleyError, RateLimited, Unauthorized, Unavailable
from schemas.ports import Content, ReadDocument, SyncRequest
from tests.harness.sizes import size
from tests.platforms.zendesk.library import make_article
from tests.platforms.zendesk.server import SECRETS, SimulatedZendesk
from tests.unit.sources.source_reader import convert
from tests.unit.sources.zendesk.article_reader import LOCATION, ArticleReader, document

MANY = size(500, full=1_000)
KILLS = size(6, full=20)
STORM = {"429": 0.1, "500": 0.05, "503": 0.05, "drop": 0.05, "garbage": 0.03}


@pytest.mark.slow
async def test_many_articles_are_read_through_a_storm_and_kills(zendesk: SimulatedZendesk) -> None:
    """The documents are those of a calm day; Retry-After is respected; what was read before a kill is not converted
    again. A reading costs a request for a hundred articles, and two more."""
    zendesk.library.add(*(make_article(number) for number in range(MANY)))
    calm = ArticleReader(zendesk)
    await calm.read()
    assert len(zendesk.requests) == MANY / 100 + 2
    zendesk.requests.clear()
    zendesk.faults.rates = STORM
    chance = random.Random(4)
    kills = list(accumulate(chance.randrange(3, MANY // 100 + 1) for _ in range(KILLS)))
    reader = ArticleReader(zendesk)
    reading, killed = await reader.read_until_done(zendesk, kills)
    assert killed == KILLS
    assert reading.skipped == {}
    assert reader.stored == calm.stored
    assert len(reader.stored) == MANY
    assert len(reading.documents) < MANY, "the others were read before a kill"
    assert zendesk.violations == []
    zendesk.faults.rates = {}
    zendesk.requests.clear()
    assert len((await reader.read()).unchanged) == MANY
    assert len(zendesk.requests) == MANY / 100 + 2


async def test_memory_is_bounded(zendesk: SimulatedZendesk) -> None:
    """Of many articles of 100 KB, one page of a hundred is in memory at a time."""
    for number in range(MANY):
        article = make_article(number)
        article.translations["en-us"].body = "<p>word</p>" * 9_000
        zendesk.library.add(article)
    request = SyncRequest(LOCATION, zendesk.options(), _leave_out, {}, set())
    source, count = ArticleReader(zendesk).source, 0
    tracemalloc.start()
    try:
        async for item in source.read(request):
            count += isinstance(item, ReadDocument)
        peak = tracemalloc.get_traced_memory()[1] / 1024 / 1024
    finally:
        tracemalloc.stop()
    assert count == MANY
    assert peak < 200, "megabytes, with the answers that the simulator makes"


async def _leave_out(name: str, data: bytes, type: str) -> Sequence[Content]:
    return await convert(name, b"<p>word</p>", type)


async def test_a_kill_between_reading_and_storing_loses_no_edit(zendesk: SimulatedZendesk) -> None:
    """Memory counts an article as read only after its document was taken."""
    zendesk.library.add(make_article(1))
    reader = ArticleReader(zendesk)
    await reader.read()
    zendesk.library.article(1).translations["en-us"].body = "<p>New words.</p>"
    memory: dict[str, object] = {"articles": dict.fromkeys([document(1)], "old")}
    items = reader.source.read(SyncRequest(LOCATION, reader.options, convert, memory, {document(1)}))
    assert isinstance(await anext(items), ReadDocument)
    await items.aclose()  # type: ignore[attr-defined]
    assert memory == {"articles": {}}, "the document was not stored yet"


@pytest.mark.parametrize("memory", ['{"articles": 1}', '{"articles": {"x": 1}}', "{}"])
async def test_damaged_memory_costs_only_time(zendesk: SimulatedZendesk, memory: str) -> None:
    zendesk.library.add(make_article(1))
    reader = ArticleReader(zendesk)
    await reader.read()
    reader.memory = memory
    assert (await reader.read()).documents.keys() == {document(1)}


async def test_a_failure_in_the_middle_of_the_list_removes_nothing(zendesk: SimulatedZendesk) -> None:
    zendesk.library.add(*(make_article(number) for number in range(150)))
    reader = ArticleReader(zendesk)
    await reader.read()
    zendesk.faults.queue = ["", "", ""] + ["500"] * MAX_ATTEMPTS
    with pytest.raises(Unavailable, match=f"{MAX_ATTEMPTS} attempts"):
        await reader.read()
    assert len(reader.stored) == 150
    assert len((await reader.read()).unchanged) == 150


@pytest.mark.parametrize("fault", ["500", "503", "429", "drop", "garbage"])
async def test_attempts_are_bounded(zendesk: SimulatedZendesk, fault: str) -> None:
    zendesk.faults.rates = {fault: 1.0}
    with pytest.raises(Unavailable):
        await ArticleReader(zendesk).read()
    assert len(zendesk.slept) == MAX_ATTEMPTS - 1


async def test_a_long_wait_is_left_to_the_next_sync(zendesk: SimulatedZendesk) -> None:
    zendesk.faults.queue, zendesk.faults.retry_after = ["429"], 3_600
    with pytest.raises(RateLimited, match="3600 s"):
        await ArticleReader(zendesk).read()
    assert len(zendesk.requests) == 1


async def test_refusals_say_what_to_do_and_tell_no_secret(
    zendesk: SimulatedZendesk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    zendesk.library.add(make_article(1))
    told = [await _refusal(zendesk, Unauthorized, token="wrong-token")]
    zendesk.is_restricted = True
    told.append(await _refusal(zendesk, Unauthorized, is_agent=False))
    zendesk.faults.queue = ["", "", "403"]
    told.append(await _refusal(zendesk, Forbidden))
    zendesk.faults.queue = ["redirect"]
    told.append(await _refusal(zendesk, InvalidRequest))
    zendesk.faults.queue = ["", "", "shapeless"]
    told.append(await _refusal(zendesk, Unavailable))
    zendesk.is_activated = False
    told.append(await _refusal(zendesk, NotFound))
    assert all("`email` and `token`" in each for each in told[:3])
    assert "each brand has a subdomain of its own" in told[-1]
    reader = ArticleReader(zendesk)
    zendesk.is_activated = True
    await reader.read()
    everything = "\n".join([*told, caplog.text, reader.memory, str(reader.stored)])
    assert [secret for secret in (*SECRETS, "wrong-token") if secret in everything] == []


async def _refusal(zendesk: SimulatedZendesk, error: type[ParleyError], **options: object) -> str:
    with pytest.raises(error) as caught:
        await ArticleReader(zendesk, **options).read()  # type: ignore[arg-type]
    return f"{caught.value} {caught.value.fix}"
