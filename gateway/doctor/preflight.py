"""Checks of what a configuration refers to: action files, optional libraries, and the models' endpoints.

A valid file may still name an action with a syntax error, a model whose library is not installed, or an endpoint that
does not answer. ``parley config check`` and ``parley doctor`` report all three. Servers refuse to start with one of the
first two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import aiohttp

from connectors.registry import explain_missing_library, open_channel
from gateway.config.models import ModelEntry
from gateway.config.settings import Config
from gateway.doctor.vendors import inert_tools
from gateway.wiring.actions import build_action_rules
from gateway.wiring.engines import channels_of
from gateway.wiring.models.providers import find_used_models, open_provider
from gateway.wiring.process_services import list_accounts
from infra.deploy.doctor_finding import Finding
from schemas.errors import MissingDependency, ParleyError
from schemas.runtime.optional_dependencies import install_command

PROBE_TIMEOUT_S = 5.0
OPTIONAL_READERS = {".pdf": "pypdfium2", ".docx": "mammoth", ".vtt": "webvtt", ".srt": "webvtt"}
"""The optional libraries that read kinds of documents, by file ending."""
OPTIONAL_SOURCES = {"drive": "google.auth"}
"""The optional libraries that read locations, by scheme. The extra is called like the scheme."""


def require_imports(config: Config) -> None:
    """Import the actions and the libraries that the configuration needs. Blocking, for up to some seconds.

    Raises ConfigInvalid or MissingDependency for the first one that cannot be imported."""
    for _, load in _import_checks(config):
        load()


def check_imports(config: Config) -> list[Finding]:
    """A finding for each action source, model and channel: whether it can be imported; and for documents that cannot
    be read. Blocking, up to seconds."""
    results = []
    for check, load in _import_checks(config):
        try:
            load()
            results.append(Finding(check, "ok", "can be imported"))
        except ParleyError as error:
            results.append(Finding(check, "fail", error.message, error.fix))
    return [*results, *_check_paths(config), *_check_readers(config), *_check_sources(config)]


def _import_checks(config: Config) -> Iterator[tuple[str, Callable[[], object]]]:
    for name, tenant in config.tenants.items():
        if tenant.actions.sources or tenant.actions.http:
            yield f"actions {name}", lambda name=name, tenant=tenant: build_action_rules(name, tenant.actions)  # type: ignore[misc]
    for name in sorted(find_used_models(config) & config.models.keys()):
        if (entry := config.models[name]).provider != "local":
            yield f"model {name}", lambda entry=entry: open_provider(entry)  # type: ignore[misc]
    if config.console.openid is not None:
        yield "console.openid", _import_openid
    for channel in channels_of(config):
        yield f"channel {channel}", lambda channel=channel: _open(config, channel)  # type: ignore[misc]


def _import_openid() -> None:
    try:
        import_module("gateway.console.openid")
    except ModuleNotFoundError as error:
        raise MissingDependency(f"{error.name} is not installed", fix=install_command("oidc")) from error


def _open(config: Config, channel: str) -> None:
    with explain_missing_library():
        connector = open_channel(channel, inert_tools())
        for account in list_accounts(config):
            if account.channel == channel:
                connector.connect(account)  # opens no connection yet


def _check_paths(config: Config) -> Iterator[Finding]:
    """Findings for folders and files that are not there. Of several processes, not each needs them."""
    for name, tenant in config.tenants.items():
        for path in tenant.knowledge.paths:
            if not Path(path).exists():
                fix = f"create it, or correct tenants.{name}.knowledge.paths"
                yield Finding(f"documents {name}", _status_of_missing(config), f"{path} does not exist", fix)


def _status_of_missing(config: Config) -> Literal["fail", "warn"]:
    return "fail" if config.embedded else "warn"


def _check_readers(config: Config) -> Iterator[Finding]:
    """Findings for kinds of documents in the tenants' folders whose reader is not installed."""
    for name, tenant in config.tenants.items():
        files = [file for path in tenant.knowledge.paths for file in _files(Path(path))]
        for ending, library in OPTIONAL_READERS.items():
            if find_spec(library) is None and (of_kind := [file for file in files if file.suffix.lower() == ending]):
                detail = f"{of_kind[0].name} and all other {ending} files are skipped: {library} is not installed"
                yield Finding(f"documents {name}", "warn", detail, install_command("documents"))


def _check_sources(config: Config) -> Iterator[Finding]:
    """Findings for locations whose library is not installed."""
    for name, tenant in config.tenants.items():
        for source in tenant.knowledge.sources:
            scheme = source.location.partition("://")[0].lower()
            library = OPTIONAL_SOURCES.get(scheme)
            if library is not None and not _is_installed(library):
                detail = f"{source.location} cannot be read: the extra {scheme} is not installed"
                yield Finding(f"documents {name}", "warn", detail, install_command(scheme))


def _is_installed(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False


def _files(path: Path) -> Iterator[Path]:
    yield from path.rglob("*") if path.is_dir() else [path]


async def check_endpoints(config: Config) -> list[Finding]:
    """A finding for each remote model in use: whether its endpoint answers, accepts the key, and offers the model."""
    entries = {name: config.models[name] for name in sorted(find_used_models(config) & config.models.keys())}
    remote = {name: entry for name, entry in entries.items() if entry.base_url}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S), trust_env=True) as http:
        return list(await asyncio.gather(*(_check_endpoint(http, name, entry) for name, entry in remote.items())))


async def _check_endpoint(http: aiohttp.ClientSession, name: str, entry: ModelEntry) -> Finding:
    """Ask the endpoint for its list of models, which costs nothing. Any HTTP answer shows that it is up."""
    check, key = f"endpoint of {name}", entry.api_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"} if key and entry.provider == "openai" else {}
    try:
        async with http.get(f"{entry.base_url.rstrip('/')}/models", headers=headers) as response:
            if entry.provider == "openai" and response.status in (401, 403):
                fix = f"check models.{name}.api_key"
                return Finding(check, "fail", f"{entry.base_url} refuses the key ({response.status})", fix)
            offered = await _list_models(response) if entry.provider == "openai" else set()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        detail = f"{entry.base_url} cannot be reached: {str(error) or type(error).__name__}"
        return Finding(check, "fail", detail, f"check models.{name}.base_url, and that the server is running")
    if offered and entry.model not in offered:
        fix = f"set models.{name}.model to one of: {', '.join(sorted(offered)[:8])}"
        return Finding(check, "warn", f"{entry.base_url} does not list {entry.model!r}", fix)
    return Finding(check, "ok", f"{entry.base_url} answers")


async def _list_models(response: aiohttp.ClientResponse) -> set[str]:
    """The names in an OpenAI-compatible list of models. Empty if the endpoint has no such list."""
    if response.status != 200 or response.content_type != "application/json":
        return set()
    body = await response.json()
    listed = body.get("data") if isinstance(body, dict) else None
    return {str(each["id"]) for each in listed if isinstance(each, dict) and "id" in each} if listed else set()
