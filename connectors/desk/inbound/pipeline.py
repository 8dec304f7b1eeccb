"""The way in for what people do at the desk: whose conversation it is about, whether they may, and on to the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import structlog
from pydantic import ValidationError

from connectors.desk.commands.owners import DeskOwnership
from connectors.desk.events import wrapped
from connectors.desk.inbound import reactions
from connectors.desk.inbound.bindings import Bindings, Bound
from connectors.desk.inbound.permissions import Member, Members
from connectors.desk.rules import DeskRules
from connectors.desk.thread_ids import channel_of, root_of
from connectors.inbound.reply_references import event_id
from connectors.slack.desk.markdown import mentioned, with_names
from connectors.slack.desk.modals import Openings
from connectors.slack.desk.parse_interactions import TRIGGER
from connectors.slack.desk.web_api import WebApi
from schemas import topics
from schemas.conversation import Conversation
from schemas.crash_points import reach
from schemas.desk import DeskActed
from schemas.envelope import Envelope
from schemas.ports import Account, Bus, Clock, Event, State
from schemas.privacy.cards import OwnNumbers, masked

log = structlog.get_logger("parley.desk")
MOST_NAMED = 10
"""People of a reply whose names are asked for; the ids of others mean nothing to anybody."""
WRITTEN = frozenset({"reply", "edit", "delete"})
"""What is a conversation's only below its card."""
FORMS = frozenset({"resolve", "transfer"})
"""Acts that ask for more first, where Slack lets a form be opened."""
NOT_MEMBER = "Only members of this channel can act here, and guests and people of other workspaces cannot."


@dataclass(frozen=True, slots=True)
class Done:
    """An act, and where it belongs."""

    account: Account
    bound: Bound
    acted: DeskActed


class Door:
    """See schemas.ports.DeskDoor. ``rules``: by tenant. ``own_numbers``: what finds numbers that are no cards."""

    def __init__(
        self,
        *,
        rules: Mapping[str, DeskRules],
        slack: WebApi,
        bus: Bus,
        state: State,
        clock: Clock,
        own_numbers: Mapping[str, OwnNumbers | None] = MappingProxyType({}),
    ) -> None:
        self._rules = rules
        self._slack = slack
        self._bus = bus
        self._deliveries = state.deliveries
        self._clock = clock
        self._own_numbers = own_numbers
        self._bindings = Bindings(state.deliveries, state.conversations, slack)
        self._members = Members(slack)
        self._ownership = DeskOwnership(slack=slack, bus=bus, state=state, clock=clock)
        self._openings = Openings(slack)

    async def close(self) -> None:
        await self._slack.close()

    async def accept(self, account: Account, events: Sequence[Event]) -> None:
        rules = self._rules.get(account.tenant)
        if rules is None or rules.account != account.name:
            return
        for event in events:
            done = await self._known(account, event, rules)
            if done is not None:
                await self._take(done, rules)

    async def _take(self, done: Done, rules: DeskRules) -> None:
        acted, found = done.acted, done.bound.conversation
        if acted.kind == "claim":
            return await self._ownership.claim(done.account, found, acted)
        if acted.fields.get(TRIGGER) and (acted.kind in FORMS or acted.fields.get("form")):
            return await self._openings.open(done.account, found, acted, rules)
        kept = {name: values for name, values in acted.fields.items() if name != TRIGGER}
        acted = acted.model_copy(update={"fields": kept})
        if acted.kind in ("send_draft", "discard_draft"):
            acted = await self._openings.drafted(done.account, acted)
        if acted.kind == "transfer":
            acted = await self._towards(done.account, acted)
        if acted.kind == "reply":
            # A reaction to it may come at any time, and tells of it by this alone.
            where = (acted.external_id, found.id, acted.id)
            await self._deliveries.bind(done.account.tenant, topics.DESK, done.account.name, *where)
        await self._append([wrapped(found, topics.DESK_ACTED, acted, acted.id, self._clock(), acted.id)])

    async def _append(self, events: list[Envelope]) -> None:
        reach("edge.before_append")
        await self._bus.append(events)
        reach("edge.after_append")

    # ── whose, and by whom ───────────────────────────────────────────────────────────────────────────────────────────

    async def _known(self, account: Account, told: Event, rules: DeskRules) -> Done | None:
        """None for what means nothing, belongs to nobody, or may not be done."""
        is_reaction = reactions.is_reaction(told)
        event = reactions.told(told, rules.emoji) if is_reaction else told
        if event is None:
            return None
        kind = event.payload.get("kind")
        about = event.external_id if is_reaction else root_of(event.place)
        bound = await self._bindings.find(account, about)
        if bound is None and is_reaction and kind == "note":
            # The reply may have been told later than the reaction to it.
            event = replace(event, place=await self._bindings.thread(account, event.external_id))
            bound = await self._bindings.find(account, root_of(event.place))
        elif bound is not None and is_reaction and kind == "note":
            event = replace(event, place=await self._bindings.thread(account, event.external_id))
        if bound is None or not _fits(kind, is_reaction, bound, event):
            return None
        return await self._admitted(account, event, bound)

    async def _admitted(self, account: Account, event: Event, bound: Bound) -> Done | None:
        by = str(event.payload.get("by"))
        member = await self._members.member(account, channel_of(event.place), by)
        if member.refused:
            log.warning("desk_act_refused", tenant=account.tenant, by=by, reason=member.refused)
            if member.refused != "bot":
                await self._slack.whisper(account, event.place, by, NOT_MEMBER)
            return None
        acted = self._acted(account, event, member)
        if acted is None or _is_elsewhere(acted, bound.conversation):
            return None
        names = {user: await self._members.name(account, user) for user in mentioned(acted.text)[:MOST_NAMED]}
        return Done(account, bound, acted.model_copy(update={"text": with_names(acted.text, names)}))

    def _acted(self, account: Account, event: Event, member: Member) -> DeskActed | None:
        own = self._own_numbers.get(account.tenant)
        try:
            acted = DeskActed.model_validate(
                {
                    "at": self._clock(),
                    **event.payload,
                    "id": event_id(account, event.place, event.external_id, event.type, event.revision),
                    "account": account.name,
                    "place": event.place,
                    "external_id": event.external_id,
                    "name": member.name,
                }
            )
        except ValidationError:
            log.warning("event_malformed", tenant=account.tenant, channel=topics.DESK, account=account.name)
            return None
        fields = {name: [masked(value, own) for value in values] for name, values in acted.fields.items()}
        return acted.model_copy(update={"text": masked(acted.text, own), "fields": fields})

    async def _towards(self, account: Account, acted: DeskActed) -> DeskActed:
        """A transfer to somebody names them, if they may act where the conversation is; else it names nobody."""
        chosen = next(iter(acted.fields.get("person", ())), "")
        channel = next(iter(acted.fields.get("channel", ())), "")
        member = await self._members.member(account, channel_of(acted.place), chosen) if chosen else None
        if member is None or member.refused:
            return acted.model_copy(update={"value": channel, "fields": {"refused": [chosen]} if chosen else {}})
        return acted.model_copy(
            update={"value": channel, "fields": {"person": [f"slack:{chosen}"], "name": [member.name]}}
        )


def _fits(kind: object, is_reaction: bool, bound: Bound, event: Event) -> bool:
    """Replies and notes stand below a card; a reaction means an act on the card, or a note on a reply to it."""
    if is_reaction:
        return (kind == "note") != (bound.is_root and event.external_id == root_of(event.place))
    return bound.is_root or kind not in WRITTEN


def _is_elsewhere(acted: DeskActed, found: Conversation) -> bool:
    """Whether a form was opened for another conversation than its thread is about by now."""
    told = acted.fields.get("conversation")
    return told is not None and told != [found.id]
