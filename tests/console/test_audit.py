"""The audit trail in the console: what people do there is recorded, and the page shows it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.access.audit_routes import CONSOLE_ACTIONS
from gateway.console.guard import LIVE_HEADER, POLLS_RECORDED
from gateway.documents.document_sources import DocumentSource
from gateway.http.app import build_app, run_server
from schemas import topics
from tests.console.conftest import TEXT, Sit
from tests.console.form_client import FormClient, talk
from tests.console.sample_conversations import fill_conversation
from tests.console.test_documents import files_form
from tests.unit.gateway.conftest import Instance, run_instance
from tests.unit.gateway.test_admin_deadletters import letter
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


# ── forms ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def write(act: str, **more: str) -> dict[str, str]:
    return {"title": "Care", "body": "Water it.", "visibility": "public", "act": act, "question": "Water?"} | more


BASE = "/console/shop"
CARE, NEW = f"{BASE}/knowledge/documents/care", f"{BASE}/knowledge/new"
SOURCES, LETTERS = f"{BASE}/knowledge/sources", f"{BASE}/deadletters"
SOURCE = DocumentSource("docs", "docs").id
FORMS: dict[str, tuple[str, dict[str, str], str, str]] = {
    "publish": (NEW, write("publish"), "knowledge.publish", "document:care"),
    "draft": (NEW, write("draft"), "knowledge.draft", "document:care"),
    "preview": (NEW, write("preview"), "", ""),
    "try": (NEW, write("try"), "", ""),
    "no text": (NEW, write("publish", body=""), "", ""),
    "edit": (f"{CARE}/edit", write("publish"), "knowledge.publish", "document:care"),
    "edit of nothing": (f"{BASE}/knowledge/documents/none/edit", write("publish"), "", ""),
    "restore": (f"{CARE}/restore", {"version": "1"}, "knowledge.restore", "document:care"),
    "delete": (f"{CARE}/delete", {"sure": "yes"}, "knowledge.remove", "document:care"),
    "sync": (SOURCES, {"source": SOURCE, "act": "sync"}, "source.sync", f"source:{SOURCE}"),
    "removals": (SOURCES, {"source": SOURCE, "act": "discard"}, "source.removals", f"source:{SOURCE}"),
    "sync of nothing": (SOURCES, {"source": "none", "act": "sync"}, "", ""),
    "replay": (LETTERS, {"letter": "dead-1", "act": "replay"}, "deadletter.replay", "deadletter:dead-1"),
    "dry run": (LETTERS, {"letter": "dead-1", "act": "dry"}, "", ""),
    "replay of nothing": (LETTERS, {"letter": "none", "act": "replay"}, "", ""),
    "check": (f"{BASE}/knowledge/health", {}, "", ""),
    "question": (f"{BASE}/knowledge", {"question": "Water?", "as": "anonymous"}, "", ""),
}
"""Forms, with the action and the subject that the audit trail must have; empty for those that change nothing."""
AUDITED_FORMS = [name for name, (_, _, action, _) in FORMS.items() if action]


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    (tmp_path / "docs").mkdir()
    source = "    name: Shop\n    knowledge: {sources: [{location: docs}]}\n"
    async with run_instance(tmp_path, TEXT.replace("    name: Shop\n", source)) as started:
        yield started


async def fill(instance: Instance, path: str) -> None:
    """What the form needs: a document with an earlier version, a dead letter."""
    if path.startswith(CARE):
        for body in ("Do not water it.", "Water it."):
            await instance.admin("PUT", "/knowledge/care", {"title": "Care", "body": body})
    await instance.services.state.dead_letters.add(letter(instance))


@pytest.mark.parametrize("form", FORMS)
async def test_a_form_that_changes_something_is_recorded_with_what_it_concerns(
    instance: Instance, ben: FormClient, form: str
) -> None:
    path, fields, action, subject = FORMS[form]
    await fill(instance, path)
    csrf = (await ben.get(f"{BASE}/conversations")).field("csrf")
    before = len(await list_records(instance))
    assert (await ben.post(path, {"csrf": csrf} | fields)).status < 500
    expected = [("console:ben", action, subject)] if action else []
    assert (await list_records(instance))[before:] == expected


async def test_each_uploaded_file_is_recorded(instance: Instance, ben: FormClient) -> None:
    path = f"{BASE}/knowledge/upload"
    csrf = (await ben.get(path)).field("csrf")
    await ben.post(path, files_form(csrf, "public", ("Pots.md", b"# Pots\n\nClay."), ("Soil.md", b"# Soil\n\nPeat.")))
    records = (await list_records(instance))[1:]
    assert records == [("console:ben", "knowledge.publish", f"document:{name}") for name in ("pots", "soil")]


@pytest.mark.parametrize("form", AUDITED_FORMS)
async def test_a_form_that_cannot_be_recorded_changes_nothing(
    instance: Instance, unrecorded: Instance, ben: FormClient, form: str
) -> None:
    path, fields, _, _ = FORMS[form]
    await fill(instance, path)
    csrf = (await ben.get(f"{BASE}/conversations")).field("csrf")

    async def read_all() -> list[Any]:
        return [await instance.logged(topic) for topic in (topics.KNOWLEDGE, topics.inbound("web"))]

    before = await read_all()
    ben.instance = unrecorded
    await ben.post(path, {"csrf": csrf} | fields)
    assert await read_all() == before
    sources = (await instance.admin("GET", "/knowledge/sources")).body["items"]
    assert [each["requested_at"] for each in sources] == [None]


@pytest.fixture
async def unrecorded(instance: Instance) -> AsyncIterator[Instance]:
    """The same instance, with an audit trail that cannot be written."""
    services = instance.services
    trail = FailingTrail(bus=services.bus, state=services.state, clock=instance.clock)
    async with run_server(build_app(replace(services, audit=trail)), "127.0.0.1", 0) as port:
        yield Instance(services, instance.http, f"http://127.0.0.1:{port}", instance.clock)


async def test_without_a_record_nothing_happens(instance: Instance, unrecorded: Instance, ben: FormClient) -> None:
    found = await fill_conversation(instance)
    csrf = (await ben.get("/console/shop/conversations")).field("csrf")
    before = await list_records(instance)
    ben.instance = unrecorded
    for method, path in CONSOLE_ACTIONS:
        ids = path.replace("{id}", found.id).replace("{approval}", "approval-1").replace("{document}", "care")
        ids = ids.replace("{group}", "0a1b2c")
        for headers in ({}, {LIVE_HEADER: "0000"}):
            where = f"/console/shop{ids}"
            seen = await (ben.get(where, headers=headers) if method == "GET" else ben.post(where, {"csrf": csrf}))
            assert seen.status == 503, path
            assert "heat pack" not in seen.text
    assert (await ben.sign_in("ben")).status == 503
    assert await list_records(instance) == before
    assert await instance.logged("parley.inbound.web") == []
