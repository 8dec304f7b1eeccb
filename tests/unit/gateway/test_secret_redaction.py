"""Secrets stay unseen also where a configuration is wrong, and of each tenant for the others."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest

from gateway.commands.configuration import mask_secrets
from gateway.config.loader import load
from gateway.wiring.process_services import build_account_lookup
from schemas.errors import ConfigInvalid

WRONG = """
admin_token: {x: canary-1}
models: {x: {provider: openai, model: m, base_url: "http://user:canary-2@h", api_key: [canary-3]}}
tenants:
  a:
    name: A
    protection: {own_numbers: ["canary-4"]}
    channels:
      slack: {main: {mode: http, bot_token: {x: canary-5}, signing_secret: {x: canary-6}, tokn: canary-7}}
      whatsapp: {m: {provider: meta, phone_number_id: 12, access_token: {x: canary-8}}}
"""
RIGHT = """
secret_key: canary-1-00000000000000000000000
admin_token: canary-2-00000000000000000000000
models: {x: {provider: openai, model: m, base_url: "http://user:canary-3@h/v1", api_key: canary-4}}
tenants:
  a: {name: A, channels: {slack: {main: {mode: http, bot_token: canary-5, signing_secret: canary-6}}}}
  b: {name: B, channels: {slack: {other: {mode: http, bot_token: canary-7, signing_secret: canary-8}}}}
"""


def test_a_refused_configuration_names_the_setting_and_never_its_secret(tmp_path: Path) -> None:
    file = tmp_path / "parley.yaml"
    file.write_text(WRONG)
    with pytest.raises(ConfigInvalid) as raised:
        load(file, environ={})
    told = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + raised.value.message
    for setting in ("admin_token", "bot_token", "signing_secret", "tokn", "access_token", "api_key", "own_numbers"):
        assert setting in told
    assert [f"canary-{n}" for n in (1, 2, 3, 5, 6, 7, 8) if f"canary-{n}" in told] == []


def test_a_right_one_is_shown_without_its_secrets(tmp_path: Path) -> None:
    file = tmp_path / "parley.yaml"
    file.write_text(RIGHT)
    config = load(file, environ={}, make_secrets=False)
    shown = json.dumps(mask_secrets(config.model_dump(mode="python"))) + repr(config) + str(config)
    assert [line for line in shown.split() if "canary-" in line and "canary-3" not in line] == []
    assert "canary-3" not in json.dumps(mask_secrets(config.model_dump(mode="python")))


def test_an_account_is_found_for_its_own_tenant_alone(tmp_path: Path) -> None:
    file = tmp_path / "parley.yaml"
    file.write_text(RIGHT)
    lookup = build_account_lookup(load(file, environ={}, make_secrets=False))
    assert lookup("a", "slack", "main") is not None
    assert lookup("b", "slack", "other") is not None
    assert lookup("b", "slack", "main") is lookup("a", "slack", "other") is None
    assert "canary" not in repr([lookup("a", "slack", "main"), lookup("b", "slack", "other")])
