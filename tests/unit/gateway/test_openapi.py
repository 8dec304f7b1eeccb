"""The OpenAPI document and the application have exactly the same routes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiohttp import web

from gateway.access.routes import ADMIN_ROUTES
from gateway.admin import PREFIX
from gateway.http.endpoints.api_endpoint import STATUS_BY_CODE
from gateway.http.endpoints.table import ENDPOINTS
from gateway.http.openapi import build_document
from schemas import errors
from tests.unit.gateway.conftest import Instance


@pytest.fixture
async def served(instance: Instance) -> set[tuple[str, str]]:
    from gateway.http.app import build_app

    app: web.Application = build_app(instance.services)
    return {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method not in ("OPTIONS", "HEAD")
    }


async def test_every_route_is_described_and_every_described_route_is_served(served: set[tuple[str, str]]) -> None:
    described = {(method.upper(), path) for path, methods in build_document()["paths"].items() for method in methods}
    assert described == served


def test_every_operation_has_a_name_of_its_own_and_declares_its_path_parameters() -> None:
    names = []
    for path, methods in build_document()["paths"].items():
        for operation in methods.values():
            names.append(operation["operationId"])
            declared = {item["name"] for item in operation["parameters"] if item["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path))
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere() -> None:
    text = str(build_document())
    known = build_document()["components"]["schemas"]
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in known


def test_the_codes_have_the_statuses_of_the_failures_themselves() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ParleyError)]
    of_kinds = {kind.code: kind.status for kind in kinds if kind.code in STATUS_BY_CODE}
    assert of_kinds == STATUS_BY_CODE
    assert {code for route in ENDPOINTS for code in route.errors} == set(STATUS_BY_CODE)


async def test_the_document_is_served_without_a_token(instance: Instance) -> None:
    answer = await instance.call("GET", "/v1/openapi.json", token=None)
    assert answer.status == 200
    assert answer.body == build_document()
    assert answer.body["openapi"] == "3.1.0"


def test_only_the_admin_routes_ask_for_the_admin_token() -> None:
    for path, methods in build_document()["paths"].items():
        for operation in methods.values():
            asked = [name for each in operation["security"] for name in each]
            assert (asked == ["admin"]) == path.startswith("/v1/admin/"), Path(path)


def test_every_admin_route_names_the_one_permission_that_it_needs() -> None:
    named = {
        (method.upper(), path.removeprefix(PREFIX)): operation["security"][0]["admin"]
        for path, methods in build_document()["paths"].items()
        for method, operation in methods.items()
        if path.startswith(PREFIX)
    }
    assert named == {route: [permission] for route, permission in ADMIN_ROUTES.items()}
    assert {permission for (permission,) in named.values()} == {"read", "reply", "knowledge", "admin", "owner"}
