"""The files of the chat widget: its script, the theme of each web account, and the demo page of embedded mode."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import orjson
from aiohttp import web

from agent_worker.voice import DEFAULT_VOICE, translate_phrase
from connectors.web.settings import WebAccount
from gateway.config.settings import Config, Tenant
from gateway.http.responses import json_response
from gateway.http.static_files import StaticFile
from gateway.storage.attachments import MAX_SIZE
from gateway.webchat.sessions import LOCALE_PATTERN
from schemas.errors import NotFound

_LOCALE = re.compile(LOCALE_PATTERN)
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types parley-chat"
)
WIDGET_FILES = {"widget.js": "text/javascript", "demo.css": "text/css"}
"""Files that are always served, with their media types."""
SITE_FILE_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""File types for demo pages; those of images also for logos."""
MAX_SITE_FILE_SIZE = 2 * 1024 * 1024
"""Bytes."""


class WidgetApi:
    """Serves the widget, the themes and the demo page. Files are read once, at the start."""

    def __init__(self, config: Config) -> None:
        folder = files("connectors.web") / "widget"
        self._config = config
        self._files = {
            name: StaticFile.from_bytes((folder / name).read_bytes(), kind) for name, kind in WIDGET_FILES.items()
        }
        # The English texts are in the script.
        self._locales: dict[str, dict[str, str]] = {"en": {}} | {
            path.name.removesuffix(".json"): orjson.loads(path.read_bytes()) for path in (folder / "locales").iterdir()
        }
        self._template = Template((folder / "demo.html").read_text("utf-8"))
        self._logos = {
            (tenant, account): read_file(Path(settings.theme.logo), images_only=True)
            for tenant, account, settings in _list_accounts(config)
            if settings.theme.logo and not _is_url(settings.theme.logo)
        }
        self._sites = {
            (tenant, account): read_site(Path(settings.demo))
            for tenant, account, settings in _list_accounts(config)
            if settings.demo and config.embedded
        }

    def add_routes(self, app: web.Application) -> None:
        for name in WIDGET_FILES:
            app.router.add_get(f"/{name}", self.serve_file)
        app.router.add_get("/v1/chat/{tenant}/theme", self.serve_theme, allow_head=False)
        app.router.add_get("/v1/chat/{tenant}/logo", self.serve_logo, allow_head=False)
        if self._config.embedded:
            app.router.add_get("/", self.serve_demo_page)
            app.router.add_get("/demo/{file}", self.serve_demo_file)

    async def serve_file(self, request: web.Request) -> web.Response:
        # The files are public, and any site may load them.
        public = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
        return self._files[request.path.lstrip("/")].respond(request, **public)

    async def serve_theme(self, request: web.Request) -> web.Response:
        """Serve a chat's appearance and texts. ``?locale=`` is the page's or the browser's; where the widget does not
        speak it, the tenant's takes its place."""
        tenant, account, settings = self._find_account(
            request.match_info["tenant"], request.query.get("account", "main")
        )
        theme = build_theme(tenant, account, self._config.tenants[tenant], settings)
        locale = request.query.get("locale", "")
        if _LOCALE.match(locale) and _language_of(locale) in self._locales:
            theme["locale"] = locale
        theme["words"] = self._locales.get(_language_of(theme["locale"]), {})
        if theme["words"] and "greeting" not in settings.theme.model_fields_set:
            theme["greeting"] = translate_phrase(DEFAULT_VOICE, "greeting", theme["locale"])
        response = json_response(theme)
        response.headers["Cache-Control"] = "public, max-age=60"
        return response

    async def serve_logo(self, request: web.Request) -> web.Response:
        tenant, account, _ = self._find_account(request.match_info["tenant"], request.query.get("account", "main"))
        file = self._logos.get((tenant, account))
        if file is None:
            raise NotFound("this account has no logo of its own")
        isolated = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
        return file.respond(request, **isolated, **{"Cross-Origin-Resource-Policy": "cross-origin"})

    async def serve_demo_page(self, request: web.Request) -> web.Response:
        """Show the account named by ``?tenant=`` and ``?account=``; by default, that of the first tenant with a web
        account."""
        tenants = [name for name, section in self._config.tenants.items() if section.channels.web]
        tenant = request.query.get("tenant", next(iter(tenants), ""))
        accounts = self._config.tenants[tenant].channels.web if tenant in tenants else {}
        first = "main" if "main" in accounts else next(iter(accounts), "")
        tenant, account, settings = self._find_account(tenant, request.query.get("account", first))
        headers = {"Content-Security-Policy": CSP, "Cache-Control": "no-cache"}
        site = self._sites.get((tenant, account))
        if site is not None:
            index = site["index.html"].body
            return web.Response(body=index, content_type="text/html", charset="utf-8", headers=headers)
        values = build_theme(tenant, account, self._config.tenants[tenant], settings)
        url = self._config.public_url.rstrip("/") or self._config.local_url
        values |= {"tenant": tenant, "account": account, "address": url}
        text = self._template.safe_substitute({name: escape(str(value)) for name, value in values.items()})
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def serve_demo_file(self, request: web.Request) -> web.Response:
        """Serve a file of an account's ``demo`` folder."""
        name = request.match_info["file"]
        for site in self._sites.values():
            if site is not None and name in site:
                return site[name].respond(request, **{"Content-Security-Policy": CSP})
        raise NotFound("no such file")

    def _find_account(self, tenant: str, account: str) -> tuple[str, str, WebAccount]:
        section = self._config.tenants.get(tenant)
        settings = section.channels.web.get(account) if section is not None else None
        if settings is None:
            raise NotFound("no such tenant or web account")
        return tenant, account, settings


def _language_of(locale: str) -> str:
    return locale.lower().replace("_", "-").partition("-")[0]


def build_theme(tenant: str, account: str, section: Tenant, settings: WebAccount) -> dict[str, Any]:
    """Build the theme as JSON values. ``logo`` is a URL, absolute or relative to the server's; sizes are in bytes."""
    theme = settings.theme
    logo = theme.logo
    if logo and not _is_url(logo):
        logo = f"v1/chat/{tenant}/logo?account={account}"
    return {
        "name": theme.name or section.name,
        "color": theme.color,
        "logo": logo,
        "greeting": theme.greeting,
        "position": theme.position,
        "locale": section.voice.locale,
        "max_file_size": MAX_SIZE,
    }


def read_file(path: Path, *, images_only: bool = False) -> StaticFile | None:
    """Read a file; None if it does not exist, is too large, or has a type that is not served."""
    media_type = SITE_FILE_TYPES.get(path.suffix.lower(), "")
    if not media_type or (images_only and not media_type.startswith("image/")):
        return None
    try:
        return (
            StaticFile.from_bytes(path.read_bytes(), media_type) if path.stat().st_size <= MAX_SITE_FILE_SIZE else None
        )
    except OSError:
        return None


def read_site(folder: Path) -> Mapping[str, StaticFile] | None:
    """Read the files of a folder, by name; None if there is no ``index.html``."""
    if not folder.is_dir():
        return None
    site = {path.name: file for path in sorted(folder.iterdir()) if (file := read_file(path)) is not None}
    return site if "index.html" in site else None


def _list_accounts(config: Config) -> list[tuple[str, str, WebAccount]]:
    return [
        (tenant, account, settings)
        for tenant, section in config.tenants.items()
        for account, settings in section.channels.web.items()
    ]


def _is_url(logo: str) -> bool:
    return logo.startswith(("https://", "http://"))
