"""Answers of actions are masked before they are written anywhere: journal, log, state, transcript, record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from agent_worker.actions import ActionContext, ActionFailed, ActionRefused, action
from tests.unit.agent_worker.actions.shop import Shop, open_shop

PAN, CODE = "4111 1111 1111 1111", "737"
SEEN = f"{PAN}, cvv {CODE}"


class DeliveryMethod(BaseModel):
    how: str = "done"
    card: str = ""


class PaymentResult(BaseModel):
    receipt: str
    card: str
    cvv: str = CODE


async def _find(_context: ActionContext, _arguments: DeliveryMethod) -> PaymentResult:
    return PaymentResult(receipt="R-1", card=PAN)


async def _prepare(_context: ActionContext, arguments: DeliveryMethod) -> DeliveryMethod:
    return arguments.model_copy(update={"card": PAN}) if arguments.how == "prepared" else arguments


@action(
    risk="write",
    needs="anonymous",
    look_up=_find,
    prepare=_prepare,
    report=lambda _context, _arguments, result: f"Paid with {result.card} ({result.cvv}), receipt {result.receipt}.",
)
async def pay(_context: ActionContext, arguments: DeliveryMethod) -> PaymentResult:
    """Take a payment, by a service that shows more than it should."""
    if arguments.how == "refuse":
        raise ActionRefused(f"The card {SEEN} was declined.")
    if arguments.how == "fail":
        raise ActionFailed(f"No line for {SEEN}.")
    if arguments.how == "lose":
        raise OSError(SEEN)
    return PaymentResult(receipt="R-1", card=PAN)


@action(risk="read", needs="anonymous")
async def payment(_context: ActionContext, _arguments: DeliveryMethod) -> PaymentResult:
    """Show a payment."""
    return PaymentResult(receipt="R-1", card=PAN)


def read_database_bytes(folder: Path) -> bytes:
    """All that is on disk: the log and the state store are in one file, with its write-ahead log beside it."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("parley.db*")))


async def request_and_confirm(shop: Shop, how: str) -> None:
    await shop.say("ask", f'pay {{"how": "{how}"}}')
    memory = await shop.memory()
    if memory.confirmation is not None:
        await shop.hear(shop.yes(memory.confirmation))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path, actions=(pay, payment)) as shop:
        yield shop


@pytest.mark.parametrize("how", ["done", "refuse", "fail", "lose", "prepared"])
async def test_no_number_or_code_of_a_card_is_written_down_however_it_ends(
    shop: Shop, tmp_path: Path, how: str
) -> None:
    await request_and_confirm(shop, how)
    assert shop.model.results or await shop.settled(), "something was called"
    kept = read_database_bytes(tmp_path)
    assert b"pay" in kept
    for secret in (PAN.encode(), PAN.replace(" ", "").encode(), b'"737"', b" 737", b"(737)"):
        assert secret not in kept, secret


async def test_the_journal_and_the_log_hold_the_masked_result_and_the_contact_hears_it(shop: Shop) -> None:
    await request_and_confirm(shop, "done")
    (settled,) = await shop.settled()
    assert settled.result == {"receipt": "R-1", "card": "[card ····1111]", "cvv": "[cvv]"}
    entry = await shop.world.state.journal.entry(shop.world.conversation, settled.key)
    assert entry is not None
    assert entry.settled == settled
    assert await shop.last() == "Paid with [card ····1111] ([cvv]), receipt R-1."


async def test_the_answer_of_a_read_is_masked(shop: Shop, tmp_path: Path) -> None:
    await shop.say("ask", "payment {}")
    assert shop.model.results[-1].facts["card"] == "[card ····1111]"
    assert PAN.encode() not in read_database_bytes(tmp_path)


async def test_arguments_that_a_look_before_has_filled_in_are_masked_in_the_question(shop: Shop) -> None:
    await shop.say("ask", 'pay {"how": "prepared"}')
    assert (await shop.pending()).arguments == {"how": "prepared", "card": "[card ····1111]"}


async def test_a_number_that_a_model_puts_together_never_becomes_an_argument(shop: Shop, tmp_path: Path) -> None:
    await shop.hear(shop.world.said("ask", 'pay {"how": "done", "card": "4111\\u00201111 1111 1111"}'))
    assert (await shop.pending()).arguments["card"] == "[card ····1111]"


async def test_an_outcome_looked_up_later_is_masked(shop: Shop, tmp_path: Path) -> None:
    await request_and_confirm(shop, "lose")
    shop.world.clock.advance(minutes=2)
    assert await shop.resolve() == 1
    assert [each.result.get("card") for each in await shop.settled() if each.resolved] == ["[card ····1111]"]
    assert PAN.encode() not in read_database_bytes(tmp_path)
