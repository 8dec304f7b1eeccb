"""Checks of each account: whether the vendor accepts it, and whether the webhook's address works."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from typing import Any

import aiohttp

from connectors.channel_services import ChannelServices
from connectors.outbound.connections import AccountConnections
from connectors.registry import open_channel
from gateway.config.settings import Config
from gateway.http.webhooks import build_path
from gateway.wiring.process_services import list_accounts
from infra.deploy.doctor_finding import Finding
from schemas.errors import NotFound, ParleyError
from schemas.messages import Attachment
from schemas.ports import Account, AccountInspector

TIMEOUT = 15.0
WEBHOOK_FIX = "check `public_url`, and that the proxy there forwards /v1/webhooks to this instance"


def has_webhook(account: Account) -> bool:
    """Whether the vendor calls a webhook of ours."""
    return bool(getattr(account.settings, "is_called", True))


async def check_accounts(config: Config) -> list[Finding]:
    """Check all accounts at the same time. The requests are few, and nobody sees anything of them."""
    findings_by_account = await asyncio.gather(*(_check_account(each, config) for each in list_accounts(config)))
    return [finding for findings in findings_by_account for finding in findings]


async def _check_account(account: Account, config: Config) -> list[Finding]:
    check = f"{account.channel} {account.tenant}/{account.name}"
    findings = await inspect_account(check, account)
    if findings and config.public_url and has_webhook(account):
        findings.append(await check_webhook(check, account, config.public_url.rstrip("/") + build_path(account)))
    return findings


async def inspect_account(check: str, account: Account) -> list[Finding]:
    """The vendor's report on an account. Empty for a channel without a vendor."""
    connections: AccountConnections | None = None
    try:
        connections = AccountConnections(open_channel(account.channel, inert_tools()), _utc_now)
        connection = connections.get_connection(account)
        if not isinstance(connection, AccountInspector):
            return []
        async with asyncio.timeout(TIMEOUT):
            remarks = await connection.inspect()
        return [Finding(check, remark.status, remark.detail, remark.fix) for remark in remarks]
    except ParleyError as error:
        return [Finding(check, "fail", error.message, error.fix or "check the account's settings and the network")]
    except TimeoutError:
        return [Finding(check, "fail", "the vendor does not answer", "check `api_base` and the network")]
    finally:
        if connections is not None:
            await connections.close()


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def _refuse_file(tenant: str, attachment: str) -> tuple[Attachment, bytes]:
    raise NotFound("there are no files here")


def inert_tools() -> ChannelServices:
    """The services of a channel that is only opened for a check: nothing is stored, read or sent."""
    nothing: Any = None
    return ChannelServices(transcript=nothing, signals=nothing, clock=_utc_now, read_file=_refuse_file)


async def check_webhook(check: str, account: Account, url: str) -> Finding:
    """Call our webhook as the vendor would: with the verification request if the channel has one, else without a
    signature, which must be refused."""
    token = getattr(account.settings, "verify_token", None)
    challenge = secrets.token_hex(8)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as http:
            if token is None:
                async with http.post(url, json={}) as response:
                    return _webhook_finding(
                        check, url, response.status == 401, f"answers {response.status} to an unsigned request"
                    )
            query = {"hub.mode": "subscribe", "hub.verify_token": token.get_secret_value(), "hub.challenge": challenge}
            async with http.get(url, params=query) as response:
                text = await response.text()
                return _webhook_finding(
                    check, url, text == challenge, f"answers {response.status} to the vendor's verification request"
                )
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        detail = f"{url} cannot be reached from here: {type(error).__name__}"
        return Finding(f"{check} webhook", "warn", detail, WEBHOOK_FIX)


def _webhook_finding(check: str, url: str, works: bool, detail: str) -> Finding:
    if works:
        return Finding(f"{check} webhook", "ok", url)
    return Finding(f"{check} webhook", "fail", f"{url} {detail}", WEBHOOK_FIX)
