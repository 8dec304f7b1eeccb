"""A shop's till behind HTTP that counts what was really done, and misbehaves as it is told: for tests of actions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Mood = Literal["well", "slow_after", "error_after", "error_before", "html_after", "drops_after", "refuses", "busy"]


@dataclass
class PaymentService:
    """``done``: every effect, in order. ``moods``: how the next payments go, one each, then ``well``. ``forgets``:
    nothing is found by its key. ``honours``: a key that was seen does nothing again."""

    url: str = ""
    done: list[dict[str, Any]] = field(default_factory=list)
    moods: list[Mood] = field(default_factory=list)
    forgets: bool = False
    honours: bool = True
    asked: Counter[str] = field(default_factory=Counter)
    away: bool = False
    pause: float = 0.0

    def effects(self) -> Counter[str]:
        """How often each thing was done."""
        return Counter(f"{each['order']} {each['amount']}" for each in self.done)

    async def pay(self, request: web.Request) -> web.StreamResponse:
        key, body = request.headers.get("Idempotency-Key", ""), await request.json()
        mood = self.moods.pop(0) if self.moods else "well"
        self.asked["pay"] += 1
        if mood == "error_before":
            return web.json_response({"error": "down"}, status=500)
        if mood == "busy":
            return web.json_response({"error": "later"}, status=429)
        if mood == "refuses":
            return web.json_response({"reason": "This order was paid back before."}, status=422)
        known = next((each for each in self.done if each["key"] == key), None) if self.honours else None
        if known is None:
            known = {"refund": f"R-{len(self.done) + 1}", "key": key, **body}
            self.done.append(known)
        return await self._answer(mood, known, request)

    async def _answer(self, mood: Mood, known: dict[str, Any], request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self.pause)
        if mood == "slow_after":
            await asyncio.sleep(30)
        if mood == "drops_after":
            assert request.transport is not None
            request.transport.abort()
        if mood == "error_after":
            return web.Response(status=502, text="<html>bad gateway</html>", content_type="text/html")
        if mood == "html_after":
            return web.Response(text="<html>thank you</html>", content_type="text/html")
        return web.json_response({"refund": known["refund"], "amount": known["amount"]})

    async def find(self, request: web.Request) -> web.Response:
        self.asked["find"] += 1
        if self.away:
            return web.json_response({}, status=503)
        wanted = request.match_info["key"]
        found = next((each for each in self.done if each["key"] == wanted and not self.forgets), None)
        if found is None:
            return web.json_response({"error": "unknown key"}, status=404)
        return web.json_response({"refund": found["refund"], "amount": found["amount"]})

    async def order(self, request: web.Request) -> web.Response:
        self.asked["order"] += 1
        return web.json_response({"order": request.match_info["order"], "mail": request.query.get("mail", "")})


@asynccontextmanager
async def open_payments() -> AsyncIterator[PaymentService]:
    payments = PaymentService()
    app = web.Application()
    app.router.add_post("/refunds", payments.pay)
    app.router.add_get("/refunds/{key}", payments.find)
    app.router.add_get("/orders/{order}", payments.order)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    payments.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield payments
    finally:
        await runner.cleanup()
