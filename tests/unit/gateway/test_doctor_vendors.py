"""`parley doctor` asks the vendors, and calls our own webhooks as they would."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from connectors.channel_services import ChannelServices
from connectors.outbound.connections import AccountConnections
from connectors.registry import EXTRAS, explain_missing_library, load_settings_model, open_channel
from gateway.config import loader as configuration
from gateway.doctor import checks, vendors
from infra.deploy.process import free_port
from schemas.errors import MissingDependency
from schemas.ports import Account
from schemas.runtime.optional_dependencies import install_command
from tests.channels.meta import account_of, bench_of
from tests.harness.channel_tools import NOW, no_files
from tests.simulators.discord import Discord
from tests.simulators.meta import Instagram, WhatsApp
from tests.simulators.slack.server import SlackVendor
from tests.simulators.twilio import Twilio
from tests.simulators.vendor_clock import VendorClock


@pytest.fixture
def port() -> int:
    return free_port()


async def inspect_findings(account: Account) -> list[tuple[str, str]]:
    return [(found.status, found.detail) for found in await vendors.inspect_account("check", account)]


async def test_slack_tells_of_a_token_that_is_refused_and_of_scopes_that_are_lacking() -> None:
    vendor = SlackVendor(pace=0)
    async with vendor.serving():
        account = account_of("slack", vendor.settings())
        assert await inspect_findings(account) == [("ok", "the token works, with the scopes that are needed")]
        vendor.scopes.discard("users:read")
        assert await inspect_findings(account) == [
            ("warn", "the app lacks users:read: the names of people are not known")
        ]
        vendor.scopes.discard("files:read")
        assert await inspect_findings(account) == [("fail", "the app lacks files:read")]
        ((status, detail),) = await inspect_findings(
            account_of("slack", vendor.settings() | {"bot_token": "xoxb-wrong"})
        )
        assert (status, "refuses" in detail) == ("fail", True)


async def test_slack_tells_of_a_desk_that_the_app_cannot_work_at() -> None:
    vendor = SlackVendor(pace=0)
    async with vendor.serving():
        good, empty = vendor.channel("support"), vendor.channel("billing", with_bot=False)
        hidden = vendor.channel("hidden", private=True, with_bot=False)
        desk = replace(account_of("slack", vendor.settings()), desk=frozenset({good.id}))
        assert await inspect_findings(desk) == [("ok", "the token works, with the scopes that are needed")]
        good.archived = True
        found = await inspect_findings(replace(desk, desk=frozenset({good.id, empty.id, hidden.id})))
        assert {
            (status, place)
            for status, detail in found[1:]
            for place in detail.replace(":", "").split()
            if place[0] == "C"
        } == {
            ("fail", good.id),
            ("fail", empty.id),
            ("fail", hidden.id),
        }
        vendor.scopes.discard("reactions:write")
        assert ("fail", "the app lacks reactions:write") in await inspect_findings(desk)


async def test_discord_tells_of_a_token_that_is_refused_and_of_the_intent() -> None:
    server = Discord(pace=0)
    async with server.serving():
        account = account_of("discord", server.settings())
        assert await inspect_findings(account) == [("ok", "the token works, with the message content intent")]
        server.world.content_enabled = False
        assert await inspect_findings(account) == [("warn", "the bot may not read what is written in servers")]
        assert await inspect_findings(account_of("discord", server.settings() | {"token": "wrong"})) == [
            ("fail", "Discord refuses the token")
        ]


@pytest.mark.parametrize("vendor", [WhatsApp, Instagram])
async def test_meta_tells_whether_the_token_works_and_until_when(vendor: Any) -> None:
    async with bench_of(vendor()) as bench:
        assert [status for status, _ in await inspect_findings(bench.account)] == ["ok"]
        bench.vendor.token.expires_at = bench.vendor.graph.pace.now() + 3600
        ((status, detail),) = await inspect_findings(bench.account)
        assert (status, detail.startswith("the token works until")) == ("warn", True)
        wrong = account_of(bench.vendor.name, bench.vendor.settings() | {"access_token": "wrong"})
        assert [status for status, _ in await inspect_findings(wrong)] == ["fail"]


async def test_twilio_tells_whether_the_credentials_work() -> None:
    vendor = Twilio(pace=VendorClock(scale=0))
    async with vendor.serving():
        assert await inspect_findings(account_of("whatsapp", vendor.settings())) == [("ok", "the credentials work")]
        wrong = account_of("whatsapp", vendor.settings() | {"auth_token": "0" * 32})
        assert await inspect_findings(wrong) == [("fail", "Twilio refuses the credentials")]


async def test_a_vendor_that_cannot_be_reached_is_a_failure_and_no_crash(port: int) -> None:
    settings = {"token": "t", "api_base": f"http://127.0.0.1:{port}"}
    ((status, _),) = await inspect_findings(account_of("discord", settings))
    assert status == "fail"


CALLED = {"phone_number_id": "12345", "access_token": "a", "app_secret": "s", "verify_token": "right"}


async def test_our_webhook_is_called_as_the_vendor_would(port: int) -> None:
    async def question(request: web.Request) -> web.Response:
        known = request.query["hub.verify_token"] == "right"
        return web.Response(text=request.query["hub.challenge"] if known else "", status=200 if known else 403)

    async def unsigned(request: web.Request) -> web.Response:
        return web.Response(status=401)

    app = web.Application()
    app.router.add_get("/hook", question)
    app.router.add_post("/hook", unsigned)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    base = f"http://127.0.0.1:{port}"
    meta = account_of("whatsapp", {"provider": "meta", **CALLED})
    slack = account_of("slack", {"bot_token": "x", "signing_secret": "s"})
    wrong = account_of("whatsapp", {"provider": "meta", **CALLED, "verify_token": "wrong"})
    found = [await vendors.check_webhook("check", each, f"{base}/hook") for each in (meta, slack, wrong)]
    assert [each.status for each in found] == ["ok", "ok", "fail"]
    assert (await vendors.check_webhook("check", slack, f"{base}/elsewhere")).status == "fail"
    await runner.cleanup()
    assert (await vendors.check_webhook("check", slack, f"{base}/hook")).status == "warn"


def addresses(tmp_path: Path, channels: str) -> tuple[str, str]:
    file = tmp_path / "parley.yaml"
    file.write_text(f"tenants: {{shop: {{name: Shop, channels: {{{channels}}}}}}}")
    (found,) = checks.check_public_address(configuration.load(file, make_secrets=False))
    return found.status, found.detail


@pytest.mark.parametrize(
    ("channels", "status"),
    [
        ("discord: {main: {token: t}}", "ok"),
        ("slack: {main: {mode: socket, bot_token: b, app_token: a}}", "ok"),
        ("slack: {main: {bot_token: b, signing_secret: s}}, discord: {main: {token: t}}", "fail"),
    ],
)
def test_a_public_address_is_needed_only_where_a_vendor_calls(tmp_path: Path, channels: str, status: str) -> None:
    assert addresses(tmp_path, channels)[0] == status


@pytest.mark.parametrize(
    ("channel", "library", "settings"),
    [
        ("slack", "slack_sdk", {"bot_token": "b", "signing_secret": "s"}),
        ("discord", "discord", {"token": "t"}),
        (
            "whatsapp",
            "twilio",
            {"provider": "twilio", "account_sid": "AC" + "0" * 32, "auth_token": "t", "from": "whatsapp:+15550100"},
        ),
    ],
)
def test_a_vendors_library_that_is_missing_is_named_with_the_extra_that_installs_it(
    channel: str, library: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name == library or name.startswith((f"{library}.", "connectors."))]:
        if name.startswith((library, f"connectors.{channel}.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    nothing: Any = None
    accounts = AccountConnections(
        open_channel(channel, ChannelServices(nothing, nothing, lambda: NOW, no_files)), lambda: NOW
    )
    with pytest.raises(MissingDependency) as raised:
        accounts.get_connection(account_of(channel, settings))
    assert raised.value.fix == install_command(EXTRAS[library])


def test_a_module_of_ours_that_is_missing_is_no_vendors_library() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere"), explain_missing_library():
        __import__("connectors.nowhere")


def test_settings_say_whether_the_vendor_calls() -> None:
    socket = load_settings_model("slack").model_validate({"mode": "socket", "bot_token": "b", "app_token": "a"})
    assert not vendors.has_webhook(Account("shop", "slack", "main", socket))
