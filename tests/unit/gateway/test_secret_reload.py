"""Secrets of a running instance are read again: what has changed, what has not, and what everybody may go on using."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from gateway.config import loader
from gateway.config.settings import Config
from gateway.wiring.secret_reload import SecretReload, find_rings
from gateway.wiring.supervisor import Supervisor
from schemas.audit.trail import AuditTrail
from schemas.errors import BusUnavailable
from tests.harness.installation import ADMIN_TOKEN, SECRET_KEY
from tests.unit.gateway.conftest import TEXT, Instance, run_instance

NEW_KEY, NEW_TOKEN = "n" * 32, "t" * 32


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    async with run_instance(tmp_path, TEXT) as started:
        yield started


def change(instance: Instance, **settings: Any) -> None:
    file = instance.services.config.folder / "parley.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | settings))


EVENTS = ("secrets_reloaded", "secrets_not_reloaded", "restart_needed")


async def reload(instance: Instance, audit: AuditTrail | None = None) -> list[Any]:
    """Read the configuration again; what was logged about it, without other parts of the instance."""
    file = instance.services.config.folder / "parley.yaml"
    with capture_logs() as logged:
        reload = SecretReload(instance.services.config, lambda: loader.load(file, environ={}))
        await reload.run(audit or instance.services.audit, "dev")
    return [(each["event"], each.get("secrets")) for each in logged if each["event"] in EVENTS]


async def start_session(instance: Instance) -> str:
    return str((await instance.call("POST", "/v1/chat/shop/sessions", {}, token=None)).body["visitor_token"])


async def read(instance: Instance, token: str) -> int:
    return (await instance.call("GET", "/v1/chat/shop/messages", token=token)).status


async def test_a_new_key_signs_and_the_previous_one_is_accepted_until_it_is_left_out(instance: Instance) -> None:
    before = await start_session(instance)
    change(instance, secret_key=[NEW_KEY, SECRET_KEY])
    assert await reload(instance) == [("secrets_reloaded", ["secret_key"])]
    after = await start_session(instance)
    assert [await read(instance, token) for token in (before, after)] == [200, 200]
    change(instance, secret_key=NEW_KEY)
    await reload(instance)
    assert [await read(instance, token) for token in (before, after)] == [401, 200]


async def test_a_process_that_accepts_the_next_key_goes_on_signing_with_the_current_one(instance: Instance) -> None:
    change(instance, secret_key=[SECRET_KEY, NEW_KEY])
    await reload(instance)
    token = await start_session(instance)
    change(instance, secret_key=SECRET_KEY)
    await reload(instance)
    assert await read(instance, token) == 200


async def test_admin_tokens_are_all_accepted_and_each_ends_when_it_is_left_out(instance: Instance) -> None:
    change(instance, admin_token=[NEW_TOKEN, ADMIN_TOKEN])
    await reload(instance)
    for token, status in ((ADMIN_TOKEN, 200), (NEW_TOKEN, 200), ("x" * 32, 401)):
        assert (await instance.admin("GET", "/conversations", token=token)).status == status
    change(instance, admin_token=NEW_TOKEN)
    await reload(instance)
    for token, status in ((ADMIN_TOKEN, 401), (NEW_TOKEN, 200)):
        assert (await instance.admin("GET", "/conversations", token=token)).status == status


async def test_a_reload_is_recorded_without_the_secrets(instance: Instance) -> None:
    change(instance, secret_key=[NEW_KEY, SECRET_KEY])
    await reload(instance)
    (record,) = (await instance.admin("GET", "/audit?action=secrets")).body["items"]
    assert (record["actor"], record["action"], record["surface"]) == ("process", "secrets.reload", "dev")
    assert NEW_KEY not in str(record)


async def test_without_a_record_the_old_keys_stay(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    change(instance, secret_key=NEW_KEY)
    services, tried = instance.services, asyncio.Event()

    async def fail(*_: Any, **__: Any) -> None:
        tried.set()
        raise BusUnavailable("no broker answers")

    trail = AuditTrail(bus=services.bus, state=services.state, clock=instance.clock)
    monkeypatch.setattr(trail, "record", fail)
    running = asyncio.create_task(reload(instance, trail))
    await asyncio.wait_for(tried.wait(), 10)
    assert services.secret_key.keys == (SECRET_KEY,)
    running.cancel()


@pytest.mark.parametrize(
    "settings", [{"secret_key": "short"}, {"secret_key": [NEW_KEY, "short"]}, {"tenants": {}}, {"unknown": 1}]
)
async def test_a_configuration_that_is_not_valid_changes_nothing(instance: Instance, settings: dict[str, Any]) -> None:
    change(instance, admin_token=NEW_TOKEN, **settings)
    assert await reload(instance) == [("secrets_not_reloaded", None)]
    assert instance.services.admin_token.keys == (ADMIN_TOKEN,)


async def test_other_settings_wait_for_a_restart_which_the_log_says(instance: Instance) -> None:
    change(instance, admin_token=NEW_TOKEN, stall_seconds=20)
    assert await reload(instance) == [("secrets_reloaded", ["admin_token"]), ("restart_needed", None)]
    assert instance.services.config.stall_seconds == 10
    assert await reload(instance) == [("restart_needed", None)]


async def test_nothing_new_is_no_event(instance: Instance) -> None:
    assert await reload(instance) == []
    assert (await instance.admin("GET", "/audit?action=secrets")).body["items"] == []


def test_every_secret_of_an_account_is_a_ring(tmp_path: Path) -> None:
    """Those of the others need a restart, see docs/how-to/rotate-secrets.md."""
    accounts = {
        "slack": {"main": {"bot_token": "x", "signing_secret": "x", "app_token": "x"}},
        "discord": {"main": {"token": "x"}},
        "instagram": {"main": {"ig_id": "12345", "access_token": "x", "app_secret": "x", "verify_token": "x"}},
        "web": {"main": {"identity_secret": SECRET_KEY}},
    }
    file = tmp_path / "parley.yaml"
    file.write_text(yaml.safe_dump({"tenants": {"shop": {"name": "Shop", "channels": accounts}}}))
    config: Config = loader.load(file, environ={}, make_secrets=False)
    found = {path.removeprefix("tenants.shop.channels.") for path, ring in find_rings(config)}
    named = {f"{channel}.main.{name}" for channel, each in accounts.items() for name in each["main"] if name != "ig_id"}
    assert found == named | {"secret_key", "admin_token"}


async def test_each_hangup_leads_to_a_reload_and_stops_nothing() -> None:
    supervisor, calls, called = Supervisor(), 0, asyncio.Event()

    async def step() -> None:
        nonlocal calls
        calls += 1
        called.set()

    supervisor.run_on_hangup("secrets", step)
    for number in (1, 2):
        called.clear()
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait_for(called.wait(), 10)
        assert calls == number
    assert not supervisor.stopping.is_set()
    await supervisor.finish(5)
