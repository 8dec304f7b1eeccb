"""Runs of suites with a model and with an adapter of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent_worker.learning.evals.results import RunResult
from agent_worker.learning.finetune.adapter_evaluation import (
    AdapterEvaluation,
    LocaleScore,
    compare_locales,
    read_locales,
)
from gateway.config.settings import Config
from gateway.config.yaml_reader import YamlDocument
from gateway.evals.runs import EvalOptions, Setup, SuiteRunner
from gateway.evals.suite_files import read_suite
from gateway.finetune.adapter_registry import name_entry
from schemas.conversation import Document

LoadConfig = Callable[[YamlDocument], Config]
"""Loads the configuration with changes."""


@dataclass(frozen=True, slots=True)
class AdapterTrial:
    """``base``: the entry of the registry; ``model``: the adapter's name at the provider. ``forgetting``: the file of
    the forgetting set, None if there is none."""

    tenant: str
    base: str
    model: str
    suite: Path
    forgetting: Path | None
    documents: Sequence[Document]
    options: EvalOptions

    async def run(self, load: LoadConfig, scratch: Path) -> AdapterEvaluation:
        """Run both suites with both models. Raises ConfigInvalid and InvalidRequest."""
        name = name_entry(self.base, self.model)
        entries = {"models": {name: {"adapter_of": self.base, "model": self.model}}}
        before = Setup(self.base, load(self._build_overlay(self.base, {})))
        after = Setup(name, load(self._build_overlay(name, entries)))
        locale = before.config.tenants[self.tenant].voice.locale
        figures, costs = await self._compare(self.suite, before, after, locale, scratch / "suite")
        forgotten: list[LocaleScore] = []
        if self.forgetting is not None:
            forgotten, _ = await self._compare(self.forgetting, before, after, locale, scratch / "forgetting")
        return AdapterEvaluation(
            tenant=self.tenant,
            base=self.base,
            model=self.model,
            at=datetime.now(UTC),
            suite=figures,
            forgetting=forgotten,
            before_cost=costs[0],
            after_cost=costs[1],
        )

    def _build_overlay(self, model: str, entries: Mapping[str, object]) -> YamlDocument:
        """This model alone answers the tenant."""
        return YamlDocument({**entries, "tenants": {self.tenant: {"model": model, "adapters": []}}})

    async def _compare(
        self, path: Path, before: Setup, after: Setup, locale: str, scratch: Path
    ) -> tuple[list[LocaleScore], tuple[float, float]]:
        suite = read_suite(path)
        runner = SuiteRunner(suite, path.name, self.tenant, self.documents, self.options)
        results: list[RunResult] = []
        for number, setup in enumerate((before, after)):
            (folder := scratch / str(number)).mkdir(parents=True)
            results.append(await runner.run(setup, folder))
        figures = compare_locales(results[0], results[1], read_locales(suite.cases, locale))
        return figures, (results[0].cost, results[1].cost)
