"""Loading of the configuration. Flags override the environment, which overrides the file, which overrides defaults."""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from connectors.settings import Settings
from connectors.web.settings import WebAccount
from gateway.config import secret_keys
from gateway.config.knowledge import SourceSettings
from gateway.config.models import model_names
from gateway.config.operators import ADMIN_NAME
from gateway.config.routing import RoutingSettings
from gateway.config.settings import Config
from gateway.config.validation import Validation, suggest
from gateway.config.yaml_reader import YamlDocument, YamlReader
from schemas.errors import ConfigInvalid

FILE_NAME = "parley.yaml"
_SHORT_VARIABLES = {"PARLEY_BUS": "bus", "PARLEY_STATE": "state"}


@functools.cache
def environment() -> Mapping[str, str]:
    """The environment at the time of the first call. Later changes are not seen."""
    return types.MappingProxyType(dict(os.environ))


def find_file(given: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The path of the configuration file: ``given``, else ``PARLEY_CONFIG``, else ``parley.yaml`` in the current folder
    or in the only subfolder that has one. Raises ConfigInvalid if there is none."""
    named = given or (environment() if environ is None else environ).get("PARLEY_CONFIG")
    path = Path(named or FILE_NAME).absolute()
    if path.is_file():
        return path
    if named:
        raise ConfigInvalid(f"there is no configuration file {path}", fix="check --config and PARLEY_CONFIG")
    # After `parley init shop` the file is one folder down.
    below = sorted(path.parent.glob(f"*/{FILE_NAME}"))
    if len(below) == 1:
        return below[0]
    fix = "name one with --config FILE or PARLEY_CONFIG, or create one with `parley init`"
    raise ConfigInvalid(f"there is no {FILE_NAME} in {path.parent}", fix=fix)


def load(
    given: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    make_secrets: bool = True,
) -> Config:
    """Read, check and complete the configuration. Raises ConfigInvalid, which lists all problems.

    ``flags`` maps ``port`` or a top-level setting to its value; None values are ignored. With ``make_secrets``, missing
    values of ``secret_key`` and ``admin_token`` are generated and kept in ``data_dir`` (embedded mode only).
    """
    environ = environment() if environ is None else environ
    path = find_file(given, environ)
    source = _read(path, environ)
    _apply_overrides(source, YamlReader(path, environ), environ, flags or {})
    problems = Validation(source, Config)
    config = problems.validate()
    if config is not None:
        _check_secrets(config, problems)
        _check_modes(config, source, problems)
        _check_models(config, problems)
        _check_operators(config, problems)
    if problems.problems or config is None:
        raise _combine_problems(problems.problems, path)
    config = _make_paths_absolute(config, path.parent)
    return secret_keys.fill_in_secrets(config) if make_secrets and config.embedded else config


def _read(path: Path, environ: Mapping[str, str]) -> YamlDocument:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigInvalid(f"cannot read {path}: {reason}", fix="check the file and its permissions") from error
    return YamlReader(path, environ).read(text)


def _apply_overrides(
    source: YamlDocument, reader: YamlReader, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> None:
    for name, key in _SHORT_VARIABLES.items():
        if environ.get(name):
            _set_value(source, reader, (key,), environ[name], f"environment {name}")
    for name in sorted(environ):
        if name.startswith("PARLEY__"):
            where = _resolve_keys(source.values, name.removeprefix("PARLEY__").split("__"))
            _set_value(source, reader, where, environ[name], f"environment {name}")
    if environ.get("PARLEY_PORT"):
        _set_port(source, environ["PARLEY_PORT"], "environment PARLEY_PORT")
    for key, value in flags.items():
        if value is not None and key == "port":
            _set_port(source, str(value), "flag --port")
        elif value is not None:
            _set_value(source, reader, (key,), str(value), f"flag --{key.replace('_', '-')}")
    # Such as a `file:` value in the environment whose file cannot be read.
    source.problems += reader.document.problems


def _resolve_keys(values: Any, parts: list[str]) -> tuple[str, ...]:
    """The keys that the parts of an environment variable's name refer to. Variables have neither lower case nor hyphens
    in their names, so these are compared with the keys that exist."""
    where = []
    for part in parts:
        keys = list(values) if isinstance(values, dict) else []
        key = next((key for key in keys if key.lower().replace("-", "_") == part.lower()), part.lower())
        values = values.get(key) if isinstance(values, dict) else None
        where.append(key)
    return tuple(where)


def _set_value(source: YamlDocument, reader: YamlReader, where: tuple[str, ...], text: str, place: str) -> None:
    at = source.values
    for key in where[:-1]:
        if not isinstance(at.get(key), dict):
            at[key] = {}
        at = at[key]
    filled = reader.fill_in(text, place)
    at[where[-1]] = _parse_structure(filled)
    for stale in [known for known in source.positions if known[: len(where)] == where]:
        del source.positions[stale]
    source.positions[where] = place


def _parse_structure(text: str) -> Any:
    """The value of a list or mapping that is written as JSON or YAML. Other texts are returned as they are."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _set_port(source: YamlDocument, port: str, place: str) -> None:
    listen = str(source.values.get("listen") or Config.model_fields["listen"].default)
    host, colon, _ = listen.rpartition(":")
    if not colon:
        # The address in the file is invalid, so the error must point there and not at the port.
        return
    source.values["listen"] = f"{host}:{port}"
    source.positions["listen",] = place


def _check_secrets(config: Config, problems: Validation) -> None:
    """Check the length of the secrets that the operator chooses. A vendor decides about the length of its own."""
    found: dict[tuple[str, ...], SecretStr] = {(name,): getattr(config, name) for name in secret_keys.SECRET_NAMES}
    for tenant, section in config.tenants.items():
        for name, account in section.channels.web.items():
            found["tenants", tenant, "channels", "web", name, "identity_secret"] = account.identity_secret
    for place, secret in found.items():
        if secret_keys.is_too_short(secret.get_secret_value()):
            said = f"{'.'.join(place)}: must be at least {secret_keys.MIN_SECRET_BYTES} bytes long"
            problems.add(place, f"{said}; make one with: {secret_keys.GENERATE_COMMAND}")


def _check_modes(config: Config, source: YamlDocument, problems: Validation) -> None:
    if (config.bus == "sqlite") != (config.state == "sqlite"):
        key = "bus" if config.bus == "sqlite" else "state"
        other = "state" if key == "bus" else "bus"
        problems.add(
            (key,),
            f"{key} is sqlite, but {other} is not: use sqlite for both, or kafka:// and redis:// together",
        )
    elif not config.embedded:
        for name in ("secret_key", "admin_token"):
            if not getattr(config, name).get_secret_value():
                problems.add(
                    (name,),
                    f"{name} must be set when several processes share it (kafka:// and redis://): "
                    f"put one value in the environment as PARLEY_{name.upper()}",
                )


def _check_models(config: Config, problems: Validation) -> None:
    """Check the names of models. `local` always exists and always answers from the documents, because all other models
    fall back on it."""
    known = sorted({"local", *config.models})
    if "local" in config.models and config.models["local"].provider != "local":
        problems.add(("models", "local"), "models.local: must have `provider: local`; give your model another name")
    named: list[tuple[tuple[str, ...], Sequence[str]]] = [
        (("tenants", name, "model"), model_names(tenant.model)) for name, tenant in config.tenants.items()
    ]
    named += [(("models", name, "fallback"), entry.fallback) for name, entry in config.models.items()]
    named += [
        (("tenants", name, "routes", "models", route), [model] if model else [])
        for name, tenant in config.tenants.items()
        for route, model in (tenant.routes.models if tenant.routes is not None else ())
    ]
    for place, models in named:
        for model in models:
            if model not in known:
                said = f"{'.'.join(place)}: there is no model {model!r} under `models`"
                problems.add(place, said + suggest(model, known))


def _check_operators(config: Config, problems: Validation) -> None:
    if ADMIN_NAME in config.operators:
        problems.add(
            ("operators", ADMIN_NAME),
            f"operators.{ADMIN_NAME}: the name is reserved for the admin token; choose another",
        )
    for name, operator in config.operators.items():
        for tenant in operator.tenants:
            if tenant not in config.tenants:
                said = f"operators.{name}.tenants: there is no tenant {tenant!r}"
                problems.add(("operators", name, "tenants"), said + suggest(tenant, sorted(config.tenants)))


def _make_paths_absolute(config: Config, folder: Path) -> Config:
    data_dir = str((folder / Path(config.data_dir).expanduser()).resolve())
    tenants = {}
    for name, tenant in config.tenants.items():
        paths = [str((folder / path).resolve()) for path in tenant.knowledge.paths]
        places = [_absolute_source(each, folder) for each in tenant.knowledge.sources]
        knowledge = tenant.knowledge.model_copy(update={"paths": paths, "sources": places})
        channels = tenant.channels.model_copy(update={"web": _absolute_web_accounts(tenant.channels.web, folder)})
        routes = _absolute_routes(tenant.routes, folder, Path(data_dir) / "routes" / f"{name}.npz")
        modules = [_absolute_action_source(source, folder) for source in tenant.actions.sources]
        actions = tenant.actions.model_copy(update={"sources": modules})
        changed = {"knowledge": knowledge, "channels": channels, "routes": routes, "actions": actions}
        tenants[name] = tenant.model_copy(update=changed)
    encoder = config.encoder
    if encoder not in ("auto", "light"):
        encoder = str((folder / Path(encoder).expanduser()).resolve())
    files = {name: _absolute_certificates(getattr(config, name), folder) for name in ("kafka", "redis")}
    made = config.model_copy(update={"data_dir": data_dir, "tenants": tenants, "encoder": encoder, **files})
    made._folder = folder.resolve()
    return made


def _absolute_routes(routes: RoutingSettings | None, folder: Path, usual: Path) -> RoutingSettings | None:
    """``usual``: the file for what is learned from the examples, unless the configuration names one."""
    if routes is None:
        return None
    examples = routes.examples
    named = str((folder / examples).resolve()) if isinstance(examples, str) else examples
    trained = str((folder / routes.trained).resolve() if routes.trained else usual)
    return routes.model_copy(update={"examples": named, "trained": trained})


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


def _absolute_certificates(section: Settings, folder: Path) -> Settings:
    """The section with absolute paths of certificates."""
    named = {name: value for name, value in section if name.endswith("_file") and value}
    return section.model_copy(update={name: str((folder / value).resolve()) for name, value in named.items()})


def _combine_problems(lines: list[str], path: Path) -> ConfigInvalid:
    fix = "`parley config schema` lists every setting; `parley config check` checks again"
    if len(lines) == 1:
        return ConfigInvalid(lines[0], fix=fix)
    return ConfigInvalid(f"{len(lines)} problems in {path.name}:\n" + "\n".join(f"  {line}" for line in lines), fix=fix)
