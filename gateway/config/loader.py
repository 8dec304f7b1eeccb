"""Loading of the configuration. Flags override the environment, which overrides the file, which overrides defaults."""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from connectors.web.settings import WebAccount
from gateway.config import secret_keys
from gateway.config.knowledge import SourceSettings
from gateway.config.models import ModelEntry, TranscriberEntry, model_names
from gateway.config.operators import ADMIN_NAME
from gateway.config.routing import RoutingSettings
from gateway.config.settings import Config
from gateway.config.validation import Validation, combine_problems, suggest
from gateway.config.yaml_reader import YamlDocument, YamlReader, explain_unreadable
from infra.state.registry import load_sections, server_engines
from schemas.errors import ConfigInvalid
from schemas.key_ring import KeyRing

FILE_NAME = "parley.yaml"
ADAPTERS_FILE = "adapters.yaml"
"""Beside the configuration: the adapters that commands have promoted."""
_FIX = "`parley config schema` lists every setting; `parley config check` checks again"
_MAX_PORT = 65_535
_SHORT_VARIABLES = {"PARLEY_BUS": "bus", "PARLEY_STATE": "state", "PARLEY_MODEL": "dev_model"}


@functools.cache
def environment() -> Mapping[str, str]:
    """The environment at the time of the first call. Later changes are not seen."""
    return types.MappingProxyType(dict(os.environ))


def find_file(file: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The path of the configuration file: ``given``, else ``PARLEY_CONFIG``, else ``parley.yaml`` in the current folder
    or in the only subfolder that has one. Raises ConfigInvalid if there is none."""
    name = file or (environment() if environ is None else environ).get("PARLEY_CONFIG")
    path = Path(name or FILE_NAME).absolute()
    if path.is_file():
        return path
    if name:
        raise ConfigInvalid(f"there is no configuration file {path}", fix="check --config and PARLEY_CONFIG")
    # After `parley init shop` the file is one folder down.
    candidates = sorted(path.parent.glob(f"*/{FILE_NAME}"))
    if len(candidates) == 1:
        return candidates[0]
    fix = "name one with --config FILE or PARLEY_CONFIG, or create one with `parley init`"
    raise ConfigInvalid(f"there is no {FILE_NAME} in {path.parent}", fix=fix)


def load(
    file: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    overlay: YamlDocument | None = None,
    make_secrets: bool = True,
) -> Config:
    """Read, check and complete the configuration. Raises ConfigInvalid, which lists all problems.

    ``overlay``: values that are merged into those of the file, such as those of a replay's candidate.
    ``flags`` maps ``port`` or a top-level setting to its value; None values are ignored. With ``make_secrets``, missing
    values of ``secret_key`` and ``admin_token`` are generated and kept in ``data_dir`` (embedded mode only).
    """
    environ = environment() if environ is None else environ
    path = find_file(file, environ)
    document = _read(path, environ)
    if (adapters := path.parent / ADAPTERS_FILE).is_file():
        _overlay(document, _read(adapters, environ))
    _apply_overrides(document, YamlReader(path, environ), environ, flags or {})
    if overlay is not None:
        _overlay(document, overlay)
    validation = Validation(document, Config)
    config = validation.validate()
    if config is not None:
        _check_secrets(config, validation)
        _check_modes(config, document, validation)
        _check_addresses(config, validation)
        _check_models(config, validation)
        _check_transcribers(config, validation)
        _check_operators(config, validation)
    if validation.problems or config is None:
        raise combine_problems(validation.problems, path.name, _FIX)
    config = _make_paths_absolute(_complete_adapters(config), path.parent)
    return secret_keys.fill_in_secrets(config) if make_secrets and config.embedded else config


def _read(path: Path, environ: Mapping[str, str]) -> YamlDocument:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(explain_unreadable(path, error), fix="check the file and its permissions") from error
    return YamlReader(path, environ).read(text)


def _overlay(document: YamlDocument, overlay: YamlDocument) -> None:
    _merge(document.values, overlay.values)
    document.positions |= overlay.positions
    document.problems += overlay.problems


def _merge(values: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Merge mappings into each other; any other value replaces the one before."""
    for name, value in changes.items():
        if isinstance(value, Mapping) and isinstance(values.get(name), dict):
            _merge(values[name], value)
        else:
            values[name] = value


def _apply_overrides(
    document: YamlDocument, reader: YamlReader, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> None:
    for name, key in _SHORT_VARIABLES.items():
        if environ.get(name):
            _set_value(document, reader, (key,), environ[name], f"environment {name}")
    for name in sorted(environ):
        if name.startswith("PARLEY__"):
            path = _resolve_keys(document.values, name.removeprefix("PARLEY__").split("__"))
            _set_value(document, reader, path, environ[name], f"environment {name}")
    if environ.get("PARLEY_PORT"):
        _set_port(document, environ["PARLEY_PORT"], "environment PARLEY_PORT")
    for key, value in flags.items():
        if value is not None and key == "port":
            _set_port(document, str(value), "flag --port")
        elif value is not None:
            _set_value(document, reader, (key,), str(value), f"flag --{key.replace('_', '-')}")
    # Such as a `file:` value in the environment whose file cannot be read.
    document.problems += reader.document.problems


def _resolve_keys(values: Any, parts: list[str]) -> tuple[str, ...]:
    """The keys that the parts of an environment variable's name refer to. Variables have neither lower case nor hyphens
    in their names, so these are compared with the keys that exist."""
    path = []
    for part in parts:
        keys = list(values) if isinstance(values, dict) else []
        key = next((key for key in keys if key.lower().replace("-", "_") == part.lower()), part.lower())
        values = values.get(key) if isinstance(values, dict) else None
        path.append(key)
    return tuple(path)


def _set_value(document: YamlDocument, reader: YamlReader, path: tuple[str, ...], text: str, position: str) -> None:
    mapping = document.values
    for key in path[:-1]:
        if not isinstance(mapping.get(key), dict):
            mapping[key] = {}
        mapping = mapping[key]
    filled = reader.fill_in(text, position)
    mapping[path[-1]] = _parse_structure(filled)
    for stale in [each for each in document.positions if each[: len(path)] == path]:
        del document.positions[stale]
    document.positions[path] = position


def _parse_structure(text: str) -> Any:
    """The value of a list or mapping that is written as JSON or YAML. Other texts are returned as they are."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _set_port(document: YamlDocument, port: str, position: str) -> None:
    listen = str(document.values.get("listen") or Config.model_fields["listen"].default)
    host, colon, _ = listen.rpartition(":")
    if not colon:
        # The address in the file is invalid, so the error must point there and not at the port.
        return
    if not (port.isascii() and port.isdecimal() and int(port) <= _MAX_PORT):
        document.problems.append(f"{position}: must be a number up to {_MAX_PORT}, such as 8080")
        return
    document.values["listen"] = f"{host}:{port}"
    document.positions["listen",] = position


def _check_secrets(config: Config, validation: Validation[Config]) -> None:
    """Check the length of the secrets that the operator chooses. A vendor decides about the length of its own."""
    secrets: dict[tuple[str, ...], KeyRing] = {(name,): getattr(config, name) for name in secret_keys.SECRET_NAMES}
    for tenant, section in config.tenants.items():
        for name, account in section.channels.web.items():
            secrets["tenants", tenant, "channels", "web", name, "identity_secret"] = account.identity_secret
    for path, secret in secrets.items():
        if secret_keys.is_too_short(secret):
            message = f"{'.'.join(path)}: must be at least {secret_keys.MIN_SECRET_BYTES} bytes long"
            validation.add(path, f"{message}; make one with: {secret_keys.GENERATE_COMMAND}")


def _check_modes(config: Config, document: YamlDocument, validation: Validation[Config]) -> None:
    if (config.bus == "sqlite") != (config.state == "sqlite"):
        key = "bus" if config.bus == "sqlite" else "state"
        other = "state" if key == "bus" else "bus"
        validation.add(
            (key,),
            f"{key} is sqlite, but {other} is not: use sqlite for both, or {_servers()} together",
        )
    elif not config.embedded:
        for name in ("secret_key", "admin_token"):
            if not getattr(config, name).get_secret_value():
                validation.add(
                    (name,),
                    f"{name} must be set when several processes share it ({_servers()}): "
                    f"put one value in the environment as PARLEY_{name.upper()}",
                )


def _check_addresses(config: Config, validation: Validation[Config]) -> None:
    if config.admin_listen == config.listen:
        message = "admin_listen: must differ from listen; leave it out to serve everything at one address"
        validation.add(("admin_listen",), message)
    if (check := getattr(config.state_settings, "check_address", None)) is not None:
        try:
            check(config.state)
        except ConfigInvalid as error:
            validation.add(("state",), f"{error.message}: {error.fix}")


def _servers() -> str:
    """The schemes of a bus and a state store that go together."""
    return f"kafka:// and {' or '.join(f'{entry.schemes[0]}://' for entry in server_engines())}"


def _check_models(config: Config, validation: Validation[Config]) -> None:
    """Check the names of models. `local` always exists and always answers from the documents, because all other models
    fall back on it."""
    names = sorted({"local", *config.models})
    if "local" in config.models and config.models["local"].provider != "local":
        validation.add(("models", "local"), "models.local: must have `provider: local`; give your model another name")
    references: list[tuple[tuple[str, ...], Sequence[str]]] = [
        (("tenants", name, "model"), model_names(tenant.model)) for name, tenant in config.tenants.items()
    ]
    references += [(("models", name, "fallback"), entry.fallback) for name, entry in config.models.items()]
    references += [
        (("tenants", name, "routes", "models", route), [model] if model else [])
        for name, tenant in config.tenants.items()
        for route, model in (tenant.routes.models if tenant.routes is not None else ())
    ]
    references += [
        (("tenants", name, "adapters"), [each.model for each in tenant.adapters])
        for name, tenant in config.tenants.items()
    ]
    references += [(("models", name, "adapter_of"), [entry.adapter_of]) for name, entry in _adapters_of(config)]
    for path, models in references:
        for model in models:
            if model not in names:
                message = f"{'.'.join(path)}: there is no model {model!r} under `models`"
                validation.add(path, message + suggest(model, names))
    _check_adapters(config, validation)


def _adapters_of(config: Config) -> list[tuple[str, ModelEntry]]:
    return [(name, entry) for name, entry in config.models.items() if entry.adapter_of]


def _check_adapters(config: Config, validation: Validation[Config]) -> None:
    for name, entry in _adapters_of(config):
        base = config.models.get(entry.adapter_of)
        if entry.adapter_of == "local" or (base is not None and (base.adapter_of or base.provider == "local")):
            path = ("models", name, "adapter_of")
            validation.add(path, f"{'.'.join(path)}: {entry.adapter_of!r} is no remote model that can have adapters")
    for name, tenant in config.tenants.items():
        for each in tenant.adapters:
            if each.model in config.models and config.models[each.model].adapter_of != each.base:
                path = ("tenants", name, "adapters")
                validation.add(path, f"{'.'.join(path)}: {each.model!r} is no adapter of {each.base!r}")


def _complete_adapters(config: Config) -> Config:
    """The configuration in which adapters have everything that they take from the models they belong to."""
    models = dict(config.models)
    for name, entry in _adapters_of(config):
        base = config.models[entry.adapter_of]
        own = {"model": entry.model, "adapter_of": entry.adapter_of, "fallback": [entry.adapter_of, *base.fallback]}
        models[name] = base.model_copy(update=own)
    return config.model_copy(update={"models": models})


def _check_transcribers(config: Config, validation: Validation[Config]) -> None:
    for name, tenant in config.tenants.items():
        if tenant.transcriber and tenant.transcriber not in config.transcribers:
            path = ("tenants", name, "transcriber")
            message = f"{'.'.join(path)}: there is no transcriber {tenant.transcriber!r} under `transcribers`"
            validation.add(path, message + suggest(tenant.transcriber, sorted(config.transcribers)))


def _check_operators(config: Config, validation: Validation[Config]) -> None:
    if ADMIN_NAME in config.operators:
        validation.add(
            ("operators", ADMIN_NAME),
            f"operators.{ADMIN_NAME}: the name is reserved for the admin token; choose another",
        )
    known, identities = dict[str, str](), dict[str, str]()
    for name, operator in config.operators.items():
        if config.console.require_codes and operator.password_hash.get_secret_value() and not operator.totp_secret.keys:
            message = f"operators.{name}: console.require_codes demands a totp_secret; `parley operator totp` makes one"
            validation.add(("operators", name), message)
        if operator.identity and identities.setdefault(operator.identity.casefold(), name) != name:
            other = identities[operator.identity.casefold()]
            message = f"operators.{name}.identity: {operator.identity!r} is {other!r} already"
            validation.add(("operators", name, "identity"), message)
        for desk_id in operator.desk_ids:
            if known.setdefault(desk_id, name) != name:
                message = f"operators.{name}.desk_ids: {desk_id!r} is {known[desk_id]!r} already"
                validation.add(("operators", name, "desk_ids"), message)
        for tenant in operator.tenants:
            if tenant not in config.tenants:
                message = f"operators.{name}.tenants: there is no tenant {tenant!r}"
                validation.add(("operators", name, "tenants"), message + suggest(tenant, sorted(config.tenants)))


def _make_paths_absolute(config: Config, folder: Path) -> Config:
    data_dir = str((folder / Path(config.data_dir).expanduser()).resolve())
    tenants = {}
    for name, tenant in config.tenants.items():
        paths = [str((folder / path).resolve()) for path in tenant.knowledge.paths]
        sources = [_absolute_source(each, folder) for each in tenant.knowledge.sources]
        knowledge = tenant.knowledge.model_copy(update={"paths": paths, "sources": sources})
        channels = tenant.channels.model_copy(update={"web": _absolute_web_accounts(tenant.channels.web, folder)})
        routes = _absolute_routes(tenant.routes, folder, Path(data_dir) / "routes" / f"{name}.npz")
        action_sources = [_absolute_action_source(source, folder) for source in tenant.actions.sources]
        actions = tenant.actions.model_copy(update={"sources": action_sources})
        update = {"knowledge": knowledge, "channels": channels, "routes": routes, "actions": actions}
        tenants[name] = tenant.model_copy(update=update)
    encoder = config.encoder
    if encoder not in ("auto", "light"):
        encoder = str((folder / Path(encoder).expanduser()).resolve())
    files = {name: _absolute_certificates(getattr(config, name), folder) for name in ("kafka", *load_sections())}
    transcribers = {name: _absolute_transcriber(entry, folder) for name, entry in config.transcribers.items()}
    changed = {"data_dir": data_dir, "tenants": tenants, "encoder": encoder, "transcribers": transcribers}
    absolute = config.model_copy(update=changed | files)
    return absolute.with_folder(folder.resolve())


def _absolute_transcriber(entry: TranscriberEntry, folder: Path) -> TranscriberEntry:
    if entry.provider != "faster-whisper" or not entry.model:
        return entry
    return entry.model_copy(update={"model": str((folder / Path(entry.model).expanduser()).resolve())})


def _absolute_routes(routes: RoutingSettings | None, folder: Path, default: Path) -> RoutingSettings | None:
    """``usual``: the file for what is learned from the examples, unless the configuration names one."""
    if routes is None:
        return None
    examples = routes.examples
    example_file = str((folder / examples).resolve()) if isinstance(examples, str) else examples
    trained = str((folder / routes.trained).resolve() if routes.trained else default)
    return routes.model_copy(update={"examples": example_file, "trained": trained})


def _absolute_source(source: SourceSettings, folder: Path) -> SourceSettings:
    if "://" in source.location:
        return source
    return source.model_copy(update={"location": str((folder / source.location).resolve())})


def _absolute_action_source(source: str, folder: Path) -> str:
    """The source of actions, with an absolute path if it is a file and not a module or an entry point."""
    return str((folder / source).resolve()) if source.endswith(".py") else source


def _absolute_web_accounts(accounts: Mapping[str, WebAccount], folder: Path) -> dict[str, WebAccount]:
    """The web accounts with absolute paths of logo and demo page. A logo may also be a URL."""
    out = {}
    for name, account in accounts.items():
        logo = account.theme.logo
        if logo and "://" not in logo:
            logo = str((folder / logo).resolve())
        demo = str((folder / account.demo).resolve()) if account.demo else ""
        theme = account.theme.model_copy(update={"logo": logo})
        out[name] = account.model_copy(update={"theme": theme, "demo": demo})
    return out


def _absolute_certificates(section: BaseModel, folder: Path) -> BaseModel:
    """The section with absolute paths of certificates."""
    named = {name: value for name, value in section if name.endswith("_file") and value}
    return section.model_copy(update={name: str((folder / value).resolve()) for name, value in named.items()})
