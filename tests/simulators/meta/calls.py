"""One request to Graph, read; and the tokens that open it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.simulators.meta.errors import GraphError, parse_json
from tests.simulators.meta.webhooks import App
from tests.simulators.vendor import File

HOSTS = ("graph.facebook.com", "graph.instagram.com")
VERSION = re.compile(r"v\d+\.\d+")


@dataclass(eq=False)
class Token:
    """``kind``: system (WhatsApp), page (Instagram by way of a Facebook page) or instagram (Instagram log-in)."""

    value: str
    app: App
    kind: str
    me: str
    """The account that ``me`` stands for."""
    accounts: set[str]
    scopes: set[str]
    expires_at: float = 0
    """Seconds since 1970; 0 is never."""
    revoked: bool = False

    def debugged(self, now: float) -> dict[str, Any]:
        over = bool(self.expires_at) and self.expires_at <= now
        told = {
            "app_id": self.app.id,
            "type": {"system": "SYSTEM_USER", "page": "PAGE", "instagram": "USER"}[self.kind],
            "application": "Parley",
            "expires_at": int(self.expires_at),
            "data_access_expires_at": int(now) + 90 * 86_400,
            "is_valid": not over and not self.revoked,
            "scopes": sorted(self.scopes),
        }
        if over or self.revoked:
            subcode = 460 if self.revoked else 463
            told["error"] = {"code": 190, "message": "Error validating access token", "subcode": subcode}
        return told


@dataclass(slots=True)
class Call:
    host: str
    node: str
    edge: str
    method: str
    key: str
    """The token as it was sent."""
    params: dict[str, Any]
    files: dict[str, File] = field(default_factory=dict)
    token: Token | None = None

    @property
    def account(self) -> Token:
        assert self.token is not None, "the front door admits nobody without a token"
        return self.token


async def read_call(request: web.Request) -> Call:
    """Raises GraphError when the body is no JSON although it says so, or the path is none of Graph's."""
    path = [part for part in request.match_info["path"].split("/") if part]
    host = path.pop(0) if path and path[0] in HOSTS else ""
    if path and VERSION.fullmatch(path[0]):
        path.pop(0)
    if not 1 <= len(path) <= 2:
        raise GraphError(2500, f"Unknown path components: /{'/'.join(path)}")
    params, files = await _body(request)
    params = dict(request.query) | params
    header = request.headers.get("Authorization", "")
    # A scheme other than Bearer is no token at all.
    key = header[7:] if header.startswith("Bearer ") else str(params.get("access_token", ""))
    params.pop("access_token", None)
    return Call(host, path[0], path[1] if len(path) > 1 else "", request.method, key, params, files)


async def _body(request: web.Request) -> tuple[dict[str, Any], dict[str, File]]:
    """JSON or a form. Another content type carries no parameters, as far as Graph is concerned."""
    if request.content_type == "application/json":
        text = await request.read()
        return (parse_json(text), {}) if text else ({}, {})
    params: dict[str, Any] = {}
    files: dict[str, File] = {}
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            files[name] = File(value.filename, value.content_type, value.file.read())
        else:
            params[name] = value
    return params, files
