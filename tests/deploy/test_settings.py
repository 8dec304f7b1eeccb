"""The sections for servers and traces: what fits together, and what an operator is told when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import config as configuration
from gateway.engines import kafka_access
from gateway.settings import Config
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
def test_what_does_not_fit_together_is_told_with_its_place(tmp_path: Path, section: str, message: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path, section + "\n")
    assert "parley.yaml:5:" in caught.value.message
    assert message in caught.value.message
    assert "secret" not in caught.value.message


def test_passwords_come_from_files_or_the_environment_and_never_show(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from-a-file\n")
    text = "kafka: {security_protocol: SASL_SSL, username: parley, password: 'file:password', ca_file: ca.pem}\n"
    config = load(tmp_path, text, PARLEY__REDIS__PASSWORD="from-the-environment")
    assert config.kafka.password.get_secret_value() == "from-a-file"
    assert config.redis.password.get_secret_value() == "from-the-environment"
    assert config.kafka.ca_file == str(tmp_path / "ca.pem"), "named relative to the configuration file"
    assert "from-" not in repr(config)
    assert "from-" not in repr(kafka_access(config))


def test_traces_are_off_unless_somebody_collects_them(tmp_path: Path) -> None:
    telemetry = load(tmp_path, "").telemetry
    assert (telemetry.otlp_endpoint, telemetry.join_callers) == ("", False)
