"""The model registry: what an operator writes, and what comes of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent_worker.models.providers.remote_model import RemoteModel
from agent_worker.models.registry import Models
from agent_worker.settings import WorkerSettings
from gateway.config import loader
from gateway.config.models import BudgetSettings, ModelEntry, ModelPrices
from gateway.config.settings import Config
from gateway.wiring.consumers import build_worker_settings
from gateway.wiring.models.providers import open_models
from schemas.errors import ConfigInvalid
from schemas.ports import Passage, Question, SearchResult
from schemas.runtime.optional_dependencies import install_command
from tests.simulators.models.server import ModelServer, Script

ROOT = Path(__file__).resolve().parents[3]
REMOTE = "models:\n  remote: {provider: openai, model: m, base_url: http://127.0.0.1:1/v1%s}\n"
SHOP = "tenants:\n  shop:\n    name: Shop\n    model: %s\n"


def load(folder: Path, text: str, **environ: str) -> Config:
    file = folder / "parley.yaml"
    file.write_text(text, encoding="utf-8")
    return loader.load(file, environ=environ, make_secrets=False)


def problem(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        load(folder, text, **environ)
    return caught.value.message.partition("parley.yaml")[2]


def test_without_a_word_about_models_the_local_one_answers(tmp_path: Path) -> None:
    """No registry, no key, no network."""
    made = load(tmp_path, "tenants:\n  shop:\n    name: Shop\n")
    assert made.tenants["shop"].model == "local"
    models = open_models(made, WorkerSettings(tenants={}), failed=lambda _: None)
    assert [model.name for model in models.ladder("local")] == ["local"]


def test_a_tenants_model_falls_back_on_the_local_one(tmp_path: Path) -> None:
    """Even where the registry does not name `local`."""
    made = load(tmp_path, REMOTE % "" + SHOP % "remote")
    models = open_models(made, WorkerSettings(tenants={}), failed=lambda _: None)
    first, last = models.ladder("remote")
    assert isinstance(first, RemoteModel)
    assert (first.name, last.name) == ("remote", "local")


def test_a_key_comes_from_a_file_or_the_environment_and_is_not_shown(tmp_path: Path) -> None:
    """Neither in the configuration as it prints itself."""
    (tmp_path / "key").write_text("sk-file\n")
    for text, environ in (("file:key", {}), ('"${KEY}"', {"KEY": "sk-file"})):
        made = load(tmp_path, REMOTE % f", api_key: {text}" + SHOP % "remote", **environ)
        assert made.models["remote"].api_key.get_secret_value() == "sk-file"
        assert "sk-file" not in repr(made)


WRONG = {
    "a name nobody has": (
        REMOTE % "" + SHOP % "remot",
        ":6:5: tenants.shop.model: there is no model 'remot' under `models`; did you mean 'remote'?",
    ),
    "no address": (
        "models:\n  remote: {provider: openai, model: m}\n" + SHOP % "remote",
        ":2:3: models.remote: provider openai needs base_url",
    ),
    "no model": (
        "models:\n  remote: {provider: openai, base_url: http://x}\n" + SHOP % "remote",
        ":2:3: models.remote: provider openai needs model",
    ),
    "a key for the local one": (
        "models:\n  local: {api_key: x}\n" + SHOP % "local",
        ":2:3: models.local: provider local takes no api_key; did you mean `provider: openai`?",
    ),
    "another local": (
        "models:\n  local: {provider: openai, model: m, base_url: http://x}\n" + SHOP % "local",
        ":2:3: models.local: must have `provider: local`; give your model another name",
    ),
    "a provider nobody knows": (
        "models:\n  remote: {provider: opnai}\n" + SHOP % "local",
        ":2:12: models.remote.provider: must be 'local', 'openai', 'anthropic' or 'google'",
    ),
    "a misspelt setting": (
        REMOTE % ", base-url: x" + SHOP % "remote",
        "models.remote.base-url: unknown key; did you mean 'base_url'?",
    ),
    "a fallback nobody knows": (
        REMOTE % ", fallback: [remot]" + SHOP % "remote",
        "models.remote.fallback: there is no model 'remot' under `models`; did you mean 'remote'?",
    ),
    "a model by no language": (
        REMOTE % "" + SHOP % "{german: remote}",
        "must be a language, such as en, de or pt-br",
    ),
    "no model of anthropic's": (
        "models:\n  remote: {provider: anthropic}\n" + SHOP % "remote",
        ":2:3: models.remote: provider anthropic needs model",
    ),
    "everything in too small a prompt": (
        REMOTE % ", context: 10000, whole_knowledge: 9000" + SHOP % "remote",
        "whole_knowledge and max_output together must leave a tenth of context for the question",
    ),
    "an unset variable": (
        REMOTE % ', api_key: "${NO_KEY}"' + SHOP % "remote",
        "the environment variable NO_KEY is not set",
    ),
    "an ability that does nothing": (
        REMOTE % ", abilities: [actions, json]" + SHOP % "remote",
        "models.remote.abilities: json has no effect, because models are never asked for JSON; leave it out",
    ),
    "an ability nobody has": (
        REMOTE % ", abilities: [visoin]" + SHOP % "remote",
        "models.remote.abilities[0]: must be 'actions' or 'vision'",
    ),
    "an answer as long as everything": (
        REMOTE % ", context: 2000, max_output: 1500" + SHOP % "remote",
        ":2:3: models.remote: max_output must be at most half of context, so that there is room for the passages",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_invalid_setting_is_reported_with_its_place(tmp_path: Path, case: str) -> None:
    """File, line, what is wanted and what was perhaps meant."""
    text, said = WRONG[case]
    assert said in problem(tmp_path, text)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_libraries_are_imported_only_for_those_who_use_them() -> None:
    """They take seconds and dozens of megabytes."""
    seen = "print([name for name in ('openai', 'anthropic', 'google.genai', 'pydantic_ai') if name in sys.modules])"
    assert run(f"import sys, gateway.wiring.compose, gateway.wiring.models.providers; {seen}") == "[]"
    assert run(f"import sys, agent_worker.models.providers.openai; {seen}") == "['openai', 'pydantic_ai']"


@pytest.mark.parametrize(
    ("provider", "absent", "extra"),
    [
        ("openai", "openai", "models"),
        ("openai", "pydantic_ai", "models"),
        ("anthropic", "anthropic", "anthropic"),
        ("google", "google.genai", "google"),
    ],
)
def test_an_absent_library_is_named_with_its_remedy(provider: str, absent: str, extra: str) -> None:
    """Without the extra, an installation that needs it says so."""
    code = f"""
import sys
sys.modules[{absent!r}] = None
from schemas.errors import MissingDependency
try:
    import agent_worker.models.providers.{provider}
except MissingDependency as error:
    print(error.message, "|", error.fix)
"""
    said = run(code)
    assert absent in said
    assert said.endswith(f"| {install_command(extra)}")


def test_the_example_registry_is_valid_and_holds_every_family(tmp_path: Path) -> None:
    """With context, prices and abilities of each; no key is needed to read it."""
    text = (ROOT / "examples" / "models.yaml").read_text()
    made = load(tmp_path, text + SHOP % "{de: german, en: gpt}")
    families = ("gpt", "claude", "gemini", "deepseek", "kimi", "glm", "qwen", "minimax")
    for name in families:
        entry = made.models[name]
        assert name.split("-")[0] in entry.model.casefold()
        assert entry.context > 32_000
        assert 0 < (entry.prices.cached_input or 0) < entry.prices.input < entry.prices.output
        assert "actions" in entry.abilities
    assert {entry.provider for entry in made.models.values()} == {"openai", "anthropic", "google"}
    models = open_models(made, build_worker_settings(made.tenants, {}), failed=lambda _: None)
    assert [model.name for model in models.ladder("german")] == ["german", "english", "local"]


def test_a_tenant_may_have_a_model_for_each_language(tmp_path: Path) -> None:
    """Other languages get the one of its locale."""
    text = (ROOT / "examples" / "models.yaml").read_text()
    made = load(tmp_path, text + SHOP % "{de: german, en: english}")
    rules = build_worker_settings(made.tenants, {}).of("shop")
    assert (rules.model, dict(rules.models)) == ("english", {"de": "german", "en": "english"})


def test_voice_may_be_one_for_all_or_by_language(tmp_path: Path) -> None:
    """Instructions and examples alike."""
    said = "    voice:\n      instructions: Be brief.\n      examples: {DE: [{message: Hallo, answer: Ja.}]}\n"
    text = SHOP % "local" + said
    voice = build_worker_settings(load(tmp_path, text).tenants, {}).of("shop").voice
    assert dict(voice.instructions) == {"": "Be brief."}
    assert [one.answer for one in voice.examples["de"]] == ["Ja."]


def test_every_setting_of_models_is_explained() -> None:
    """On the page about them."""
    page = (ROOT / "docs" / "models.md").read_text()
    sections = (ModelEntry, ModelPrices, BudgetSettings)
    phrases = {"instructions", "examples", "models_unavailable"}
    names = {name for section in sections for name in section.model_fields} | phrases
    assert [name for name in sorted(names) if not re.search(rf"`(voice\.)?{name}`", page)] == []


def test_the_examples_on_the_pages_are_valid(tmp_path: Path) -> None:
    """As they stand, with keys in the environment."""
    keys = {"ANTHROPIC_API_KEY": "a", "DEEPSEEK_API_KEY": "b", "OPENAI_API_KEY": "c"}
    for page, name in (("docs/models.md", "main"), ("README.md", "remote")):
        (block,) = re.findall(r"```yaml\n(models:.*?)```", (ROOT / page).read_text(), re.DOTALL)
        made = load(tmp_path, block, **keys)
        assert made.tenants["plantstore"].model == name
        assert made.models[name].api_key.get_secret_value() in keys.values()


async def _nothing(*_: object) -> None: ...


def shipping_question() -> Question:
    told = Passage("shop", "ships", 1, "Ships", "", "", "We ship on Mondays.", 0.9)
    return Question("shop", "When do you ship?", [], SearchResult([told], answerable=True, confidence=0.9))


def two_models(folder: Path, address: str) -> Models:
    """One and its fallback at the same address, as on OpenRouter or vLLM."""
    entry = f"provider: openai, base_url: {address}, model"
    text = f"models:\n  one: {{{entry}: m1, fallback: [two]}}\n  two: {{{entry}: m2}}\n" + SHOP % "one"
    made = load(folder, text)
    return open_models(made, build_worker_settings(made.tenants, {}), failed=lambda _: None)


@pytest.mark.parametrize("script", [Script(status=429, retry_after=60), Script(status=503), Script("cut")])
async def test_a_fallback_at_the_same_address_is_asked(tmp_path: Path, script: Script) -> None:
    """A model that is overloaded or asks to be left alone says nothing about its neighbours, neither now nor later."""
    async with ModelServer().serving() as server:
        server.script_for = lambda call: script if call.body["model"] == "m1" else Script()
        models = two_models(tmp_path, server.base_url)
        drafts = [await models.answer("one", shipping_question(), _nothing, _nothing) for _ in range(6)]
        await models.close()
    assert [draft.model for draft in drafts] == ["two"] * 6
    assert drafts[-1].reasons[0].startswith("model one not asked: it is not called for another ")


async def test_an_address_that_is_away_rests_all_its_models(tmp_path: Path) -> None:
    """After connections failed a few times in a row, neither of its models is asked."""
    async with ModelServer().serving() as server:
        address = server.base_url
    models = two_models(tmp_path, address)
    drafts = [await models.answer("one", shipping_question(), _nothing, _nothing) for _ in range(4)]
    await models.close()
    assert drafts[0].reasons == [
        "model one failed: no connection: ModelConnectionError",
        "model two failed: no connection: ModelConnectionError",
    ]
    assert drafts[3].reasons == [
        "model one not asked: its address is not called for another 20 s",
        "model two not asked: its address is not called for another 20 s",
    ]
    assert drafts[3].model == "local"
