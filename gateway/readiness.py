"""Whether this process can work: what each part of it says, asked at most every two seconds.

The answers prove a write on the log and in the state store, so probes must not become a load of their own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from infra.state.healer import Healer
from schemas.errors import ParleyError

KEPT_S = 2.0
RETRIED_S = 0.5
"""An answer that something is wrong is kept so long: who waits for a part to heal need not wait longer."""
LONGEST_S = 4.0
"""Seconds that a part may take; after that it is not ready."""

Probe = Callable[[], Awaitable[None]]


class Readiness:
    def __init__(
        self, probes: Mapping[str, Probe], healer: Healer, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._probes = dict(probes)
        self._healer = healer
        self._monotonic = monotonic
        self._asking: asyncio.Task[dict[str, str]] | None = None
        self._asked_at = 0.0

    async def __call__(self) -> dict[str, str]:
        """What is wrong, by part; empty when nothing is. Those who ask at the same time share the answer."""
        if self._asking is None or (self._asking.done() and self._is_old(self._asking.result())):
            self._asked_at = self._monotonic()
            self._asking = asyncio.get_running_loop().create_task(self._ask())
        wrong = dict(await asyncio.shield(self._asking))
        if not self._healer.well.is_set():
            wrong["state"] = "being rebuilt" if self._healer.lost.is_set() else wrong.get("state", "being checked")
        return wrong

    def _is_old(self, answer: Mapping[str, str]) -> bool:
        return self._monotonic() - self._asked_at >= (RETRIED_S if answer else KEPT_S)

    async def _ask(self) -> dict[str, str]:
        said = await asyncio.gather(*map(self._answer, self._probes.values()))
        return {name: reason for name, reason in zip(self._probes, said, strict=True) if reason}

    async def _answer(self, probe: Probe) -> str:
        try:
            async with asyncio.timeout(LONGEST_S):
                await probe()
        except TimeoutError:
            return f"no answer within {LONGEST_S:g} s"
        except ParleyError as error:
            return error.message
        return ""
