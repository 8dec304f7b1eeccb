"""All checks of ``parley doctor``: configuration, machine, servers and vendors."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from gateway.config import loader as configuration
from gateway.config.secret_keys import GENERATE_COMMAND, MIN_SECRET_BYTES, SECRET_NAMES, is_too_short
from gateway.config.settings import Config
from gateway.doctor import knowledge_sources, preflight, vendors
from gateway.doctor.audit import check_audit_trail
from gateway.doctor.growth import check_growth
from gateway.doctor.vendors import has_webhook
from gateway.storage.private_files import is_open_to_others
from gateway.wiring import routing
from gateway.wiring.engines import (
    describe_longer_retention,
    kafka_access,
    required_topics,
    retention_of,
    state_location,
)
from gateway.wiring.listening import check_port
from gateway.wiring.models import encoders
from gateway.wiring.models.discovery import find_offers
from gateway.wiring.process_services import list_accounts
from infra.deploy.doctor_finding import Finding
from infra.state.registry import load_engine
from schemas.errors import MissingDependency, ParleyError, PortInUse
from schemas.key_ring import KeyRing
from schemas.runtime.optional_dependencies import install_command

_GIB = 1024**3


async def run_checks(file: Path | None) -> list[Finding]:
    """The findings of all checks, in the order in which problems should be fixed."""
    try:
        path = configuration.find_file(file)
        config = configuration.load(path, make_secrets=False)
    except ParleyError as error:
        return [Finding("configuration", "fail", error.message, error.fix)]
    findings = [
        Finding("configuration", "ok", str(path)),
        *_check_secrets(config),
        *check_public_address(config),
        *_check_proxies(config),
    ]
    findings += [
        _check_retention(config),
        _check_data_folder(config),
        await _check_listen_address(config),
        _check_attachments(config),
    ]
    findings.append(await asyncio.to_thread(encoders.check_encoder, config))
    if config.embedded:
        findings += [Finding("model", "ok", line) for line in await find_offers(config, configuration.environment())]
    findings += await asyncio.to_thread(routing.check_intents, config)
    findings += await asyncio.to_thread(preflight.check_imports, config)
    findings += await preflight.check_endpoints(config)
    findings += await vendors.check_accounts(config)
    findings += await knowledge_sources.check_sources(config)
    if config.embedded:
        stores = await load_engine(config.state).run_checks(state_location(config))
    else:
        stores = await _check_servers(config)
    if any(finding.status == "fail" for finding in stores):
        why = "not checked, because a store above fails"
        skipped = [Finding(check, "warn", why) for check in ("audit trail", "backup")]
        return [*findings, *stores, *skipped]
    return [*findings, *stores, *await check_growth(config), *await check_audit_trail(config)]


async def _check_servers(config: Config) -> list[Finding]:
    try:
        from infra.deploy import kafka_probe

        engine = load_engine(config.state)
    except ImportError as error:
        return [_report_missing_library(error)]
    except MissingDependency as error:
        return [_report_missing_library(error.__cause__)]
    access = kafka_access(config)
    try:
        kafka, state_findings = access.client(), await engine.run_checks(state_location(config))
    except ParleyError as error:
        return [Finding("certificates", "fail", error.message, error.fix)]
    brokers = config.bus.removeprefix("kafka://")
    kafka_findings = kafka_probe.probe(
        brokers, config.topic_prefix, required_topics(config), access=kafka, required=access
    )
    return [*await kafka_findings, *state_findings]


def _report_missing_library(error: BaseException | None) -> Finding:
    """The finding about a library that cannot be imported."""
    name = error.name if isinstance(error, ImportError) else "a library"
    return Finding("dependencies", "fail", f"{name} is not installed", install_command("scaled"))


def _check_secrets(config: Config) -> list[Finding]:
    files = [config.data_path / name for name in SECRET_NAMES]
    try:
        short = [
            str(file) for file in files if file.exists() and is_too_short(KeyRing(file.read_text(encoding="utf-8")))
        ]
    except OSError as error:
        return [
            Finding(
                "secrets",
                "fail",
                f"{error.filename}: {error.strerror}",
                "make the file readable for the user that runs parley",
            )
        ]
    if short:
        fix = f"remove the file, so that the next start generates a new secret, or generate one: {GENERATE_COMMAND}"
        return [Finding("secrets", "fail", f"shorter than {MIN_SECRET_BYTES} bytes: {', '.join(short)}", fix)]
    open_files = [str(file) for file in files if is_open_to_others(file)]
    if open_files:
        return [
            Finding(
                "secrets",
                "fail",
                f"readable by others: {', '.join(open_files)}",
                f"run: chmod 600 {' '.join(open_files)}",
            )
        ]
    return [
        Finding("secrets", "ok", "set" if config.admin_token.get_secret_value() else "generated at the first start")
    ]


def check_public_address(config: Config) -> list[Finding]:
    if config.public_url.startswith("https://"):
        return [Finding("public address", "ok", config.public_url)]
    channels = sorted({each.channel for each in list_accounts(config) if has_webhook(each)})
    if channels and not config.public_url:
        fix = "set `public_url` to the address at which vendors reach this installation"
        return [Finding("public address", "fail", f"not set, but {', '.join(channels)} must be able to call it", fix)]
    if config.public_url:
        fix = "put a TLS proxy in front of Parley, and use https://"
        return [Finding("public address", "warn", f"{config.public_url} is not encrypted", fix)]
    return [Finding("public address", "ok", "not needed: no vendor calls it, and the web chat uses the listen address")]


def _check_proxies(config: Config) -> list[Finding]:
    """Whether proxies are configured. TLS ends at a proxy, so there is one if the public address is encrypted."""
    if not any(tenant.channels.web for tenant in config.tenants.values()):
        return []
    if config.trusted_proxies:
        return [Finding("client addresses", "ok", f"reported by {', '.join(config.trusted_proxies)}")]
    if config.public_url.startswith("https://"):
        fix = "set `trusted_proxies` to the networks of the proxies in front of the edge"
        detail = "all visitors seem to come from the proxy, so they share the limits of one address"
        return [Finding("client addresses", "warn", detail, fix)]
    return [Finding("client addresses", "ok", "taken from the connections")]


def _check_retention(config: Config) -> Finding:
    longer = describe_longer_retention(config)
    if longer:
        fix = "give all tenants the same `retention`, or run separate installations"
        return Finding("retention", "warn", "; ".join(longer), fix)
    days_by_topic = sorted(retention_of(config).items())
    return Finding("retention", "ok", ", ".join(f"{topic} {days} d" for topic, days in days_by_topic))


def _check_data_folder(config: Config) -> Finding:
    folder = config.data_path
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Finding(
            "data folder",
            "fail",
            f"{folder} cannot be written",
            "make it writable, or set `data_dir` to another folder",
        )
    if any(is_open_to_others(path) for path in (folder, *folder.glob("*"))):
        fix = f"start parley, which corrects this, or run: chmod -R go= {folder}"
        return Finding("data folder", "warn", f"{folder} can be read by other users of this machine", fix)
    free = shutil.disk_usage(existing).free
    if free < _GIB:
        return Finding("data folder", "warn", f"{free / _GIB:.1f} GiB free on the disk of {folder}", "free some space")
    return Finding("data folder", "ok", f"{folder}, {free / _GIB:.0f} GiB free")


async def _check_listen_address(config: Config) -> Finding:
    import aiohttp

    from gateway.commands.common.instance import find_instance

    async with aiohttp.ClientSession() as http:
        running = await find_instance(http, config, None)
    if running:
        return Finding("listen address", "ok", f"an instance answers at {running}")
    try:
        for address in config.addresses:
            check_port(*address)
    except PortInUse as error:
        return Finding("listen address", "fail", error.message, error.fix)
    listed = [each for each in (config.listen, config.admin_listen) if each]
    return Finding("listen address", "ok", f"{' and '.join(listed)} {'is' if len(listed) == 1 else 'are'} free")


def _check_attachments(config: Config) -> Finding:
    if config.blobs == "file" and not config.embedded:
        fix = "set `blobs: s3://…`, or share `data_dir` between all machines"
        return Finding(
            "attachments", "warn", "stored on this machine's disk, where other machines cannot read them", fix
        )
    return Finding("attachments", "ok", "on disk" if config.blobs == "file" else config.blobs)
