"""Every secret is replaced while people write: nothing is refused on the way, and the old ones are worth nothing then.

A new key is first accepted, then used, and only then the old one is left out, as docs/how-to/rotate-secrets.md says."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
import yaml

from tests.harness.installation import ADMIN_TOKEN, QUESTIONS, SECRET_KEY
from tests.harness.processes import ForkServer
from tests.harness.sizes import size
from tests.scenarios.customers.customer import Customers
from tests.scenarios.customers.instagram import InstagramCustomers
from tests.scenarios.customers.slack import SlackCustomers
from tests.scenarios.customers.whatsapp_meta import WhatsAppCustomers
from tests.scenarios.customers.whatsapp_twilio import TwilioCustomers
from tests.scenarios.scenario_installation import TENANT, ScenarioInstallation, ScenarioSettings, stage_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KINDS = (SlackCustomers, WhatsAppCustomers, TwilioCustomers, InstagramCustomers)
RATE = 100
"""Messages per second."""
PHASE = size(2, full=4)
"""Seconds of load between two steps."""
VISITORS = 30
REQUESTS_WITH_NEW = 5
"""In a row, after which all earlier ones have arrived."""
NEW_KEY, NEW_ADMIN = "the-next-secret-key-of-32-characters", "the-next-admin-token-of-32-characters"
SITE_SECRETS = ("the-secret-of-the-site-until-today-32", "the-secret-of-the-site-from-today-on-32")

Secrets = dict[tuple[str, ...], tuple[str, str]]


def build_channels(customers: list[Customers]) -> dict[str, Any]:
    main = {"messages_per_minute": 100_000, "identity_secret": SITE_SECRETS[0]}
    channels: dict[str, Any] = {"web": {"main": main}}
    for each in customers:
        channels.setdefault(each.channel, {})[each.account] = each.vendor.settings()
    return {"channels": channels}


@dataclass
class Rotation:
    """The old and the new value of every secret, by its path in the configuration."""

    stage: ScenarioInstallation
    secrets: Secrets
    reloads: int = 0

    @classmethod
    def of(cls, stage: ScenarioInstallation) -> Rotation:
        secrets: Secrets = {("secret_key",): (SECRET_KEY, NEW_KEY), ("admin_token",): (ADMIN_TOKEN, NEW_ADMIN)}
        secrets["tenants", TENANT, "channels", "web", "main", "identity_secret"] = SITE_SECRETS
        rotation = cls(stage, secrets)
        for each in stage.customers:
            before = each.vendor.settings()
            after = replace_secrets(each)
            for name, value in after.items():
                secrets["tenants", TENANT, "channels", each.channel, each.account, name] = (before[name], value)
        return rotation

    async def write(self, choose: Callable[[str, str, str], list[str]]) -> None:
        """Write each secret as ``choose(name, old, new)`` says, and let every process read it."""
        file = self.stage.installation.config
        config = yaml.safe_load(file.read_text())
        for path, (old, new) in self.secrets.items():
            section = config
            for name in path[:-1]:
                section = section[name]
            section[path[-1]] = choose(path[-1], old, new)
        file.write_text(yaml.safe_dump(config))
        roles = self.stage.installation.roles
        for process in roles.values():
            os.kill(process.pid, signal.SIGHUP)
        self.reloads += len(roles)
        async with asyncio.timeout(60):
            while await self._count_reloads() < self.reloads:  # noqa: ASYNC110  # in other processes
                await asyncio.sleep(0.05)

    async def _count_reloads(self) -> int:
        for token in (ADMIN_TOKEN, NEW_ADMIN):
            url = f"{self.stage.installation.base}/v1/admin/{TENANT}/audit?action=secrets.reload&limit=200"
            async with (
                aiohttp.ClientSession() as http,
                http.get(url, headers={"Authorization": f"Bearer {token}"}) as answer,
            ):
                if answer.status == 200:
                    return len((await answer.json())["items"])
        raise AssertionError("no admin token is valid")

    def sign_with_new(self) -> None:
        """The vendors' side: they sign with the new secrets from now on."""
        for each in self.stage.customers:
            sign_with(each, *(self._find(each, name)[1] for name in ("signing_secret", "app_secret", "auth_token")))

    def _find(self, customers: Customers, name: str) -> tuple[str, str]:
        path = ("tenants", TENANT, "channels", customers.channel, customers.account, name)
        return self.secrets.get(path, ("", ""))


def replace_secrets(customers: Customers) -> dict[str, str]:
    """Let the vendor issue new secrets beside the old ones; by the name of their settings."""
    vendor = customers.vendor
    if isinstance(customers, SlackCustomers):
        # The token of a bot stays the same when a secret is made anew.
        return {"signing_secret": vendor.ids.secret()}
    if isinstance(customers, TwilioCustomers):
        vendor.secondary_token = vendor.ids.hex(32)
        return {"auth_token": vendor.secondary_token}
    token = vendor.token
    fresh = vendor.graph.token(token.app, token.kind, *token.accounts, scopes=tuple(token.scopes))
    return {
        "access_token": fresh.value,
        "app_secret": vendor.graph.ids.letters(32).lower(),
        "verify_token": vendor.graph.ids.letters(24, "verify-"),
    }


def sign_with(customers: Customers, signing_secret: str, app_secret: str, auth_token: str) -> None:
    vendor = customers.vendor
    if isinstance(customers, SlackCustomers):
        vendor.hooks.secret = signing_secret
    elif isinstance(customers, TwilioCustomers):
        assert auth_token == vendor.secondary_token
        vendor.promote_secondary_token()
    else:
        vendor.app.secret = app_secret


@dataclass
class Load:
    """Everybody who uses the installation, and the statuses that they get."""

    stage: ScenarioInstallation
    http: aiohttp.ClientSession
    site_secret: str = SITE_SECRETS[0]
    admin_token: str = ADMIN_TOKEN
    statuses: Counter[str] = field(default_factory=Counter)
    visitors: list[str] = field(default_factory=list)
    link: str = ""
    csrf: str = ""
    signing_in: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the console's cookie and the form's token do not belong together."""
    sent: int = 0

    @property
    def base(self) -> str:
        return self.stage.installation.base

    async def prepare(self) -> None:
        """Tokens, a link and a form that were made before the rotation."""
        for _ in range(VISITORS):
            self.visitors.append((await self._start({}))["visitor_token"])
        headers = {"Authorization": f"Bearer {self.visitors[0]}"}
        form = aiohttp.FormData()
        form.add_field("file", b"a,b\n1,2\n", filename="table.csv", content_type="text/csv")
        chat = f"{self.base}/v1/chat/{TENANT}"
        async with self.http.post(f"{chat}/attachments", data=form, headers=headers) as answer:
            attachment = (await answer.json())["attachment_id"]
        message = {"client_msg_id": "with-file", "text": "See the table", "attachments": [attachment]}
        async with self.http.post(f"{chat}/messages", json=message, headers=headers) as answer:
            assert answer.status == 202, await answer.text()
        async with self.http.get(f"{chat}/messages?after=0", headers=headers) as answer:
            (first, *_) = (await answer.json())["messages"]
        self.link = self.base + "/v1/" + first["attachments"][0]["url"].partition("/v1/")[2]
        await self.sign_in()

    async def sign_in(self) -> None:
        """Sign in to the console, and open a form there."""
        async with (
            self.signing_in,
            self.http.post(f"{self.base}/console/session", data={"secret": self.admin_token}) as answer,
        ):
            page = await answer.text()
            self.csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        assert self.csrf

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._look())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self) -> None:
        """So many messages in a second, seven of ten from visitors, the others over the vendors' webhooks."""
        began, pending = time.monotonic(), set[asyncio.Task[Any]]()
        while True:
            number, self.sent = self.sent, self.sent + 1
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            task = asyncio.create_task(self._write_one(number))
            pending.add(task)
            task.add_done_callback(pending.discard)

    async def _write_one(self, number: int) -> None:
        if number % 10 < 7:
            token = self.visitors[number % VISITORS]
            message = {"client_msg_id": f"m-{number}", "text": QUESTIONS[number % 3]}
            url = f"{self.base}/v1/chat/{TENANT}/messages"
            await self._note("message", "POST", url, json=message, headers={"Authorization": f"Bearer {token}"})
            return
        customers = self.stage.customers[number % len(self.stage.customers)]
        await customers.vendor.say(f"person-{number % 40}", QUESTIONS[number % 3])

    async def _look(self) -> None:
        """What goes on beside: signing in, files, the API, a form that was opened before."""
        for number in itertools.count():
            # Several people sign in, because the sessions of one are limited.
            claims = {"sub": f"ada-{number % 5}", "exp": int(time.time()) + 600}
            identity = jwt.encode(claims, self.site_secret, "HS256")
            chat, admin = f"{self.base}/v1/chat/{TENANT}", f"{self.base}/v1/admin/{TENANT}"
            bearer = {"Authorization": f"Bearer {self.admin_token}"}
            await self._note("identity", "POST", f"{chat}/sessions", json={"identity": identity})
            await self._note("resume", "POST", f"{chat}/sessions", json={"visitor_token": self.visitors[1]})
            await self._note("link", "GET", self.link)
            await self._note("admin", "GET", f"{admin}/conversations?limit=1", headers=bearer)
            await self._note("console", "GET", f"{self.base}/console/{TENANT}/deadletters", allow_redirects=False)
            async with self.signing_in:
                form = {"csrf": self.csrf, "question": QUESTIONS[0], "as": "anonymous"}
                await self._note("form", "POST", f"{self.base}/console/{TENANT}/knowledge", data=form)
            await asyncio.sleep(0.25)

    async def _note(self, what: str, method: str, url: str, **request: Any) -> None:
        async with self.http.request(method, url, **request) as answer:
            await answer.read()
            self.statuses[f"{what} {answer.status}"] += 1

    async def _start(self, body: dict[str, Any]) -> dict[str, Any]:
        async with self.http.post(f"{self.base}/v1/chat/{TENANT}/sessions", json=body) as answer:
            assert answer.status in (200, 201), await answer.text()
            started: dict[str, Any] = await answer.json()
            return started

    def list_refused(self) -> list[str]:
        """What was refused by us, and by the vendors. Deliveries without an outcome are still under way."""
        refused = [f"{what} × {count}" for what, count in self.statuses.items() if what.split()[1] not in "200 201 202"]
        for each in self.stage.customers:
            vendor = each.vendor
            if isinstance(each, SlackCustomers):
                answered = [delivery.outcomes[0] for delivery in vendor.event_delivery.log if delivery.outcomes]
                refused += [outcome.reason for outcome in answered if not outcome.heard]
            else:
                hooks = vendor.webhooks if isinstance(each, TwilioCustomers) else vendor.graph.webhooks
                refused += [str(sent.outcomes) for sent in hooks.webhook_sender.sent if set(sent.outcomes) - {200}]
            # 429: a vendor's own limit, after which the message is sent again.
            asked = [each for each in vendor.ledger.requests if each.status >= 400 and each.status != 429]
            refused += [f"{each.operation} {each.status}" for each in asked]
        return refused


async def until_requests_use_new(stage: ScenarioInstallation) -> None:
    """No request is under way any more with the token that Twilio is going to forget."""
    vendor = next(each.vendor for each in stage.customers if isinstance(each, TwilioCustomers))
    await vendor.ledger.until(lambda: vendor.secondary_in_a_row >= REQUESTS_WITH_NEW)


def accept_new(_name: str, old: str, new: str) -> list[str]:
    return [old, new]


def use_new(_name: str, old: str, new: str) -> list[str]:
    return [new, old]


def leave_out_old(name: str, old: str, new: str) -> list[str]:
    """Visitors keep their tokens for weeks, and so does an installation its key."""
    return [new, old] if name == "secret_key" else [new]


async def check_old_secrets_are_refused(rotation: Rotation, load: Load) -> None:
    bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with load.http.get(f"{load.base}/v1/admin/{TENANT}/conversations", headers=bearer) as answer:
        assert answer.status == 401
    identity = jwt.encode({"sub": "ada", "exp": int(time.time()) + 600}, SITE_SECRETS[0], "HS256")
    async with load.http.post(f"{load.base}/v1/chat/{TENANT}/sessions", json={"identity": identity}) as answer:
        assert answer.status == 401
    slack = next(each for each in rotation.stage.customers if isinstance(each, SlackCustomers))
    slack.vendor.hooks.secret = slack.vendor.signing_secret
    await slack.vendor.say("late", "With the old secret")
    delivery = slack.vendor.event_delivery.log[-1]
    await asyncio.wait_for(delivery.tried.wait(), 30)
    assert delivery.outcomes[0].reason == "http_error"


async def rotate_under_load(fork_server: ForkServer, folder: Path, **servers: Any) -> None:
    settings = ScenarioSettings(kinds=KINDS, tenant=build_channels)
    async with (
        stage_of(fork_server, folder, settings, **servers) as stage,
        aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=60)
        ) as http,
    ):
        load, rotation = Load(stage, http), Rotation.of(stage)
        await load.prepare()
        async with load.running():
            await asyncio.sleep(PHASE)
            await rotation.write(accept_new)
            await asyncio.sleep(PHASE)
            await rotation.write(use_new)
            await until_requests_use_new(stage)
            rotation.sign_with_new()
            load.site_secret, load.admin_token = SITE_SECRETS[1], NEW_ADMIN
            await asyncio.sleep(PHASE)
            # The sessions of a token end with it.
            await load.sign_in()
            await rotation.write(leave_out_old)
            await asyncio.sleep(PHASE)
        for each in stage.customers:
            await each.vendor.settled()
        print(f"{load.sent} messages, {dict(load.statuses)}")
        assert load.list_refused() == []
        assert {what.split()[0] for what in load.statuses} == {
            "message",
            "identity",
            "resume",
            "link",
            "admin",
            "console",
            "form",
        }
        assert load.sent > 2.5 * PHASE * RATE
        await check_old_secrets_are_refused(rotation, load)


async def test_every_secret_is_replaced_at_a_hundred_messages_a_second(fork_server: ForkServer, tmp_path: Path) -> None:
    await rotate_under_load(fork_server, tmp_path)


@pytest.mark.scaled
async def test_every_secret_is_replaced_on_kafka_and_redis(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, redis_url: str
) -> None:
    servers = {"kafka": kafka_bootstrap, "redis": redis_url, "prefix": f"rotation-{time.time_ns()}."}
    await rotate_under_load(fork_server, tmp_path, **servers)
