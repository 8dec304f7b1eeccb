"""Checks of the sources of documents, as the running instance reports them."""

from __future__ import annotations

from typing import Any

import aiohttp

from gateway.commands.common.instance import AdminApi, find_instance
from gateway.config.secret_keys import fill_in_secrets
from gateway.config.settings import Config
from gateway.documents.document_sources import configured_sources
from infra.deploy.doctor_finding import Finding
from schemas.errors import ParleyError

_CHECK = "knowledge sources"


async def check_sources(config: Config) -> list[Finding]:
    """One finding for each source that is stale, failing, partly unreadable or waiting for a decision; else one for
    all."""
    tenants = [name for name in config.tenants if configured_sources(config, name)]
    if not tenants:
        return []
    try:
        items = await _load(config, tenants)
    except ParleyError as error:
        return [Finding(_CHECK, "warn", f"cannot be checked: {error.message}", error.fix)]
    if items is None:
        return [Finding(_CHECK, "ok", "not checked, because no instance runs")]
    problems = [finding for tenant, item in items for finding in _check(tenant, item)]
    return problems or [Finding(_CHECK, "ok", f"{len(items)} synced as planned")]


async def _load(config: Config, tenants: list[str]) -> list[tuple[str, dict[str, Any]]] | None:
    """The sources with their tenants; None if no instance runs."""
    async with aiohttp.ClientSession() as http:
        address = await find_instance(http, config, None)
        if not address:
            return None
        token = fill_in_secrets(config).admin_token.get_secret_value()
        apis = [AdminApi(http, address, token, tenant) for tenant in tenants]
        return [(api.tenant, item) for api in apis for item in await api.list_items("/knowledge/sources")]


def _check(tenant: str, item: dict[str, Any]) -> list[Finding]:
    check, last, held = f"source {item['source']}", item["last"], item["held"]
    findings = []
    if item["is_stale"]:
        since = f"since {item['succeeded_at'][:16].replace('T', ' ')}" if item["succeeded_at"] else "ever"
        why = f": {last['why']}" if last and last["why"] else ""
        fix = (last["fix"] if last else "") or f"see: parley knowledge status --tenant {tenant}"
        findings.append(Finding(check, "warn", f"{item['location']} was not synced successfully {since}{why}", fix))
    elif refused := (last or {}).get("refused"):
        first, count = refused[0], last["counts"]["refused"]
        shown = f"{count} of its documents could not be read, first {first['name']}: {first['why']}"
        findings.append(Finding(check, "warn", shown, f"see: parley knowledge status --tenant {tenant}"))
    if held:
        fix = "parley knowledge sync --approve-removals, or --discard-removals"
        findings.append(Finding(check, "warn", f"{len(held['documents'])} of {held['total']} documents are gone", fix))
    return findings
