"""The Kubernetes objects held against their schemas, against each other and against Parley."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator

import kubernetes_validate  # type: ignore[import-untyped]
import yaml
from pydantic import ValidationError

from gateway.wiring.compose import STOP_TIMEOUT
from schemas import topics
from tests.deploy import keda_models, promql_checks
from tests.deploy.environment_checks import command_problems, unread
from tests.deploy.kustomize import Object, pod_of

KUBERNETES = "1.33"
ROUTES = frozenset({"/healthz", "/readyz"})
SECRET = "parley"
SECRET_KEYS = frozenset({"secret-key", "admin-token", "kafka-username", "kafka-password", "redis-password"})
"""What configuration.yaml and docs/operations.md tell the operator to put there."""


def problems(objects: list[Object]) -> list[str]:
    found: list[str] = []
    for item in objects:
        name = f"{item['kind']}/{item['metadata']['name']}"
        found += [f"{name}: {problem}" for problem in (*_schema(item), *_references(item, objects), *_pod(item))]
    return found + _names(objects)


def _schema(item: Object) -> list[str]:
    return _schema_of(json.dumps(item))


@functools.cache
def _schema_of(text: str) -> list[str]:
    return list(_broken_rules(json.loads(text)))


def _broken_rules(item: Object) -> Iterator[str]:
    try:
        if item["apiVersion"].startswith("keda.sh/"):
            keda_models.read(item)
        else:
            kubernetes_validate.validate(item, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{'.'.join(str(part) for part in error.path)}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError:
        yield f"Kubernetes {KUBERNETES} knows no {item['kind']} in {item['apiVersion']}"
    except ValidationError as error:
        yield from (f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())


def _names(objects: list[Object]) -> list[str]:
    seen: set[tuple[str, str]] = set()
    twice = []
    for item in objects:
        key = (item["kind"], item["metadata"]["name"])
        twice += [f"{key[0]}/{key[1]} is there twice"] if key in seen else []
        seen.add(key)
    return twice


# ── references ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _references(item: Object, objects: list[Object]) -> Iterator[str]:
    have = {(other["kind"], other["metadata"]["name"]) for other in objects}
    for kind, name in _named(item):
        if (kind, name) not in have:
            yield f"names {kind} {name}, which is not there"
    for labels, must in _selectors(item):
        if not any(labels.items() <= _pod_labels(other).items() for other in objects):
            yield f"{must} selects no pod: {labels}"


def _named(item: Object) -> Iterator[tuple[str, str]]:
    spec, pod = item.get("spec", {}), pod_of(item)
    if "scaleTargetRef" in spec:
        yield spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]
    if "serviceName" in spec:
        yield "Service", spec["serviceName"]
    for trigger in spec.get("triggers", []):
        if "authenticationRef" in trigger:
            yield "TriggerAuthentication", trigger["authenticationRef"]["name"]
    if "serviceAccountName" in pod:
        yield "ServiceAccount", pod["serviceAccountName"]
    for volume in pod.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]


def _selectors(item: Object) -> Iterator[tuple[dict[str, str], str]]:
    spec = item.get("spec", {})
    if item["kind"] == "Service":
        yield spec["selector"], "the service"
    elif item["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
        yield spec["selector"]["matchLabels"], "the selector"
    elif item["kind"] == "NetworkPolicy":
        yield spec["podSelector"]["matchLabels"], "the policy"


def _pod_labels(item: Object) -> dict[str, str]:
    spec = item.get("spec", {})
    labels: dict[str, str] = spec["template"]["metadata"]["labels"] if pod_of(item) else {}
    return labels


# ── pods ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pod(item: Object) -> Iterator[str]:
    pod = pod_of(item)
    if not pod:
        return
    (container,) = pod["containers"]
    yield from command_problems(container["args"])
    yield from unread(variable["name"] for variable in container["env"])
    yield from _mounts(pod, container)
    yield from _safe(pod, container)
    if item["kind"] != "Job":
        yield from _stays(item, pod, container)


def _mounts(pod: Object, container: Object) -> Iterator[str]:
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        if mount["name"] not in volumes:
            yield f"mounts {mount['name']}, which is no volume"
    for volume in volumes.values():
        if "secret" in volume and volume["secret"]["secretName"] != SECRET:
            yield f"the secret is called {SECRET}"


def _safe(pod: Object, container: Object) -> Iterator[str]:
    context = container.get("securityContext", {})
    if pod.get("securityContext", {}).get("runAsNonRoot") is not True or not context.get("readOnlyRootFilesystem"):
        yield "runs as root, or may write to its image"
    if context.get("allowPrivilegeEscalation") is not False or context.get("capabilities") != {"drop": ["ALL"]}:
        yield "may gain privileges"
    if "memory" not in container["resources"]["limits"]:
        yield "its memory has no limit"


def _stays(item: Object, pod: Object, container: Object) -> Iterator[str]:
    before = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
    if pod.get("terminationGracePeriodSeconds", 30) <= STOP_TIMEOUT + float(before[-1]):
        yield f"is killed before it has drained ({STOP_TIMEOUT:g} s after {before[-1]} s)"
    ports = {port["name"] for port in container["ports"]}
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container.get(name, {}).get("httpGet", {})
        if asked.get("path") not in ROUTES or asked.get("port") not in ports:
            yield f"{name} asks {asked.get('path')} on {asked.get('port')}"
    if container["livenessProbe"]["httpGet"]["path"] != "/healthz":
        yield "is started again when something outside of it is ill"
    members = [v for v in container["env"] if v["name"] == "PARLEY_MEMBER"]
    named_by_pod = [v for v in members if v.get("valueFrom") == {"fieldRef": {"fieldPath": "metadata.name"}}]
    if item["kind"] == "StatefulSet" and not named_by_pod:
        yield "its pods keep their names, but their members do not (PARLEY_MEMBER)"
    if item["kind"] == "Deployment" and members:
        yield "a Deployment's pods have passing names: they must not be static members"


# ── scaling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def scaling_problems(objects: list[Object], channel: str, partitions: int) -> list[str]:
    """One channel's workers and what scales them speak of that channel, and of names that Parley has."""
    found: list[str] = []
    of = {kind: [i for i in objects if i["kind"] == kind] for kind in ("StatefulSet", "ScaledObject")}
    if [len(items) for items in of.values()] != [1, 1]:
        return ["a channel needs one StatefulSet and one ScaledObject"]
    (worker,), (scaled,) = of.values()
    args = worker["spec"]["template"]["spec"]["containers"][0]["args"]
    if args[-2:] != ["--channels", channel]:
        found.append(f"its workers serve {args[-1]}")
    kafka = next(t["metadata"] for t in scaled["spec"]["triggers"] if t["type"] == "kafka")
    load = next(t["metadata"] for t in scaled["spec"]["triggers"] if t["type"] == "prometheus")
    if kafka["topic"] != topics.inbound(channel):
        found.append(f"lag of the topic {kafka['topic']}")
    if kafka["consumerGroup"] != topics.worker_group(channel):
        found.append(f"lag of the group {kafka['consumerGroup']}")
    found += promql_checks.problems(load["query"])
    if re.findall(r'channel="(\w+)"', load["query"]) != [channel] or "parley_worker_load" not in load["query"]:
        found.append(f"load by {load['query']}")
    if scaled["spec"]["maxReplicaCount"] > partitions:
        found.append(f"more workers than partitions ({partitions})")
    return found


def configuration_of(objects: list[Object]) -> str:
    (item,) = [item for item in objects if item["kind"] == "ConfigMap"]
    text: str = item["data"]["parley.yaml"]
    yaml.safe_load(text)
    return text
