"""A website of ours on loopback: pages as a dictionary, and a record of who asked for what."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.http.app import run_server


@dataclass
class Page:
    body: bytes = b""
    type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Iterable[bytes] = ()
    """In place of a body: sent one after another for as long as the reader stays."""
    has_etag: bool = True

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:12]}"'


def page(title: str, *said: str, links: tuple[str, ...] = (), head: str = "") -> Page:
    """A page as shops make them, with a frame around what it says."""
    menu = "".join(f"<li><a href='{link}'>{link}</a></li>" for link in links)
    text = "".join(f"<p>{each}</p>" for each in said)
    body = (
        f"<html lang='en'><head><title>{title} | Shop</title>{head}</head><body><nav><ul>{menu}</ul></nav>"
        f"<main><h1>{title}</h1><h2>Details</h2>{text}</main><footer>Imprint of the shop</footer></body></html>"
    )
    return Page(body.encode())


@dataclass
class Site:
    pages: dict[str, Page]
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """Paths with a query, in order; those that were answered by 304 end in ``=``."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def forget(self) -> None:
        self.asked.clear()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        found = self.pages.get(request.path_qs)
        self.asked.append(request.path_qs)
        if found is None:
            return web.Response(status=404)
        headers: dict[str, Any] = {"Content-Type": found.type, **found.headers}
        if found.has_etag and found.status == 200:
            headers["ETag"] = found.etag
            if request.headers.get("If-None-Match") == found.etag:
                self.asked[-1] += "="
                return web.Response(status=304, headers={"ETag": found.etag})
        if found.chunks:
            return await _streamed(request, found, headers)
        return web.Response(body=found.body, status=found.status, headers=headers)


async def _streamed(request: web.Request, found: Page, headers: dict[str, Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    for chunk in found.chunks:
        await response.write(chunk)
    return response


@asynccontextmanager
async def serve(pages: dict[str, Page]) -> AsyncIterator[Site]:
    site = Site(pages)
    app = web.Application()
    app.router.add_get("/{path:.*}", site.serve)
    async with run_server(app, "127.0.0.1", 0) as port:
        site.port = port
        yield site
