"""References in a configuration are checked before anything is served: actions, libraries, models."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.config import loader as configuration
from gateway.doctor import preflight
from infra.deploy.process import free_port
from tests.unit.gateway.test_cli import parley

SHOP = "tenants:\n  shop:\n    name: Shop\n    channels: {web: {main: {}}}\n"
ACTION = '''
from pydantic import BaseModel
from agent_worker.actions import ActionContext, action

class Nothing(BaseModel): ...

@action(risk="read", needs="anonymous", examples=["hello"])
async def greet(context: ActionContext, arguments: Nothing) -> Nothing:
    """Greet."""
    return arguments
'''


def configure(folder: Path, tenant: str = "", more: str = "") -> None:
    (folder / "parley.yaml").write_text(f"{more}{SHOP}{tenant}")


def remote(url: str, *, model: str = "small", provider: str = "openai") -> str:
    return f"models:\n  other: {{provider: {provider}, base_url: '{url}', model: {model}, api_key: k}}\n"


def test_a_syntax_error_in_an_action_file_is_found_by_config_check(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(ACTION + "\ndef (:\n")
    configure(tmp_path, "    actions: {sources: [broken.py]}\n")
    done = parley("config", "check", cwd=tmp_path)
    assert done.returncode == 1
    assert "SyntaxError" in done.stdout
    assert f"broken.py, line {ACTION.count(chr(10)) + 2}" in done.stdout
    told = json.loads(parley("config", "check", "--json", cwd=tmp_path).stdout)
    assert told["valid"] is False
    assert told["problems"][0]["check"] == "actions shop"


def test_an_action_that_works_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "works.py").write_text(ACTION)
    configure(tmp_path, "    actions: {sources: [works.py]}\n")
    assert parley("config", "check", cwd=tmp_path).returncode == 0


def test_a_broken_action_stops_the_start_before_any_document_is_read(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('not today')\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "one.md").write_text("# One\n\nText.\n")
    more = f"listen: 127.0.0.1:{free_port()}\n"
    configure(tmp_path, "    actions: {sources: [broken.py]}\n    knowledge: {paths: [docs]}\n", more)
    done = parley("dev", cwd=tmp_path)
    assert done.returncode == 2
    assert "not today" in done.stderr
    assert not (tmp_path / ".parley" / "parley.db").exists()


def test_a_model_whose_library_is_missing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "openai" or name == "agent_worker.models.providers.openai"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openai", None)
    configure(tmp_path, "    model: other\n", remote("http://127.0.0.1:9"))
    done = parley("config", "check", "--offline", cwd=tmp_path)
    assert done.returncode == 1
    assert "needs openai, which is not installed" in done.stdout
    assert "pip install 'pydantic-ai-slim" in done.stdout


def test_an_endpoint_that_nobody_serves_is_found_unless_offline(tmp_path: Path) -> None:
    configure(tmp_path, "    model: other\n", remote(f"http://127.0.0.1:{free_port()}/v1"))
    done = parley("config", "check", cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot be reached" in done.stdout
    assert parley("config", "check", "--offline", cwd=tmp_path).returncode == 0


def test_a_model_that_no_tenant_uses_is_not_contacted(tmp_path: Path) -> None:
    configure(tmp_path, "", remote(f"http://127.0.0.1:{free_port()}/v1"))
    assert parley("config", "check", cwd=tmp_path).returncode == 0


@asynccontextmanager
async def endpoint(status: int, body: object) -> AsyncIterator[str]:
    """A server whose list of models answers ``body``; gives its base URL."""

    async def models(_request: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_get("/v1/models", models)
    async with TestServer(app) as server:
        yield str(server.make_url("/v1"))


@pytest.mark.parametrize(
    ("status", "body", "verdict", "told"),
    [
        (200, {"data": [{"id": "small"}]}, "ok", "answers"),
        (200, {"data": [{"id": "large"}]}, "warn", "does not list 'small'"),
        (200, {"data": "nonsense"}, "ok", "answers"),
        (404, {}, "ok", "answers"),
        (401, {}, "fail", "refuses the key"),
    ],
)
async def test_an_endpoint_is_asked_for_its_models(
    tmp_path: Path, status: int, body: object, verdict: str, told: str
) -> None:
    async with endpoint(status, body) as url:
        configure(tmp_path, "    model: other\n", remote(url))
        loaded = await asyncio.to_thread(configuration.load, tmp_path / "parley.yaml", make_secrets=False)
        [finding] = await preflight.check_endpoints(loaded)
    assert finding.status == verdict
    assert told in finding.detail


def test_a_source_whose_library_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "find_spec", lambda _name: None)
    configure(tmp_path, "    knowledge: {sources: [{location: drive://1abcdef}]}\n")
    done = parley("config", "check", cwd=tmp_path)
    assert done.returncode == 0
    assert "drive://1abcdef cannot be read" in done.stdout
    assert "google-auth" in done.stdout


def test_documents_that_no_reader_is_installed_for_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "find_spec", lambda _name: None)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "prices.pdf").write_bytes(b"%PDF-1.7")
    configure(tmp_path, "    knowledge: {paths: [docs]}\n")
    done = parley("config", "check", cwd=tmp_path)
    assert done.returncode == 0
    assert "prices.pdf" in done.stdout
