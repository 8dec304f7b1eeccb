"""The way in for what people do at the desk: whose conversation it is about, whether they may, and on to the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import structlog
from pydantic import ValidationError

from connectors.desk.client import DeskClient
from connectors.desk.events import desk_event
from connectors.desk.inbound.bindings import Binding, Bindings
from connectors.desk.inbound.permissions import Permissions
from connectors.desk.ownership import DeskOwnership
from connectors.desk.port import FORM_TRIGGER, REACTION, Member
from connectors.desk.rules import DeskEmojiRules, DeskRules
from connectors.desk.thread_ids import channel_of, root_of
from connectors.inbound.reply_references import derive_event_id
from schemas import topics
from schemas.conversation import Conversation
from schemas.crash_points import reach
from schemas.desk import DeskCommand, DeskCommandKind
from schemas.ports import Account, Bus, Clock, Event, State
from schemas.privacy.cards import OwnNumbers, mask_cards

log = structlog.get_logger("parley.desk")
MOST_NAMED = 10
"""People of a reply whose names are asked for; the ids of others mean nothing to anybody."""
WRITTEN = frozenset({"reply", "edit", "delete"})
"""These are a conversation's only below its card."""
NOT_MEMBER = "Only members of this channel can act here, and guests and people of other workspaces cannot."


@dataclass(frozen=True, slots=True)
class BoundCommand:
    """A command, and the conversation that it belongs to."""

    account: Account
    bound: Binding
    acted: DeskCommand


class DeskInbound:
    """See schemas.ports.DeskDoor. ``rules``: by tenant, of those whose desk this is. ``own_numbers``: what finds
    numbers that are no cards."""

    def __init__(
        self,
        *,
        rules: Mapping[str, DeskRules],
        client: DeskClient,
        bus: Bus,
        state: State,
        clock: Clock,
        own_numbers: Mapping[str, OwnNumbers | None] = MappingProxyType({}),
    ) -> None:
        self._rules = rules
        self._client = client
        self._bus = bus
        self._deliveries = state.deliveries
        self._clock = clock
        self._own_numbers = own_numbers
        self._bindings = Bindings(state.deliveries, state.conversations, client)
        self._permissions = Permissions(client)
        self._ownership = DeskOwnership(client=client, bus=bus, state=state, clock=clock)

    async def close(self) -> None:
        await self._client.close()

    async def accept(self, account: Account, events: Sequence[Event]) -> None:
        rules = self._rules.get(account.tenant)
        if rules is None or rules.account != account.name:
            return
        for event in events:
            act = await self._resolve(account, event, rules)
            if act is not None:
                await self._take(act, rules)

    async def _take(self, act: BoundCommand, rules: DeskRules) -> None:
        account, acted, found = act.account, act.acted, act.bound.conversation
        if acted.kind == "claim":
            return await self._ownership.claim(account, found, acted)
        if acted.fields.get(FORM_TRIGGER) and await self._opens_form(account, found, acted, rules):
            return
        acted = acted.model_copy(
            update={"fields": {name: values for name, values in acted.fields.items() if name != FORM_TRIGGER}}
        )
        if acted.kind in ("send_draft", "discard_draft"):
            acted = await self._with_draft(account, acted)
        if acted.kind == "transfer":
            acted = await self._with_receiver(account, acted)
        if acted.kind == "reply":
            # A reaction to it may come at any time, and tells of it by this alone.
            where = (acted.external_id, found.id, acted.id)
            await self._deliveries.bind(account.tenant, account.channel, account.name, *where)
        await self._append(found, acted)

    async def _append(self, found: Conversation, acted: DeskCommand) -> None:
        event = desk_event(found, topics.DESK_ACTED, acted, acted.id, self._clock(), acted)
        reach("edge.before_append")
        await self._bus.append([event])
        reach("edge.after_append")

    # ── whose, and by whom ───────────────────────────────────────────────────────────────────────────────────────────

    async def _resolve(self, account: Account, told: Event, rules: DeskRules) -> BoundCommand | None:
        """Find what an event is about. None for what means nothing, belongs to nobody, or may not be done."""
        is_reaction = told.payload.get("kind") == REACTION
        event = interpret_reaction(told, rules.emoji) if is_reaction else told
        if event is None:
            return None
        kind = event.payload.get("kind")
        about = event.external_id if is_reaction else root_of(event.place)
        bound = await self._bindings.find(account, about)
        if is_reaction and kind == "note":
            event = replace(event, place=await self._bindings.thread(account, event.external_id))
            if bound is None:
                # The reply may have been told later than the reaction to it.
                bound = await self._bindings.find(account, root_of(event.place))
        if bound is None or not _fits(kind, is_reaction, bound, event):
            return None
        return await self._admit(account, event, bound)

    async def _admit(self, account: Account, event: Event, bound: Binding) -> BoundCommand | None:
        by = str(event.payload.get("by"))
        member = await self._permissions.member(account, channel_of(event.place), by)
        if member.refused:
            log.warning("desk_act_refused", tenant=account.tenant, by=by, reason=member.refused)
            if member.refused != "bot":
                await self._client.whisper(account, event.place, by, NOT_MEMBER)
            return None
        acted = self._build_act(account, event, member)
        if acted is None or _is_elsewhere(acted, bound.conversation):
            return None
        return BoundCommand(account, bound, await self._with_names(account, acted))

    def _build_act(self, account: Account, event: Event, member: Member) -> DeskCommand | None:
        own = self._own_numbers.get(account.tenant)
        try:
            acted = DeskCommand.model_validate(
                {
                    "at": self._clock(),
                    **event.payload,
                    "id": derive_event_id(account, event.place, event.external_id, event.type, event.revision),
                    "account": account.name,
                    "place": event.place,
                    "external_id": event.external_id,
                    "name": member.name,
                }
            )
        except ValidationError:
            log.warning("event_malformed", tenant=account.tenant, channel=account.channel, account=account.name)
            return None
        fields = {name: [mask_cards(value, own) for value in values] for name, values in acted.fields.items()}
        return acted.model_copy(update={"text": mask_cards(acted.text, own), "fields": fields})

    # ── what only the desk knows ─────────────────────────────────────────────────────────────────────────────────────

    async def _with_names(self, account: Account, acted: DeskCommand) -> DeskCommand:
        """Name people who are called by their id, for that is all that the vendor tells."""
        mentions = self._client.desk.mentions
        users = list(dict.fromkeys(mentions.findall(acted.text)))[:MOST_NAMED]
        names = {user: await self._permissions.name(account, user) for user in users}
        text = mentions.sub(lambda found: "@" + names.get(found.group(1), found.group(1)), acted.text)
        return acted.model_copy(update={"text": text})

    async def _opens_form(self, account: Account, found: Conversation, acted: DeskCommand, rules: DeskRules) -> bool:
        """Vendors let a form be opened for a few seconds after a press, so this cannot wait for a lane."""
        refused = await self._client.ask(account, lambda connection: connection.open_form(found, acted, rules))
        if refused:
            await self._client.whisper(account, acted.place, acted.by, refused)
        return refused is not None

    async def _with_draft(self, account: Account, acted: DeskCommand) -> DeskCommand:
        """Add to a draft that is sent or discarded its text as it was written (``fields["draft"]``) and as it goes out.
        Both are empty when it is not there any more."""
        message = await self._client.ask(account, lambda connection: connection.message(acted.external_id))
        about = message.about if message is not None else {}
        draft = str(about.get("text") or "") if about.get("draft") == acted.value else ""
        sent = next(iter(acted.fields.get("text", ())), "") or draft
        return acted.model_copy(update={"text": sent, "fields": {"draft": [draft]}})

    async def _with_receiver(self, account: Account, acted: DeskCommand) -> DeskCommand:
        """Name the receiver of a transfer, if they may act where the conversation is; else nobody."""
        chosen = next(iter(acted.fields.get("person", ())), "")
        channel = next(iter(acted.fields.get("channel", ())), "")
        member = await self._permissions.member(account, channel_of(acted.place), chosen) if chosen else None
        if member is None or member.refused:
            return acted.model_copy(update={"value": channel, "fields": {"refused": [chosen]} if chosen else {}})
        person = f"{self._client.desk.name}:{chosen}"
        return acted.model_copy(update={"value": channel, "fields": {"person": [person], "name": [member.name]}})


def interpret_reaction(event: Event, emoji: DeskEmojiRules) -> Event | None:
    """Turn a reaction into the act that it means; None for one that means nothing. Taking the one for a claim back
    lets go of the conversation; taking any other back undoes nothing."""
    name = str(event.payload.get("value")).partition("::")[0]
    acts: dict[str, DeskCommandKind] = {
        emoji.note: "note",
        emoji.give_back: "return",
        emoji.resolve: "resolve",
        emoji.claim: "claim",
    }
    act = acts.get(name)
    if event.payload.get("fields"):  # it was taken back
        act = "release" if act == "claim" else None
    if act is None:
        return None
    return replace(event, payload={**event.payload, "kind": act, "value": "", "fields": {}})


def _fits(kind: object, is_reaction: bool, bound: Binding, event: Event) -> bool:
    """Tell whether it stands in the right place: replies and notes below a card, a reaction on the card, or on a reply
    where it means a note."""
    if is_reaction:
        return (kind == "note") != (bound.is_root and event.external_id == root_of(event.place))
    return bound.is_root or kind not in WRITTEN


def _is_elsewhere(acted: DeskCommand, found: Conversation) -> bool:
    """Tell whether a form was opened for another conversation than its thread is about by now."""
    form = acted.fields.get("conversation")
    return form is not None and form != [found.id]
