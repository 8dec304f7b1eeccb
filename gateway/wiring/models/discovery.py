"""The models that `parley dev` offers for tenants that name none: by a key in the environment, or a server on this
machine. One answers only if `dev_model` names it.

Only loopback addresses are asked, with a short timeout and without a proxy; no key and no text is sent to find out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import orjson
from pydantic import SecretStr

from gateway.config.default_models import LOCAL_ENTRY, LOCAL_SERVERS, VENDOR_MODELS, LocalServer, VendorModel
from gateway.config.models import ModelEntry, ModelPrices
from gateway.config.settings import Config, Tenant
from gateway.wiring.models.providers import models_of, open_provider
from schemas.errors import MissingDependency, SetupError

PROBE_TIMEOUT_S = 0.5
_MAX_LIST_BYTES = 1_000_000
_NO_CHAT = re.compile(r"embed|rerank|whisper|\btts\b|bge-|moderation", re.IGNORECASE)
"""Names of models that do not write answers."""
_OTHERWISE = "PARLEY_MODEL=local"


@dataclass(frozen=True, slots=True)
class ModelCandidate:
    """``name``: of the provider; ``why``: what was found; ``host``: where messages would go."""

    name: str
    title: str
    entry: ModelEntry
    why: str
    host: str


async def choose_models(config: Config, environ: Mapping[str, str]) -> tuple[Config, str]:
    """The configuration in which the model that `dev_model` names answers for each tenant that names none, and a line
    that says so. Raises SetupError if that model cannot be used."""
    undecided = _list_undecided(config)
    if not undecided or config.dev_model in ("", "local"):
        return config, ""
    chosen = await _read_choice(config.dev_model, environ)
    if problem := await _find_missing_library(chosen.entry):
        raise problem
    line = f"{chosen.entry.model} ({chosen.title}) answers, as `dev_model` says: messages go to {chosen.host}."
    return _with_model(config, undecided, chosen), line


async def find_offers(
    config: Config, environ: Mapping[str, str], servers: Sequence[LocalServer] = LOCAL_SERVERS
) -> list[str]:
    """A line for each model that could answer for a tenant that names none, and how to choose it. Nothing is offered
    where `dev_model` is set."""
    if config.dev_model or not _list_undecided(config):
        return []
    notes: list[str] = []
    found = [each for vendor in VENDOR_MODELS if (each := _find_vendor_model(vendor, environ, notes)) is not None]
    return notes + [await _describe_offer(each) for each in [*found, *await _find_local(config, servers)]]


async def _describe_offer(found: ModelCandidate) -> str:
    model = f"{found.entry.model} ({found.title})"
    if (problem := await _find_missing_library(found.entry)) is not None:
        return f"{found.why}: {model} could answer, once it is installed with: {problem.fix}"
    ways = f"PARLEY_MODEL={found.name} parley dev, or the line `dev_model: {found.name}` in the configuration"
    return f"{found.why}: {ways}, lets {model} answer; messages then go to {found.host}"


def describe_model(config: Config, tenant: str) -> str:
    """The model that answers the tenant's contacts, for people."""
    name, _ = models_of(config.tenants[tenant])
    entry = config.models.get(name)
    return (
        f"{entry.model} ({name})"
        if entry is not None and entry.provider != "local"
        else f"{name} (quotes the documents)"
    )


def _list_undecided(config: Config) -> dict[str, Tenant]:
    """The tenants for which the operator left it open. `model: local` is a choice."""
    return {
        name: tenant
        for name, tenant in config.tenants.items()
        if "model" not in tenant.model_fields_set
        and not (tenant.routes is not None and any(model for _, model in tenant.routes.models))
    }


def _find_vendor_model(
    vendor: VendorModel, environ: Mapping[str, str], notes: list[str], model: str = ""
) -> ModelCandidate | None:
    """None without a key, and where the key belongs to another endpoint, whose models are unknown."""
    variable = next((name for name in vendor.variables if environ.get(name, "").strip()), "")
    address = environ.get(vendor.address_variable, "").strip().rstrip("/")
    host = _host_of(address) or vendor.host
    is_other = host != vendor.host
    if not variable and not (model and is_other):
        return None
    if is_other and not model:
        notes.append(
            f"{variable} is set, and {vendor.address_variable} names {host}: say which of its models is to answer, "
            f"with PARLEY_MODEL={vendor.name}:MODEL"
        )
        return None
    changes: dict[str, object] = {"api_key": SecretStr(environ.get(variable, "").strip())}
    if address:
        changes["base_url"] = address
    if model and model != vendor.entry.model:
        changes |= {"model": model, "prices": ModelPrices()}
    entry = vendor.entry.model_copy(update=changes)
    return ModelCandidate(vendor.name, vendor.title, entry, f"{variable} is set", host)


def _host_of(address: str) -> str:
    """The host and port of an address, without the name and password that it may contain."""
    return urlsplit(address).netloc.rpartition("@")[2]


async def _read_choice(choice: str, environ: Mapping[str, str]) -> ModelCandidate:
    """The model that `dev_model` names, as PROVIDER or PROVIDER:MODEL."""
    provider, _, model = choice.partition(":")
    if (server := next((each for each in LOCAL_SERVERS if each.name == provider), None)) is not None:
        if not model and not (model := await _ask_for_model(server)):
            place = f"127.0.0.1:{server.port}"
            raise SetupError(f"{server.title} serves no model at {place}", fix=f"start it, or set {_OTHERWISE}")
        return _build_local(server, model)
    vendor = next(each for each in VENDOR_MODELS if each.name == provider)
    notes: list[str] = []
    found = _find_vendor_model(vendor, environ, notes, model)
    if found is None:
        missing = f"PARLEY_MODEL={choice} needs a key, and {vendor.variables[0]} is not set"
        raise SetupError(*notes or [missing], fix=f"set {' or '.join(vendor.variables)}, or {_OTHERWISE}")
    return found


async def _find_local(config: Config, servers: Sequence[LocalServer]) -> list[ModelCandidate]:
    """The servers of this machine that answer, each with its first model, except ourselves."""
    others = [server for server in servers if server.port != config.port]
    models = await asyncio.gather(*map(_ask_for_model, others))
    return [_build_local(server, model) for server, model in zip(others, models, strict=True) if model]


async def _ask_for_model(server: LocalServer) -> str:
    """The server's first model that writes text; empty if something else is at the port, or nothing."""
    timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as http,
            http.get(f"{server.base_url}/models", allow_redirects=False) as response,
        ):
            if response.status != 200:
                return ""
            body = orjson.loads(await _read_limited(response))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return ""
    listed = body.get("data") if isinstance(body, dict) else None
    names = [each.get("id") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return next((name for name in names if isinstance(name, str) and name and not _NO_CHAT.search(name)), "")


async def _read_limited(response: aiohttp.ClientResponse) -> bytes:
    data = b""
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > _MAX_LIST_BYTES:
            raise ValueError("too long for a list of models")
    return data


def _build_local(server: LocalServer, model: str) -> ModelCandidate:
    entry = LOCAL_ENTRY.model_copy(update={"model": model, "base_url": server.base_url})
    why = f"{server.title} runs on this machine"
    return ModelCandidate(server.name, server.title, entry, why, f"127.0.0.1:{server.port}")


async def _find_missing_library(entry: ModelEntry) -> MissingDependency | None:
    try:
        await asyncio.to_thread(open_provider, entry)
    except MissingDependency as missing:
        return missing
    return None


def _with_model(config: Config, undecided: Mapping[str, Tenant], found: ModelCandidate) -> Config:
    name = found.name if found.name not in config.models else f"{found.name}-found"
    tenants = {each: tenant.model_copy(update={"model": name}) for each, tenant in undecided.items()}
    update = {"models": {**config.models, name: found.entry}, "tenants": {**config.tenants, **tenants}}
    return config.model_copy(update=update)
