"""A conversation leaves the hands it is in: released, given back, resolved, or passed on."""

from __future__ import annotations

from connectors.slack.desk.claims import holder_of
from connectors.slack.desk.owners import Owners, Wish
from connectors.slack.desk.web_api import WebApi
from connectors.slack.desk.wrapping import wrapped
from schemas import ids, topics
from schemas.conversation import Conversation, Owner
from schemas.desk import DeskAct, DeskActed, HandoffResolved
from schemas.ports import Account, Bus, Clock, Deliveries

TO: dict[DeskAct, Owner] = {
    "release": "queue",
    "return": "agent",
    "resolve": "closed",
    "transfer": "queue",
    "escalate": "queue",
}
REASONS: dict[DeskAct, str] = {
    "release": "released at the desk",
    "return": "returned to the agent",
    "resolve": "resolved at the desk",
    "transfer": "passed on at the desk",
    "escalate": "escalated at the desk",
}
HOLDERS = frozenset({"return", "resolve"})
"""What only its holder may do while somebody holds it. Anybody may free it for others: its holder may be away."""
LATE, NOTHING = "late", "nothing"


class Endings:
    def __init__(self, owners: Owners, deliveries: Deliveries, slack: WebApi, *, bus: Bus, clock: Clock) -> None:
        self._owners = owners
        self._deliveries = deliveries
        self._slack = slack
        self._bus = bus
        self._clock = clock

    async def end(self, found: Conversation, acted: DeskActed, account: Account) -> None:
        """Raises Unavailable, and what the ports raise; repeating it changes nothing."""
        if acted.kind == "transfer" and (said := _unclear(acted)):
            return await self._slack.whisper(account, acted.place, acted.by, said)
        settled = await self._owners.change(found, acted, _wish(acted), lambda now: refused(now, acted))
        if settled.refused and settled.refused not in (LATE, NOTHING):
            return await self._slack.whisper(account, acted.place, acted.by, settled.refused)
        if acted.kind == "resolve" and (not settled.refused or _is_of(settled.conversation, acted)):
            await self._resolved(settled.conversation, acted)

    async def _resolved(self, found: Conversation, acted: DeskActed) -> None:
        fields = acted.fields
        # A reaction fills in no form, and leaves the question to the tenant's rules.
        asks = bool(fields.get("ask")) if "ask" in fields or "outcome" in fields else True
        told = HandoffResolved(
            id=ids.derived_id(acted.id, "resolved"),
            by=acted.by,
            name=acted.name,
            outcome=next(iter(fields.get("outcome", ())), ""),
            tags=fields.get("tags", []),
            note=next(iter(fields.get("note", ())), ""),
            ask=asks,
            at=acted.at,
        )
        await self._bus.append([wrapped(found, topics.HANDOFF_RESOLVED, told, told.id, self._clock(), acted.id)])


def refused(now: Conversation, acted: DeskActed) -> str:
    """Why this act may not end what is going on."""
    holder = now.holder
    is_held = now.owner == "person" and holder is not None
    if holder is not None and holder.by.startswith("slack:") and acted.at < holder.since:
        return LATE  # it was done before somebody took the conversation, and came after that
    if now.owner not in ("queue", "person") or (now.owner == "queue" and acted.kind == "release"):
        return NOTHING
    if is_held and holder is not None and holder.by != acted.by and acted.kind in HOLDERS:
        return f"{holder_of(now)} holds this conversation. Release it first."
    return ""


def _is_of(now: Conversation, acted: DeskActed) -> bool:
    """Whether the conversation is as this very act made it, before a crash perhaps."""
    holder = now.holder
    return now.owner == "closed" and holder is not None and (holder.by, holder.since) == (acted.by, acted.at)


def _wish(acted: DeskActed) -> Wish:
    reason = REASONS[acted.kind]
    if person := next(iter(acted.fields.get("person", ())), ""):
        return Wish("person", person, next(iter(acted.fields.get("name", ())), ""), f"passed on by {acted.name}")
    return Wish(TO[acted.kind], acted.by, acted.name, reason)


def _unclear(acted: DeskActed) -> str:
    if acted.fields.get("refused"):
        return "This colleague cannot act in this channel, so the conversation was not passed on."
    return "" if acted.value or acted.fields.get("person") else "Choose a channel or a colleague to pass it on to."
