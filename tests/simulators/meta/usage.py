"""Usage limits of an app by the hour, and the headers that report them."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable

from tests.simulators.meta.errors import GraphError


class Usage:
    def __init__(self, now: Callable[[], float]) -> None:
        self.calls_per_hour = 100_000
        self.regain_after = 0.0
        """Seconds until calls are taken again, as the next answer tells it."""
        self._now = now
        self._calls: dict[str, deque[float]] = {}
        self._app = ""

    def count(self, app: str) -> None:
        """Raises GraphError above the limit."""
        self._app = app
        calls = self._calls.setdefault(app, deque())
        now = self._now()
        while calls and calls[0] <= now - 3600:
            calls.popleft()
        if len(calls) >= self.calls_per_hour:
            self.regain_after = calls[0] + 3600 - now
            raise GraphError(4, "(#4) Application request limit reached")
        calls.append(now)

    def headers(self, host: str = "") -> dict[str, str]:
        """In the words of the host."""
        percent = min(100, 100 * len(self._calls.get(self._app, ())) // self.calls_per_hour)
        used = {"call_count": percent, "total_cputime": percent // 2, "total_time": percent // 2}
        regain, self.regain_after = math.ceil(self.regain_after / 60), 0.0
        if host == "graph.instagram.com":
            return {"X-App-Usage": json.dumps({"call_volume": percent, "cpu_time": percent // 2})}
        case = {"type": "messaging", **used, "estimated_time_to_regain_access": regain}
        return {
            "X-App-Usage": json.dumps(used),
            "X-Business-Use-Case-Usage": json.dumps({self._app or "0": [case]}),
            "facebook-api-version": "v26.0",
        }
