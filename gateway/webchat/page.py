"""The chat as a site embeds it: its script, its looks, and a page that shows both (embedded mode)."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import orjson
from aiohttp import hdrs, web

from connectors.web.settings import WebAccount
from gateway.config.settings import Config, Tenant
from gateway.http.responses import reply
from gateway.webchat.attachments import MAX_SIZE
from gateway.webchat.sessions import LOCALE
from schemas.errors import NotFound

_LOCALE = re.compile(LOCALE)
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types parley-chat"
)
FILES = {"widget.js": "text/javascript", "demo.css": "text/css"}
"""What is always served, by address."""
KINDS = {
    ".css": "text/css",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""What an operator may put on the demo page, and, of the images, use as a logo."""
LARGEST = 2 * 1024 * 1024
"""Bytes of one such file."""
REVALIDATE = "public, max-age=300, must-revalidate"
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """Content, compressed once, and its entity tag."""

    body: bytes
    packed: bytes
    kind: str
    tag: str

    @classmethod
    def of(cls, body: bytes, kind: str) -> File:
        return cls(body, gzip.compress(body, 9, mtime=0), kind, hashlib.sha256(body).hexdigest()[:16])

    def answer(self, request: web.Request, **headers: str) -> web.Response:
        """304 when the caller has it. An address with ``?v=<tag>`` names this very content: it is kept for ever."""
        keep = FOR_EVER if request.query.get("v") == self.tag else REVALIDATE
        about = {"ETag": f'"{self.tag}"', "Cache-Control": keep, "Vary": "Accept-Encoding"} | headers
        if self.tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers=about)
        packed = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "") and len(self.packed) < len(self.body)
        if packed:
            about["Content-Encoding"] = "gzip"
        text = "utf-8" if self.kind.startswith("text/") else None
        body = self.packed if packed else self.body
        return web.Response(body=body, content_type=self.kind, charset=text, headers=about)


class Page:
    """Serves the widget, the looks of each web account, and the demo page. Files are read once."""

    def __init__(self, config: Config) -> None:
        folder = files("connectors.web") / "widget"
        self._config = config
        self._files = {name: File.of((folder / name).read_bytes(), kind) for name, kind in FILES.items()}
        self._words = {
            path.name.removesuffix(".json"): orjson.loads(path.read_bytes()) for path in (folder / "locales").iterdir()
        }
        self._template = Template((folder / "demo.html").read_text("utf-8"))
        self._logos = {
            (tenant, account): read_file(Path(settings.theme.logo), images_only=True)
            for tenant, account, settings in _accounts(config)
            if settings.theme.logo and not _is_address(settings.theme.logo)
        }
        self._sites = {
            (tenant, account): read_site(Path(settings.demo))
            for tenant, account, settings in _accounts(config)
            if settings.demo and config.embedded
        }

    def add_routes(self, app: web.Application) -> None:
        for name in FILES:
            app.router.add_get(f"/{name}", self.file)
        app.router.add_get("/v1/chat/{tenant}/theme", self.theme, allow_head=False)
        app.router.add_get("/v1/chat/{tenant}/logo", self.logo, allow_head=False)
        if self._config.embedded:
            app.router.add_get("/", self.page)
            app.router.add_get("/demo/{file}", self.demo_file)

    async def file(self, request: web.Request) -> web.Response:
        # Any site may load them: they are public and hold no secrets.
        public = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
        return self._files[request.path.lstrip("/")].answer(request, **public)

    async def theme(self, request: web.Request) -> web.Response:
        """How the chat looks and what it says, for the widget. ``?locale=`` is the page's; else the tenant's."""
        tenant, account, settings = self._asked(request.match_info["tenant"], request.query.get("account", "main"))
        theme = theme_of(tenant, account, self._config.tenants[tenant], settings)
        if _LOCALE.match(asked := request.query.get("locale", "")):
            theme["locale"] = asked
        theme["words"] = self._words.get(theme["locale"].lower().replace("_", "-").partition("-")[0], {})
        response = reply(theme)
        response.headers["Cache-Control"] = "public, max-age=60"
        return response

    async def logo(self, request: web.Request) -> web.Response:
        tenant, account, _ = self._asked(request.match_info["tenant"], request.query.get("account", "main"))
        found = self._logos.get((tenant, account))
        if found is None:
            raise NotFound("this account has no logo of its own")
        alone = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
        return found.answer(request, **alone, **{"Cross-Origin-Resource-Policy": "cross-origin"})

    async def page(self, request: web.Request) -> web.Response:
        """The first tenant with a web account, or what ``?tenant=`` and ``?account=`` name."""
        tenants = [name for name, section in self._config.tenants.items() if section.channels.web]
        tenant = request.query.get("tenant", next(iter(tenants), ""))
        accounts = self._config.tenants[tenant].channels.web if tenant in tenants else {}
        first = "main" if "main" in accounts else next(iter(accounts), "")
        tenant, account, settings = self._asked(tenant, request.query.get("account", first))
        headers = {"Content-Security-Policy": CSP, "Cache-Control": "no-cache"}
        site = self._sites.get((tenant, account))
        if site is not None:
            own = site["index.html"].body
            return web.Response(body=own, content_type="text/html", charset="utf-8", headers=headers)
        values = theme_of(tenant, account, self._config.tenants[tenant], settings)
        address = self._config.public_url.rstrip("/") or self._config.local_url
        values |= {"tenant": tenant, "account": account, "address": address}
        text = self._template.safe_substitute({name: escape(str(value)) for name, value in values.items()})
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def demo_file(self, request: web.Request) -> web.Response:
        """A file beside the ``index.html`` of an account's ``demo`` folder."""
        name = request.match_info["file"]
        for site in self._sites.values():
            if site is not None and name in site:
                return site[name].answer(request, **{"Content-Security-Policy": CSP})
        raise NotFound("no such file")

    def _asked(self, tenant: str, account: str) -> tuple[str, str, WebAccount]:
        section = self._config.tenants.get(tenant)
        settings = section.channels.web.get(account) if section is not None else None
        if settings is None:
            raise NotFound("no such tenant or web account")
        return tenant, account, settings


def theme_of(tenant: str, account: str, section: Tenant, settings: WebAccount) -> dict[str, Any]:
    """JSON-ready. ``logo`` is an address, absolute or beneath the server's own; sizes are in bytes."""
    theme = settings.theme
    logo = theme.logo
    if logo and not _is_address(logo):
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


def read_file(path: Path, *, images_only: bool = False) -> File | None:
    """None when it is not there, too large, or of a kind that is not served."""
    kind = KINDS.get(path.suffix.lower(), "")
    if not kind or (images_only and not kind.startswith("image/")):
        return None
    try:
        return File.of(path.read_bytes(), kind) if path.stat().st_size <= LARGEST else None
    except OSError:
        return None


def read_site(folder: Path) -> Mapping[str, File] | None:
    """The files of a folder, by name; None without an ``index.html``."""
    if not folder.is_dir():
        return None
    found = {path.name: file for path in sorted(folder.iterdir()) if (file := read_file(path)) is not None}
    return found if "index.html" in found else None


def _accounts(config: Config) -> list[tuple[str, str, WebAccount]]:
    return [
        (tenant, account, settings)
        for tenant, section in config.tenants.items()
        for account, settings in section.channels.web.items()
    ]


def _is_address(logo: str) -> bool:
    return logo.startswith(("https://", "http://"))
