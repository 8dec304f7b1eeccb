"""From a tenant's `routes` to the rules of the router, and to what is learned from their examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from agent_worker.router.rules import Intent, RiskTopic, RouteRules
from gateway.encoders import open_encoder
from gateway.route_settings import RISKS, Intents, IntentSettings, RiskSettings, Routes
from gateway.settings import Config, Tenant
from infra.deploy.finding import Finding
from schemas.errors import ConfigInvalid, SetupError

if TYPE_CHECKING:
    from agent_worker.router.intents import Worth

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
            RiskTopic(name, tuple(topic.phrases), topic.to, topic.say) for name, topic in (RISKS | own).items()
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
    import yaml

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


def train(config: Config, name: str, *, anew: bool = False) -> Worth | None:
    """Learn from the tenant's examples unless that was done. Blocking. None when there was nothing to do."""
    from agent_worker.router import artifact
    from agent_worker.router.training import train as learn

    rules = rules_of(config.tenants[name])
    if rules.trained is None:
        return None
    encoder, version = open_encoder(config), artifact.stamp(rules.examples)
    if not anew and artifact.is_current(rules.trained, version, encoder.name if encoder is not None else ""):
        return None
    model, worth = learn(rules.examples, encoder)
    artifact.save(rules.trained, model, version, worth)
    return worth


def train_changed(config: Config, told: Callable[[str], None]) -> None:
    """For an embedded instance at its start: what was learned follows the examples."""
    for name in config.tenants:
        worth = train(config, name)
        if worth is not None:
            told(f"learned {worth.intents} intents of {name} from {worth.examples} examples")


def refuse_untrained(config: Config) -> None:
    """Raises SetupError when a tenant's intents were learned from other examples than are configured, or not at all:
    several processes must go by the same ones, so that none of them learns by itself."""
    for _, problem in _untrained(config):
        raise problem


def findings(config: Config) -> list[Finding]:
    """For ``parley doctor``; nothing where no tenant gives examples. An embedded instance learns at its start."""
    wrong = list(_untrained(config))
    told = [Finding("intents", "fail", f"{name}: {each.message}", each.fix) for name, each in wrong]
    if config.embedded:
        told = [finding for finding, (_, each) in zip(told, wrong, strict=True) if isinstance(each, ConfigInvalid)]
    given = [name for name, tenant in config.tenants.items() if tenant.routes and tenant.routes.examples]
    return told or ([Finding("intents", "ok", ", ".join(sorted(given)))] if given else [])


def _untrained(config: Config) -> Iterator[tuple[str, SetupError]]:
    from agent_worker.router.router import learned

    for name, tenant in config.tenants.items():
        try:
            rules = rules_of(tenant)
            if rules.trained is not None:
                learned(rules)
        except SetupError as error:
            yield name, error
