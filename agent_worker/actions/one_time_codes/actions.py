"""One-time codes, and the two actions that send and check one, with the tenant's own way of sending mail."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, Field

from agent_worker.actions.context import ActionContext
from agent_worker.actions.failures import ActionRefused
from agent_worker.actions.parsing import in_language
from agent_worker.actions.spec import Action, action
from schemas.actions import PendingCode
from schemas.messages import Address

SEND, CHECK = "send_code", "check_code"
PER_DAY = 10
"""Codes that one contact may request."""
PER_ADDRESS_PER_HOUR = 5
"""Codes sent to one address, by any contact: new contacts cost nothing, and nobody who knows an order number may flood
the mailbox behind it."""
AddressOf = Callable[[ActionContext, Any], Awaitable[str | None]]
Send = Callable[[ActionContext, str, str], Awaitable[None]]
"""``(context, address, text)``; ``context.key`` is the idempotency key of the mail."""
_MAIL = {
    "en": "Your code is {code}. It is valid for ten minutes. If you did not request it, please ignore this e-mail.",
    "de": "Der Code lautet {code}. Er gilt zehn Minuten. Wer ihn nicht angefordert hat, kann diese Mail ignorieren.",
}
_SENT = {
    "en": "To make sure that it is you, I have sent a six-digit code to the e-mail address that we have on file. "
    "Please enter it here. It is valid for ten minutes.",
    "de": "Um sicher zu sein, wer schreibt, habe ich einen sechsstelligen Code an die E-Mail-Adresse geschickt, die "
    "wir dazu kennen. Bitte schreib ihn hier. Er gilt zehn Minuten.",
}
_CHECKED = {
    "right": {"en": "Thank you, that is the right code.", "de": "Danke, der Code stimmt."},
    "wrong": {
        "en": "That is not the code. Attempts left: {left}.",
        "de": "Das ist nicht der Code. Versuche übrig: {left}.",
    },
    "expired": {
        "en": "That code has expired. I can send a new one.",
        "de": "Dieser Code ist abgelaufen. Ich kann einen neuen schicken.",
    },
    "used_up": {
        "en": "That was not the code either, so the code is no longer valid. I can send a new one.",
        "de": "Auch das war nicht der Code, er gilt nun nicht mehr. Ich kann einen neuen schicken.",
    },
    "none": {
        "en": "There is no code to check. I can send one.",
        "de": "Es gibt keinen Code zu prüfen. Ich kann einen schicken.",
    },
}


class CodeSent(BaseModel):
    """Identical whether or not there was an address to send the code to."""

    sent: bool = True


class Code(BaseModel):
    code: str = Field(
        pattern=r"^\d{6}$",
        title="Code",
        examples=["123456"],
        json_schema_extra={"ask": {"en": "Which code did you get?", "de": "Wie lautet der Code?"}},
    )


class CodeChecked(BaseModel):
    """``left``: remaining attempts; 0 when the code is no longer valid."""

    verified: bool
    left: int = 0
    verdict: str


def one_time_code(
    arguments: type[BaseModel],
    *,
    address_of: AddressOf,
    send: Send,
    per_contact_per_day: int = PER_DAY,
    per_address_per_hour: int = PER_ADDRESS_PER_HOUR,
) -> tuple[Action, Action]:
    """The actions ``send_code`` and ``check_code``.

    ``arguments`` is what the contact states, such as an order number; ``address_of`` finds the e-mail address by it.
    The contact cannot tell whether it found one. ``send`` mails a text to the address.
    """

    async def send_code(context: ActionContext, given: Any) -> CodeSent:
        """Send a six-digit code to the e-mail address of the order, which proves that the contact may ask about it."""
        found = await address_of(context, given)
        if found and not await context.within(_counter(found), per_address_per_hour, timedelta(hours=1)):
            if context.code is not None:
                return CodeSent()  # the previous code stays valid
            found = None  # the contact sees the same as without an address
        address = Address(channel="email", value=found, assurance="verified") if found else None
        code, pending = await issue_code(address, context.now)
        before = context.code
        context.remember(pending)
        try:
            if found:
                await send(context, found, in_language(_MAIL, context.locale).format(code=code))
        except ActionRefused:
            # A refused address looks like a missing one, and the previous code stays valid.
            context.remember(before or pending)
        return CodeSent()

    send_code.__annotations__ = {"context": ActionContext, "given": arguments, "return": CodeSent}
    sending = action(
        SEND,
        risk="write",
        needs="anonymous",
        confirm=False,
        # Another action requires it, and the mail only reaches the owner of the address.
        harmless=True,
        per_contact_per_day=per_contact_per_day,
        title="Send a code",
        examples=("Send me a new code", "I did not get a code", "Schick mir einen neuen Code"),
        report=lambda context, _arguments, _result: in_language(_SENT, context.locale),
    )
    return sending(send_code), check_code


def _counter(address: str) -> str:
    """The limiter's key; hashed, so that it contains no address."""
    return f"code:{hashlib.sha256(address.strip().casefold().encode()).hexdigest()}"


def _report(context: ActionContext, _arguments: Code, result: Any) -> str:
    checked = CodeChecked.model_validate(result if isinstance(result, dict) else result.model_dump())
    return in_language(_CHECKED[checked.verdict], context.locale).format(left=checked.left)


@action(CHECK, risk="read", needs="anonymous", title="Check a code", sensitive=("code",), report=_report)
async def check_code(context: ActionContext, arguments: Code) -> CodeChecked:
    """Check the six-digit code that the contact was sent."""
    verdict = await verify_code(context.code, arguments.code, context.now)
    context.remember(verdict.pending)
    if verdict.address is not None:
        context.prove(verdict.address)
    return CodeChecked(verified=verdict.kind == "right", left=verdict.attempts_left, verdict=verdict.kind)


# The codes: six digits, stored only as a slow hash, and valid for ten minutes, five attempts and one use.
LIFE = timedelta(minutes=10)
ATTEMPTS = 5
_ROUNDS = 100_000
"""Trying a million codes against a stolen hash takes hours, and the code is valid for minutes."""


@dataclass(frozen=True, slots=True)
class CodeCheckResult:
    """``address`` is proven when the code was right; ``pending`` is the state to store."""

    kind: Literal["right", "wrong", "expired", "used_up", "none"]
    pending: PendingCode | None = None
    address: Address | None = None

    @property
    def attempts_left(self) -> int:
        return ATTEMPTS - self.pending.attempts if self.pending is not None else 0


async def issue_code(address: Address | None, now: datetime) -> tuple[str, PendingCode]:
    """A new code and the state to store. Without an address no code is ever right, and nobody can tell."""
    code = f"{secrets.randbelow(1_000_000):06}"
    salt = secrets.token_hex(16)
    return code, PendingCode(address=address, salt=salt, hash=await _hash(code, salt), expires_at=now + LIFE)


async def verify_code(pending: PendingCode | None, code: str, now: datetime) -> CodeCheckResult:
    """Every attempt counts, whatever its result."""
    if pending is None:
        return CodeCheckResult("none")
    if now >= pending.expires_at:
        return CodeCheckResult("expired")
    right = hmac.compare_digest(await _hash(code, pending.salt), pending.hash)
    if right and pending.address is not None:
        return CodeCheckResult("right", None, pending.address)
    tried = pending.model_copy(update={"attempts": pending.attempts + 1})
    return CodeCheckResult("wrong", tried) if tried.attempts < ATTEMPTS else CodeCheckResult("used_up")


async def _hash(code: str, salt: str) -> str:
    digest = await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", code.encode(), bytes.fromhex(salt), _ROUNDS)
    return digest.hex()
