"""The last steps of a restore on either engine, once the data is in its place and before anything serves it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from gateway.access.audit_routes import RESTORE_BACKUP
from gateway.backup.contents import KeysManifest
from gateway.backup.creation import ACTOR
from gateway.backup.erasures import ErasureReplay
from gateway.wiring.process_services import ProcessServices
from schemas.runtime.restore_time import save_restore_time


class RestoreReport(BaseModel):
    """``erased``: contacts in the data who were erased since. ``files``: attachments with their descriptions."""

    saved_at: datetime
    keys: int
    erased: int
    files: int


async def complete_restore(
    services: ProcessServices, replay: ErasureReplay, manifest: KeysManifest, *, resumes: bool
) -> int:
    """Record the restore in the audit trail of each tenant, and apply the erasures. Returns how many contacts were
    erased."""
    for tenant in services.config.tenants:
        subject = f"tenant:{tenant}"
        await services.audit.record(tenant, RESTORE_BACKUP, actor=ACTOR, surface=ACTOR, subject=subject)
    erased = await replay.apply(manifest)
    if not resumes:
        await save_restore_time(services.state.leases, services.clock())
    return erased
