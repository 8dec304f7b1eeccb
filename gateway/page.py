"""The chat's own files, and the page that shows it (embedded mode)."""

from __future__ import annotations

from html import escape
from importlib.resources import files

from aiohttp import web

from gateway.settings import Config
from schemas.errors import NotFound

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FILES = {
    "widget.js": "text/javascript",
    "widget.css": "text/css",
    "page.css": "text/css",
    "widget/connection.js": "text/javascript",
    "widget/view.js": "text/javascript",
    "widget/bubbles.js": "text/javascript",
    "widget/dom.js": "text/javascript",
}
"""What is served, by address."""


class Page:
    """Serves ``connectors/web/widget``. The files are read once."""

    def __init__(self, config: Config) -> None:
        folder = files("connectors.web") / "widget"
        self._files = {name: (folder / name.replace("widget/", "parts/")).read_bytes() for name in FILES}
        self._page = (folder / "page.html").read_text("utf-8")
        self._config = config

    def add_routes(self, app: web.Application) -> None:
        for name in FILES:
            app.router.add_get(f"/{name}", self.file)
        if self._config.embedded:
            app.router.add_get("/", self.page)

    async def file(self, request: web.Request) -> web.Response:
        name = request.path.lstrip("/")
        # Any site may load them as a module: they are public and hold no secrets.
        headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}
        return web.Response(body=self._files[name], content_type=FILES[name], charset="utf-8", headers=headers)

    async def page(self, request: web.Request) -> web.Response:
        """The first tenant with a web account, or the one that ``?tenant=`` names."""
        tenants = {name: section for name, section in self._config.tenants.items() if section.channels.web}
        asked = request.query.get("tenant", next(iter(tenants), ""))
        if asked not in tenants:
            raise NotFound("no tenant with a web account")
        accounts = tenants[asked].channels.web
        account = request.query.get("account", "main" if "main" in accounts else next(iter(accounts)))
        if account not in accounts:
            raise NotFound("no such web account")
        theme = accounts[account].theme
        html = self._page
        values = {
            "tenant": asked,
            "account": account,
            "name": theme.name or tenants[asked].name,
            "greeting": theme.greeting,
            "color": theme.color,
        }
        for name, value in values.items():
            html = html.replace("{{" + name + "}}", escape(value))
        return web.Response(text=html, content_type="text/html", headers={"Content-Security-Policy": CSP})
