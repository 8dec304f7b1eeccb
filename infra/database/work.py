"""What a caller asks of the writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Work:
    """One caller's piece of a transaction, and where its result goes."""

    run: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    durable: bool
    patient: bool = False
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():
            return  # the caller has given up waiting
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)
