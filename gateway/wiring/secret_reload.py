"""The renewal of secrets in a running process: the configuration is read again, and its key rings are taken over."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import structlog
from pydantic import BaseModel

from gateway.config.settings import Config
from schemas.audit.records import INSTALLATION
from schemas.audit.trail import AuditTrail
from schemas.errors import ConfigInvalid, Unavailable
from schemas.key_ring import KeyRing

log = structlog.get_logger("parley.compose")

RETRY_SECONDS = 2.0


class SecretReload:
    """Renews the key rings of a configuration in place, so that they count at once wherever they are used. All other
    settings stay as they are until the process is restarted."""

    def __init__(self, config: Config, load: Callable[[], Config]) -> None:
        """``load`` reads the configuration again, and raises ConfigInvalid."""
        self._config = config
        self._load = load

    async def run(self, audit: AuditTrail, surface: str) -> None:
        """Renew the rings once the audit trail has a record of it. A configuration that is not valid changes
        nothing."""
        try:
            loaded = await asyncio.to_thread(self._load)
        except ConfigInvalid as error:
            log.error("secrets_not_reloaded", reason=error.message, fix=error.fix)
            return
        changed = list_changed(self._config, loaded)
        if changed:
            await _record(audit, surface, loaded)
            renew(self._config, loaded)
            log.info("secrets_reloaded", secrets=changed)
        if describe_settings(loaded) != describe_settings(self._config):
            log.warning("restart_needed", reason="settings besides secrets have changed, and wait for a restart")


def list_changed(running: Config, loaded: Config) -> list[str]:
    """The settings whose key rings differ."""
    rings = dict(find_rings(loaded))
    return [path for path, ring in find_rings(running) if path in rings and rings[path].keys != ring.keys]


def renew(running: Config, loaded: Config) -> None:
    rings = dict(find_rings(loaded))
    for path, ring in find_rings(running):
        if path in rings:
            ring.renew(rings[path])


def find_rings(value: Any, path: str = "") -> Iterator[tuple[str, KeyRing]]:
    """Find all key rings in settings, with their paths, such as ``tenants.shop.channels.slack.main.bot_token``."""
    if isinstance(value, KeyRing):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from find_rings(getattr(value, name), f"{path}.{name}".lstrip("."))
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from find_rings(each, f"{path}.{name}".lstrip("."))


def describe_settings(config: Config) -> str:
    """A digest of all settings, in whatever order they are written. Secrets are no part of it."""
    return hashlib.sha256(orjson.dumps(config.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)).hexdigest()


async def _record(audit: AuditTrail, surface: str, loaded: Config) -> None:
    subject = f"configuration:{describe_settings(loaded)}"
    while True:
        try:
            return await audit.record(INSTALLATION, "secrets.reload", actor="process", surface=surface, subject=subject)
        except Unavailable:
            await asyncio.sleep(RETRY_SECONDS)
