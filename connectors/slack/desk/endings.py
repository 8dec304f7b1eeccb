"""Acts by which a conversation leaves its holder: released, returned, resolved, or passed on."""

from __future__ import annotations

from connectors.slack.desk.owners import Owners
from connectors.slack.desk.web_api import WebApi
from connectors.slack.desk.wrapping import source_of
from schemas.conversation import Conversation
from schemas.desk import DeskAct, DeskActed
from schemas.handoff.rules import ActKind, Actor, holder_name
from schemas.handoff.service import Resolution
from schemas.ports import Account

ENDINGS: dict[DeskAct, tuple[ActKind, str]] = {
    "release": ("release", "released at the desk"),
    "return": ("return", "returned to the agent"),
    "resolve": ("resolve", "resolved at the desk"),
    "transfer": ("transfer", "passed on at the desk"),
    "escalate": ("transfer", "escalated at the desk"),
}


class Endings:
    def __init__(self, owners: Owners, slack: WebApi) -> None:
        self._owners = owners
        self._slack = slack

    async def end(self, found: Conversation, acted: DeskActed, account: Account) -> None:
        """Raises Unavailable, and what the ports raise; repeating it changes nothing."""
        if acted.kind == "transfer" and (said := _unclear(acted)):
            return await self._slack.whisper(account, acted.place, acted.by, said)
        kind, reason = ENDINGS[acted.kind]
        assignee = _assignee(found, acted)
        if assignee is not None:
            reason = f"passed on by {acted.name}"
        resolution = _resolution(acted) if kind == "resolve" else None
        decision = await self._owners.change(found, acted, kind, reason, assignee=assignee, resolution=resolution)
        if decision.outcome == "held":
            said = f"{holder_name(decision.conversation)} holds this conversation. Release it first."
            await self._slack.whisper(account, acted.place, acted.by, said)


def _assignee(found: Conversation, acted: DeskActed) -> Actor | None:
    person = _first(acted, "person")
    return Actor(person, source_of(found), _first(acted, "name")) if person else None


def _resolution(acted: DeskActed) -> Resolution:
    fields = acted.fields
    # A reaction fills in no form, and leaves the question to the tenant's rules.
    asks = bool(fields.get("ask")) if "ask" in fields or "outcome" in fields else True
    return Resolution(_first(acted, "outcome"), fields.get("tags", []), _first(acted, "note"), asks)


def _first(acted: DeskActed, field: str) -> str:
    return next(iter(acted.fields.get(field, ())), "")


def _unclear(acted: DeskActed) -> str:
    if acted.fields.get("refused"):
        return "This colleague cannot act in this channel, so the conversation was not passed on."
    return "" if acted.value or acted.fields.get("person") else "Choose a channel or a colleague to pass it on to."
