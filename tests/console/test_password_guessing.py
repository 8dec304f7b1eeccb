"""Wrong passwords and admin tokens come late, right ones at once, whoever else guesses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.operators.login_throttle import ACCOUNT_LIMITS, PAIR_LIMITS, TOKEN_LIMIT, LoginThrottle
from tests.console.form_client import TOKEN as ADMIN_TOKEN
from tests.console.form_client import FormClient
from tests.unit.gateway.conftest import Instance

Sit = Callable[..., Awaitable[FormClient]]
FREE = PAIR_LIMITS[0].free


async def wait_for_condition(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  # nothing announces it
            await asyncio.sleep(0.01)


@asynccontextmanager
async def hold_back_guesses(instance: Instance, seat: FormClient, name: str, at_once: int) -> AsyncIterator[None]:
    """So many wrong answers for a name are held back meanwhile."""
    for number in range(FREE):
        assert (await seat.sign_in(name, f"guess-{number}")).status == 401
    before = instance.clock.sleepers
    instance.clock.runs.clear()
    held = [asyncio.create_task(seat.sign_in(name, "guess")) for _ in range(at_once)]
    try:
        await wait_for_condition(lambda: instance.clock.sleepers == before + at_once)
        yield
    finally:
        instance.clock.runs.set()
        assert {answer.status for answer in await asyncio.gather(*held)} == {401}


async def test_after_many_wrong_passwords_the_right_one_gets_in_at_once(instance: Instance, sit: Sit) -> None:
    seat = await sit()
    for number in range(FREE):
        assert (await seat.sign_in("anna", f"guess-{number}")).status == 401
    assert instance.clock.slept == 0, "people mistype"
    assert (await seat.sign_in("anna")).status == 200
    assert instance.clock.slept == 0


async def test_an_hour_of_guessing_examines_some_hundred_guesses(instance: Instance) -> None:
    """One after the other, for one name from one address: ten at once, then fewer and fewer, and never a refusal."""

    async def wrong() -> bool:
        return False

    attempts, began, times = LoginThrottle(instance.services), instance.clock(), list[float]()
    while (passed := (instance.clock() - began).total_seconds()) < 3600:
        times.append(passed)
        assert not await attempts.attempt("anna", "203.0.113.1", wrong)
    print(f"{len(times)} guesses in an hour")
    assert times[FREE - 1] == 0
    assert times[FREE + 1] > 0
    assert len(times) < 600
    slept = instance.clock.slept
    assert await attempts.attempt("anna", "203.0.113.1", right)
    assert instance.clock.slept == slept, "the right one waits for nothing"


async def right() -> bool:
    return True


async def test_guessing_for_one_name_does_not_lock_out_others_at_the_address(instance: Instance, sit: Sit) -> None:
    async with hold_back_guesses(instance, await sit(), "anna", PAIR_LIMITS[0].concurrent):
        assert (await (await sit()).sign_in("ben")).status == 200
        assert (await (await sit()).sign_in()).status == 200, "the admin token"


async def test_a_browser_that_knows_the_way_gets_in_while_others_guess_for_its_name(
    instance: Instance, sit: Sit
) -> None:
    """What is refused meanwhile says when to try again; what a browser knows of one name is nothing for another."""
    known, stranger, bens = await sit("anna"), await sit(), await sit("ben")
    async with hold_back_guesses(instance, await sit(), "anna", PAIR_LIMITS[0].concurrent):
        assert (await known.sign_in("anna")).status == 200
        for seat in (stranger, bens):
            refused = await seat.sign_in("anna")
            assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
    assert (await stranger.sign_in("anna")).status == 200


async def test_guesses_for_one_name_from_many_addresses_share_a_budget(instance: Instance, sit: Sit) -> None:
    config = instance.services.config
    config.trusted_proxies.append("127.0.0.1/32")
    # The console reads the configuration when it is built.
    from gateway.http.app import build_app, run_server

    async with run_server(build_app(instance.services), "127.0.0.1", 0) as port:
        instance.address = f"http://127.0.0.1:{port}"
        seat = await sit()
        for number in range(ACCOUNT_LIMITS[0].free):
            await seat.sign_in("anna", "guess", headers={"X-Forwarded-For": f"198.51.100.{number}"})
        assert instance.clock.slept == 0
        await seat.sign_in("anna", "guess", headers={"X-Forwarded-For": "203.0.113.1"})
        assert instance.clock.slept >= ACCOUNT_LIMITS[0].every - 1
        slept = instance.clock.slept
        answer = await seat.sign_in("anna", headers={"X-Forwarded-For": "203.0.113.2"})
        assert (answer.status, instance.clock.slept) == (200, slept)


@pytest.mark.parametrize("name", ["nobody", "x" * 900, "from:127.0.0.1", "", "Anna"])
async def test_names_that_nobody_has_are_slowed_down_like_others(instance: Instance, sit: Sit, name: str) -> None:
    seat = await sit()
    answers = [(await seat.sign_in(name, f"guess-{number}")).status for number in range(FREE + 3)]
    assert answers == [401] * (FREE + 3)
    assert instance.clock.slept >= 2 * PAIR_LIMITS[0].every


async def test_wrong_admin_tokens_come_late_and_the_right_one_at_once(instance: Instance) -> None:
    async def status(token: str) -> int:
        path, headers = "/v1/admin/shop/conversations", {"Authorization": f"Bearer {token}"}
        async with instance.http.get(instance.address + path, headers=headers) as answer:
            assert (answer.status != 429) or int(answer.headers["Retry-After"]) >= 1
            return answer.status

    assert {await status(f"guess-{number}") for number in range(TOKEN_LIMIT.free)} == {401}
    assert instance.clock.slept == 0
    assert {await status(f"guess-{number}") for number in range(20)} == {401}
    assert instance.clock.slept > 0
    instance.clock.runs.clear()
    waiting: list[asyncio.Task[int]] = []
    async with asyncio.timeout(30):
        while (before := instance.clock.sleepers) < TOKEN_LIMIT.concurrent:
            waiting.append(asyncio.create_task(status("guess")))
            while not waiting[-1].done() and instance.clock.sleepers == before:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert await status("guess") == 429
    assert await status(ADMIN_TOKEN) == 200
    assert await status("") == 401
    instance.clock.runs.set()
    assert set(await asyncio.gather(*waiting)) == {401}
