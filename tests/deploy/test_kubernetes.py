"""The manifests are valid, fit together, and fit Parley: each channel, each name, each probe, each secret."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.registry import CHANNELS
from gateway.config.settings import Config
from tests.deploy.environment_checks import load_as_deployed
from tests.deploy.kustomize import Object, change_object, pod_of, render
from tests.deploy.manifest_checks import SECRET_KEYS, configuration_of, problems, scaling_problems
from tests.harness.processes import ROOT

FOLDER = ROOT / "infra" / "deploy" / "kubernetes"
CHANNEL_FOLDER = FOLDER / "channels"
ALL = render(FOLDER)


def everything() -> list[Object]:
    """The base with all channels, as an operator who uncomments them gets it."""
    web = {item["metadata"]["name"] for item in render(CHANNEL_FOLDER / "web")}
    base = [item for item in ALL if item["metadata"]["name"] not in web]
    return [*base, *(item for channel in CHANNELS for item in render(CHANNEL_FOLDER / channel))]


def test_every_channel_has_its_workers_and_its_scaling() -> None:
    assert {path.name for path in CHANNEL_FOLDER.iterdir()} == set(CHANNELS)
    offered = re.findall(r"^#? ? ?- channels/(\w+)$", (FOLDER / "kustomization.yaml").read_text(), re.MULTILINE)
    assert set(offered) == set(CHANNELS)
    default = Config.model_fields["partitions"].default
    for channel in CHANNELS:
        assert scaling_problems(render(CHANNEL_FOLDER / channel), channel, default) == []


def test_the_objects_are_right() -> None:
    assert problems(ALL) == []
    assert problems(everything()) == []


CONTAINER = ("spec", "template", "spec", "containers", 0)
TRIGGER = ("spec", "triggers", 0, "metadata")


@pytest.mark.parametrize(
    ("kind", "way", "value", "problem"),
    [
        ("Deployment", ("spec", "replcas"), 3, "replcas"),
        ("StatefulSet", ("spec", "template", "spec", "terminationGracePeriodSeconds"), 30, "before it has drained"),
        ("Deployment", (*CONTAINER, "lifecycle", "preStop", "exec", "command", 1), "30", "before it has drained"),
        ("Deployment", (*CONTAINER, "args"), ["run", "egde"], "parley run egde"),
        ("StatefulSet", (*CONTAINER, "args", 2), "--chanels", "--chanels"),
        ("StatefulSet", (*CONTAINER, "env", 0, "name"), "PARLEY_CONF", "does not read PARLEY_CONF"),
        ("StatefulSet", (*CONTAINER, "env", 1, "name"), "PARLEY__DATA_DIR", "PARLEY_MEMBER"),
        ("Deployment", (*CONTAINER, "readinessProbe", "httpGet", "path"), "/ready", "asks /ready"),
        ("Deployment", (*CONTAINER, "livenessProbe", "httpGet", "path"), "/readyz", "outside of it"),
        ("Deployment", (*CONTAINER, "startupProbe", "httpGet", "port"), "web", "on web"),
        ("Deployment", (*CONTAINER, "volumeMounts", 0, "name"), "config", "no volume"),
        ("Job", (*CONTAINER, "securityContext", "readOnlyRootFilesystem"), False, "write to its image"),
        ("Job", (*CONTAINER, "args", 1), "make", "no command"),
        ("Service", ("spec", "selector", "app.kubernetes.io/name"), "egde", "selects no pod"),
        ("PodDisruptionBudget", ("spec", "selector", "matchLabels", "x"), "y", "selects no pod"),
        ("HorizontalPodAutoscaler", ("spec", "scaleTargetRef", "name"), "egde", "Deployment egde"),
        ("StatefulSet", ("spec", "serviceName"), "worker", "Service worker"),
        ("ScaledObject", ("spec", "scaleTargetRef", "name"), "worker", "StatefulSet worker"),
        ("ScaledObject", (*TRIGGER, "consumergroup"), "x", "consumergroup"),
        ("ScaledObject", (*TRIGGER, "lagThreshold"), 5, "valid string"),
        ("ScaledObject", (*TRIGGER, "topic"), None, "Field required"),
        ("ScaledObject", ("spec", "triggers", 0, "authenticationRef", "name"), "kafka-web", "TriggerAuthentication"),
        ("ScaledObject", ("spec", "minReplicas"), 1, "minReplicas"),
        ("ConfigMap", ("metadata", "name"), "configuration", "ConfigMap parley"),
        ("ServiceAccount", ("metadata", "name"), "gateway", "ServiceAccount parley"),
        ("NetworkPolicy", ("spec", "egres"), [], "egres"),
    ],
)
def test_a_mistake_in_an_object_is_found(kind: str, way: tuple[str | int, ...], value: Any, problem: str) -> None:
    found = problems(change_object(ALL, kind, way, value))
    assert any(problem in told for told in found), found


@pytest.mark.parametrize(
    ("kind", "way", "value", "problem"),
    [
        ("StatefulSet", (*CONTAINER, "args", 3), "slack", "serve slack"),
        ("ScaledObject", (*TRIGGER, "topic"), "parley.outbound.web", "parley.outbound.web"),
        ("ScaledObject", (*TRIGGER, "consumerGroup"), "parley.sender.web", "parley.sender.web"),
        ("ScaledObject", ("spec", "triggers", 1, "metadata", "query"), "sum(parley_load)", "does not export"),
        ("ScaledObject", ("spec", "maxReplicaCount"), 25, "more workers than partitions"),
    ],
)
def test_a_mistake_in_the_scaling_is_found(kind: str, way: tuple[str | int, ...], value: Any, problem: str) -> None:
    found = scaling_problems(change_object(render(CHANNEL_FOLDER / "web"), kind, way, value), "web", 24)
    assert any(problem in told for told in found), found


def with_secrets(tmp_path: Path) -> Config:
    text = configuration_of(ALL)
    for key in SECRET_KEYS:
        (tmp_path / key).write_text(f"the {key} of at least thirty-two characters")
    file = tmp_path / "parley.yaml"
    file.write_text(text.replace("/run/secrets/parley/", f"{tmp_path}/"))
    config = load_as_deployed(file, {})
    assert isinstance(config, Config), config
    return config


def test_parley_takes_the_configuration_and_finds_its_secrets(tmp_path: Path) -> None:
    config = with_secrets(tmp_path)
    assert not config.embedded
    assert config.kafka.password.get_secret_value() == "the kafka-password of at least thirty-two characters"
    assert config.kafka.username == "the kafka-username of at least thirty-two characters"
    assert config.blobs.startswith("s3://"), "pods share no disk"
    for item in ALL:
        for container in pod_of(item).get("containers", []):
            mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert {"/etc/parley", "/run/secrets/parley"} <= mounted
            assert item["kind"] == "Job" or config.data_dir in mounted


def test_the_secret_has_every_key_that_is_used() -> None:
    used = set(re.findall(r"/run/secrets/parley/([\w-]+)", configuration_of(ALL)))
    for item in ALL:
        if item["kind"] == "TriggerAuthentication":
            used |= {reference["key"] for reference in item["spec"]["secretTargetRef"]}
    assert used == SECRET_KEYS
    told = (FOLDER / "base" / "configuration.yaml").read_text().split("apiVersion")[0]
    for key in SECRET_KEYS:
        assert f"--from-literal={key}=" in told


def test_the_network_lets_through_what_the_configuration_names(tmp_path: Path) -> None:
    """Kafka, Redis and the collector: each by its namespace and port, also where KEDA looks."""
    config = with_secrets(tmp_path)
    policy = next(item for item in ALL if item["kind"] == "NetworkPolicy" and item["metadata"]["name"] == "parley")
    allowed = {
        (place["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for rule in policy["spec"]["egress"]
        for place in rule["to"]
        if "namespaceSelector" in place
        for port in rule["ports"]
    }
    for url in (config.bus, config.state, config.telemetry.otlp_endpoint):
        found = re.search(r"//[\w-]+\.(\w+):(\d+)", url)
        assert found, url
        assert (found[1], int(found[2])) in allowed
    (scaled,) = [item for item in ALL if item["kind"] == "ScaledObject"]
    trigger = scaled["spec"]["triggers"][0]["metadata"]
    assert f"kafka://{trigger['bootstrapServers']}" == config.bus
    assert (trigger["sasl"], trigger["tls"]) == ("scram_sha512", "enable")
    assert (config.kafka.sasl_mechanism, config.kafka.security_protocol) == ("SCRAM-SHA-512", "SASL_SSL")


def test_the_edge_is_the_only_one_that_everybody_may_call() -> None:
    open_to_all = [
        item["spec"]["podSelector"]["matchLabels"]
        for item in ALL
        if item["kind"] == "NetworkPolicy" and any("from" not in rule for rule in item["spec"].get("ingress", []))
    ]
    assert open_to_all == [{"app.kubernetes.io/name": "edge"}]


def test_kubectl_renders_the_same_where_it_is_installed() -> None:
    """Our renderer knows what these folders use; kubectl, where there is one, is the judge of that."""
    assert {item["kind"] for item in ALL} >= {"Deployment", "StatefulSet", "ScaledObject", "Job", "NetworkPolicy"}
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return
    for folder in (FOLDER, *(CHANNEL_FOLDER / channel for channel in CHANNELS)):
        printed = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=True)
        assert by_name(list(yaml.safe_load_all(printed.stdout))) == by_name(render(folder)), folder.name


def by_name(objects: list[Object]) -> dict[tuple[str, str], Object]:
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}
