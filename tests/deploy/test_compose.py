"""docker-compose.yml is valid, fits together, and starts Parley with a configuration that Parley takes."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

import aiohttp
import pytest
import yaml

from gateway.config.settings import Config
from infra.deploy import containers
from infra.deploy.kafka_probe import OFFSETS_KEPT_MINUTES
from infra.deploy.process import free_port
from infra.state.redis.probe import REQUIRED_SETTINGS
from tests.deploy.compose_checks import ROLES, fill_variables, problems
from tests.deploy.environment_checks import load_as_deployed
from tests.harness.processes import ROOT

FILE = ROOT / "docker-compose.yml"
TEXT = FILE.read_text()
WHOLE = fill_variables(yaml.safe_load(TEXT), {})


def test_the_file_is_right() -> None:
    assert problems(TEXT) == []


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("read_only: true", "readonly: true", "unknown key readonly"),
        ("networks: [parley]\n    volumes:\n      - redis:/data", "networks: [other]", "no networks other"),
        ("- redis:/data", "- radish:/data", "no volume radish"),
        ("redis: {condition: service_healthy}", "reddis: {condition: service_healthy}", "reddis, which is not there"),
        ("command: [run, edge]", "command: [run, egde]", "parley run egde"),
        ("command: [topics, create]", "command: [topics, make]", "no command parley topics make"),
        ("PARLEY__DATA_DIR", "PARLEY__DATADIR", "does not read PARLEY__DATADIR"),
        ("PARLEY_BUS", "PARLEY_KAFKA", "does not read PARLEY_KAFKA"),
        ("stop_grace_period: 60s\n  read_only", "stop_grace_period: 10s\n  read_only", "killed before it has drained"),
        ("image: redis:8.10.1@", "image: redis@", "no version and digest"),
        ("image: redis:8.10.1@sha256:29", "image: redis:8.10.1@sha256:", "no version and digest"),
        ("test: [CMD, redis-cli, ping]", "test: redis-cli ping\n      tset: x", "no Compose file"),
        ("redis:\n    image", "redis:\n    healthchek: {}\n    image", "unknown key healthchek"),
        ("restart: on-failure", "restart: unless-stopped", "never ends"),
        ("secrets: [parley_secret_key,", "secrets: [parley_key,", "no secrets parley_key"),
        ("services:\n", "servces:\n", "no Compose file"),
    ],
)
def test_a_mistake_in_the_file_is_found(right: str, wrong: str, problem: str) -> None:
    assert right in TEXT
    found = problems(TEXT.replace(right, wrong))
    assert any(problem in told for told in found), found


@pytest.mark.parametrize("role", ROLES)
def test_each_role_takes_the_configuration_it_is_given(role: str, tmp_path: Path) -> None:
    """With the example's file, the environment of the service, and secrets where Docker puts them."""
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef")
    environ = {
        name: value.replace("/run/secrets/parley_secret_key", str(secret)).replace(
            "/run/secrets/parley_admin_token", str(secret)
        )
        for name, value in WHOLE["services"][role]["environment"].items()
    }
    config = load_as_deployed(ROOT / "examples" / "plantstore" / "parley.yaml", environ)
    assert isinstance(config, Config), config
    assert not config.embedded
    assert config.bus.removeprefix("kafka://").split(":")[0] in WHOLE["services"]
    assert config.state.removeprefix("redis://").split(":")[0] in WHOLE["services"]
    assert config.host == "0.0.0.0"
    assert config.secret_key.get_secret_value() == secret.read_text()
    assert config.data_dir == "/var/lib/parley"
    assert any(volume.endswith(f":{config.data_dir}") for volume in WHOLE["services"][role]["volumes"])


async def test_the_examples_actions_are_done_in_a_shop_that_opens_as_its_service_says(tmp_path: Path) -> None:
    """The service's own command, in the folder that it mounts, with a folder and a port of the test's."""
    service = WHOLE["services"]["shop"]
    command = list(service["command"])
    host, port, folder = (command[command.index(flag) + 1] for flag in ("--host", "--port", "--folder"))
    mounts = dict(reversed(volume.split(":")[:2]) for volume in service["volumes"])
    assert folder.startswith(tuple(target for target, source in mounts.items() if source in WHOLE["volumes"]))
    assert host == "0.0.0.0", "the workers are other containers"
    for role in ROLES:
        assert WHOLE["services"][role]["environment"]["SHOP_URL"] == f"http://shop:{port}"
    free, own = str(free_port()), str(tmp_path / "shop")
    opened = await asyncio.create_subprocess_exec(
        sys.executable,
        *service["entrypoint"][1:],
        *[
            "127.0.0.1" if each == host else free if each == port else own if each == folder else each
            for each in command
        ],
        cwd=ROOT / mounts[service["working_dir"]],
    )
    try:
        probe = service["healthcheck"]["test"][3].replace(f":{port}/", f":{free}/")
        async with asyncio.timeout(60):
            while await (await asyncio.create_subprocess_exec(sys.executable, "-c", probe, stderr=DEVNULL)).wait():
                assert opened.returncode is None
        async with aiohttp.request("GET", f"http://127.0.0.1:{free}/orders/NP-10231/address") as answer:
            assert "@" in (await answer.json())["email"]
        assert (tmp_path / "shop" / "shop.db").exists()
    finally:
        if opened.returncode is None:
            opened.terminate()
        await opened.wait()


def test_folders_mounted_from_the_repository_exist() -> None:
    mounted = [
        volume.split(":")[0]
        for service in WHOLE["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    assert len(mounted) >= 4
    for path in (*mounted, WHOLE["services"]["edge"]["build"]["dockerfile"]):
        assert (ROOT / path).exists(), path


def test_the_servers_are_those_of_the_tests_and_keep_what_they_say_they_keep() -> None:
    kafka, redis = WHOLE["services"]["kafka"], WHOLE["services"]["redis"]
    assert (kafka["image"], redis["image"]) == (containers.KAFKA_IMAGE, containers.REDIS_IMAGE)
    assert int(kafka["environment"]["KAFKA_OFFSETS_RETENTION_MINUTES"]) >= OFFSETS_KEPT_MINUTES
    flags = redis["command"]
    for name, (wanted, _) in REQUIRED_SETTINGS.items():
        assert flags[flags.index(f"--{name}") + 1] == wanted


def test_only_the_edge_is_reachable_from_other_machines() -> None:
    for name, service in WHOLE["services"].items():
        open_ports = [port for port in service.get("ports", []) if not port.startswith("127.0.0.1:")]
        assert not open_ports or name == "edge", (name, open_ports)


def test_prometheus_looks_at_every_role() -> None:
    settings = yaml.safe_load((ROOT / "infra/deploy/prometheus/prometheus.yml").read_text())
    jobs = {job["job_name"]: job["dns_sd_configs"][0] for job in settings["scrape_configs"]}
    assert jobs.keys() == set(ROLES)
    for role, found in jobs.items():
        assert found["names"] == [role]
        assert f":{found['port']}" in WHOLE["services"][role]["environment"]["PARLEY__LISTEN"]
    rules = Path(settings["rule_files"][0]).name
    assert (ROOT / "infra/deploy/prometheus" / rules).is_file()
    assert any(volume.startswith("./infra/deploy/prometheus:") for volume in WHOLE["services"]["prometheus"]["volumes"])


def test_docker_agrees_where_it_is_installed() -> None:
    """The checks above need no Docker; where there is one with Compose, it reads the file too."""
    assert WHOLE["name"] == "parley"
    if shutil.which("docker") is None:
        return
    version = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if version.returncode == 0:
        command = ["docker", "compose", "--file", str(FILE), "--profile", "observability", "config", "--quiet"]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
