"""The models that `parley dev` offers, and the one that answers once it is chosen."""

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
from gateway.wiring.models.discovery import choose_models, describe_model, find_offers
from schemas.errors import ConfigInvalid, MissingDependency, SetupError
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
async def test_a_key_in_the_environment_is_offered_and_used_once_it_is_chosen(
    tmp_path: Path, variable: str, name: str, host: str
) -> None:
    """The lines say how to choose it and where messages go, never the key."""
    environ, config = {variable: "sk-secret"}, load(tmp_path)
    (offer,) = await find_offers(config, environ, NOWHERE)
    assert await choose_models(config, environ) == (config, "")
    assert offer.startswith(f"{variable} is set: PARLEY_MODEL={name} parley dev, or the line `dev_model: {name}` in ")
    assert offer.endswith(f"messages then go to {host}")
    for way in ({"text": f"dev_model: {name}\n{SHOP}"}, {"PARLEY_MODEL": name}):
        config = load(tmp_path, **way)
        assert await find_offers(config, environ, NOWHERE) == []
        chosen, line = await choose_models(config, environ)
        entry = chosen.models[name]
        assert chosen.tenants["shop"].model == name
        assert entry.api_key.get_secret_value() == "sk-secret"
        assert entry.prices.output > entry.prices.input > 0
        assert line.startswith(f"{entry.model} (")
        assert f", lets {line.partition(' answers')[0]} answer; " in offer
        assert f"messages go to {host}." in line
        assert "sk-secret" not in offer + line + repr(chosen)
        assert describe_model(chosen, "shop") == f"{entry.model} ({name})"


async def test_every_key_and_server_is_offered(tmp_path: Path) -> None:
    """A server by its list of models, asked for without a key: its first model that writes answers. An empty variable
    is no key."""
    async with ModelServer().serving() as server:
        server.models = ["nomic-embed-text", "qwen3:8b", "llama4"]
        at = LocalServer("ollama", "Ollama", server.port)
        offers = await find_offers(load(tmp_path), KEYS | {"OPENAI_API_KEY": " "}, [at])
        (headers,) = server.listings
        assert not {"Authorization", "Cookie"} & headers.keys()
        assert [re.findall("lets (.*) answer", offer)[0] for offer in offers] == [
            "claude-haiku-5-5 (Anthropic)",
            "gemini-3.8-flash (Google)",
            "qwen3:8b (Ollama)",
        ]
        assert offers[-1].startswith("Ollama runs on this machine: PARLEY_MODEL=ollama parley dev, or")
        assert offers[-1].endswith(f"messages then go to 127.0.0.1:{server.port}")
        with mock.patch("gateway.wiring.models.discovery.LOCAL_SERVERS", [at]):
            chosen, _ = await choose_models(load(tmp_path, PARLEY_MODEL="ollama"), {})
            assert (chosen.models["ollama"].model, chosen.models["ollama"].base_url) == ("qwen3:8b", server.base_url)
            server.models = []
            with pytest.raises(SetupError, match="Ollama serves no model"):
                await choose_models(load(tmp_path, PARLEY_MODEL="ollama"), {})


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
    """Whatever it says or does, the start goes on."""
    async with answering(STRANGERS[case]) as port:
        assert await find_offers(load(tmp_path), {}, [LocalServer("vllm", "vLLM", port)]) == []


async def test_no_proxy_and_no_other_machine_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual ports are those of this machine, whatever the environment says about proxies; ours is not asked."""
    assert {server.base_url.rpartition(":")[0] for server in LOCAL_SERVERS} == {"http://127.0.0.1"}
    async with ModelServer().serving() as server, ModelServer().serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        monkeypatch.delenv("no_proxy", raising=False)
        at = [LocalServer("llamacpp", "llama.cpp", server.port)]
        ours = load(tmp_path, f"listen: 127.0.0.1:{server.port}\n{SHOP}")
        assert await find_offers(ours, {}, at) == []
        assert server.listings == []
        assert len(await find_offers(load(tmp_path), {}, at)) == 1
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
        assert await find_offers(config, KEYS, [LocalServer("ollama", "Ollama", server.port)]) == []
        assert server.listings == []
        if not config.dev_model:
            config = config.model_copy(update={"dev_model": "openai"})
        assert await choose_models(config, KEYS) == (config, "")


async def test_only_tenants_that_left_it_open_get_the_model(tmp_path: Path) -> None:
    """Beside others; and an entry of the same name is not replaced."""
    text = (
        "dev_model: openai\nmodels:\n  openai: {provider: openai, model: m, base_url: http://x}\n"
        + SHOP
        + "  bank:\n    name: Bank\n    model: openai\n  clinic:\n    name: Clinic\n    model: local\n"
    )
    chosen, _ = await choose_models(load(tmp_path, text), KEYS)
    models = {name: tenant.model for name, tenant in chosen.tenants.items()}
    assert models == {"shop": "openai-found", "bank": "openai", "clinic": "local"}
    assert chosen.models["openai"].model == "m"


async def test_another_model_can_be_named(tmp_path: Path) -> None:
    """With its provider; what its price is, nobody knows."""
    chosen, line = await choose_models(load(tmp_path, PARLEY_MODEL="anthropic:claude-x"), KEYS)
    entry = chosen.models["anthropic"]
    assert (entry.model, entry.api_key.get_secret_value(), entry.prices.input) == ("claude-x", "sk-anthropic", 0)
    assert line.startswith("claude-x (Anthropic) answers, as `dev_model` says")
    chosen, _ = await choose_models(load(tmp_path, PARLEY_MODEL="ollama:qwen3:8b"), KEYS)
    assert chosen.models["ollama"].model == "qwen3:8b"
    assert chosen.models["ollama"].base_url == "http://127.0.0.1:11434/v1"
    with pytest.raises(SetupError, match="needs a key, and ANTHROPIC_API_KEY is not set"):
        await choose_models(load(tmp_path, PARLEY_MODEL="anthropic"), {})


@pytest.mark.parametrize("text", ["locl", "auto", "openai:", "opnai:gpt"])
def test_a_misspelt_choice_is_refused(tmp_path: Path, text: str) -> None:
    """With the providers that there are."""
    with pytest.raises(ConfigInvalid, match="must be local, PROVIDER or PROVIDER:MODEL"):
        load(tmp_path, PARLEY_MODEL=text)


async def test_a_key_for_another_endpoint_is_not_sent_to_the_vendor(tmp_path: Path) -> None:
    """Nor is a model of the vendor's asked for there: it has to be named. The address may hold a password."""
    environ = {"OPENAI_API_KEY": "sk-other", "OPENAI_BASE_URL": "https://me:hunter2@llm.example/v1/"}
    named = "OPENAI_API_KEY is set, and OPENAI_BASE_URL names llm.example: say which of its models is to answer"
    (offer,) = await find_offers(load(tmp_path), environ, NOWHERE)
    assert offer == f"{named}, with PARLEY_MODEL=openai:MODEL"
    lookalike = environ | {"OPENAI_BASE_URL": "https://api.openai.com.evil.example/v1"}
    for each in (environ, lookalike):
        with pytest.raises(SetupError, match="say which of its models is to answer"):
            await choose_models(load(tmp_path, PARLEY_MODEL="openai"), each)
    chosen, line = await choose_models(load(tmp_path, PARLEY_MODEL="openai:qwen3"), environ)
    assert chosen.models["openai"].base_url == "https://me:hunter2@llm.example/v1"
    assert "messages go to llm.example." in line


async def test_without_its_library_the_offer_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "agent_worker.models.providers.anthropic", raising=False)
    monkeypatch.setitem(sys.modules, "anthropic", None)
    key = {"ANTHROPIC_API_KEY": "sk-anthropic"}
    (offer,) = await find_offers(load(tmp_path), key, NOWHERE)
    assert "once it is installed with: " in offer
    assert "pip install" in offer
    with pytest.raises(MissingDependency):
        await choose_models(load(tmp_path, PARLEY_MODEL="anthropic"), key)


def test_parley_run_takes_no_model_from_the_environment(tmp_path: Path) -> None:
    """A scaled installation has the models of its configuration."""
    servers = "bus: kafka://127.0.0.1:1\nstate: redis://127.0.0.1:1/0\n"
    secrets = f"secret_key: {'k' * 32}\nadmin_token: {'t' * 32}\n"
    (tmp_path / "parley.yaml").write_text(servers + secrets + SHOP)
    served: list[Config] = []

    async def serve_role(config: Config, *_: object, **__: object) -> None:
        served.append(config)

    with mock.patch("gateway.wiring.compose.serve_role", serve_role):
        done = parley("run", "worker", cwd=tmp_path, PARLEY_MODEL="openai", **KEYS)
    assert done.returncode == 0, done.stderr
    assert (served[0].tenants["shop"].model, list(served[0].models)) == ("local", ["local"])
    assert "answers, because" not in done.stdout + done.stderr


async def test_parley_dev_answers_with_the_model_that_was_chosen_and_no_other(tmp_path: Path) -> None:
    """A key alone is offered in the banner and by `parley doctor`, and nothing is sent to its vendor. Once the model is
    chosen, the vendor gets the question, with the key in its header alone."""
    configure(tmp_path)
    file = tmp_path / "parley.yaml"
    assert "model:" not in file.read_text()
    async with ModelServer().serving() as server:
        key = {"OPENAI_API_KEY": "sk-from-outside", "OPENAI_BASE_URL": server.base_url}
        place, printed, out = f"127.0.0.1:{server.port}", "", ""
        for choice in ("", "openai:adapter-7"):
            instance = DevProcess(tmp_path, PARLEY_MODEL=choice, **key)
            await asyncio.to_thread(instance.wait)
            done = await asyncio.to_thread(
                lambda: parley("chat", "-m", "What does a parcel to Lisbon cost?", "--json", cwd=tmp_path)
            )
            out, err = await asyncio.to_thread(instance.stop)
            printed += out + err
            assert done.returncode == 0, done.stderr
            if not choice:
                offer = (
                    f"OPENAI_API_KEY is set, and OPENAI_BASE_URL names {place}: say which of its models is to answer"
                )
                assert f"  model         local (quotes the documents)\n                {offer}" in out
                assert (
                    offer
                    in (await asyncio.to_thread(lambda: parley("doctor", cwd=tmp_path, PARLEY_MODEL="", **key))).stdout
                )
                assert server.calls == []
    (call,) = server.calls
    assert (call.body["model"], call.key) == ("adapter-7", "Bearer sk-from-outside")
    assert f"adapter-7 (OpenAI) answers, as `dev_model` says: messages go to {place}.\n" in out
    assert "  model         adapter-7 (openai)\n" in out
    assert "sk-from-outside" not in printed


def test_the_page_and_the_examples_name_the_default_models() -> None:
    """They are data that ages: what is said of them stands in three places, which must not differ."""
    page, registry = (ROOT / "docs" / "models.md").read_text(), (ROOT / "examples" / "models.yaml").read_text()
    for hosted in VENDOR_MODELS:
        assert re.search(rf"`{hosted.variables[0]}`.*\| `{hosted.entry.model}` \|", page)
        assert f"model: {hosted.entry.model}\n" in registry
    for server in LOCAL_SERVERS:
        assert re.search(rf"{re.escape(server.title)} \({server.port}", page)
        assert f"`{server.name}`" in page
