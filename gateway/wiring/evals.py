"""The parts of an evaluation: a worker on an empty log in a temporary folder, with the documents, models and rules to
try. There is no connector, so that nothing can be sent, and the actions are replaced by the results of the cases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from agent_worker.learning.evals.model_judge import EvalModel
from agent_worker.settings import FoldRules, WorkerSettings
from agent_worker.worker import Worker
from gateway.config.settings import Config, Tenant
from gateway.evals.trial_context import replace_actions, trial_clock
from gateway.evals.trial_conversations import TrialLog, TrialRunner, WriteMessage
from gateway.wiring.consumers import build_worker_settings
from gateway.wiring.models.providers import build_prices, open_models, open_provider
from gateway.wiring.replay import open_library
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.metrics import PrometheusMetrics
from infra.state.sqlite.engine import open_sqlite_state
from schemas import topics
from schemas.conversation import Document
from schemas.errors import ConfigInvalid
from schemas.ports import Bus, State


@asynccontextmanager
async def open_trial_runner(
    config: Config,
    tenant: str,
    documents: Sequence[Document],
    channels: Sequence[str],
    scratch: Path,
    write_message: WriteMessage | None = None,
) -> AsyncIterator[TrialRunner]:
    """A runner for cases on these channels. ``scratch``: a folder for temporary files; ``write_message``: writes what
    simulated customers say."""
    async with (
        _open_log(scratch, channels) as (log, state),
        open_library(config, tenant, documents, scratch, trial_clock) as (library, section),
    ):
        settings = _build_settings(tenant, section, config.secret_key.get_secret_value())
        worker = Worker(
            bus=cast(Bus, log),
            state=state,
            knowledge=library,
            models=open_models(config, settings, failed=lambda _: None, knowledge=library),
            settings=settings,
            metrics=PrometheusMetrics(),
            clock=trial_clock,
        )
        try:
            rules = settings.of(tenant)
            runner = TrialRunner(tenant, log, state, worker, rules.actions.actions, rules.asks_models, write_message)
            if not rules.asks_models:
                await runner.warm_up()
            yield runner
        finally:
            await worker.close()


@asynccontextmanager
async def open_eval_model(config: Config, name: str) -> AsyncIterator[EvalModel]:
    """The model that judges, or that plays customers. Raises ConfigInvalid."""
    entry = config.models.get(name)
    if entry is None or entry.provider == "local":
        able = sorted(each for each, model in config.models.items() if model.provider != "local")
        fix = f"name one of: {', '.join(able)}" if able else "add one to `models`"
        raise ConfigInvalid(f"{name!r} is no model that can judge or play a customer", fix=fix)
    provider = open_provider(entry)
    try:
        yield EvalModel(provider, build_prices(entry))
    finally:
        await provider.close()


def _build_settings(tenant: str, section: Tenant, secret_key: str) -> WorkerSettings:
    """The settings of a worker that does not wait for further messages, and performs no actions."""
    settings = build_worker_settings({tenant: section}, {}, secret_key)
    rules = settings.of(tenant)
    trial = replace(rules, fold=FoldRules(quiet={}, others=0.0), actions=replace_actions(rules.actions))
    return replace(settings, tenants={tenant: trial})


@asynccontextmanager
async def _open_log(folder: Path, channels: Sequence[str]) -> AsyncIterator[tuple[TrialLog, State]]:
    database = Database.open(folder / "trial.db")
    bus, state = SqliteBus(database, clock=trial_clock), open_sqlite_state(database)
    await bus.start()
    try:
        specs = topics.topic_specs(sorted({*channels, topics.DEFAULT_DESK}), partitions=1, small=1)
        await bus.create_topics(specs)
        yield TrialLog(bus), state
    finally:
        await state.close()
        await bus.close()
        await database.close()
