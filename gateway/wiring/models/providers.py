"""The models that the tenants use, opened from the registry in the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from agent_worker.learning.recorded_provider import RecordedProvider
from agent_worker.media.decoder import require_image_library
from agent_worker.media.image_reader import IMAGE_TYPES
from agent_worker.models.budgets import DayBudgets
from agent_worker.models.circuit_breaker import CircuitBreaker
from agent_worker.models.local.model import LocalModel
from agent_worker.models.prompt import derive_canary
from agent_worker.models.providers.masking_provider import MaskingProvider
from agent_worker.models.providers.provider import ModelLimits, Prices, Provider
from agent_worker.models.registry import BudgetLookup, FallbackRule, Models
from agent_worker.settings import BudgetRules, WorkerSettings
from agent_worker.voice import Example, Voice
from gateway.config.models import BudgetSettings, ModelEntry, model_names
from gateway.config.settings import Config, Tenant
from gateway.config.voice import VoiceSettings
from schemas.ports import Clock, Limiter, Model

if TYPE_CHECKING:
    from agent_worker.knowledge.library import Library
    from agent_worker.models.images import ReadFile


def open_models(
    config: Config,
    settings: WorkerSettings,
    *,
    failed: Callable[[str], None],
    limiter: Limiter | None = None,
    clock: Clock | None = None,
    knowledge: Library | None = None,
    read_file: ReadFile | None = None,
    budget_lookup: BudgetLookup | None = None,
) -> Models:
    """Open `local` and every other model that a tenant uses. ``knowledge`` gives all passages to models with
    ``whole_knowledge``, ``read_file`` gives contacts' pictures to models with ``vision``. ``budget_lookup`` tells the
    router how much is left, where no ``limiter`` counts it. Raises MissingDependency if a library is not installed."""
    budgets = DayBudgets(limiter, settings, clock) if limiter is not None and clock is not None else None
    models: dict[str, Model] = {"local": LocalModel(settings)}
    for name in sorted(find_used_models(config) - {"local"}):
        models[name] = _open_model(name, config, settings, budgets, knowledge, read_file)
    return Models(
        models,
        failed=failed,
        fallback_rules=_build_fallback_rules(config, models),
        settings=settings,
        budgets=budgets or budget_lookup,
    )


def models_of(tenant: Tenant) -> tuple[str, dict[str, str]]:
    """The tenant's default model, and its models by language."""
    if isinstance(tenant.model, str):
        return tenant.model, {}
    locale = tenant.voice.locale.casefold()
    default = tenant.model.get(locale) or tenant.model.get(locale[:2]) or next(iter(tenant.model.values()))
    return default, dict(tenant.model)


def build_voice(voice: VoiceSettings) -> Voice:
    """The worker's form of a voice, with instructions and examples by language."""
    phrases = voice.model_dump(exclude={"instructions", "examples"})
    instructions = voice.instructions if isinstance(voice.instructions, dict) else {"": voice.instructions}
    by_language = voice.examples if isinstance(voice.examples, dict) else {"": voice.examples}
    examples = {
        language: [Example(example.message, example.answer) for example in of_language]
        for language, of_language in by_language.items()
    }
    return Voice(**phrases, instructions=instructions, examples=examples)


def build_budget_rules(budgets: BudgetSettings) -> BudgetRules:
    return BudgetRules(**budgets.model_dump())


def find_used_models(config: Config) -> set[str]:
    """All models in use, with those of routes and fallbacks."""
    tenants = config.tenants.values()
    names = {name for tenant in tenants for name in model_names(tenant.model)}
    names |= {name for tenant in tenants if tenant.routes is not None for _, name in tenant.routes.models if name}
    names |= {each.model for tenant in tenants for each in tenant.adapters}
    return names | {fallback for name in names if name in config.models for fallback in config.models[name].fallback}


def _build_fallback_rules(config: Config, models: Mapping[str, Model]) -> dict[str, FallbackRule]:
    """The fallback rule of each model. Entries of the same model share a circuit breaker; models at the same address
    share one for its outages."""
    addresses: dict[tuple[str, str], CircuitBreaker] = {}
    breakers: dict[tuple[str, str, str], CircuitBreaker] = {}
    rules: dict[str, FallbackRule] = {}
    for name in models:
        if (entry := config.models.get(name)) is None:
            continue
        place = (entry.provider, entry.base_url)
        address = addresses.setdefault(place, CircuitBreaker(name="its address"))
        breaker = breakers.setdefault((*place, entry.model), CircuitBreaker(address=address))
        rules[name] = FallbackRule(tuple(entry.fallback), breaker)
    return rules


def _open_model(
    name: str,
    config: Config,
    settings: WorkerSettings,
    budgets: DayBudgets | None,
    knowledge: Library | None,
    read_file: ReadFile | None,
) -> Model:
    entry = config.models[name]
    if entry.provider == "local":
        return LocalModel(settings, name)
    if "vision" in entry.abilities:
        require_image_library()
    # Imported only if it is used, because it takes half a second and dozens of megabytes.
    from agent_worker.models.providers.remote_model import ModelDependencies, RemoteModel

    dependencies = ModelDependencies(
        all_passages=None if knowledge is None else knowledge.read_all,
        canary=lambda tenant: derive_canary(config.secret_key.get_secret_value(), tenant),
        own_name=lambda tenant: config.tenants[tenant].name if tenant in config.tenants else "",
        budgets=budgets,
        read_file=read_file,
    )
    provider = RecordedProvider(name, f"{entry.provider}/{entry.model}", open_provider(entry))
    return RemoteModel(name, provider, settings, build_limits(entry), dependencies)


def build_limits(entry: ModelEntry) -> ModelLimits:
    """The limits of a model's answers."""
    return ModelLimits(
        timeout=entry.timeout,
        silence=entry.first_token,
        context=entry.context,
        output=entry.max_output,
        prices=build_prices(entry),
        full_context_tokens=entry.whole_knowledge,
        may_act="actions" in entry.abilities,
        image_types=IMAGE_TYPES if "vision" in entry.abilities else frozenset(),
    )


def build_prices(entry: ModelEntry) -> Prices:
    return Prices(entry.prices.input, entry.prices.output, entry.prices.cached_input)


def open_provider(entry: ModelEntry) -> Provider:
    """The provider of a model, behind the masking of personal data."""
    return MaskingProvider(_open_vendor(entry))


def _open_vendor(entry: ModelEntry) -> Provider:
    """The library of a provider is only imported if it is used, because that takes seconds."""
    connection = {
        "model": entry.model,
        "base_url": entry.base_url,
        "api_key": entry.api_key.get_secret_value(),
    }
    if entry.provider == "anthropic":
        from agent_worker.models.providers.anthropic import anthropic_provider

        return anthropic_provider(**connection, timeout=entry.timeout)
    if entry.provider == "google":
        from agent_worker.models.providers.google import google_provider

        return google_provider(**connection, timeout=entry.timeout)
    from agent_worker.models.providers.openai import openai_provider

    return openai_provider(**connection, timeout=entry.timeout)
