"""Access of commands to an instance: the running one, or else one that the command opens over the SQLite file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp

from schemas import errors
from schemas.errors import ParleyError, SetupError

if TYPE_CHECKING:
    from gateway.config.settings import Config

ADDRESS_FILE = "address"
"""A file in ``data_dir`` with the address of a running `parley dev`, whose port may differ from the configured one."""
_PROBE_TIMEOUT = aiohttp.ClientTimeout(total=2)
_CALL_TIMEOUT = aiohttp.ClientTimeout(total=60)
_EXPORT_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_read=600)
"""An export sends nothing while it reads the log."""
_ERRORS_BY_CODE: dict[str, type[ParleyError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.RequestError | errors.TemporaryRefusal)
    if kind not in (errors.RequestError, errors.TemporaryRefusal, errors.StaleEpoch, errors.StateLost)
}


_LISTS = {
    "contacts": "find its id with `parley contact find`",
    "deadletters": "find its id with `parley deadletter list`",
    "knowledge": "find its id with `parley knowledge list`",
    "tokens": "find its id with `parley token list`",
}
"""The fix for an unknown id, by the first part of the address."""


class AdminApi:
    """The admin API of one instance for one tenant. Calls raise the error that the response names. ``is_own``: no
    instance runs, so the command opened this one."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str, tenant: str, *, is_own: bool = False) -> None:
        self._http = http
        self._base = f"{url}/v1/admin/{quote(tenant, safe='')}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self.tenant = tenant
        self.is_own = is_own

    async def call(self, method: str, path: str, body: Any = None, *, is_slow: bool = False) -> Any:
        """``is_slow``: the response needs the whole log."""
        timeout = _EXPORT_TIMEOUT if is_slow else _CALL_TIMEOUT
        try:
            async with self._http.request(
                method, self._base + path, json=body, headers=self._headers, timeout=timeout
            ) as response:
                data = await response.json() if response.content_type == "application/json" else None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise errors.Unavailable("the instance stopped answering", fix="look at its log") from error
        if response.status >= 400:
            raise build_error(response.status, data, path)
        return data

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """The parts of a large response, as they arrive."""
        try:
            async with self._http.get(self._base + path, headers=self._headers, timeout=_EXPORT_TIMEOUT) as response:
                if response.status >= 400:
                    raise build_error(response.status, await response.json(), path)
                async for chunk in response.content.iter_any():
                    yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            raise errors.Unavailable("the instance stopped answering", fix="look at its log") from error

    async def stream_lines(self, path: str) -> AsyncIterator[str]:
        """The lines of a response of JSON lines, as they arrive."""
        rest = b""
        async for chunk in self.stream(path):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode() + "\n"

    async def list_items(self, path: str, **query: str) -> list[Any]:
        """All items of a list."""
        return [item async for item in self.iterate_items(path, **query)]

    async def iterate_items(self, path: str, **query: str) -> AsyncIterator[Any]:
        """The items of a list, page by page."""
        after = ""
        while True:
            parameters = "&".join(
                f"{key}={quote(value)}" for key, value in {**query, "after": after, "limit": "200"}.items()
            )
            page = await self.call("GET", f"{path}?{parameters}")
            for item in page["items"]:
                yield item
            after = page["next"]
            if not after:
                return


@asynccontextmanager
async def open_api(config: Config, tenant: str, url: str | None = None) -> AsyncIterator[AdminApi]:
    """The admin API for a tenant. Raises SetupError if no instance runs and none can be opened here."""
    token = config.admin_token.get_secret_value()
    async with aiohttp.ClientSession(timeout=_CALL_TIMEOUT) as http:
        instance_url = await find_admin_api(http, config, url)
        if instance_url:
            yield AdminApi(http, instance_url, token, tenant)
            return
        _refuse_unless_embedded(config, url)
        async with _serve_admin_api(config) as address:
            yield AdminApi(http, address, token, tenant, is_own=True)


async def find_instance(http: aiohttp.ClientSession, config: Config, url: str | None) -> str:
    """The address of the running instance, or an empty text. If a ``url`` is given, only that is tried."""
    for candidate in [url] if url else [_read_address(config.data_path), config.local_url]:
        if candidate and await _is_running(http, candidate.rstrip("/")):
            return candidate.rstrip("/")
    return ""


async def find_admin_api(http: aiohttp.ClientSession, config: Config, url: str | None) -> str:
    """The address of the admin API of the running instance, or an empty text."""
    return await find_instance(http, config, url or (config.local_admin_url if config.admin_listen else None))


def not_running_error(config: Config, url: str | None) -> SetupError:
    return SetupError(
        f"no instance answers at {url or config.local_admin_url}",
        fix="start one with `parley dev`, or give its address with --url",
    )


@asynccontextmanager
async def publish_address(config: Config) -> AsyncIterator[None]:
    """Write this process's address into its data folder, where commands find it, and remove it at the end."""
    file = config.data_path / ADDRESS_FILE
    draft = file.with_name(f".{ADDRESS_FILE}.{os.getpid()}")
    draft.write_text(config.local_url, encoding="utf-8")
    os.replace(draft, file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _read_address(data_dir: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return (data_dir / ADDRESS_FILE).read_text(encoding="utf-8").strip()
    return ""


async def _is_running(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/healthz", timeout=_PROBE_TIMEOUT) as response:
            body = await response.json()
            return response.status == 200 and isinstance(body, dict) and body.get("status") == "ok"
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False


def _refuse_unless_embedded(config: Config, url: str | None) -> None:
    if url or not config.embedded:
        raise not_running_error(config, url)


@asynccontextmanager
async def _serve_admin_api(config: Config) -> AsyncIterator[str]:
    """Serve the admin API over the SQLite file, at an unused port of the loopback interface."""
    from aiohttp import web

    from gateway import admin
    from gateway.contacts.erasure import ContactErasureService
    from gateway.documents.sync_service import SyncService
    from gateway.http.app import run_server
    from gateway.http.responses import error_middleware
    from gateway.wiring import compose

    async with compose.open_embedded(config) as services:
        if services.knowledge is not None:
            await services.knowledge.wait_until_ready()
        app = web.Application(middlewares=[error_middleware])
        admin.add_routes(app, services)
        jobs = [
            asyncio.create_task(SyncService(services, scheduled=False).run()),
            asyncio.create_task(ContactErasureService(services).run()),
        ]
        try:
            async with run_server(app, "127.0.0.1", 0) as port:
                yield f"http://127.0.0.1:{port}"
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)


def build_error(status: int, body: Any, path: str = "") -> ParleyError:
    """The error of an answer, by its code. ``path``: the part of the address below the tenant."""
    details = body.get("error", {}) if isinstance(body, dict) else {}
    code, message = str(details.get("code", "")), str(details.get("message", f"the instance answered {status}"))
    if code == "unauthorized":
        return errors.Unauthorized(
            "the instance refuses the admin token",
            fix="use the configuration of that instance, or set PARLEY_ADMIN_TOKEN",
        )
    if code == "stale_epoch":
        return errors.StaleEpoch(message, owner=str(details.get("owner")), epoch=int(details.get("epoch", 0)))
    kind, _, id = path.partition("?")[0].strip("/").partition("/")
    fix = _LISTS.get(kind, "") if code == "not_found" and id else ""
    return _ERRORS_BY_CODE.get(code, ParleyError)(message, fix=fix)
