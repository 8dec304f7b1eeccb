"""The rendering of the console's pages from the templates in ``templates/``, which escape every value that is not
``Markup``."""

from __future__ import annotations

import functools
from datetime import datetime
from urllib.parse import quote, urlencode, urlsplit

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gateway.access.routes import CONSOLE_ROUTES
from gateway.console.assets import build_url as build_asset_url
from gateway.console.sessions import Operator
from gateway.insights.report_rendering import REPORT_FILTERS
from gateway.webchat.serialization import format_instant

_ERROR_TITLES = {
    401: "Signed out",
    403: "Not allowed",
    404: "Not found",
    409: "Not possible now",
    429: "Too many requests",
}
SECTION_TITLES = {
    "conversations": "Conversations",
    "contacts": "Contacts",
    "deadletters": "Dead letters",
    "knowledge": "Knowledge",
    "evals": "Evals",
    "insights": "Insights",
    "access": "Access",
    "audit": "Audit",
}
SECTIONS = {name: (title, CONSOLE_ROUTES["GET", f"/{name}"]) for name, title in SECTION_TITLES.items()}
"""The sections of the console by the first part of their path, with the permission that each requires."""


def redirect(where: str) -> web.Response:
    """Redirect after a form, so that reloading the page does not send it again."""
    return web.Response(status=303, headers={"Location": where})


def build_path(tenant: str, *parts: str) -> str:
    return "/".join(("/console", *(quote(part, safe="") for part in (tenant, *parts))))


def build_url(path: str, query: dict[str, str]) -> str:
    """Build a URL without the parameters that are empty."""
    encoded = urlencode({name: value for name, value in query.items() if value})
    return f"{path}?{encoded}" if encoded else path


@functools.cache
def _get_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gateway.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(asset_url=build_asset_url, path=build_path, sections=SECTIONS, url=build_url)
    environment.filters.update(REPORT_FILTERS, format_instant=format_instant, format_time=_format_time)
    environment.tests["web_address"] = _is_web
    return environment


def _format_time(at: datetime) -> str:
    return f"{at:%d %b %Y, %H:%M} UTC"


def _is_web(address: str) -> bool:
    try:
        return urlsplit(address).scheme in ("http", "https")
    except ValueError:
        return False


def render(template: str, **values: object) -> Markup:
    return Markup(_get_environment().get_template(template).render(values))  # noqa: S704 - escaped by the template


def render_document(template: str, *, status: int = 200, **values: object) -> web.Response:
    return web.Response(text=render(template, **values), status=status, content_type="text/html")


def render_page(
    template: str,
    operator: Operator,
    tenant: str,
    section: str,
    *,
    status: int = 200,
    notice: str = "",
    is_error: bool = False,
    **values: object,
) -> web.Response:
    """Render a page for a signed-in operator. ``notice`` tells the result of their last action; with ``is_error``, that
    it failed."""
    page = {"operator": operator, "tenant": tenant, "section": section, "notice": notice, "is_error": is_error}
    return render_document(template, status=status, **page, **values)


def render_failure(status: int, message: str, fix: str = "") -> web.Response:
    """Render an error page. ``message`` and ``fix`` come from the closed list of errors, so they are safe to show."""
    title = _ERROR_TITLES.get(status, "Something went wrong")
    text = f"{message[:1].upper()}{message[1:]}.".replace("..", ".")
    return render_document("error.html", status=status, title=title, message=text, fix=fix)
