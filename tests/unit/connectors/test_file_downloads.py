"""Downloads of files that vendors name: from public addresses and the configured host, which alone gets the token."""

from __future__ import annotations

import pytest
from aiohttp import web

from connectors.http import download
from gateway.http.app import run_server
from schemas.errors import NotFound, RetryLater


async def test_no_redirect_leads_into_the_network_or_takes_the_token_along() -> None:
    asked: list[tuple[str, str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append((request.host, request.path, request.headers.get("Authorization", "")))
        target = request.query.get("to")
        return (
            web.Response(text="a photo") if target is None else web.Response(status=302, headers={"Location": target})
        )

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    token = {"Authorization": "Bearer token"}
    async with run_server(app, "127.0.0.1", 0) as port, run_server(app, "127.0.0.1", 0) as other:
        base = f"http://127.0.0.1:{port}"
        for private in ("localhost", "[::1]", "127.0.0.2", "169.254.169.254", "[::ffff:0:7f00:1]"):
            for url in (f"http://{private}:{other}/direct", f"{base}/file?to=http://{private}:{other}/redirected"):
                with pytest.raises(NotFound, match="not at a public address"):
                    async with download(url, base, headers=token):
                        pass
        assert {path for _, path, _ in asked} == {"/file"}
        asked.clear()
        async with download(f"{base}/file?to=/next?to=http://127.0.0.1:{other}/store", base, headers=token) as response:
            assert await response.text() == "a photo"
        given = {path: authorization for _, path, authorization in asked}
        assert given == {"/file": "Bearer token", "/next": "Bearer token", "/store": ""}
        with pytest.raises(RetryLater, match="too many redirects"):
            async with download(f"{base}/file" + "?to=/file" * 9, base):
                pass
