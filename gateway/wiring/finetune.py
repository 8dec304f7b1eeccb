"""The parts of fine-tuning that follow from the configuration."""

from __future__ import annotations

from collections.abc import Callable

from agent_worker.learning.finetune.prompt_reader import PromptReader, TargetModel
from agent_worker.models.prompt import derive_canary
from gateway.config.models import ModelEntry
from gateway.config.settings import Config
from gateway.wiring.consumers import build_worker_settings
from gateway.wiring.models.providers import build_limits, models_of

WITHOUT_MODEL = ModelEntry(provider="openai", model="model", base_url="http://127.0.0.1/v1")
"""Stands for the model to be trained, where the tenant has none yet."""


def build_prompt_reader(config: Config, tenant: str) -> PromptReader:
    """The reader of a tenant's requests."""
    secret = config.secret_key.get_secret_value()
    section = config.tenants[tenant]
    settings = build_worker_settings({tenant: section}, {}, secret)
    return PromptReader(tenant, settings, _find_target(config, models_of(section)[0], derive_canary(secret, tenant)))


def _find_target(config: Config, default: str, canary: str) -> Callable[[str], TargetModel]:
    def find(name: str) -> TargetModel:
        names = [each for each in (name, default) if (entry := config.models.get(each)) and entry.provider != "local"]
        entry = config.models[names[0]] if names else WITHOUT_MODEL
        limits = build_limits(entry)
        return TargetModel(names[0] if names else "model", f"{entry.provider}/{entry.model}", limits, canary)

    return find
