"""Operators in the configuration: what may be written, what is told when it is wrong, and where hashes come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.commands.configuration import mask_secrets
from gateway.config import loader as configuration
from gateway.config.operators import verify_password
from gateway.config.settings import Config
from schemas.errors import ConfigInvalid, InvalidRequest
from tests.console.conftest import hash_quickly
from tests.deploy.environment_checks import command_problems
from tests.harness.processes import ROOT

HASH = hash_quickly("a-password")


def load(folder: Path, operators: str) -> Config:
    file = folder / "parley.yaml"
    file.write_text(f"operators:\n  {operators}\ntenants:\n  shop: {{name: Shop}}\n")
    return configuration.load(file, environ={}, make_secrets=False)


def test_the_command_prints_what_the_configuration_takes(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["operator", "hash", "--stdin"], input="correct horse\n")
    assert done.exit_code == 0
    kept = load(tmp_path, f"anna: {{password_hash: '{done.stdout.strip()}'}}").operators["anna"]
    assert verify_password("correct horse", kept.password_hash.get_secret_value())


def test_it_asks_twice_and_prints_the_hash_alone() -> None:
    done = CliRunner().invoke(app, ["operator", "hash"], input="correct horse\ncorrect horse\n")
    assert done.exit_code == 0
    assert done.stdout.split()[0].startswith("scrypt:")
    assert "correct" not in done.stdout + done.stderr


def test_a_short_password_is_refused() -> None:
    done = CliRunner().invoke(app, ["operator", "hash", "--stdin"], input="short\n")
    assert isinstance(done.exception, InvalidRequest)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        (f"admin: {{password_hash: '{HASH}'}}", "operators.admin: the name is reserved for the admin token"),
        ("anna: {password_hash: secret-in-clear}", "must be what `parley operator hash` prints"),
        (f"anna: {{password_hash: '{HASH.replace('scrypt:2', 'scrypt:3')}'}}", "must be what `parley operator hash`"),
        (f"anna: {{password_hash: '{HASH.replace('scrypt:2', 'scrypt:4194304')}'}}", "must be what `parley operator"),
        ("anna: {}", "password_hash"),
        ("anna: {password_hash: ''}", "must be what `parley operator hash` prints"),
        ("anna: {desk_ids: [U0123]}", "must be an id at a desk, such as slack:U0123456789"),
        (f"anna: {{password_hash: '{HASH}', tenants: [shopp]}}", "there is no tenant 'shopp'; did you mean 'shop'?"),
        (f"anna: {{password_hash: '{HASH}', role: boss}}", "role"),
        (f"Anna B: {{password_hash: '{HASH}'}}", "must be 1-63 of a-z"),
    ],
)
def test_a_configuration_error_names_its_place_and_not_the_secret(tmp_path: Path, operators: str, message: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path, operators)
    told = caught.value.message
    assert "parley.yaml:2:" in told
    assert message in told
    assert "secret-in-clear" not in told


def test_a_person_at_the_desk_is_one_operator(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"operators.ben.desk_ids: 'slack:U1' is 'anna' already"):
        load(tmp_path, "anna: {desk_ids: ['slack:U1']}\n  ben: {desk_ids: ['slack:U2', 'slack:U1']}")


def test_a_configuration_is_shown_without_hashes(tmp_path: Path) -> None:
    config = load(tmp_path, f"anna: {{password_hash: '{HASH}', name: Anna Bloom}}")
    assert HASH not in json.dumps(mask_secrets(config.model_dump(mode="python"))) + repr(config)


def test_the_page_of_the_console_names_every_setting_and_command() -> None:
    text = (ROOT / "docs" / "console.md").read_text()
    for setting in Config.model_fields["operators"].annotation.__args__[1].model_fields:  # type: ignore[union-attr]
        assert f"{setting}:" in text, setting
    assert "`parley operator hash`" in text
    assert command_problems(["operator", "hash", "--stdin"]) == []
    for picture in ("list", "conversation", "knowledge-dark", "phone-dark"):
        assert f"images/console-{picture}.png" in text
        assert (ROOT / "docs" / "images" / f"console-{picture}.png").is_file()
