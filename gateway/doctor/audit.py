"""The check of the audit trail: nothing in it was changed or removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import aiohttp

from gateway.access.audit_log import AuditLog
from gateway.commands.common.instance import AdminApi, find_admin_api
from gateway.config.secret_keys import fill_in_secrets
from gateway.config.settings import Config
from gateway.wiring.engines import open_engine, retention_of
from infra.database import database_file
from infra.deploy.doctor_finding import Finding
from schemas import topics
from schemas.audit.records import INSTALLATION
from schemas.errors import ParleyError

_FIX = "compare it with the last export of the trail, and find out who could write to the log"


async def check_audit_trail(config: Config) -> Finding:
    """Verify the trail of each tenant: over a running instance, which holds the file, or else in the log itself."""
    try:
        counted, problems = await _verify_all(config)
    except ParleyError as error:
        return Finding("audit trail", "warn", f"could not be verified: {error.message}", error.fix)
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        return Finding("audit trail", "fail", shown, _FIX)
    return Finding("audit trail", "ok", f"{counted} records, unchanged")


async def _verify_all(config: Config) -> tuple[int, list[str]]:
    """The number of records, and what is wrong with them."""
    if not config.embedded:
        return await _verify_log(config)
    async with aiohttp.ClientSession() as http:
        address = await find_admin_api(http, config, None)
        if address:
            return await _ask_instance(http, address, fill_in_secrets(config))
    return await _verify_log(config) if database_file(config.data_path).exists() else (0, [])


async def _ask_instance(http: aiohttp.ClientSession, address: str, config: Config) -> tuple[int, list[str]]:
    counted, problems = 0, list[str]()
    for tenant in config.tenants:
        answer = await AdminApi(http, address, config.admin_token.get_secret_value(), tenant).call(
            "GET", "/audit/verification"
        )
        counted += answer["records"]
        problems += answer["problems"]
    return counted, list(dict.fromkeys(problems))


async def _verify_log(config: Config) -> tuple[int, list[str]]:
    counted, problems, now = 0, list[str](), datetime.now(UTC)
    keep = timedelta(days=retention_of(config)[topics.AUDIT])
    async with open_engine(config, config.data_path) as engine:
        log = AuditLog(engine.bus, engine.state.heads)
        for tenant in (INSTALLATION, *config.tenants):
            result = await log.verify(tenant, keep=keep, now=now)
            counted += result.records
            problems += result.problems
    return counted, problems
