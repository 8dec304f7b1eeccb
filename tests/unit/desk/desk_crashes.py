"""A keeper that dies somewhere, and those that come after it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.slack.desk.desk import SlackDesk
from schemas.errors import Parked
from tests.unit.desk.conftest import DeskEnvironment


class Killed(BaseException):
    """Stands for a kill: nothing in the product catches it."""


async def until_done(world: DeskEnvironment, tries: int = 40) -> int:
    """As lanes do: again when the time has come that was said. How often it had to wait."""
    for waited in range(tries):
        keeper = world.keeper()
        try:
            await world.look(keeper)
            return waited
        except Parked as parked:
            world.clock.now = max(world.clock.now, parked.until)
        except Killed:
            continue
        finally:
            await keeper.close()
    raise AssertionError("it never got done")


async def look_and_die(world: DeskEnvironment, monkeypatch: pytest.MonkeyPatch, point: str, passage: int = 1) -> bool:
    """One keeper looks, and dies at the so many-th passage of this point; whether it came so far."""
    monkeypatch.setattr(SlackDesk, "policy", replace(SlackDesk.policy, deadline=1.0))
    left = [passage]

    def reach(where: str) -> None:
        if where == point:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

    for module in ("connectors.outbound.sender", "connectors.outbound.delivery_log"):
        monkeypatch.setattr(f"{module}.reach", reach)
    keeper = world.keeper()
    try:
        await world.look(keeper)
    except Killed:
        return True
    finally:
        await keeper.close()
    return False
