"""The models that the tenants name, opened from the registry in the configuration."""

from __future__ import annotations

from collections.abc import Callable

from agent_worker.models.local import LocalModel
from agent_worker.models.registry import Models
from agent_worker.settings import WorkerSettings
from gateway.settings import Config, ModelEntry, Tenant
from schemas.ports import Model


def open_models(config: Config, settings: WorkerSettings, *, failed: Callable[[str], None]) -> Models:
    """`local`, and every other model that a tenant uses. Raises MissingDependency when its library is not there."""
    models: dict[str, Model] = {"local": LocalModel(settings)}
    used = {name for tenant in config.tenants.values() for name in (tenant.model, *_routed(tenant))}
    for name in sorted(used - {"local", ""}):
        models[name] = _open(name, config.models[name], settings)
    return Models(models, failed=failed)


def _routed(tenant: Tenant) -> tuple[str, ...]:
    return () if tenant.routes is None else (tenant.routes.models.cheap, tenant.routes.models.strong)


def _open(name: str, entry: ModelEntry, settings: WorkerSettings) -> Model:
    if entry.provider == "local":
        return LocalModel(settings, name)
    # Half a second and dozens of megabytes, for those who asked for it.
    from agent_worker.models.openai import OpenAISource
    from agent_worker.models.remote import Prices, RemoteModel, Terms

    source = OpenAISource(
        model=entry.model,
        base_url=entry.base_url,
        api_key=entry.api_key.get_secret_value(),
        timeout=entry.timeout,
    )
    prices = Prices(entry.prices.input, entry.prices.output, entry.prices.cached_input)
    terms = Terms(entry.timeout, entry.first_token, entry.context, entry.max_output, prices)
    return RemoteModel(name, source, settings, terms)
