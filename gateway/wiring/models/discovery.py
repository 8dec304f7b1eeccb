"""The model with which `parley dev` answers for tenants that name none: a key in the environment, or a server on this
machine.

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
_HOW_TO_CHANGE = (
    "To change it: PARLEY_MODEL=local keeps all messages here, PARLEY_MODEL=PROVIDER:MODEL takes another model, and "
    "`models` in the configuration sets everything (docs/models.md)."
)
_VARIABLES = ", ".join(each.variables[0] for each in VENDOR_MODELS)
_SERVERS = ", ".join(each.title for each in LOCAL_SERVERS)
_NOTHING_FOUND = (
    "`local` answers, because no other model was found: it quotes the documents. For a model that writes, put its key "
    f"into the environment ({_VARIABLES}), or start a server on this machine ({_SERVERS}); see docs/models.md."
)


@dataclass(frozen=True, slots=True)
class ModelCandidate:
    """``name``: of the entry; ``reason``: why it answers, and where messages go."""

    name: str
    entry: ModelEntry
    reason: str


async def choose_models(
    config: Config, environ: Mapping[str, str], servers: Sequence[LocalServer] = LOCAL_SERVERS
) -> tuple[Config, list[str]]:
    """The configuration with a model for each tenant that names none, and lines that say which one answers, why, and
    how to change it. Raises SetupError if `dev_model` names a model that cannot be used."""
    undecided = {name: tenant for name, tenant in config.tenants.items() if _names_no_model(tenant)}
    if not undecided or config.dev_model == "local":
        return config, []
    notes: list[str] = []
    for found in await _find_models(config, environ, servers, notes):
        if (problem := await _find_missing_library(found.entry)) is None:
            return _with_model(config, undecided, found), [*notes, found.reason, _HOW_TO_CHANGE]
        if config.dev_model != "auto":
            raise problem
        notes.append(f"{found.reason.partition(',')[0]} would, but {problem.message}. Install it with: {problem.fix}")
    return config, [*notes, _NOTHING_FOUND]


def describe_model(config: Config, tenant: str) -> str:
    """The model that answers the tenant's contacts, for people."""
    name, _ = models_of(config.tenants[tenant])
    entry = config.models.get(name)
    return (
        f"{entry.model} ({name})"
        if entry is not None and entry.provider != "local"
        else f"{name} (quotes the documents)"
    )


def _names_no_model(tenant: Tenant) -> bool:
    """Return whether the operator left it open. `model: local` is a choice."""
    routed = tenant.routes is not None and any(name for _, name in tenant.routes.models)
    return "model" not in tenant.model_fields_set and not routed


async def _find_models(
    config: Config, environ: Mapping[str, str], servers: Sequence[LocalServer], notes: list[str]
) -> list[ModelCandidate]:
    """In the order of preference: keys, then servers on this machine."""
    if config.dev_model != "auto":
        return [_read_choice(config.dev_model, environ, servers)]
    keyed = [found for each in VENDOR_MODELS if (found := _find_vendor_model(each, environ, notes)) is not None]
    return keyed or await _find_local(config, servers)


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
            f"{variable} is set, but {vendor.address_variable} names {host}: say which of its models is to answer, "
            f"with PARLEY_MODEL={vendor.name}:MODEL."
        )
        return None
    changes: dict[str, object] = {"api_key": SecretStr(environ.get(variable, "").strip())}
    if address:
        changes["base_url"] = address
    if model and model != vendor.entry.model:
        changes |= {"model": model, "prices": ModelPrices()}
    entry = vendor.entry.model_copy(update=changes)
    why = "PARLEY_MODEL names it" if model else f"{variable} is set"
    reason = f"{entry.model} ({vendor.title}) answers, because {why}: messages go to {host}."
    return ModelCandidate(vendor.name, entry, reason)


def _host_of(address: str) -> str:
    """The host and port of an address, without the name and password that it may contain."""
    return urlsplit(address).netloc.rpartition("@")[2]


def _read_choice(choice: str, environ: Mapping[str, str], servers: Sequence[LocalServer]) -> ModelCandidate:
    """The model that `dev_model` names, as PROVIDER:MODEL."""
    provider, _, model = choice.partition(":")
    if (server := next((each for each in servers if each.name == provider), None)) is not None:
        return _as_found(server, model, "PARLEY_MODEL names it")
    vendor = next(each for each in VENDOR_MODELS if each.name == provider)
    found = _find_vendor_model(vendor, environ, [], model)
    if found is None:
        raise SetupError(
            f"PARLEY_MODEL={choice} needs a key, and {vendor.variables[0]} is not set",
            fix=f"set {' or '.join(vendor.variables)}, or PARLEY_MODEL=local",
        )
    return found


async def _find_local(config: Config, servers: Sequence[LocalServer]) -> list[ModelCandidate]:
    """The servers of this machine that answer, each with its first model, except ourselves."""
    others = [server for server in servers if server.port != config.port]
    timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as http:
        models = await asyncio.gather(*(_ask_for_model(http, server) for server in others))
    return [
        _as_found(server, model, f"{server.title} serves it on this machine")
        for server, model in zip(others, models, strict=True)
        if model
    ]


async def _ask_for_model(http: aiohttp.ClientSession, server: LocalServer) -> str:
    """The server's first model that writes text; empty if something else is at the port, or nothing."""
    try:
        async with http.get(f"{server.base_url}/models", allow_redirects=False) as response:
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


def _as_found(server: LocalServer, model: str, why: str) -> ModelCandidate:
    entry = LOCAL_ENTRY.model_copy(update={"model": model, "base_url": server.base_url})
    return ModelCandidate(
        server.name, entry, f"{model} ({server.title}) answers, because {why}: messages go to 127.0.0.1:{server.port}."
    )


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
