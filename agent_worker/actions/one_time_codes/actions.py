"""One-time codes, and the two actions that send and check one, with the tenant's own way of sending mail."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import secrets
import string
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, Field

from agent_worker.actions.arguments import HIDDEN
from agent_worker.actions.context import ActionContext
from agent_worker.actions.failures import ActionRefused
from agent_worker.actions.spec import Action, action
from agent_worker.translations import LANGUAGES, translate
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
_REQUESTS = (
    "Send me a new code", "I did not get a code", "Please send the code again", "Can you resend the code?",
    "I never got the code", "The code did not arrive", "I never got it", "I didn't get it", "Nothing came",
    "No e-mail came", "I have not received the e-mail", "Send it again", "Please send another one",
    "Schick mir einen neuen Code", "Ich habe keinen Code bekommen", "Der Code ist nicht angekommen",
    "Kannst du den Code noch einmal schicken?", "Da kam nichts an", "Es kam keine Mail",
)  # fmt: skip
"""Those without the word are only matched while a code is awaited."""


class CodeSent(BaseModel):
    """Looks the same whether or not there was an address to send the code to. ``to``: the address, masked. If no more
    codes may be sent to it now, ``sent`` is false, ``wait`` says in how many minutes one can be, and ``usable`` for how
    many more the last one is valid."""

    sent: bool = True
    to: str = ""
    wait: int = 0
    usable: int = 0


class Code(BaseModel):
    code: str = Field(pattern=r"^\d{6}$", title="Code", json_schema_extra={"phrases": {"ask": "ask", "title": "name"}})


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
        to = mask_address(shown := found or _invent_address(context, given))
        wait = await context.count_use(_counter(shown), per_address_per_hour, timedelta(hours=1))
        if wait:
            return await _refer_to_last(context, to, wait)
        address = Address(channel="email", value=found, assurance="verified") if found else None
        code, pending = await issue_code(address, context.now)
        before = context.code
        context.remember(pending)
        try:
            if found:
                await send(context, found, translate(context.locale).codes["mail"].format(code=code))
        except ActionRefused:
            # A refused address looks like a missing one. A code that was sent before stays valid.
            if before is not None:
                context.remember(before)
                return await _refer_to_last(context, to, 0)
        return CodeSent(to=to)

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
        titles={language: translate(language).codes["send"] for language in LANGUAGES},
        examples=_REQUESTS,
        report=_report_sent,
    )
    return sending(send_code), check_code


async def _refer_to_last(context: ActionContext, to: str, wait: float) -> CodeSent:
    """Nothing is sent, and the last code stays valid. A contact without one gets one that has expired, so that they see
    the same as anybody else who enters a code too late."""
    if context.code is None:
        _, never = await issue_code(None, context.now - LIFE)
        context.remember(never)
        return CodeSent(sent=False, to=to, wait=_minutes(wait))
    left = (context.code.expires_at - context.now).total_seconds()
    return CodeSent(sent=False, to=to, wait=_minutes(wait), usable=int(max(0, left) // 60))


def _minutes(seconds: float) -> int:
    return math.ceil(seconds / 60)


def _report_sent(context: ActionContext, _arguments: Any, result: Any) -> str:
    sent = CodeSent.model_validate(result if isinstance(result, dict) else result.model_dump())
    texts = translate(context.locale).codes
    when = texts["later"].format(wait=sent.wait) if sent.wait else texts["now"]
    text = texts["sent" if sent.sent else "use_last" if sent.usable else "wait"]
    return text.format(to=sent.to, when=when, usable=sent.usable)


def mask_address(address: str) -> str:
    """ "m•••h@•••": its owner recognizes it, and nobody else learns more than two letters."""
    local = address.partition("@")[0]
    return f"{local[:1]}{HIDDEN}{local[-1:]}@{HIDDEN}".lower()


def _invent_address(context: ActionContext, given: BaseModel) -> str:
    """An address for what the shop does not know: always the same one, so that nobody learns what it knows."""
    digest = context.keyed_hash(f"code:{given.model_dump_json()}")
    first, last = (string.ascii_lowercase[byte % 26] for byte in digest[:2])
    return f"{first}{digest.hex()}{last}@"


def _counter(address: str) -> str:
    """The limiter's key; hashed, so that it contains no address."""
    return f"code:{hashlib.sha256(address.strip().casefold().encode()).hexdigest()}"


def _report(context: ActionContext, _arguments: Code, result: Any) -> str:
    checked = CodeChecked.model_validate(result if isinstance(result, dict) else result.model_dump())
    return translate(context.locale).codes[checked.verdict].format(left=checked.left)


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
