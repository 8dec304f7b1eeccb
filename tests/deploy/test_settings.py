"""The sections for servers and traces: what fits together, and what an operator is told when it does not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.config import loader as configuration
from gateway.config.settings import Config
from gateway.wiring.engines import describe_longer_retention, kafka_access, open_engine, required_topics
from schemas import topics
from schemas.errors import ConfigInvalid

SCALED = "bus: kafka://a:9092\nstate: redis://b:6379/0\nsecret_key: {0}\nadmin_token: {0}\n".format("x" * 32)
SHOP = "tenants:\n  shop: {name: Shop}\n"


def load(folder: Path, text: str, **environ: str) -> Config:
    file = folder / "parley.yaml"
    file.write_text(SCALED + text + SHOP)
    return configuration.load(file, environ=environ)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("kafka: {security_protocol: SASL_SSL}", "username and password go with"),
        ("kafka: {username: parley, password: secret}", "username and password go with"),
        ("kafka: {security_protocol: SASL_SSL, username: parley}", "username and password go together"),
        ("kafka: {ca_file: ca.pem}", "need security_protocol SSL or SASL_SSL"),
        ("kafka: {security_protocol: SSL, cert_file: me.pem}", "cert_file and key_file go together"),
        ("kafka: {replication_factor: 1, min_insync_replicas: 2}", "cannot be more than replication_factor"),
        ("kafka: {security_protocol: TLS}", "kafka.security_protocol"),
        ("kafka: {sasl_mecanism: PLAIN}", "did you mean 'sasl_mechanism'?"),
        ("telemetry: {otlp_endpoint: 'collector:4318'}", "must begin with https:// (or http://)"),
        ("telemetry: {sample: 1.5}", "telemetry.sample"),
    ],
)
def test_settings_that_contradict_each_other_are_reported_with_their_place(
    tmp_path: Path, section: str, message: str
) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path, section + "\n")
    assert "parley.yaml:5:" in caught.value.message
    assert message in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("retention", "message"),
    [
        ("inbound_days: 7", "must be 8 to 60: duplicates are recognized for 8 days"),
        ("inbound_days: 61", "must be 8 to 60"),
        ("outbound_days: 8", "must be 1 to 7: sends are remembered for 8 days"),
        ("events_days: 8", "must be 9 to 3650: a rebuild"),
        ("transcripts_days: 8", "must be 9 to 36500: repeats are recognized for 8 days"),
        ("contacts_days: 8", "must be 9 to 36500"),
        ("turns_days: 0", "must be 1 to 36500"),
        ("messages: 30", "retention.messages: unknown key; available: audit_days, contacts_days, events_days"),
    ],
)
def test_a_retention_that_is_not_honoured_is_refused_with_its_place(
    tmp_path: Path, retention: str, message: str
) -> None:
    file = tmp_path / "parley.yaml"
    file.write_text(f"tenants:\n  shop:\n    name: Shop\n    retention:\n      {retention}\n")
    with pytest.raises(ConfigInvalid) as caught:
        configuration.load(file, environ={}, make_secrets=False)
    assert "parley.yaml:5:7: tenants.shop.retention." in caught.value.message
    assert message in caught.value.message


def test_topics_keep_what_the_tenant_with_the_longest_wish_says(tmp_path: Path) -> None:
    """Of those that have something on the topic; and whoever wished for less is told so."""
    file = tmp_path / "parley.yaml"
    file.write_text(
        "tenants:\n"
        "  shop: {name: Shop, channels: {web: {main: {}}}, retention: {inbound_days: 9, outbound_days: 2}}\n"
        "  cafe:\n"
        "    {name: C, channels: {discord: {main: {token: x}}}, retention: {inbound_days: 40, events_days: 9}}\n"
    )
    config = configuration.load(file, environ={}, make_secrets=False)
    kept = {spec.name: spec.retention_ms and spec.retention_ms // topics.DAY_MS for spec in required_topics(config)}
    assert kept == {
        "parley.inbound.web": 9,
        "parley.outbound.web": 2,
        "parley.inbound.discord": 40,
        "parley.outbound.discord": 7,
        "parley.events": 90,
        "parley.state": None,
        "parley.knowledge": None,
        "parley.deadletter": 90,
        "parley.audit": 400,
        "parley.keys": None,
    }
    (told,) = describe_longer_retention(config)
    assert told.startswith("cafe: parley.events keeps records for 90 days instead of 9")


async def test_the_embedded_log_keeps_records_as_long_as_configured(tmp_path: Path) -> None:
    """Also when that was changed since the file was made."""
    file = tmp_path / "parley.yaml"
    for days in (9, 20):
        file.write_text(
            f"tenants:\n  shop: {{name: S, channels: {{web: {{main: {{}}}}}}, retention: {{inbound_days: {days}}}}}\n"
        )
        config = configuration.load(file, environ={})
        async with open_engine(config, config.data_path):
            with closing(sqlite3.connect(config.data_path / "parley.db")) as database:
                query = "SELECT retention_ms FROM bus_topics WHERE name = 'parley.inbound.web'"
                assert database.execute(query).fetchone() == (days * topics.DAY_MS,)


def test_passwords_come_from_files_or_the_environment_and_never_show(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from-a-file\n")
    text = "kafka: {security_protocol: SASL_SSL, username: parley, password: 'file:password', ca_file: ca.pem}\n"
    config = load(tmp_path, text, PARLEY__REDIS__PASSWORD="from-the-environment")
    assert config.kafka.password.get_secret_value() == "from-a-file"
    assert config.model_dump()["redis"]["password"].get_secret_value() == "from-the-environment"
    assert config.kafka.ca_file == str(tmp_path / "ca.pem"), "named relative to the configuration file"
    assert "from-" not in repr(config)
    assert "from-" not in repr(kafka_access(config))


def test_traces_are_off_unless_somebody_collects_them(tmp_path: Path) -> None:
    telemetry = load(tmp_path, "").telemetry
    assert (telemetry.otlp_endpoint, telemetry.join_callers) == ("", False)
