"""What the assistant may do in this shop. Whoever tells an e-mail address, or a name and ZIP code, of the shop's books
is taken for that customer, as the shop's policy has it; from then on the conversation is about that customer alone."""

from __future__ import annotations

import ast
import asyncio
import operator
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agent_worker.actions import ActionContext, ActionFailed, ActionRefused, action
from schemas.messages import Address

from . import arguments as a
from . import database, rules
from .database import Record, Records, Refused

CHANNEL = "retail"
"""Addresses of this kind are customer numbers of the shop."""
_ADDRESS = ("address1", "address2", "city", "country", "state", "zip")


Deed = Callable[[Records, str], Record]
"""``(records, user)``: what is changed for this customer. Raises Refused."""


class Answer(BaseModel):
    """What the shop's books say."""

    facts: dict[str, Any]


def user_of(context: ActionContext) -> str:
    """The customer number, by the shop's books or by the signed identity of its site."""
    for address in context.contact.verified:
        if address.channel == CHANNEL:
            return address.value
        if address.channel == "web":
            return address.value.removeprefix("id:")
    raise ActionRefused("First I need to know who you are: your e-mail address, or your name and ZIP code.")


def _path(context: ActionContext) -> Path:
    return Path(str(context.settings.get("database", "")))


async def _read(context: ActionContext, deed: Callable[[Records], Record]) -> Answer:
    try:
        return Answer(facts=await asyncio.to_thread(database.read, _path(context), deed))
    except Refused as error:
        raise ActionRefused(str(error)) from error
    except FileNotFoundError as error:
        raise ActionFailed("The shop's books are not there.") from error


async def _write(context: ActionContext, given: BaseModel, deed: Deed) -> Answer:
    user = user_of(context)
    request = {"user": user, "arguments": given.model_dump(mode="json")}
    try:
        return Answer(
            facts=await asyncio.to_thread(
                database.write, _path(context), context.key, request, lambda records: deed(records, user)
            )
        )
    except Refused as error:
        raise ActionRefused(str(error)) from error
    except FileNotFoundError as error:
        raise ActionFailed("The shop's books are not there.") from error


def _may(deed_of: Callable[[Any], Deed]) -> Callable[[ActionContext, Any], Awaitable[None]]:
    """Tries the deed on the books and takes it back: whatever the rules refuse is refused before anybody is asked."""

    async def check(context: ActionContext, arguments: Any) -> None:
        user, deed = user_of(context), deed_of(arguments)
        try:
            await asyncio.to_thread(database.check, _path(context), lambda records: deed(records, user))
        except Refused as error:
            raise ActionRefused(str(error)) from error
        except FileNotFoundError as error:
            raise ActionFailed("The shop's books are not there.") from error

    return check


async def done_under_key(context: ActionContext, _arguments: Any) -> Answer | None:
    known = await _read(context, lambda records: {"known": records.effect(context.key)})
    found = known.facts["known"]
    return None if found is None else Answer(facts=found[1])


# ── who it is ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _identified(context: ActionContext, fits: Callable[[Record], bool]) -> Answer:
    found = await _read(context, lambda records: {"users": [u["user_id"] for u in records.all("users") if fits(u)]})
    if len(found.facts["users"]) != 1:
        raise ActionRefused("There is no such customer.")
    user = found.facts["users"][0]
    if any(address.channel == CHANNEL and address.value != user for address in context.contact.verified):
        raise ActionRefused("This conversation is about another customer already.")
    context.prove(Address(channel=CHANNEL, value=user, assurance="verified"))
    return Answer(facts={"user_id": user})


@action(risk="read", needs="anonymous", per_contact_per_day=20)
async def find_user_id_by_email(context: ActionContext, arguments: a.Email) -> Answer:
    """Find the customer with this e-mail address, which proves who is writing."""
    wanted = arguments.email.casefold()
    return await _identified(context, lambda user: user["email"].casefold() == wanted)


@action(risk="read", needs="anonymous", per_contact_per_day=20)
async def find_user_id_by_name_zip(context: ActionContext, arguments: a.NameAndZip) -> Answer:
    """Find the customer with this name and ZIP code, which proves who is writing."""
    wanted = (arguments.first_name.casefold(), arguments.last_name.casefold(), arguments.zip)

    def fits(user: Record) -> bool:
        name = user["name"]
        return (name["first_name"].casefold(), name["last_name"].casefold(), user["address"]["zip"]) == wanted

    return await _identified(context, fits)


# ── what it may look at ──────────────────────────────────────────────────────────────────────────────────────────────


@action(risk="read")
async def get_user_details(context: ActionContext, arguments: a.UserId) -> Answer:
    """The customer's own profile: address, payment methods and order numbers."""
    if arguments.user_id != user_of(context):
        raise ActionRefused("I can only show your own profile.")
    return await _read(context, lambda records: records.get("users", arguments.user_id))


@action(risk="read", examples=["Where is my order #W1234567?", "What is the status of my order?"])
async def get_order_details(context: ActionContext, arguments: a.OrderId) -> Answer:
    """One order of the customer."""
    user = user_of(context)
    return await _read(context, lambda records: rules.order_of(records, user, arguments.order_id))


@action(risk="read", needs="anonymous")
async def get_product_details(context: ActionContext, arguments: a.ProductId) -> Answer:
    """A product with its variants, their options, prices and availability."""
    return await _read(context, lambda records: records.get("products", arguments.product_id))


@action(risk="read", needs="anonymous")
async def get_item_details(context: ActionContext, arguments: a.ItemId) -> Answer:
    """One variant of a product."""

    def find(records: Records) -> Record:
        for product in records.all("products"):
            if arguments.item_id in product["variants"]:
                found: Record = product["variants"][arguments.item_id]
                return found
        raise Refused(f"There is no item {arguments.item_id}.")

    return await _read(context, find)


@action(risk="read", needs="anonymous")
async def list_all_product_types(context: ActionContext, arguments: a.Nothing) -> Answer:
    """All products by name, with their numbers."""
    return await _read(context, lambda records: {each["name"]: each["product_id"] for each in records.all("products")})


@action(risk="read", needs="anonymous")
async def calculate(context: ActionContext, arguments: a.Expression) -> Answer:
    """The value of an arithmetic expression, to two places."""
    try:
        return Answer(facts={"value": round(_value(ast.parse(arguments.expression, mode="eval").body), 2)})
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError) as error:
        raise ActionRefused("That is no expression that I can calculate.") from error


_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
}


def _value(node: ast.AST) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
    raise ValueError("not arithmetic")


# ── what it may change ───────────────────────────────────────────────────────────────────────────────────────────────


def _address_of(arguments: BaseModel) -> Record:
    return arguments.model_dump(include=set(_ADDRESS))


def _cancellation(given: a.Cancellation) -> Deed:
    return lambda records, user: rules.cancel(records, user, given.order_id, given.reason)


def _other_items(given: a.Swap) -> Deed:
    return lambda records, user: rules.modify_items(
        records, user, given.order_id, given.item_ids, given.new_item_ids, given.payment_method_id
    )


def _other_address(given: a.OrderAddress) -> Deed:
    return lambda records, user: rules.modify_address(records, user, given.order_id, _address_of(given))


def _other_payment(given: a.Payment) -> Deed:
    return lambda records, user: rules.modify_payment(records, user, given.order_id, given.payment_method_id)


def _own_address(given: a.UserAddress) -> Deed:
    def deed(records: Records, user: str) -> Record:
        if given.user_id != user:
            raise Refused("I can only change your own address.")
        return rules.modify_user_address(records, user, _address_of(given))

    return deed


def _return(given: a.Return) -> Deed:
    return lambda records, user: rules.return_items(
        records, user, given.order_id, given.item_ids, given.payment_method_id
    )


def _exchange(given: a.Swap) -> Deed:
    return lambda records, user: rules.exchange_items(
        records, user, given.order_id, given.item_ids, given.new_item_ids, given.payment_method_id
    )


@action(
    risk="write",
    check=_may(_cancellation),
    look_up=done_under_key,
    absent="not_done",
    examples=["Cancel my order #W1234567"],
)
async def cancel_pending_order(context: ActionContext, arguments: a.Cancellation) -> Answer:
    """Cancel a pending order; what was paid goes back."""
    return await _write(context, arguments, _cancellation(arguments))


@action(risk="write", check=_may(_other_items), look_up=done_under_key, absent="not_done")
async def modify_pending_order_items(context: ActionContext, arguments: a.Swap) -> Answer:
    """Change items of a pending order to other variants of the same products. Possible once for an order."""
    return await _write(context, arguments, _other_items(arguments))


@action(risk="write", check=_may(_other_address), look_up=done_under_key, absent="not_done")
async def modify_pending_order_address(context: ActionContext, arguments: a.OrderAddress) -> Answer:
    """Change where a pending order is sent."""
    return await _write(context, arguments, _other_address(arguments))


@action(risk="write", check=_may(_other_payment), look_up=done_under_key, absent="not_done")
async def modify_pending_order_payment(context: ActionContext, arguments: a.Payment) -> Answer:
    """Pay a pending order by another method."""
    return await _write(context, arguments, _other_payment(arguments))


@action(risk="write", check=_may(_own_address), look_up=done_under_key, absent="not_done")
async def modify_user_address(context: ActionContext, arguments: a.UserAddress) -> Answer:
    """Change the customer's own default address."""
    return await _write(context, arguments, _own_address(arguments))


@action(risk="write", check=_may(_return), look_up=done_under_key, absent="not_done")
async def return_delivered_order_items(context: ActionContext, arguments: a.Return) -> Answer:
    """Take items of a delivered order back."""
    return await _write(context, arguments, _return(arguments))


@action(risk="write", check=_may(_exchange), look_up=done_under_key, absent="not_done")
async def exchange_delivered_order_items(context: ActionContext, arguments: a.Swap) -> Answer:
    """Exchange items of a delivered order for other variants of the same products. Possible once for an order."""
    return await _write(context, arguments, _exchange(arguments))


@action(risk="read", needs="anonymous")
async def transfer_to_human_agents(context: ActionContext, arguments: a.Summary) -> Answer:
    """Note for the colleagues what this is about, when nothing here can help."""
    return Answer(facts={"transferred": True})
