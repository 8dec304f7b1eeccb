"""Dead letters at the console: why, what a replay would do, and that a dry run does nothing."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import ids
from tests.console.form_client import FormClient, ShownPage
from tests.console.sample_conversations import begin_conversation, queue_conversation
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_admin_deadletters import letter

PATH = "/console/shop/deadletters"


async def send(seat: FormClient, act: str, *letters: str) -> ShownPage:
    return await seat.send(PATH, PATH, {"act": act, "letter": list(letters)})


async def put(instance: Instance, **more: Any) -> None:
    await instance.services.state.dead_letters.add(letter(instance, **more))


async def appended_event_ids(instance: Instance) -> list[str]:
    return [event.id for event, _ in await instance.logged("parley.inbound.web")]


async def test_a_dead_letter_is_shown_with_its_reason_and_without_what_people_wrote(
    instance: Instance, anna: FormClient
) -> None:
    await put(instance)
    seen = await anna.get(PATH)
    for there in ("handler_failed", "kept failing", "5 attempts, 0 replays, web", "partition 1, offset 7", "event-1"):
        assert there in seen.words, there
    assert "4111" not in seen.text
    assert "7700" not in seen.text


async def test_a_dry_run_tells_what_would_happen_and_does_nothing(instance: Instance, anna: FormClient) -> None:
    found = await begin_conversation(instance, "v1")
    await queue_conversation(instance, found.id)
    whole = letter(instance)
    elsewhere = whole.headers | {"ce_conversation": found.id}
    await put(instance, id_="dead-1")
    await put(instance, id_="dead-2", headers=elsewhere)
    await put(instance, id_="dead-3", headers={})
    seen = await send(anna, "dry", "dead-1", "dead-2", "dead-3", "dead-4")
    assert seen.news == "Dry run: 2 of 4 can be replayed."
    assert (
        "would be appended to parley.inbound.web; it would start the conversation, and the agent would answer"
        in seen.words
    )
    assert "people have the conversation, so it would only join the transcript" in seen.words
    assert "the record cannot be decoded, so it cannot be replayed (handler_failed)" in seen.words
    assert await appended_event_ids(instance) == []
    assert [a for n, a in seen.elements() if a.get("name") == "letter" and "checked" not in a] == []
    kept = await instance.services.state.dead_letters.get("shop", "dead-1")
    assert kept is not None
    assert kept.replays == 0


async def test_one_that_the_agent_still_has_would_be_answered(instance: Instance, anna: FormClient) -> None:
    found = await begin_conversation(instance, "v1")
    await put(instance, headers=letter(instance).headers | {"ce_conversation": found.id})
    assert "the agent would answer it, unless a later message was answered" in (await send(anna, "dry", "dead-1")).words


async def test_many_are_replayed_at_once_each_under_an_id_of_its_own(instance: Instance, anna: FormClient) -> None:
    letters = [f"dead-{number}" for number in range(30)]
    for id_ in letters:
        await put(instance, id_=id_)
    seen = await send(anna, "replay", *letters[:20])
    assert (seen.status, seen.news) == (200, "Replayed.")
    assert len(await appended_event_ids(instance)) == 20
    # The page that says so can be loaded again.
    await anna.get(seen.url)
    assert len(await appended_event_ids(instance)) == 20
    again = await send(anna, "replay", "dead-0")
    assert again.news == "Replayed."
    assert (await appended_event_ids(instance))[-1] == ids.derived_id("event-1", "replay", 2)


async def test_letters_that_nobody_needs_are_discarded(instance: Instance, anna: FormClient, ben: FormClient) -> None:
    for id_ in ("dead-1", "dead-2", "dead-3"):
        await put(instance, id_=id_)
    await put(instance, tenant="other", id_="dead-4")
    seen = await send(anna, "discard", "dead-1", "dead-2")
    assert (seen.status, seen.news) == (200, "Discarded.")
    letters = instance.services.state.dead_letters
    assert [each.id for each in (await letters.list_page("shop"))[0]] == ["dead-3"]
    assert (await send(ben, "discard", "dead-4", "dead-3")).news == "Discarded 1 of 2."
    assert [each.id for each in (await letters.list_page("other"))[0]] == ["dead-4"]
    assert await appended_event_ids(instance) == []


async def test_a_dead_letter_that_cannot_be_replayed_is_reported_and_stops_no_other(
    instance: Instance, anna: FormClient
) -> None:
    await put(instance, id_="dead-1", value="AAEC")
    await put(instance, id_="dead-2")
    seen = await send(anna, "replay", "dead-1", "dead-2", "dead-2")
    assert seen.news == "Replayed 1 of 2."
    assert "cannot be replayed" in seen.words
    assert len(await appended_event_ids(instance)) == 1


@pytest.mark.parametrize("letters", [[], [f"dead-{number}" for number in range(101)]])
async def test_nothing_or_too_much_is_refused(instance: Instance, anna: FormClient, letters: list[str]) -> None:
    await put(instance)
    assert (await send(anna, "replay", *letters)).status == 400
    assert await appended_event_ids(instance) == []


async def test_only_who_sees_all_tenants_sees_letters_of_none(
    instance: Instance, admin: FormClient, ben: FormClient
) -> None:
    await put(instance, id_="of-nobody", tenant="")
    assert "dead letter" not in (await admin.get(PATH)).words.lower().replace("dead letters", "")
    assert "handler_failed" in (await admin.get(f"{PATH}?unassigned=true")).words
    assert (await ben.get(f"{PATH}?unassigned=true")).status == 403
    await put(instance, id_="dead-1")
    seen = await ben.send(PATH, PATH, {"act": "replay", "letter": ["of-nobody"]})
    assert seen.news == "Replayed 0 of 1."
    assert await appended_event_ids(instance) == []


async def test_another_tenants_letter_is_neither_shown_nor_replayed(instance: Instance, ben: FormClient) -> None:
    await put(instance, tenant="other")
    await put(instance, id_="dead-2")
    assert "/console/shop/conversations/conversation-1" in (await ben.get(PATH)).text
    seen = await send(ben, "replay", "dead-1")
    assert (seen.news, await appended_event_ids(instance)) == ("Replayed 0 of 1.", [])


async def test_letters_can_be_narrowed_to_one_code(instance: Instance, anna: FormClient) -> None:
    await put(instance, id_="dead-1", code="handler_failed", reason="first reason")
    await put(instance, id_="dead-2", code="unknown_event_type", reason="second reason")
    seen = await anna.get(f"{PATH}?code=unknown_event_type")
    assert ["first reason" in seen.words, "second reason" in seen.words] == [False, True]
