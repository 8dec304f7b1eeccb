"""A tuned model is compared with its base, promoted if it is better, and answers its share of the conversations."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent_worker.learning.evals.results import CaseResult as Result
from agent_worker.learning.evals.results import CheckResult, RunResult
from agent_worker.learning.evals.suite import Gate
from agent_worker.learning.finetune.adapter_evaluation import (
    AdapterEvaluation,
    LocaleScore,
    compare_locales,
    find_objections,
)
from agent_worker.learning.insights.outcomes import assess, build_rows
from agent_worker.learning.insights.timeline import LogEvent, read_timeline
from agent_worker.models.adapters import AdapterRule, apply_adapters, choose_adapter
from agent_worker.models.providers.openai import openai_provider
from agent_worker.models.providers.provider import ModelLimits
from agent_worker.models.providers.remote_model import RemoteModel
from agent_worker.models.registry import Models
from agent_worker.router.decision import Route
from agent_worker.settings import FoldRules, TenantRules, WorkerSettings
from gateway.config.loader import load
from gateway.evals.runs import EvalOptions
from gateway.finetune.adapter_registry import demote_adapter, name_entry, promote_adapter
from gateway.finetune.adapter_trials import AdapterTrial
from gateway.replay.candidate_documents import read_configured_documents
from gateway.wiring.consumers import build_worker_settings
from gateway.wiring.models.providers import find_used_models
from schemas import topics
from schemas.errors import ConfigInvalid, Conflict, NotFound
from schemas.ports import Bus
from tests.simulators.models.server import Call, ModelServer, Script
from tests.unit.agent_worker.worker_environment import CHANNEL, VOICE
from tests.unit.finetune.feedback_log import open_feedback_log
from tests.unit.gateway.evals.eval_shop import CONFIG, install

HEAT_PACK = "in winter we add a heat pack to every parcel with tropical plants for 4.50 euro [1]."
NOW = datetime(2026, 6, 1, tzinfo=UTC)
MODELS = "models: {{base: {{provider: openai, model: small, base_url: '{address}', api_key: k, context: 16000}}}}\n"
RULES = [AdapterRule("de-only", "base", 0.5, "de"), AdapterRule("tenth", "base", 0.1)]


def figures(before: float, after: float, low: float, high: float, **more: Any) -> LocaleScore:
    about: dict[str, Any] = {"locale": "all", "cases": 20}
    return LocaleScore(**(about | more), before=before, after=after, low=low, high=high)


BETTER, SAME = figures(0.4, 0.9, 0.3, 0.7), figures(0.9, 0.9, -0.1, 0.1)


def evaluation(*suite: LocaleScore, forgetting: tuple[LocaleScore, ...] = (SAME,)) -> AdapterEvaluation:
    return AdapterEvaluation(
        tenant="shop", base="base", model="Returns 1", at=NOW, suite=list(suite), forgetting=list(forgetting)
    )


def write_config(folder: Path, address: str = "http://127.0.0.1:9/v1") -> Path:
    file = install(folder)
    file.write_text(CONFIG + MODELS.format(address=address))
    return file


# ── routing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_adapter_answers_its_share_and_a_conversation_keeps_it() -> None:
    ids = [f"conversation-{n}" for n in range(4000)]
    english = Counter(choose_adapter(RULES, "base", id, "en") for id in ids)
    german = Counter(choose_adapter(RULES, "base", id, "de-AT") for id in ids)
    assert english.keys() == {"base", "tenth"}
    assert english["tenth"] / 4000 == pytest.approx(0.1, abs=0.02)
    assert german["de-only"] / 4000 == pytest.approx(0.5, abs=0.03)
    assert german["tenth"] / 4000 == pytest.approx(0.1, abs=0.02)
    assert all(choose_adapter(RULES, "base", id, "de") == choose_adapter(RULES, "base", id, "de") for id in ids)
    assert {choose_adapter(RULES, "other", id, "de") for id in ids} == {"other"}
    more = [AdapterRule("tenth", "base", 0.2)]
    kept = [id for id in ids if choose_adapter(RULES[1:], "base", id, "en") == "tenth"]
    assert all(choose_adapter(more, "base", id, "en") == "tenth" for id in kept), "a larger share only adds"


def test_the_route_says_which_adapter_answers_and_falls_back_on_the_model() -> None:
    route = Route("cheap", ("base", "strong"), ("easy",))
    changed = apply_adapters(route, [AdapterRule("tuned", "base")], "c1", "en")
    assert changed.models == ("tuned", "base", "strong")
    assert changed.reasons == ("easy", "adapter tuned in place of base")
    assert apply_adapters(route, [AdapterRule("tuned", "base", 1.0, "de")], "c1", "en") is route


async def test_turns_and_outcomes_show_which_adapter_answered(tmp_path: Path) -> None:
    adapters = [AdapterRule("base-tuned", "base", 0.5)]
    rules = TenantRules(voice=VOICE, fold=FoldRules(quiet={"web": 0.0}), model="base", adapters=adapters)
    settings = WorkerSettings(tenants={"shop": rules})
    async with ModelServer().serving() as server:
        server.script = Script(text=f"Yes, {HEAT_PACK}")
        remote = [_open_model(server, name, settings) for name in ("base", "base-tuned")]
        async with open_feedback_log(tmp_path, models=remote) as log:
            models = Models({"local": log.world.model, **{each.name: each for each in remote}}, settings=settings)
            log.world.worker = log.world.worker_with(models=models, settings=settings)
            for n in range(12):
                log.begin(f"contact-{n}")
                await log.says("Do you add a heat pack in winter?")
            turns = await log.world.turns()
            events = await _read_events(log.world.bus)
        for each in remote:
            await each.close()
    expected = Counter(choose_adapter(adapters, "base", id, "en") for id in events)
    assert expected.keys() == {"base", "base-tuned"}
    assert Counter(turn.model for turn in turns) == expected
    assert all(("adapter base-tuned in place of base" in turn.reasons) == (turn.model != "base") for turn in turns)
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    outcomes = [assess(read_timeline(id, events[id]), start, end, end) for id in events]
    rows = build_rows([each for each in outcomes if each is not None], "model")
    assert {row.key: row.conversations for row in rows} == dict(expected)


async def _read_events(bus: Bus) -> dict[str, list[LogEvent]]:
    events: dict[str, list[LogEvent]] = defaultdict(list)
    for topic in (topics.inbound(CHANNEL), topics.EVENTS):
        async for record in await bus.read(topic):
            headers = record.headers
            event = LogEvent(headers["ce_id"], headers["ce_type"], CHANNEL, record.value or b"")
            events[headers["ce_conversation"]].append(event)
    return events


def _open_model(server: ModelServer, name: str, settings: WorkerSettings) -> RemoteModel:
    provider = openai_provider(model=name, base_url=server.base_url, api_key="sk-test", timeout=30)
    return RemoteModel(name, provider, settings, ModelLimits(timeout=30, silence=30, context=8_000))


# ── registry ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_promoted_adapter_is_an_entry_of_the_registry_until_it_is_demoted(tmp_path: Path) -> None:
    file = write_config(tmp_path)
    before = file.read_text()
    name = promote_adapter(load(file), evaluation(BETTER), 0.25, "")
    assert name == name_entry("base", "Returns 1") == "base-returns-1"
    config = load(file)
    entry = config.models[name]
    assert (entry.provider, entry.model, entry.context, entry.fallback) == ("openai", "Returns 1", 16000, ["base"])
    assert build_worker_settings(config.tenants, {}).of("shop").adapters == [AdapterRule(name, "base", 0.25)]
    assert name in find_used_models(config)
    assert "40% of 20 cases before, 90% after" in config.tenants["shop"].adapters[0].note
    assert file.read_text() == before, "what people wrote stays as it is"

    promote_adapter(config, evaluation(BETTER), 0.5, "")
    assert [each.share for each in load(file).tenants["shop"].adapters] == [0.5], "a new share replaces the old one"
    assert demote_adapter(load(file), "shop", "Returns 1") == 1
    assert load(file).models.keys() == {"base"}
    assert not (tmp_path / "adapters.yaml").exists()
    with pytest.raises(NotFound):
        demote_adapter(load(file), "shop", name)


def test_adapters_of_one_model_share_its_conversations(tmp_path: Path) -> None:
    file = write_config(tmp_path)
    promote_adapter(load(file), evaluation(BETTER), 0.7, "")
    other = evaluation(BETTER, figures(0.1, 0.9, 0.5, 0.9, locale="de")).model_copy(update={"model": "Returns 2"})
    with pytest.raises(Conflict, match="120%"):
        promote_adapter(load(file), other, 0.5, "de")
    promote_adapter(load(file), other, 0.3, "de")
    assert [(each.locale, each.share) for each in load(file).tenants["shop"].adapters] == [("", 0.7), ("de", 0.3)]


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ("models: {tuned: {adapter_of: base, model: m, timeout: 3}}", "takes timeout from"),
        ("models: {tuned: {adapter_of: base}}", "its name at the provider"),
        ("models: {tuned: {adapter_of: local, model: m}}", "no remote model"),
        ("models: {tuned: {adapter_of: bass, model: m}}", "no model 'bass'"),
        ("tenants: {shop: {adapters: [{model: base, base: base}]}}", "is no adapter of"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, entries: str, problem: str) -> None:
    file = write_config(tmp_path)
    (tmp_path / "adapters.yaml").write_text(entries)
    with pytest.raises(ConfigInvalid, match=problem):
        load(file)


# ── better or not ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("measured", "locale", "objection"),
    [
        (evaluation(BETTER), "", ""),
        (evaluation(SAME), "", "not better beyond chance"),
        (evaluation(figures(0.5, 1.0, 0.5, 0.5, cases=4)), "", "only 4 cases"),
        (evaluation(BETTER, figures(0.9, 0.5, -0.6, -0.2, locale="de")), "", "worse in de"),
        (evaluation(BETTER, figures(0.9, 0.5, -0.6, -0.2, locale="de")), "en", "only 0 cases in en"),
        (evaluation(BETTER, figures(0.2, 0.9, 0.5, 0.9, locale="de")), "de", ""),
        (evaluation(BETTER, forgetting=()), "", "no forgetting set"),
        (evaluation(BETTER, forgetting=(figures(0.9, 0.85, -0.1, 0.0),)), "", "it forgot 5%"),
        (evaluation(BETTER, forgetting=(figures(0.9, 0.88, -0.1, 0.0),)), "", ""),
    ],
)
def test_what_is_not_better_is_not_promoted(
    tmp_path: Path, measured: AdapterEvaluation, locale: str, objection: str
) -> None:
    found = "; ".join(find_objections(measured, locale))
    assert (objection in found) if objection else (found == "")
    file = write_config(tmp_path)
    if objection:
        with pytest.raises(Conflict):
            promote_adapter(load(file), measured, 0.1, locale)
        assert not (tmp_path / "adapters.yaml").exists()


def test_languages_are_compared_apart() -> None:
    def run(passed: dict[str, bool]) -> RunResult:
        cases = [Result(name=name, checks=[CheckResult(check="cites", passed=ok)]) for name, ok in passed.items()]
        return RunResult(suite="s", tenant="shop", setup="x", at=NOW, gate=Gate(), cases=cases)

    names = {f"{locale}-{n}": locale for locale in ("de", "en") for n in range(6)}
    before = run(dict.fromkeys(names, False))
    after = run({name: locale == "de" for name, locale in names.items()})
    found = {each.locale: (each.cases, each.before, each.after) for each in compare_locales(before, after, names)}
    assert found == {"all": (12, 0.0, 0.5), "de": (6, 0.0, 1.0), "en": (6, 0.0, 0.0)}


async def test_an_evaluation_runs_both_models_through_ordinary_turns(tmp_path: Path) -> None:
    """The base says something that the documents do not hold, so that the gate refuses it and `local` quotes."""
    case = "  - {{name: c{n}, message: 'How much is a heat pack in winter, {n}?', expect: {{contains: Yes}}}}\n"
    keep = "  - {{name: k{n}, message: 'Within how many days can I return pots, {n}?', expect: {{cites: returns}}}}\n"

    def choose(call: Call) -> Script:
        if call.body["model"] == "tuned" and "heat pack" in call.message:
            return Script(text=f"Yes, {HEAT_PACK}")
        return Script()

    async with ModelServer().serving() as server:
        server.script_for = choose
        file = write_config(tmp_path, server.base_url)
        (tmp_path / "evals.yaml").write_text("cases:\n" + "".join(case.format(n=n) for n in range(6)))
        (tmp_path / "forgetting.yaml").write_text("cases:\n" + "".join(keep.format(n=n) for n in range(5)))
        (scratch := tmp_path / "scratch").mkdir()
        documents = await read_configured_documents(load(file), "shop", scratch)
        trial = AdapterTrial(
            "shop", "base", "tuned", tmp_path / "evals.yaml", tmp_path / "forgetting.yaml", documents, EvalOptions()
        )
        measured = await trial.run(lambda overlay: load(file, overlay=overlay), scratch)
    assert Counter(call.body["model"] for call in server.calls).keys() == {"small", "tuned"}
    overall = measured.find_figures("")
    assert overall is not None
    assert (overall.cases, overall.before, overall.after) == (6, 0.0, 1.0)
    assert [(each.before, each.after) for each in measured.forgetting if each.locale == "all"] == [(1.0, 1.0)]
    assert promote_adapter(load(file), measured, 0.5, "") == "base-tuned"
