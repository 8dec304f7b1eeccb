"""The audit trail in the console: what people do there is recorded, and the page shows it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.access.audited_routes import CONSOLE_ACTIONS
from gateway.console.guard import LIVE_HEADER, POLLS_RECORDED
from gateway.http.app import build_app, run_server
from tests.console.conftest import Sit
from tests.console.form_client import FormClient, talk
from tests.console.sample_conversations import fill_conversation
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_audit import FailingTrail

PAGE = "/console/shop/audit"


async def list_records(instance: Instance, *, tenant: str = "shop") -> list[Any]:
    """What was done, the oldest first."""
    items = (await instance.call("GET", f"/v1/admin/{tenant}/audit?limit=200")).body["items"]
    return [(each["actor"], each["action"], each["subject"]) for each in reversed(items)]


async def test_signing_in_and_out_is_recorded_where_somebody_may_work(instance: Instance, sit: Sit) -> None:
    ben = await sit("ben")
    await ben.send("/console/shop/conversations", "/console/session/end", {})
    expected = [("console:ben", f"session.{what}", "operator:ben") for what in ("start", "end")]
    assert await list_records(instance) == expected
    assert await list_records(instance, tenant="other") == []


async def test_whoever_sees_all_tenants_is_recorded_for_all_of_them(instance: Instance, sit: Sit) -> None:
    await sit("anna")
    await sit("")
    expected = [
        ("console:anna", "session.start", "operator:anna"),
        ("console:admin", "session.start", "operator:admin"),
    ]
    for tenant in ("shop", "other"):
        assert sorted(await list_records(instance, tenant=tenant)) == sorted(expected)


async def test_a_wrong_password_is_no_sign_in(instance: Instance, sit: Sit) -> None:
    await (await sit()).sign_in("ben", "wrong-password")
    assert await list_records(instance) == []


async def test_reading_a_transcript_is_recorded_and_so_is_what_is_done_there(
    instance: Instance, ben: FormClient
) -> None:
    found = await fill_conversation(instance)
    subject = f"conversation:{found.id}"
    await ben.get(talk(found.id))
    await ben.send(talk(found.id), talk(found.id, "approvals", "approval-1"), {"decision": "approve"})
    records = [(action, about) for who, action, about in await list_records(instance) if who == "console:ben"]
    assert records[1:] == [
        ("conversation.read", subject),
        ("conversation.read", subject),
        ("approval.decide", f"{subject}/approval:approval-1"),
        ("conversation.read", subject),
    ]


async def test_a_page_that_stays_open_is_recorded_once_in_a_while(instance: Instance, ben: FormClient) -> None:
    found = await fill_conversation(instance)

    async def count() -> int:
        return sum(action == "conversation.read" for _, action, _ in await list_records(instance))

    # Anybody can send the header of the page's script.
    poll = {LIVE_HEADER: "0000"}
    await ben.get(talk(found.id), headers=poll)
    assert await count() == 1
    for _ in range(3):
        await ben.get(talk(found.id), headers=poll)
    assert await count() == 1
    instance.clock.tick(POLLS_RECORDED.total_seconds() + 1)
    await ben.get(talk(found.id), headers=poll)
    assert await count() == 2
    await ben.get(talk(found.id))
    assert await count() == 3


async def test_the_page_shows_filters_and_exports_the_trail(instance: Instance, ben: FormClient) -> None:
    found = await fill_conversation(instance)
    await ben.get(talk(found.id))
    shown = await ben.get(PAGE)
    for text in ("console:ben", "conversation.read", "session.start", f"conversation:{found.id}"):
        assert text in shown.words
    filtered = await ben.get(f"{PAGE}?action=session")
    assert "session.start" in filtered.words
    assert "conversation.read" not in filtered.words.replace("placeholder", "")
    exported = await ben.get(f"{PAGE}/export")
    assert [json.loads(line)["action"] for line in exported.text.splitlines()] == [
        "session.start",
        "conversation.read",
        "audit.export",
    ]
    assert exported.headers["Content-Disposition"] == 'attachment; filename="audit.jsonl"'


@pytest.mark.parametrize("name", ["vera", "mia"])
async def test_only_an_admin_sees_the_trail(sit: Sit, name: str) -> None:
    seat = await sit(name)
    assert "Audit" not in (await seat.get("/console/shop/conversations")).words
    for path in (PAGE, f"{PAGE}/export"):
        assert (await seat.get(path)).status == 403


async def test_without_a_record_nothing_happens(instance: Instance, ben: FormClient) -> None:
    found = await fill_conversation(instance)
    services = instance.services
    trail = FailingTrail(bus=services.bus, state=services.state, clock=instance.clock)
    csrf = (await ben.get("/console/shop/conversations")).field("csrf")
    before = await list_records(instance)
    async with run_server(build_app(replace(services, audit=trail)), "127.0.0.1", 0) as port:
        ben.instance = Instance(services, instance.http, f"http://127.0.0.1:{port}", instance.clock)
        for method, path in CONSOLE_ACTIONS:
            where = "/console/shop" + path.replace("{id}", found.id).replace("{approval}", "approval-1")
            for headers in ({}, {LIVE_HEADER: "0000"}):
                seen = await (ben.get(where, headers=headers) if method == "GET" else ben.post(where, {"csrf": csrf}))
                assert seen.status == 503, path
                assert "heat pack" not in seen.text
        assert (await ben.sign_in("ben")).status == 503
    assert await list_records(instance) == before
    assert await instance.logged("parley.inbound.web") == []
