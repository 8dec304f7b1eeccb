"""The model that `parley dev` finds: safely, audibly, and only where the operator left it open."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import pytest
from aiohttp import web

from gateway.config import loader
from gateway.config.default_models import LOCAL_SERVERS, VENDOR_MODELS, LocalServer
from gateway.config.settings import Config
from gateway.wiring.models.discovery import choose_models, describe_model
from schemas.errors import ConfigInvalid, SetupError
from tests.harness.processes import ROOT
from tests.simulators.models.server import ModelServer
from tests.unit.gateway.test_cli import DevProcess, configure, parley

SHOP = "tenants:\n  shop:\n    name: Shop\n"
KEYS = {"OPENAI_API_KEY": "sk-openai", "ANTHROPIC_API_KEY": "sk-anthropic", "GEMINI_API_KEY": "sk-gemini"}
NOWHERE: list[LocalServer] = []
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def load(folder: Path, text: str = SHOP, **environ: str) -> Config:
    file = folder / "parley.yaml"
    file.write_text(text, encoding="utf-8")
    return loader.load(file, environ=environ, make_secrets=False)


@pytest.mark.parametrize(
    ("variable", "name", "host"),
    [
        ("OPENAI_API_KEY", "openai", "api.openai.com"),
        ("ANTHROPIC_API_KEY", "anthropic", "api.anthropic.com"),
        ("GEMINI_API_KEY", "google", "generativelanguage.googleapis.com"),
        ("GOOGLE_API_KEY", "google", "generativelanguage.googleapis.com"),
    ],
)
async def test_a_key_in_the_environment_brings_its_model(tmp_path: Path, variable: str, name: str, host: str) -> None:
    """It answers for the tenant, with its price; the lines say why, where messages go and how to change it, never the
    key."""
    chosen, lines = await choose_models(load(tmp_path), {variable: "sk-secret"}, NOWHERE)
    entry = chosen.models[name]
    assert chosen.tenants["shop"].model == name
    assert entry.api_key.get_secret_value() == "sk-secret"
    assert entry.prices.output > entry.prices.input > 0
    why, change = lines
    assert why.startswith(f"{entry.model} (")
    assert f"because {variable} is set: messages go to {host}." in why
    assert "PARLEY_MODEL=local" in change
    assert "sk-secret" not in "".join(lines) + repr(chosen)
    assert describe_model(chosen, "shop") == f"{entry.model} ({name})"


async def test_the_first_of_several_keys_counts(tmp_path: Path) -> None:
    """In the order of the table; an empty variable is none; a key spares the look for servers."""
    async with ModelServer().serving() as server:
        at = [LocalServer("ollama", "Ollama", server.port)]
        chosen, _ = await choose_models(load(tmp_path), KEYS, at)
        other, _ = await choose_models(load(tmp_path), KEYS | {"OPENAI_API_KEY": " "}, at)
        assert server.listings == []
    assert [chosen.tenants["shop"].model, other.tenants["shop"].model] == ["openai", "anthropic"]


async def test_a_server_on_this_machine_is_found(tmp_path: Path) -> None:
    """By its list of models, asked for without a key; its first model that writes answers."""
    async with ModelServer().serving() as server:
        server.models = ["nomic-embed-text", "qwen3:8b", "llama4"]
        chosen, lines = await choose_models(load(tmp_path), {}, [LocalServer("ollama", "Ollama", server.port)])
        (headers,) = server.listings
    entry = chosen.models["ollama"]
    assert (entry.model, entry.base_url) == ("qwen3:8b", server.base_url)
    assert "qwen3:8b (Ollama) answers, because Ollama serves it on this machine" in lines[0]
    assert not {"Authorization", "Cookie"} & headers.keys()


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _redirect(_: web.Request) -> web.Response:
    raise web.HTTPFound("http://models.example/v1/models")


async def _hang(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


async def _flood(request: web.Request) -> web.StreamResponse:
    out = web.StreamResponse()
    await out.prepare(request)
    for _ in range(200):
        await out.write(b" " * 100_000)
    return out


def _say(body: bytes) -> Handler:
    async def say(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return say


STRANGERS: dict[str, Handler] = {
    "another site": _say(b"<html>hello</html>"),
    "another list": _say(b'{"data": [1, {"id": 2}, {"id": ""}]}'),
    "no list": _say(b'{"data": "models"}'),
    "nothing but embeddings": _say(b'{"data": [{"id": "bge-m3"}, {"id": "all-embed"}]}'),
    "a redirect": _redirect,
    "silence": _hang,
    "a flood": _flood,
}


@pytest.mark.parametrize("case", STRANGERS)
async def test_something_else_at_the_port_is_left_alone(tmp_path: Path, case: str) -> None:
    """Whatever it says or does, the start goes on with `local`, and tells how to get another model."""
    async with answering(STRANGERS[case]) as port:
        config = load(tmp_path)
        chosen, lines = await choose_models(config, {}, [LocalServer("vllm", "vLLM", port)])
    assert chosen is config
    assert lines[0].startswith("`local` answers, because no other model was found")
    assert "OPENAI_API_KEY" in lines[0]


async def test_no_proxy_and_no_other_machine_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual ports are those of this machine, whatever the environment says about proxies; ours is not asked."""
    assert {server.base_url.rpartition(":")[0] for server in LOCAL_SERVERS} == {"http://127.0.0.1"}
    async with ModelServer().serving() as server, ModelServer().serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        monkeypatch.delenv("no_proxy", raising=False)
        at = [LocalServer("llamacpp", "llama.cpp", server.port)]
        ours = load(tmp_path, f"listen: 127.0.0.1:{server.port}\n{SHOP}")
        assert (await choose_models(ours, {}, at))[0] is ours
        assert server.listings == []
        chosen, _ = await choose_models(load(tmp_path), {}, at)
    assert chosen.tenants["shop"].model == "llamacpp"
    assert proxy.listings == []


MINE = "models:\n  mine: {provider: openai, model: m, base_url: http://x}\n"
CHOSEN = {
    "the tenant's model": SHOP + "    model: local\n",
    "another model": MINE + SHOP + "    model: mine\n",
    "the model of a route": MINE + SHOP + "    routes: {models: {strong: mine}}\n",
    "no search": "dev_model: local\n" + SHOP,
}


@pytest.mark.parametrize("case", CHOSEN)
async def test_what_the_operator_chose_stays(tmp_path: Path, case: str) -> None:
    """`model: local` is a choice, too."""
    async with ModelServer().serving() as server:
        config = load(tmp_path, CHOSEN[case])
        assert await choose_models(config, KEYS, [LocalServer("ollama", "Ollama", server.port)]) == (config, [])
        assert server.listings == []


async def test_the_environment_keeps_it_off(tmp_path: Path) -> None:
    """PARLEY_MODEL=local."""
    config = load(tmp_path, PARLEY_MODEL="local")
    assert await choose_models(config, KEYS, NOWHERE) == (config, [])


async def test_only_tenants_that_left_it_open_get_the_model(tmp_path: Path) -> None:
    """Beside others; and an entry of the same name is not replaced."""
    text = (
        "models:\n  openai: {provider: openai, model: m, base_url: http://x}\n"
        + SHOP
        + "  bank:\n    name: Bank\n    model: openai\n  clinic:\n    name: Clinic\n    model: local\n"
    )
    chosen, _ = await choose_models(load(tmp_path, text), KEYS, NOWHERE)
    models = {name: tenant.model for name, tenant in chosen.tenants.items()}
    assert models == {"shop": "openai-found", "bank": "openai", "clinic": "local"}
    assert chosen.models["openai"].model == "m"


async def test_another_model_can_be_named(tmp_path: Path) -> None:
    """With its provider; what its price is, nobody knows."""
    chosen, lines = await choose_models(load(tmp_path, PARLEY_MODEL="anthropic:claude-x"), KEYS, NOWHERE)
    entry = chosen.models["anthropic"]
    assert (entry.model, entry.api_key.get_secret_value(), entry.prices.input) == ("claude-x", "sk-anthropic", 0)
    assert "claude-x (Anthropic) answers, because PARLEY_MODEL names it" in lines[0]
    chosen, _ = await choose_models(load(tmp_path, PARLEY_MODEL="ollama:qwen3:8b"), KEYS, LOCAL_SERVERS)
    assert chosen.models["ollama"].model == "qwen3:8b"
    assert chosen.models["ollama"].base_url == "http://127.0.0.1:11434/v1"
    with pytest.raises(SetupError, match="needs a key, and ANTHROPIC_API_KEY is not set"):
        await choose_models(load(tmp_path, PARLEY_MODEL="anthropic:claude-x"), {}, NOWHERE)


@pytest.mark.parametrize("text", ["locl", "openai", "openai:", "opnai:gpt"])
def test_a_misspelt_choice_is_refused(tmp_path: Path, text: str) -> None:
    """With the providers that there are."""
    with pytest.raises(ConfigInvalid, match="must be auto, local or PROVIDER:MODEL"):
        load(tmp_path, PARLEY_MODEL=text)


async def test_a_key_for_another_endpoint_is_not_sent_to_the_vendor(tmp_path: Path) -> None:
    """Nor is a model of the vendor's asked for there: it has to be named. The address may hold a password."""
    environ = {"OPENAI_API_KEY": "sk-other", "OPENAI_BASE_URL": "https://me:hunter2@llm.example/v1/"}
    chosen, lines = await choose_models(load(tmp_path), environ, NOWHERE)
    assert chosen.tenants["shop"].model == "local"
    assert lines[0] == (
        "OPENAI_API_KEY is set, but OPENAI_BASE_URL names llm.example: say which of its models is to answer, with "
        "PARLEY_MODEL=openai:MODEL."
    )
    chosen, lines = await choose_models(load(tmp_path, PARLEY_MODEL="openai:qwen3"), environ, NOWHERE)
    assert chosen.models["openai"].base_url == "https://me:hunter2@llm.example/v1"
    assert "messages go to llm.example." in lines[0]
    lookalike = environ | {"OPENAI_BASE_URL": "https://api.openai.com.evil.example/v1"}
    assert (await choose_models(load(tmp_path), lookalike, NOWHERE))[0].tenants["shop"].model == "local"


async def test_without_its_library_the_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`local` answers, or the next model that can."""
    monkeypatch.delitem(sys.modules, "agent_worker.models.providers.anthropic", raising=False)
    monkeypatch.setitem(sys.modules, "anthropic", None)
    one = {"ANTHROPIC_API_KEY": "sk-anthropic"}
    chosen, lines = await choose_models(load(tmp_path), one, NOWHERE)
    assert chosen.tenants["shop"].model == "local"
    assert "anthropic, which is not installed. Install it with: " in lines[0]
    assert "pip install" in lines[0]
    assert lines[1].startswith("`local` answers")
    chosen, lines = await choose_models(load(tmp_path), one | {"GEMINI_API_KEY": "sk-gemini"}, NOWHERE)
    assert chosen.tenants["shop"].model == "google"
    assert "Install it with" in lines[0]


def test_parley_run_looks_for_nothing(tmp_path: Path) -> None:
    """A scaled installation has the models of its configuration."""
    servers = "bus: kafka://127.0.0.1:1\nstate: redis://127.0.0.1:1/0\n"
    secrets = f"secret_key: {'k' * 32}\nadmin_token: {'t' * 32}\n"
    (tmp_path / "parley.yaml").write_text(servers + secrets + SHOP)
    served: list[Config] = []

    async def serve_role(config: Config, *_: object, **__: object) -> None:
        served.append(config)

    with mock.patch("gateway.wiring.compose.serve_role", serve_role):
        done = parley("run", "worker", cwd=tmp_path, PARLEY_MODEL="auto", **KEYS)
    assert done.returncode == 0, done.stderr
    assert (served[0].tenants["shop"].model, list(served[0].models)) == ("local", ["local"])
    assert "answers, because" not in done.stdout + done.stderr


async def test_parley_dev_answers_with_the_model_that_it_found(tmp_path: Path) -> None:
    """Said before and in the banner; the provider then gets the question, with the key in its header alone."""
    configure(tmp_path)
    file = tmp_path / "parley.yaml"
    assert "model:" not in file.read_text()
    async with ModelServer().serving() as server:
        key = {"OPENAI_API_KEY": "sk-from-outside", "OPENAI_BASE_URL": server.base_url}
        instance = DevProcess(tmp_path, PARLEY_MODEL="openai:adapter-7", **key)
        await asyncio.to_thread(instance.wait)
        done = await asyncio.to_thread(
            lambda: parley("chat", "-m", "What does a parcel to Lisbon cost?", "--json", cwd=tmp_path)
        )
        out, err = await asyncio.to_thread(instance.stop)
    assert done.returncode == 0, done.stderr
    (call,) = server.calls
    assert (call.body["model"], call.key) == ("adapter-7", "Bearer sk-from-outside")
    place = f"127.0.0.1:{server.port}"
    assert f"adapter-7 (OpenAI) answers, because PARLEY_MODEL names it: messages go to {place}.\n" in out
    assert "  model         adapter-7 (openai)\n" in out
    assert "sk-from-outside" not in out + err


def test_the_page_and_the_examples_name_the_default_models() -> None:
    """They are data that ages: what is said of them stands in three places, which must not differ."""
    page, registry = (ROOT / "docs" / "models.md").read_text(), (ROOT / "examples" / "models.yaml").read_text()
    for hosted in VENDOR_MODELS:
        assert re.search(rf"`{hosted.variables[0]}`.*\| `{hosted.entry.model}` \|", page)
        assert f"model: {hosted.entry.model}\n" in registry
    for server in LOCAL_SERVERS:
        assert re.search(rf"{re.escape(server.title)} \({server.port}", page)
        assert f"`{server.name}`" in page
