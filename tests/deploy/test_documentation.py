"""docs/operations.md names commands, metrics, settings, files and figures: all of them are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from gateway.config import loader
from gateway.config.settings import Config
from gateway.http import app
from gateway.wiring import compose, consumers
from infra.bus.kafka.profile import PRODUCTION
from infra.bus.lanes import ConsumerLimits
from infra.metrics import COUNTERS, GAUGES, HISTOGRAMS
from infra.state.redis.client.sentinel import parse_sentinel_address
from infra.state.redis.cluster.topology import parse_cluster_address
from schemas.conversation import HANDLED_HORIZON_DAYS
from tests.deploy.environment_checks import READ, command_problems, unread
from tests.deploy.secured_servers import RIGHTS
from tests.deploy.test_compose import WHOLE
from tests.deploy.test_monitoring import RULES
from tests.harness.processes import ROOT

TEXT = (ROOT / "docs" / "operations.md").read_text()
COMPOSE = (ROOT / "docker-compose.yml").read_text()
QUOTED = re.findall(r"`([^`\n]+)`", TEXT.replace("```", ""))
COMMANDS = sorted({quoted for quoted in QUOTED if quoted.startswith("parley ")})
METRICS = COUNTERS.keys() | GAUGES.keys() | HISTOGRAMS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_the_guide_exists(command: str) -> None:
    assert command_problems(command.split()[1:]) == []


def test_a_wrong_command_would_be_noticed() -> None:
    assert len(COMMANDS) >= 15
    assert command_problems(["deadletter", "reply", "ID"])
    assert command_problems(["state", "salvage"])
    assert command_problems(["run", "worker", "--channel", "web"])


def test_every_make_target_in_the_guide_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", TEXT)) <= targets


def test_every_metric_is_explained_and_no_other() -> None:
    assert set(re.findall(r"`(parley_[a-z_]+)`", TEXT)) == METRICS


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    assert re.findall(r"^### (Parley\w+)$", TEXT, re.MULTILINE) == [rule["alert"] for rule in RULES]


def test_every_setting_in_the_guide_exists() -> None:
    found = re.findall(r"`(kafka|redis|telemetry)\.(\w+)`", TEXT)
    assert len(found) >= 8
    for section, name in found:
        assert name in getattr(Config(tenants={"shop": {"name": "Shop"}}), section).__class__.model_fields, name  # type: ignore[dict-item]


def test_the_examples_of_secured_servers_are_valid_configurations(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef")
    loaded = []
    for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL):
        values = yaml.safe_load(re.sub(r"file:/[\w/-]+", f"file:{secret}", block))
        values |= {"tenants": {"shop": {"name": "Shop"}}}
        values |= {"secret_key": f"file:{secret}", "admin_token": f"file:{secret}"}
        file = tmp_path / "parley.yaml"
        file.write_text(yaml.safe_dump(values))
        loaded.append(loader.load(file, environ={}))
    with_passwords, with_tokens, with_sentinels, with_cluster = loaded
    assert with_passwords.kafka.min_insync_replicas == 2
    assert with_passwords.model_dump()["redis"]["password"].get_secret_value() == secret.read_text()
    assert with_tokens.kafka.token_url.startswith("https://")
    address = parse_sentinel_address(with_sentinels.state)
    assert address is not None
    assert (len(address.sentinels), address.group) == (3, "support")
    cluster = parse_cluster_address(with_cluster.state)
    assert cluster is not None
    assert (len(cluster.nodes), cluster.is_encrypted) == (3, False)


def test_the_rights_of_the_user_in_redis_are_those_that_are_tried() -> None:
    (rights,) = re.findall(r"ACL SETUSER parley on >PASSWORD ([^`]*)`", TEXT)
    assert rights.replace("parley*", "secured.parley*") == RIGHTS


def test_every_file_and_variable_in_the_guide_exists() -> None:
    for quoted in QUOTED:
        if re.fullmatch(r"(infra|tests|docs)/[\w./-]+", quoted):
            assert (ROOT / quoted).exists(), quoted
        if found := re.fullmatch(r"(PARLEY_\w+)(=.*)?", quoted):
            assert found[1] in READ or not unread([found[1]]) or f"${{{found[1]}" in COMPOSE, quoted


def test_every_service_of_docker_in_the_guide_exists() -> None:
    named = re.findall(r"docker compose (?:ps|exec) (\w+)|--scale (\w+)=", TEXT)
    profiles = re.findall(r"--profile (\w+)", TEXT)
    assert {name for pair in named for name in pair if name} <= WHOLE["services"].keys()
    assert set(profiles) <= {
        profile for service in WHOLE["services"].values() for profile in service.get("profiles", [])
    }
    for name, port in (("grafana", 3000), ("prometheus", 9090), ("jaeger", 16686)):
        assert str(port) in TEXT
        assert WHOLE["services"][name]["ports"][0].endswith(f":{port}")


@pytest.mark.parametrize(
    ("sentence", "figure"),
    [
        (r"running turns for (\d+) s", consumers.DRAIN_SECONDS),
        (r"requests for (\d+) s", app.DRAIN_SECONDS),
        (r"over within (\d+) s", compose.STOP_TIMEOUT),
        (r"waiting turns against ([\d,]+)", ConsumerLimits().running),
        (r"records held against ([\d,]+)", ConsumerLimits().held),
        (r"\(`partitions`, (\d+)\)", Config.model_fields["partitions"].default),
        (r"wait (\d+) seconds for a named", PRODUCTION.session_timeout_ms / 1000),
        (r"Handled ids are kept (\d+) days", HANDLED_HORIZON_DAYS),
    ],
)
def test_a_figure_in_the_guide_is_the_one_in_the_code(sentence: str, figure: float) -> None:
    found = re.search(sentence, re.sub(r"\s+", " ", TEXT))
    assert found, sentence
    assert float(found[1].replace(",", "")) == figure
