"""The check of the audit trail: nothing in it was changed or removed, and it names a recent backup."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import aiohttp

from gateway.access.audit_log import AuditLog
from gateway.access.audit_routes import CREATE_BACKUP
from gateway.commands.common.instance import AdminApi, find_admin_api
from gateway.config.secret_keys import fill_in_secrets
from gateway.config.settings import Config
from gateway.wiring.engines import open_engine, retention_of
from infra.database import database_file
from infra.deploy.doctor_finding import Finding
from schemas import topics
from schemas.audit.records import INSTALLATION
from schemas.errors import ParleyError
from schemas.validation.texts import describe_count

OLD_BACKUP = timedelta(days=7)
_FIX = "compare it with the last export of the trail, and find out who could write to the log"


@dataclass(slots=True)
class _Trail:
    """The number of records, what is wrong with them, and when the newest backup was made."""

    records: int = 0
    problems: list[str] = field(default_factory=list)
    backup_at: datetime | None = None


async def check_audit_trail(config: Config) -> list[Finding]:
    """Verify the trail of each tenant, and find the newest backup in it: over a running instance, which holds the file,
    or else in the log itself."""
    try:
        trail = await _read_trail(config)
    except ParleyError as error:
        return [Finding("audit trail", "warn", f"could not be verified: {error.message}", error.fix)]
    problems = trail.problems
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        finding = Finding("audit trail", "fail", shown, _FIX)
    else:
        finding = Finding("audit trail", "ok", f"{describe_count(trail.records, 'record')}, unchanged")
    return [finding, _check_backup(trail.backup_at, datetime.now(UTC))]


def _check_backup(made_at: datetime | None, now: datetime) -> Finding:
    if made_at is None:
        return Finding("backup", "ok", "none was made with `parley backup create`")
    age = now - made_at
    shown = f"{age.days} days" if age.days > 1 else f"{age.total_seconds() / 3600:.0f} hours"
    detail = f"the newest one was begun {shown} ago"
    if age > OLD_BACKUP:
        return Finding("backup", "warn", detail, "make one every day: parley backup create")
    return Finding("backup", "ok", detail)


async def _read_trail(config: Config) -> _Trail:
    if not config.embedded:
        return await _verify_log(config)
    async with aiohttp.ClientSession() as http:
        address = await find_admin_api(http, config, None)
        if address:
            return await _ask_instance(http, address, fill_in_secrets(config))
    return await _verify_log(config) if database_file(config.data_path).exists() else _Trail()


async def _ask_instance(http: aiohttp.ClientSession, address: str, config: Config) -> _Trail:
    trail = _Trail()
    for tenant in config.tenants:
        api = AdminApi(http, address, config.admin_token.get_secret_value(), tenant)
        answer = await api.call("GET", "/audit/verification")
        trail.records += answer["records"]
        trail.problems += answer["problems"]
        newest = await api.call("GET", f"/audit?action={CREATE_BACKUP}&limit=1")
        _note_backup(trail, [datetime.fromisoformat(item["at"]) for item in newest["items"]])
    trail.problems = list(dict.fromkeys(trail.problems))
    return trail


async def _verify_log(config: Config) -> _Trail:
    trail, now = _Trail(), datetime.now(UTC)
    keep = timedelta(days=retention_of(config)[topics.AUDIT])
    async with open_engine(config, config.data_path) as engine:
        log = AuditLog(engine.bus, engine.state.heads)
        for tenant in (INSTALLATION, *config.tenants):
            result = await log.verify(tenant, keep=keep, now=now)
            trail.records += result.records
            trail.problems += result.problems
            newest = await log.read_page(tenant, action=CREATE_BACKUP, limit=1)
            _note_backup(trail, [record.at for record in newest.items])
    return trail


def _note_backup(trail: _Trail, times: list[datetime]) -> None:
    trail.backup_at = max([*times, *([trail.backup_at] if trail.backup_at else [])], default=None)
