"""Dead letters over the admin API: shown without people's words, replayed under a new id."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from gateway.admin.masking import mask_payload
from schemas import ids, topics
from schemas.conversation import DeadLetter
from schemas.envelope import envelope
from schemas.messages import InboundMessage
from tests.unit.gateway.conftest import Instance


def letter(instance: Instance, *, tenant: str = "shop", id_: str = "dead-1", **more: Any) -> DeadLetter:
    message = InboundMessage(
        id="event-1",
        external_id="+44 7700 900123",
        place="447700900123",
        contact_id="contact-1",
        text="my card is 4111",
        sent_at=instance.clock(),
    )
    event = envelope(
        topics.MESSAGE_RECEIVED,
        message,
        id="event-1",
        time=instance.clock(),
        source="test",
        tenant=tenant or "shop",
        channel="web",
        account="main",
        conversation="conversation-1",
    )
    assert event.data is not None
    fields: dict[str, Any] = {
        "id": id_,
        "code": "handler_failed",
        "reason": "kept failing",
        "attempts": 5,
        "topic": "parley.inbound.web",
        "partition": 1,
        "offset": 7,
        "tenant": tenant,
        "channel": "web",
        "conversation_id": "conversation-1",
        "headers": event.headers(),
        "value": base64.b64encode(event.data).decode(),
        "first_at": instance.clock(),
        "last_at": instance.clock(),
    }
    return DeadLetter(**fields | more)


async def test_a_dead_letter_is_listed_without_what_people_wrote(instance: Instance) -> None:
    await instance.services.state.dead_letters.add(letter(instance))
    answer = await instance.admin("GET", "/deadletters")
    (item,) = answer.body["items"]
    assert (item["id"], item["code"], item["attempts"], item["topic"]) == (
        "dead-1",
        "handler_failed",
        5,
        "parley.inbound.web",
    )
    assert item["payload"]["text"] == "<15 characters>"
    assert item["payload"]["id"] == "event-1"
    assert "4111" not in json.dumps(answer.body)
    assert "7700" not in json.dumps(answer.body)
    shown = await instance.admin("GET", "/deadletters/dead-1")
    assert (shown.body["partition"], shown.body["offset"]) == (1, 7)
    assert "4111" not in json.dumps(shown.body)


async def test_dead_letters_are_listed_in_pages_newest_first(instance: Instance) -> None:
    for number in range(3):
        instance.clock.tick(1)
        await instance.services.state.dead_letters.add(letter(instance, id_=f"dead-{number}"))
    first = (await instance.admin("GET", "/deadletters?limit=2")).body
    second = (await instance.admin("GET", f"/deadletters?limit=2&after={first['next']}")).body
    assert [item["id"] for item in first["items"] + second["items"]] == ["dead-2", "dead-1", "dead-0"]
    assert second["next"] == ""


async def test_a_dead_letter_of_another_tenant_does_not_exist(instance: Instance) -> None:
    await instance.services.state.dead_letters.add(letter(instance, tenant="other"))
    assert (await instance.admin("GET", "/deadletters")).body["items"] == []
    assert (await instance.admin("GET", "/deadletters/dead-1")).status == 404
    assert (await instance.admin("POST", "/deadletters/dead-1/replay")).status == 404


async def test_records_that_belong_to_no_tenant_can_be_found(instance: Instance) -> None:
    await instance.services.state.dead_letters.add(letter(instance, tenant="", headers={}, value="AAEC"))
    assert (await instance.admin("GET", "/deadletters")).body["items"] == []
    found = (await instance.admin("GET", "/deadletters?unassigned=true")).body["items"]
    assert [item["payload"] for item in found] == [{"bytes": 3}]
    assert (await instance.admin("GET", "/deadletters?unassigned=maybe")).code == "invalid_request"


async def test_a_replay_is_the_same_record_under_a_new_id(instance: Instance) -> None:
    await instance.services.state.dead_letters.add(letter(instance))
    first = await instance.admin("POST", "/deadletters/dead-1/replay")
    second = await instance.admin("POST", "/deadletters/dead-1/replay")
    assert (first.status, second.status) == (202, 202)
    events = await instance.logged("parley.inbound.web")
    assert [event.id for event, _ in events] == [ids.derived_id("event-1", "replay", n) for n in (1, 2)]
    assert {event.replay_of for event, _ in events} == {"event-1"}
    assert {event.conversation for event, _ in events} == {"conversation-1"}
    assert {payload.text for _, payload in events} == {"my card is 4111"}
    assert (await instance.admin("GET", "/deadletters/dead-1")).body["replays"] == 2


async def test_a_discarded_letter_is_gone_and_the_log_and_the_audit_trail_say_so(instance: Instance) -> None:
    letters = instance.services.state.dead_letters
    await letters.add(letter(instance))
    await letters.add(letter(instance, id_="dead-2"))
    assert (await instance.admin("DELETE", "/deadletters/dead-1")).status == 204
    assert [item["id"] for item in (await instance.admin("GET", "/deadletters")).body["items"]] == ["dead-2"]
    assert (await instance.admin("DELETE", "/deadletters/dead-1")).status == 404
    (event,) = await instance.logged("parley.deadletter")
    assert (event[0].type, event[0].conversation, event[1].letter_id, event[1].by) == (
        topics.DEADLETTER_DISCARDED, "conversation-1", "dead-1", "admin",
    )  # fmt: skip
    records = (await instance.admin("GET", "/audit?action=deadletter.discard")).body["items"]
    assert "deadletter:dead-1" in {each["subject"] for each in records}


UNDECODABLE: dict[str, dict[str, Any]] = {
    "no headers": {"headers": {}},
    "unknown type": {"headers": {"ce_type": "parley.later.v9"}},
    "not JSON": {"value": base64.b64encode(b"\x00\x01").decode()},
    "another payload": {"value": base64.b64encode(b'{"x": 1}').decode()},
    "not base64": {"value": "***"},
}


@pytest.mark.parametrize("kind", UNDECODABLE)
async def test_an_undecodable_dead_letter_cannot_be_replayed(instance: Instance, kind: str) -> None:
    whole = letter(instance)
    more = dict(UNDECODABLE[kind])
    if more.get("headers"):
        more["headers"] = whole.headers | more["headers"]
    await instance.services.state.dead_letters.add(whole.model_copy(update=more))
    answer = await instance.admin("POST", "/deadletters/dead-1/replay")
    assert (answer.status, answer.code) == (409, "conflict")
    assert await instance.logged("parley.inbound.web") == []
    assert (await instance.admin("GET", "/deadletters/dead-1")).body["replays"] == 0


def test_masking_hides_every_text_that_is_not_a_plain_id() -> None:
    payload = {
        "id": "x" * 101,
        "kind": "contact",
        "nested": [{"label": "Ann", "n": 4, "ok": True, "none": None}],
        "Ann's own words": "secret",
    }
    assert mask_payload(base64.b64encode(json.dumps(payload).encode()).decode()) == {
        "id": "<101 characters>",
        "kind": "contact",
        "nested": [{"label": "<3 characters>", "n": 4, "ok": True, "none": None}],
        "<15 characters>": "<6 characters>",
    }
