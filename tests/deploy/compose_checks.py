"""docker-compose.yml held against the Compose specification and against itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from compose_spec import PyCompose
from compose_spec.models import ComposeSpecification, Service

from gateway.wiring.compose import STOP_TIMEOUT
from tests.deploy.environment_checks import command_problems, unread

OTHERS_READ = frozenset({"SHOP_URL"})
"""Variables that the example's configuration names, and Parley itself does not."""
ROLES = ("edge", "connectors", "worker")
PINNED = re.compile(r":\d[\w.-]*@sha256:[0-9a-f]{64}$|:v\d[\w.-]*@sha256:[0-9a-f]{64}$")
"""The end of the name of an image that is always the same."""
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}")
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def fill_variables(node: Any, values: Mapping[str, str]) -> Any:
    """The file as Docker reads it: variables from the caller's environment, or their defaults."""
    if isinstance(node, dict):
        return {key: fill_variables(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [fill_variables(item, values) for item in node]
    return _VARIABLE.sub(lambda found: values.get(found[1], found[2] or ""), node) if isinstance(node, str) else node


def problems(text: str) -> list[str]:
    """Everything wrong with the file, variables left at their defaults."""
    whole = fill_variables(yaml.safe_load(text), {})
    if "services" not in whole:
        return ["no Compose file: it has no services"]
    sections = {key for key in whole if not key.startswith("x-")}
    found = [f"unknown section {key}" for key in sections - _fields(ComposeSpecification)]
    try:
        # Docker takes a tag with a digest, this model of the specification only one of both.
        PyCompose.from_yaml(_DIGEST.sub("", yaml.safe_dump(whole)))
    except ValueError as error:
        found.append(f"no Compose file: {error}")
    for name, service in whole["services"].items():
        found += [f"{name}: {problem}" for problem in _service(name, service, whole)]
    return found


def _fields(model: Any) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _service(name: str, service: dict[str, Any], whole: dict[str, Any]) -> Iterator[str]:
    yield from (f"unknown key {key}" for key in service.keys() - _fields(Service))
    for kind in ("networks", "secrets"):
        yield from (f"no {kind} {item}" for item in service.get(kind, []) if item not in whole.get(kind, {}))
    named = [item.split(":")[0] for item in service.get("volumes", []) if not item.startswith((".", "/"))]
    yield from (f"no volume {item}" for item in named if item not in whole["volumes"])
    yield from _needs(service, whole["services"])
    yield from _keeps_well(name, service)
    if name in (*ROLES, "topics"):
        yield from _ours(service)


def _needs(service: dict[str, Any], services: dict[str, Any]) -> Iterator[str]:
    for other, how in service.get("depends_on", {}).items():
        if other not in services:
            yield f"depends on {other}, which is not there"
        elif how["condition"] == "service_healthy" and "test" not in services[other].get("healthcheck", {}):
            yield f"waits for {other} to be healthy, which has no health check"
        elif how["condition"] == "service_completed_successfully" and services[other]["restart"] == "unless-stopped":
            yield f"waits for the end of {other}, which never ends"
        if set(service.get("profiles", [])) < set(services.get(other, {}).get("profiles", [])):
            yield f"depends on {other}, which only another profile starts"


def _keeps_well(name: str, service: dict[str, Any]) -> Iterator[str]:
    if "restart" not in service:
        yield "is not started again"
    if not service["image"].startswith("parley:") and not re.search(PINNED, service["image"]):
        yield f"the image has no version and digest: {service['image']}"
    if name in (*ROLES, "kafka", "redis", "shop") and "test" not in service.get("healthcheck", {}):
        yield "has no health check"


def _ours(service: dict[str, Any]) -> Iterator[str]:
    yield from unread(service["environment"].keys() - OTHERS_READ)
    yield from command_problems(service["command"])
    if int(service["stop_grace_period"].removesuffix("s")) <= STOP_TIMEOUT:
        yield f"is killed before it has drained ({STOP_TIMEOUT:g} s)"
    if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
        yield "may write to its image, or holds capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "may gain privileges"
