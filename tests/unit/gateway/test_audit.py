"""The audit trail over the API: what leaves a record, and that an act without its record does not happen."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from gateway.access.audit_routes import ADMIN_ACTIONS, CONSOLE_ACTIONS
from gateway.access.routes import ADMIN_ROUTES, CONSOLE_ROUTES
from gateway.http.app import build_app, run_server
from schemas import topics
from schemas.audit.trail import AuditTrail
from schemas.errors import BusUnavailable
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_access_tokens import create, create_token

BODIES: dict[str, Any] = {
    "owner": {"to": "person", "epoch": 0},
    "messages": {"client_msg_id": "m-1", "text": "Hello"},
    "approval": {"decision": "approve"},
    "document": {"title": "Care", "body": "Water it."},
    "restore": {"version": 1},
    "removals": {"decision": "approve"},
}


def body_of(path: str) -> Any:
    last = path.rpartition("/")[2].strip("{}")
    return BODIES.get(last, {})


async def list_records(instance: Instance, query: str = "") -> list[Any]:
    items: list[Any] = (await instance.admin("GET", f"/audit{query}")).body["items"]
    return items


def fill_in(path: str, conversation: str) -> str:
    return re.sub(r"{\w+}", "some-id", path.replace("{id}", conversation, 1) if "conversations" in path else path)


@pytest.mark.parametrize(("route", "action"), ADMIN_ACTIONS.items(), ids=lambda value: str(value))
async def test_each_audited_operation_leaves_a_record_of_who_did_what(
    instance: Instance, route: tuple[str, str], action: str
) -> None:
    conversation = await instance.conversation()
    token = await create_token(instance, "admin")
    method, path = route
    where = fill_in(path, conversation.id)
    await instance.admin(method, where, body_of(path), token=token)
    newest = (await list_records(instance))[0]
    assert (newest["action"], newest["surface"]) == (action, "api")
    assert newest["actor"] == f"token:{token.split('_')[2]}"
    expected = {
        "/knowledge": "document:some-id",
        "/knowledge/sources": "source:some-id",
        "/conversations": f"conversation:{conversation.id}",
    }
    begin = re.match(r"/knowledge/sources|/\w+", path)
    assert begin is not None
    assert newest["subject"].startswith(expected.get(begin[0], "")), newest
    assert set(newest) == {"at", "actor", "action", "subject", "surface"}


def test_only_operations_that_exist_are_audited() -> None:
    assert ADMIN_ACTIONS.keys() <= ADMIN_ROUTES.keys()
    assert CONSOLE_ACTIONS.keys() <= CONSOLE_ROUTES.keys()


def test_every_operation_that_changes_something_is_audited() -> None:
    """Searches, checks and explanations change nothing; an upload shows in the message; tokens record themselves."""
    harmless = {"/knowledge/search", "/knowledge/{document}/try", "/knowledge-health", "/route/explain"}
    harmless |= {"/conversations/{id}/attachments", "/tokens", "/tokens/{id}"}
    writes = {(method, path) for method, path in ADMIN_ROUTES if method != "GET" and path not in harmless}
    assert writes <= ADMIN_ACTIONS.keys()


def test_every_form_that_changes_something_is_audited() -> None:
    """Questions, checks and reports change nothing. Forms whose fields say what they concern record it themselves,
    which the tests of the console show."""
    harmless = {"/knowledge", "/knowledge/health", "/insights"}
    themselves = {"/deadletters", "/knowledge/new", "/knowledge/upload", "/knowledge/sources", "/access"}
    themselves |= {"/knowledge/documents/{document}/edit", "/access/{id}/revoke"}
    writes = {(method, path) for method, path in CONSOLE_ROUTES if method != "GET" and path not in harmless}
    assert {path for _, path in writes - CONSOLE_ACTIONS.keys()} == themselves


async def test_tokens_are_recorded_under_their_ids(instance: Instance) -> None:
    token = (await create(instance)).body["id"]
    await instance.admin("DELETE", f"/tokens/{token}")
    await instance.admin("DELETE", f"/tokens/{token}")
    records = [(each["action"], each["subject"], each["actor"]) for each in await list_records(instance)]
    assert records == [("token.revoke", f"token:{token}", "admin"), ("token.create", f"token:{token}", "admin")]


async def test_a_refused_request_leaves_no_record(instance: Instance) -> None:
    token = await create_token(instance, "read")
    before = await list_records(instance)
    await instance.admin("PUT", "/knowledge/care", BODIES["document"], token=token)
    await instance.admin("PUT", "/knowledge/care", BODIES["document"], token="wrong")
    assert await list_records(instance) == before


async def test_records_are_of_their_tenant(instance: Instance) -> None:
    await instance.admin("PUT", "/knowledge/care", BODIES["document"])
    assert (await instance.call("GET", "/v1/admin/other/audit")).body["items"] == []
    assert [each["action"] for each in await list_records(instance)] == ["knowledge.publish"]


async def test_records_are_filtered_and_paged(instance: Instance) -> None:
    for number in range(5):
        await instance.admin("PUT", f"/knowledge/care-{number}", BODIES["document"])
        instance.clock.tick(1)
    await instance.admin("DELETE", "/knowledge/none")
    first = (await instance.admin("GET", "/audit?action=knowledge.publish&limit=3")).body
    following = (await instance.admin("GET", f"/audit?action=knowledge.publish&limit=3&after={first['next']}")).body
    seen = [each["subject"] for each in first["items"] + following["items"]]
    assert seen == [f"document:care-{number}" for number in (4, 3, 2, 1, 0)]
    assert following["next"] == ""
    assert await list_records(instance, "?actor=token:1") == []
    assert len(await list_records(instance, "?actor=admin&action=knowledge")) == 6
    assert (await instance.admin("GET", "/audit?after=x")).code == "invalid_request"


async def test_the_export_has_every_record_with_its_hash_and_is_recorded_itself(instance: Instance) -> None:
    await instance.admin("PUT", "/knowledge/care", BODIES["document"])
    answer = await instance.admin("GET", "/audit/export")
    lines = [line for line in answer.body.splitlines() if line]
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert ['"action":"knowledge.publish"' in line for line in lines] == [True, False]
    assert ['"action":"audit.export"' in line for line in lines] == [False, True]
    assert all(re.search(r'"hash":"[0-9a-f]{64}"', line) for line in lines)


async def test_the_verification_counts_the_records_and_finds_nothing_wrong(instance: Instance) -> None:
    for number in range(3):
        await instance.admin("PUT", f"/knowledge/care-{number}", BODIES["document"])
    answer = await instance.admin("GET", "/audit/verification")
    assert answer.body == {"records": 3, "problems": []}


# ── without a record nothing happens ─────────────────────────────────────────────────────────────────────────────────


class FailingTrail(AuditTrail):
    async def record(self, *_: Any, **__: Any) -> None:
        raise BusUnavailable("no broker answers")


@pytest.fixture
async def unrecorded(instance: Instance) -> AsyncIterator[Instance]:
    """The same instance, with an audit trail that cannot be written."""
    services = instance.services
    trail = FailingTrail(bus=services.bus, state=services.state, clock=instance.clock)
    changed = replace(services, audit=trail)
    async with run_server(build_app(changed), "127.0.0.1", 0) as port, aiohttp.ClientSession() as http:
        yield Instance(changed, http, f"http://127.0.0.1:{port}", instance.clock)


@pytest.mark.parametrize("route", ADMIN_ACTIONS, ids=str)
async def test_what_cannot_be_recorded_is_refused_and_shows_nothing(
    unrecorded: Instance, route: tuple[str, str]
) -> None:
    conversation = await unrecorded.conversation()
    method, path = route
    answer = await unrecorded.admin(method, fill_in(path, conversation.id), body_of(path))
    assert (answer.status, answer.code) == (503, "unavailable")


async def test_what_cannot_be_recorded_does_not_happen(unrecorded: Instance) -> None:
    conversation = await unrecorded.conversation()
    await unrecorded.admin("PUT", "/knowledge/care", BODIES["document"])
    await unrecorded.admin("POST", f"/conversations/{conversation.id}/owner", BODIES["owner"])
    await unrecorded.admin("POST", f"/conversations/{conversation.id}/messages", BODIES["messages"])
    assert (await create(unrecorded)).status == 503
    assert await unrecorded.logged(topics.KNOWLEDGE) == []
    assert await unrecorded.logged(topics.inbound("web")) == []
    assert await unrecorded.services.state.access_tokens.list_all("shop") == []
    found = await unrecorded.services.state.conversations.get(conversation.id)
    assert found is not None
    assert found.owner == "agent"


async def test_a_token_that_cannot_be_revoked_on_record_stays(instance: Instance, unrecorded: Instance) -> None:
    token = await create_token(instance)
    assert (await unrecorded.admin("DELETE", f"/tokens/{token.split('_')[2]}")).status == 503
    assert (await instance.admin("GET", "/conversations", token=token)).status == 200


async def test_reading_documents_and_lists_needs_no_record(unrecorded: Instance) -> None:
    for path in ("/knowledge", "/conversations", "/deadletters", "/audit", "/audit/verification"):
        assert (await unrecorded.admin("GET", path)).status == 200
