"""From a tenant's `routes` to the rules of the router, and to what is learned from their examples."""

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
from gateway.config.routing import BUILT_IN, RISKS, Intents, IntentSettings, RiskSettings, Routes
from gateway.config.settings import Config, Tenant
from gateway.wiring.encoders import open_encoder
from infra.deploy.finding import Finding
from schemas.errors import ConfigInvalid, SetupError

if TYPE_CHECKING:
    from agent_worker.router.intents import ModelQuality

AT_START = 1000
"""So many examples are learned from in a second or two, and alike by every process."""
_FORM = "write intent: [example, …]"


def rules_of(tenant: Tenant) -> RouteRules:
    """Reads the file of examples, if there is one. Raises ConfigInvalid when it cannot be used."""
    routes = tenant.routes
    return RouteRules() if routes is None else _rules(routes, intents_of(routes))


def _rules(routes: Routes, intents: Mapping[str, IntentSettings]) -> RouteRules:
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
            RiskTopic(name, tuple(topic.phrases), topic.to, topic.say, "" if name in own else BUILT_IN[name])
            for name, topic in (RISKS | own).items()
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


def intents_of(routes: Routes) -> Mapping[str, IntentSettings]:
    if not isinstance(routes.examples, str):
        return _whole(routes.examples)
    path = Path(routes.examples)
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise ConfigInvalid(f"cannot read {path}: {error.strerror}", fix="check `routes.examples`") from error


def _whole(given: Mapping[str, IntentSettings | list[str]]) -> Mapping[str, IntentSettings]:
    return {
        name: each if isinstance(each, IntentSettings) else IntentSettings(examples=each)
        for name, each in given.items()
    }


@lru_cache(maxsize=16)
def _read(path: Path, changed: int) -> Mapping[str, IntentSettings]:
    """``changed``: when the file was written last."""
    try:
        # The plain loader takes seconds for ten thousand examples.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        found = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506 - either is a safe one
        return _whole(Intents.model_validate(found).root)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigInvalid(
            f"{path}: not YAML: {' '.join(str(error).split())}", fix="write intent: [example, …]"
        ) from error
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, told["loc"]))
        raise ConfigInvalid(f"{path}: {where}: {told['msg']}", fix="write intent: [example, …]") from error


def train(
    config: Config, name: str, *, anew: bool = False, begun: Callable[[], None] = lambda: None
) -> ModelQuality | None:
    """Learn from the tenant's examples unless that was done. Blocking. None when there was nothing to do; ``begun`` is
    called when there is, for it may take a minute."""
    from agent_worker.router.training import train as learn

    rules = rules_of(config.tenants[name])
    if rules.trained is None:
        return None
    encoder, version = open_encoder(config), artifact.examples_version(rules.examples)
    if not anew and artifact.is_current(rules.trained, version, encoder.name if encoder is not None else ""):
        return None
    begun()
    model, worth = learn(rules.examples, encoder)
    artifact.save_model(rules.trained, model, version, worth)
    return worth


def train_changed(config: Config, told: Callable[[str], None]) -> None:
    """For an embedded instance at its start: what was learned follows the examples."""
    for name in config.tenants:
        train(config, name, begun=partial(told, f"learning the intents of {name}; this happens once"))


def ensure(config: Config, name: str) -> None:
    """See to it that the tenant's intents are learned from the examples that are configured. Blocking. Raises
    SetupError when that is not for this process to do."""
    problem = _problem(config, name)
    if problem is not None:
        _refuse(config, name, problem)
        train(config, name)


def _problem(config: Config, name: str) -> SetupError | None:
    """Raises ConfigInvalid."""
    rules = rules_of(config.tenants[name])
    try:
        if rules.trained is not None:
            load_intent_model(rules)
    except ConfigInvalid:
        raise
    except SetupError as error:
        return error
    return None


def _refuse(config: Config, name: str, problem: SetupError) -> None:
    """A file that others are to read too is not made in passing, nor is anything learned from many examples."""
    rules = rules_of(config.tenants[name])
    count = sum(map(len, rules.examples.values()))
    if not config.embedded and (rules.trained != usual_place(config, name) or count > AT_START):
        raise problem


def usual_place(config: Config, name: str) -> Path:
    """Where what was learned is kept unless `trained` says so: each process has its own."""
    return Path(config.data_dir) / "routes" / f"{name}.npz"


def findings(config: Config) -> list[Finding]:
    """For ``parley doctor``; nothing where no tenant gives examples."""
    given = sorted(name for name, tenant in config.tenants.items() if tenant.routes and tenant.routes.examples)
    found = []
    for name in given:
        try:
            problem = _problem(config, name)
            if problem is not None:
                _refuse(config, name, problem)
            found.append(Finding("intents", "ok", name))
        except SetupError as error:
            found.append(Finding("intents", "fail", f"{name}: {error.message}", error.fix))
    return found
