"""The rules of the router from a tenant's ``routes``, and the training of its intent model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from agent_worker.router import artifact
from agent_worker.router.router import load_intent_model
from agent_worker.router.rules import Intent, RiskTopic, RouteRules
from gateway.config.routing import (
    BUILT_IN_TOPICS,
    DEFAULT_RISKS,
    IntentFile,
    IntentSettings,
    RiskSettings,
    RoutingSettings,
)
from gateway.config.settings import Config, Tenant
from gateway.wiring.models.encoders import open_encoder
from infra.deploy.doctor_finding import Finding
from schemas.errors import ConfigInvalid, SetupError
from schemas.validation.problems import describe_problem

if TYPE_CHECKING:
    from agent_worker.knowledge.vectors.encoder import Encoder
    from agent_worker.router.intents import ModelQuality

MAX_EXAMPLES_AT_START = 1000
"""Maximum number of examples for a training at the start: it takes a second or two, with the same result everywhere."""
_FILE_FORMAT = "write each intent as: intent: [example, …]"


def build_route_rules(tenant: Tenant) -> RouteRules:
    """The rules of the router. Reads the file of examples, if there is one. Raises ConfigInvalid if it is unusable."""
    routes = tenant.routes
    return RouteRules() if routes is None else _build_rules(routes, load_intents(routes))


def _build_rules(routes: RoutingSettings, intents: Mapping[str, IntentSettings]) -> RouteRules:
    own = {
        name: each if isinstance(each, RiskSettings) else RiskSettings(phrases=each)
        for name, each in routes.risks.items()
    }
    return RouteRules(
        cheap=routes.models.cheap,
        strong=routes.models.strong,
        intents={name: Intent(intent.to, intent.hard, intent.risky) for name, intent in intents.items()},
        examples={name: tuple(intent.examples) for name, intent in intents.items()},
        trained=Path(routes.trained) if intents else None,
        risks=tuple(
            RiskTopic(name, tuple(topic.phrases), topic.to, topic.say, "" if name in own else BUILT_IN_TOPICS[name])
            for name, topic in (DEFAULT_RISKS | own).items()
        ),
        upset=tuple(routes.upset),
        tiers=routes.tiers,
        sure_above=routes.sure_above,
        local_above=routes.local_above,
        doubtful_below=routes.doubtful_below,
        unknown=routes.unknown,
        person_after=routes.person_after,
        low_budget=routes.low_budget,
    )


def load_intents(routes: RoutingSettings) -> Mapping[str, IntentSettings]:
    """The intents with their examples, from the configuration or the file of examples. Raises ConfigInvalid."""
    if not isinstance(routes.examples, str):
        return _normalize_intents(routes.examples)
    path = Path(routes.examples)
    try:
        return _read_file(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise ConfigInvalid(
            f"cannot read {path}: {error.strerror}", fix="check `routes.examples` and the file"
        ) from error


def _normalize_intents(intents: Mapping[str, IntentSettings | list[str]]) -> Mapping[str, IntentSettings]:
    return {
        name: each if isinstance(each, IntentSettings) else IntentSettings(examples=each)
        for name, each in intents.items()
    }


@lru_cache(maxsize=16)
def _read_file(path: Path, modified_at: int) -> Mapping[str, IntentSettings]:
    """Read a file of examples. ``changed`` is its modification time, so that a changed file is read again."""
    try:
        # The loader in Python takes seconds for ten thousand examples.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        content = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506 - both loaders are safe
        return _normalize_intents(IntentFile.model_validate(content).root)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigInvalid(f"{path}: not YAML: {' '.join(str(error).split())}", fix=_FILE_FORMAT) from error
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        path_in_file = ".".join(map(str, detail["loc"]))
        raise ConfigInvalid(f"{path}: {path_in_file}: {describe_problem(detail)}", fix=_FILE_FORMAT) from error


def train(
    config: Config, name: str, *, force: bool = False, on_start: Callable[[], None] = lambda: None
) -> ModelQuality | None:
    """Train the tenant's intent model unless the saved one is up to date. Blocking, for up to a minute.

    Returns the quality of the model, or None if nothing was trained. ``on_start`` is called before the training."""
    section = config.tenants[name]
    encoder = open_encoder(config)
    if not force and not needs_training(section, encoder):
        return None
    on_start()
    return train_model_of(section, encoder)


def needs_training(section: Tenant, encoder: Encoder | None) -> bool:
    """Return whether the tenant has intents that the saved model does not know."""
    rules = build_route_rules(section)
    if rules.trained is None:
        return False
    version = artifact.examples_version(rules.examples)
    return not artifact.is_current(rules.trained, version, encoder.name if encoder is not None else "")


def train_model_of(section: Tenant, encoder: Encoder | None) -> ModelQuality | None:
    """Train the intent model of a tenant's section. Returns its quality, or None without intents. Blocking."""
    from agent_worker.router.training import train as train_model

    rules = build_route_rules(section)
    if rules.trained is None:
        return None
    model, quality = train_model(rules.examples, encoder)
    artifact.save_model(rules.trained, model, artifact.examples_version(rules.examples), quality)
    return quality


def train_changed_models(config: Config, report: Callable[[str], None]) -> None:
    """Train the models whose examples have changed, at the start of an embedded instance."""
    for name in config.tenants:
        train(config, name, on_start=partial(report, f"learning the intents of {name}; this happens once"))


def ensure_trained(config: Config, name: str) -> None:
    """Train the tenant's intent model if it is missing or out of date. Blocking. Raises SetupError if this process must
    not train it."""
    problem = _find_problem(config, name)
    if problem is not None:
        _refuse_training(config, name, problem)
        train(config, name)


def _find_problem(config: Config, name: str) -> SetupError | None:
    """The reason why the tenant's intent model cannot be used, or None. Raises ConfigInvalid."""
    rules = build_route_rules(config.tenants[name])
    try:
        if rules.trained is not None:
            load_intent_model(rules)
    except ConfigInvalid:
        raise
    except SetupError as error:
        return error
    return None


def _refuse_training(config: Config, name: str, problem: SetupError) -> None:
    """Raise the problem if this process must not train the model, because other processes read the file too, or because
    there are too many examples."""
    rules = build_route_rules(config.tenants[name])
    count = sum(map(len, rules.examples.values()))
    if not config.embedded and (rules.trained != default_model_file(config, name) or count > MAX_EXAMPLES_AT_START):
        raise problem


def default_model_file(config: Config, name: str) -> Path:
    """The default file of a tenant's intent model. Each ``data_dir`` has its own."""
    return Path(config.data_dir) / "routes" / f"{name}.npz"


def check_intents(config: Config) -> list[Finding]:
    """The findings for ``parley doctor``. Empty if no tenant has examples."""
    names = sorted(name for name, tenant in config.tenants.items() if tenant.routes and tenant.routes.examples)
    results = []
    for name in names:
        try:
            problem = _find_problem(config, name)
            if problem is not None:
                _refuse_training(config, name, problem)
            results.append(Finding("intents", "ok", name))
        except SetupError as error:
            results.append(Finding("intents", "fail", f"{name}: {error.message}", error.fix))
    return results
