"""An address of its own for administration: what is there, and what is not at the public address any more."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from gateway.http.app import build_admin_app, run_server
from gateway.http.openapi import build_document
from infra.deploy.process import free_port
from tests.harness.installation import ADMIN_TOKEN
from tests.unit.gateway.conftest import TEXT, Instance, run_instance

PRIVATE = ("/v1/admin/", "/console", "/metrics")
BOTH = {"/healthz", "/readyz", "/v1/openapi.json"}


@dataclass(frozen=True)
class Addresses:
    public: str
    private: str


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Addresses]:
    text = f"admin_listen: 127.0.0.1:{free_port()}\n{TEXT}"
    async with (
        run_instance(tmp_path, text) as instance,
        run_server(build_admin_app(instance.services), "127.0.0.1", 0) as port,
    ):
        yield Addresses(instance.address, f"http://127.0.0.1:{port}")


async def is_there(http: aiohttp.ClientSession, address: str, method: str, path: str) -> bool:
    """Whether the route exists there: any answer but that of an unknown one."""
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    where = address + re.sub(r"{\w+}", "some-id", path.replace("{tenant}", "shop"))
    async with http.request(method, where, headers=headers, allow_redirects=False) as response:
        if response.status not in (404, 405):
            return True
        text = await response.text()
        return response.status == 404 and '"message":"not found"' not in text


async def test_each_route_is_at_its_address_alone(served: Addresses) -> None:
    wrong = []
    async with aiohttp.ClientSession() as http:
        for path, methods in build_document()["paths"].items():
            for method in methods:
                is_private = path.startswith(PRIVATE)
                found = [
                    await is_there(http, address, method.upper(), path) for address in (served.public, served.private)
                ]
                expected = [True, True] if path in BOTH else [not is_private, is_private]
                if found != expected:
                    wrong.append((method, path, found))
    assert wrong == []


async def test_without_the_setting_everything_is_at_one_address(instance: Instance) -> None:
    assert (await instance.admin("GET", "/conversations")).status == 200
    assert (await instance.call("GET", "/metrics", token=None)).status == 200
    assert (await instance.call("GET", "/console", token=None)).status == 200


async def test_the_metrics_do_not_tell_strangers_which_tenants_there_are(served: Addresses) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{served.public}/metrics") as response:
            assert response.status == 404
        async with http.get(f"{served.private}/metrics") as response:
            assert (response.status, "parley_" in await response.text()) == (200, True)
