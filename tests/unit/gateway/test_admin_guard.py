"""The admin API opens with the admin token alone."""

from __future__ import annotations

import re

import pytest

from gateway.http.openapi import build_document
from tests.harness.installation import ADMIN_TOKEN
from tests.unit.gateway.conftest import Instance

ADMIN = [
    (method.upper(), path)
    for path, methods in build_document()["paths"].items()
    for method in methods
    if path.startswith("/v1/admin/")
]


def fill_in_path(path: str, tenant: str) -> str:
    return re.sub(r"{\w+}", "some-id", path.replace("{tenant}", tenant))


@pytest.mark.parametrize("token", [None, "", "wrong", f"{ADMIN_TOKEN}2", ADMIN_TOKEN[:-1], "ÿÿ"])
async def test_every_admin_route_refuses_another_token(instance: Instance, token: str | None) -> None:
    for method, path in ADMIN:
        answer = await instance.call(method, fill_in_path(path, "shop"), {}, token=token)
        assert (answer.status, answer.code) == (401, "unauthorized"), path


async def test_another_scheme_is_refused(instance: Instance) -> None:
    headers = {"Authorization": f"Basic {ADMIN_TOKEN}"}
    answer = await instance.call("GET", "/v1/admin/shop/knowledge", token=None, headers=headers)
    assert answer.status == 401


async def test_every_admin_route_knows_its_tenants(instance: Instance) -> None:
    for method, path in ADMIN:
        answer = await instance.call(method, fill_in_path(path, "nobody"), {})
        assert (answer.status, answer.code) == (404, "not_found"), path


async def test_a_stranger_does_not_learn_which_tenants_there_are(instance: Instance) -> None:
    known = await instance.call("GET", "/v1/admin/shop/knowledge", token="wrong")
    unknown = await instance.call("GET", "/v1/admin/nobody/knowledge", token="wrong")
    assert (known.status, known.body) == (unknown.status, unknown.body)


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "٣", "9999999", ""])
async def test_a_wrong_page_size_is_refused(instance: Instance, limit: str) -> None:
    for path in ("/knowledge", "/conversations", "/deadletters"):
        answer = await instance.admin("GET", f"{path}?limit={limit}")
        assert (answer.status, answer.code) == (400, "invalid_request")
