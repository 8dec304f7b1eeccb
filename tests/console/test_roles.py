"""Roles in the console: each operation for each role and tenant, and what a role does not get to see."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.access.routes import CONSOLE_ROUTES
from gateway.http.openapi import build_document
from schemas import topics
from schemas.access import PERMISSIONS_BY_ROLE, Permission, Role
from tests.console.conftest import Sit
from tests.console.form_client import PASSWORDS, FormClient, talk
from tests.console.sample_conversations import fill_conversation
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_admin_deadletters import letter

PEOPLE: dict[str, Role] = {
    "vera": "viewer",
    "mia": "agent",
    "ben": "admin",
    "anna": "owner",
    "olga": "owner",
    "": "owner",
}
"""Who signs in, and with which role; the empty name is the admin token. All but Anna and it work for the shop alone."""
SEES_ALL = {"anna", ""}


async def call(seat: FormClient, method: str, path: str, csrf: str) -> int:
    if method == "GET":
        return (await seat.get(path, allow_redirects=False)).status
    return (await seat.post(path, {"csrf": csrf}, allow_redirects=False)).status


@pytest.mark.parametrize(("name", "role"), PEOPLE.items())
async def test_a_role_may_do_what_the_table_says_in_its_tenants_and_nothing_else(
    instance: Instance, sit: Sit, name: str, role: Role
) -> None:
    seat = await sit(name)
    csrf = (await seat.get("/console/shop/conversations")).field("csrf")
    wrong = []
    for (method, path), permission in CONSOLE_ROUTES.items():
        for tenant in ("shop", "other", "nobody"):
            where = re.sub(r"{\w+}", "some-id", f"/console/{tenant}{path}")
            status = await call(seat, method, where, csrf)
            if tenant == "nobody" or (tenant == "other" and name not in SEES_ALL):
                is_right = status == 404
            elif permission in PERMISSIONS_BY_ROLE[role]:
                is_right = status not in (401, 403)
            else:
                is_right = status == 403
            if not is_right:
                wrong.append((method, where, status))
    assert wrong == []


def test_every_operation_on_a_tenant_is_in_the_table_and_in_openapi() -> None:
    named: dict[tuple[str, str], list[Permission]] = {
        (method.upper(), path.removeprefix("/console/{tenant}")): operation["security"][0]["console"]
        for path, methods in build_document()["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/console/{tenant}")
    }
    assert named == {route: [permission] for route, permission in CONSOLE_ROUTES.items()}


async def test_a_viewer_reads_a_conversation_and_gets_no_forms(instance: Instance, sit: Sit) -> None:
    found = await fill_conversation(instance)
    seen, agent = await (await sit("vera")).get(talk(found.id)), await (await sit("mia")).get(talk(found.id))
    assert "heat pack" in seen.words
    forms = {attributes.get("action") for tag, attributes in seen.elements() if tag == "form"}
    assert forms == {"/console/session/end"}
    assert "Approve" in agent.words
    assert "Approve" not in seen.words


async def test_only_an_admin_is_offered_a_replay(instance: Instance, sit: Sit) -> None:
    await instance.services.state.dead_letters.add(letter(instance))
    for name, is_offered in (("mia", False), ("ben", True)):
        seen = await (await sit(name)).get("/console/shop/deadletters")
        assert "handler_failed" in seen.words
        assert ('value="replay"' in seen.text) == is_offered


async def test_a_change_of_role_takes_effect_with_the_configuration_not_with_the_session(
    instance: Instance, sit: Sit
) -> None:
    """The cookie says who somebody is, never what they may do."""
    seat = await sit("mia")
    assert "agent" not in seat.cookie
    assert (await seat.get("/console/shop/access")).status == 403
    operators = instance.services.config.operators
    operators["mia"] = operators["mia"].model_copy(update={"role": "owner"})
    assert (await seat.get("/console/shop/access")).status == 200


async def test_an_operator_without_a_password_cannot_sign_in(instance: Instance, sit: Sit) -> None:
    operators = instance.services.config.operators
    operators["dora"] = operators["mia"].model_copy(update={"password_hash": SecretStr("")})
    seat = await sit()
    for secret in ("", "x", PASSWORDS["mia"]):
        assert (await seat.post("/console/session", {"name": "dora", "secret": secret})).status == 401


# ── the page of access ───────────────────────────────────────────────────────────────────────────────────────────────

ACCESS = "/console/shop/access"


async def create(seat: FormClient, **fields: Any) -> Any:
    return await seat.send(ACCESS, ACCESS, {"name": "backend", "scope": "read", "days": "30"} | fields)


async def test_an_owner_creates_a_token_that_is_shown_once_and_revokes_it(instance: Instance, sit: Sit) -> None:
    olga = await sit("olga")
    shown = await create(olga)
    assert shown.news == "Created. Copy the token now: it cannot be shown again."
    token = re.findall(r"parley_shop_\w+", shown.text)[0]
    assert token not in shown.url
    assert token not in (await olga.get(ACCESS)).text
    assert (await instance.admin("GET", "/conversations", token=token)).status == 200
    (kept,) = await instance.services.state.access_tokens.list_all("shop")
    assert (kept.created_by, kept.scopes) == ("console:olga", ("read",))
    revoked = await olga.send(ACCESS, f"{ACCESS}/{kept.id}/revoke", {})
    assert revoked.news == "Revoked."
    assert (await instance.admin("GET", "/conversations", token=token)).status == 401


@pytest.mark.parametrize("fields", [{"scope": "owner"}, {"scope": ""}, {"days": "400"}, {"days": ""}, {"name": ""}])
async def test_a_token_that_may_not_be_is_not_created(instance: Instance, sit: Sit, fields: dict[str, str]) -> None:
    assert (await create(await sit("olga"), **fields)).status == 400
    assert await instance.services.state.access_tokens.list_all("shop") == []


async def test_the_page_lists_the_people_of_the_tenant_with_their_roles(sit: Sit) -> None:
    seen = await (await sit("olga")).get(ACCESS)
    for text in ("Anna Bloom anna owner", "Ben ben admin", "Mia mia agent", "Vera vera viewer", "Olga olga owner"):
        assert text in seen.words


# ── approvals ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_approval_takes_the_role_and_another_person(instance: Instance, sit: Sit) -> None:
    more = {"role": "admin", "people": 2, "approved_by": ["operator:olga"]}
    found = await fill_conversation(instance, approval=more)
    path = talk(found.id, "approvals", "approval-1")
    mia, olga, anna = await sit("mia"), await sit("olga"), await sit("anna")
    assert (await mia.send(talk(found.id), path, {"decision": "approve"})).status == 403
    again = await olga.send(talk(found.id), path, {"decision": "approve"})
    assert (again.status, "another person has to approve it, too" in again.words) == (409, True)
    seen = await anna.get(talk(found.id))
    assert "1 of 2 people" in seen.words
    assert (await anna.send(talk(found.id), path, {"decision": "approve"})).news == "Approved."
    decided = [
        each for event, each in await instance.logged("parley.inbound.web") if event.type == topics.APPROVAL_DECIDED
    ]
    assert [(each.decision, each.person) for each in decided] == [("approve", "operator:anna")]


async def test_the_admin_token_is_the_same_person_in_the_console_and_over_the_api(instance: Instance, sit: Sit) -> None:
    found = await fill_conversation(instance, approval={"people": 2, "approved_by": ["shared"]})
    seat = await sit("")
    again = await seat.send(talk(found.id), talk(found.id, "approvals", "approval-1"), {"decision": "approve"})
    assert again.status == 409
    answer = await instance.admin(
        "POST", f"/conversations/{found.id}/approvals/approval-1", {"decision": "approve", "by": "Somebody else"}
    )
    assert (answer.status, answer.code) == (409, "conflict")
