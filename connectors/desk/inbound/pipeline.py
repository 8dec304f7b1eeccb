"""Inbound pipeline of the desk: from an event of the vendor to a command on the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import structlog
from pydantic import ValidationError

from connectors.desk.client import DeskClient
from connectors.desk.events import build_desk_event
from connectors.desk.inbound.bindings import Binding, Bindings
from connectors.desk.inbound.permissions import Permissions
from connectors.desk.ownership import DeskOwnership
from connectors.desk.port import CARD_DELETED, FORM_TRIGGER, REACTION, Member
from connectors.desk.rules import DeskEmojiRules, TenantDeskRules
from connectors.desk.thread_ids import channel_of, root_of
from connectors.inbound.reply_references import derive_event_id
from schemas import topics
from schemas.access import PERMISSIONS_BY_ROLE
from schemas.audit.trail import AuditTrail
from schemas.conversation import Conversation
from schemas.desk import DeskCommand, DeskCommandKind, DeskUpdate
from schemas.handoff.events import conversation_event
from schemas.ports import Account, Bus, ChannelEvent, Clock, State
from schemas.privacy.cards import OwnNumbers, mask_cards
from schemas.runtime.crash_points import reach

log = structlog.get_logger("parley.desk")
MAX_NAMES = 10
"""People mentioned in a reply whose names are looked up; the ids of more stay as they are."""
THREAD_KINDS = frozenset({"reply", "edit", "delete"})
"""Kinds that count only in the thread below a card."""
AUDITED_ACTIONS: dict[DeskCommandKind, str] = {
    "claim": "owner.change",
    "release": "owner.change",
    "return": "owner.change",
    "resolve": "owner.change",
    "transfer": "owner.change",
    "escalate": "owner.change",
    "reply": "conversation.reply",
    "send_draft": "conversation.reply",
    "resend": "conversation.reply",
    "approve": "approval.decide",
    "deny": "approval.decide",
}
"""What the audit trail calls the commands that it records."""
READ_ONLY = "You can read this conversation, but your role does not allow you to act on it."
NOT_MEMBER = "Only members of this channel can act here. Guests and people from other workspaces cannot."


@dataclass(frozen=True, slots=True)
class BoundCommand:
    """A command with its account and conversation."""

    account: Account
    binding: Binding
    command: DeskCommand


class DeskInboundPipeline:
    """Accepts events of the desk; see schemas.ports.DeskInbound. ``rules``: by tenant, for the tenants of this desk.
    ``own_numbers``: patterns of the tenants' own numbers, which are no card numbers."""

    def __init__(
        self,
        *,
        rules: Mapping[str, TenantDeskRules],
        client: DeskClient,
        bus: Bus,
        state: State,
        clock: Clock,
        audit: AuditTrail,
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
        self._audit = audit
        self._ownership = DeskOwnership(client=client, bus=bus, state=state, clock=clock)

    async def close(self) -> None:
        await self._client.close()

    async def accept(self, account: Account, events: Sequence[ChannelEvent]) -> None:
        rules = self._rules.get(account.tenant)
        if rules is None or rules.account != account.name:
            return
        for event in events:
            if event.payload.get("kind") == CARD_DELETED:
                await self._report_deleted_card(account, event)
                continue
            bound_command = await self._resolve(account, event, rules)
            if bound_command is not None:
                await self._handle(bound_command, rules)

    async def _handle(self, bound_command: BoundCommand, rules: TenantDeskRules) -> None:
        account, command = bound_command.account, bound_command.command
        conversation = bound_command.binding.conversation
        await self._record(conversation, command)
        if command.kind == "claim":
            return await self._ownership.claim(account, conversation, command)
        if command.fields.get(FORM_TRIGGER) and await self._open_form(account, conversation, command, rules):
            return
        command = command.model_copy(
            update={"fields": {name: values for name, values in command.fields.items() if name != FORM_TRIGGER}}
        )
        if command.kind in ("send_draft", "discard_draft"):
            command = await self._add_draft(account, command)
        if command.kind == "transfer":
            command = await self._resolve_receiver(account, command, rules)
        if command.kind == "reply":
            # A later reaction to the reply names only its external id.
            reply_ref = (command.external_id, conversation.id, command.id)
            await self._deliveries.bind(account.tenant, account.channel, account.name, *reply_ref)
        await self._append(conversation, command)

    async def _record(self, conversation: Conversation, command: DeskCommand) -> None:
        """Record the command in the audit trail. If that fails, the command is not accepted, and the vendor sends it
        again."""
        action = AUDITED_ACTIONS.get(command.kind)
        if action is None:
            return
        subject = f"conversation:{conversation.id}"
        if command.kind in ("approve", "deny"):
            subject += f"/approval:{command.value}"
        await self._audit.record(
            conversation.origin.tenant, action, actor=command.by, surface=self._client.desk.name, subject=subject
        )

    async def _append(self, conversation: Conversation, command: DeskCommand) -> None:
        event = build_desk_event(conversation, topics.DESK_COMMAND, command, command.id, self._clock(), command)
        reach("edge.before_append")
        await self._bus.append([event])
        reach("edge.after_append")

    async def _report_deleted_card(self, account: Account, event: ChannelEvent) -> None:
        """What happens below a deleted card is seen by nobody, so the conversation gets another at once."""
        binding = await self._bindings.find(account, event.external_id)
        if binding is None or not binding.is_root:
            return
        now, conversation = self._clock(), binding.conversation
        update = DeskUpdate(deleted_card=event.external_id, at=now)
        id_ = derive_event_id(account, event.place, event.external_id, event.type, event.revision)
        source = f"/desk/{self._client.desk.name}/{account.tenant}"
        await self._bus.append(
            [conversation_event(conversation, topics.DESK_UPDATE, update, id=id_, time=now, source=source)]
        )

    # ── conversation and permission ───────────────────────────────────────────────────────────────────────────────────

    async def _resolve(self, account: Account, event: ChannelEvent, rules: TenantDeskRules) -> BoundCommand | None:
        """Turn an event into a command. None if it has no meaning, belongs to no conversation, or is not permitted."""
        is_reaction = event.payload.get("kind") == REACTION
        interpreted = interpret_reaction(event, rules.emoji) if is_reaction else event
        if interpreted is None:
            return None
        kind = interpreted.payload.get("kind")
        message = interpreted.external_id if is_reaction else root_of(interpreted.place)
        binding = await self._bindings.find(account, message)
        if is_reaction and kind == "note":
            interpreted = replace(interpreted, place=await self._bindings.find_thread(account, interpreted.external_id))
            if binding is None:
                # The reaction may arrive before the reply itself.
                binding = await self._bindings.find(account, root_of(interpreted.place))
        if binding is None or not _is_in_place(kind, is_reaction, binding, interpreted):
            return None
        return await self._admit(account, interpreted, binding, rules)

    async def _admit(
        self, account: Account, event: ChannelEvent, binding: Binding, rules: TenantDeskRules
    ) -> BoundCommand | None:
        by = str(event.payload.get("by"))
        member = await self._permissions.find_member(account, channel_of(event.place), by)
        if member.refusal:
            log.warning("desk_act_refused", tenant=account.tenant, by=by, reason=member.refusal)
            if member.refusal != "bot":
                await self._client.whisper(account, event.place, by, NOT_MEMBER)
            return None
        if not may_act(rules, by):
            log.warning("desk_act_refused", tenant=account.tenant, by=by, reason="role")
            await self._client.whisper(account, event.place, by, READ_ONLY)
            return None
        command = self._build_command(account, event, member)
        if command is None or _is_for_other_conversation(command, binding.conversation):
            return None
        return BoundCommand(account, binding, await self._name_mentions(account, command))

    def _build_command(self, account: Account, event: ChannelEvent, member: Member) -> DeskCommand | None:
        own = self._own_numbers.get(account.tenant)
        try:
            command = DeskCommand.model_validate(
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
        fields = {name: [mask_cards(value, own) for value in values] for name, values in command.fields.items()}
        return command.model_copy(update={"text": mask_cards(command.text, own), "fields": fields})

    # ── details from the desk ─────────────────────────────────────────────────────────────────────────────────────────

    async def _name_mentions(self, account: Account, command: DeskCommand) -> DeskCommand:
        """Replace the ids of mentioned people by names, because the vendor sends only ids."""
        mentions = self._client.desk.mentions
        users = list(dict.fromkeys(mentions.findall(command.text)))[:MAX_NAMES]
        names = {user: await self._permissions.find_name(account, user) for user in users}
        text = mentions.sub(lambda match: "@" + names.get(match.group(1), match.group(1)), command.text)
        return command.model_copy(update={"text": text})

    async def _open_form(
        self, account: Account, conversation: Conversation, command: DeskCommand, rules: TenantDeskRules
    ) -> bool:
        """Open a form if the command needs one. Vendors allow it only within seconds of a press, so this cannot wait
        for a lane."""
        refusal = await self._client.ask(account, lambda connection: connection.open_form(conversation, command, rules))
        if refusal:
            await self._client.whisper(account, command.place, command.by, refusal)
        return refusal is not None

    async def _add_draft(self, account: Account, command: DeskCommand) -> DeskCommand:
        """Add the original text of a draft (``fields["draft"]``), its model, and the text to send. All are empty if the
        draft is gone."""
        message = await self._client.ask(account, lambda connection: connection.find_message(command.external_id))
        metadata = message.metadata if message is not None and message.metadata.get("draft") == command.value else {}
        draft, model = str(metadata.get("text") or ""), str(metadata.get("model") or "")
        sent = next(iter(command.fields.get("text", ())), "") or draft
        return command.model_copy(update={"text": sent, "fields": {"draft": [draft], "model": [model]}})

    async def _resolve_receiver(self, account: Account, command: DeskCommand, rules: TenantDeskRules) -> DeskCommand:
        """Add the id and name of a transfer's receiver, if they may act in the conversation's channel."""
        chosen = next(iter(command.fields.get("person", ())), "")
        channel = next(iter(command.fields.get("channel", ())), "")
        member = await self._permissions.find_member(account, channel_of(command.place), chosen) if chosen else None
        person = f"{self._client.desk.name}:{chosen}"
        if member is None or member.refusal or not may_act(rules, person):
            return command.model_copy(update={"value": channel, "fields": {"refused": [chosen]} if chosen else {}})
        return command.model_copy(update={"value": channel, "fields": {"person": [person], "name": [member.name]}})


def may_act(rules: TenantDeskRules, by: str) -> bool:
    """Tell whether the person's role allows anything but reading."""
    role = rules.find_person(by).role
    return role is not None and "reply" in PERMISSIONS_BY_ROLE[role]


def interpret_reaction(event: ChannelEvent, emoji: DeskEmojiRules) -> ChannelEvent | None:
    """Turn a reaction into the command that it stands for; None if it stands for none. Removing the claim reaction
    releases the conversation; removing any other has no effect."""
    name = str(event.payload.get("value")).partition("::")[0]
    kinds: dict[str, DeskCommandKind] = {
        emoji.note: "note",
        emoji.give_back: "return",
        emoji.resolve: "resolve",
        emoji.claim: "claim",
    }
    kind = kinds.get(name)
    if event.payload.get("fields"):  # it was removed
        kind = "release" if kind == "claim" else None
    if kind is None:
        return None
    return replace(event, payload={**event.payload, "kind": kind, "value": "", "fields": {}})


def _is_in_place(kind: object, is_reaction: bool, binding: Binding, event: ChannelEvent) -> bool:
    """Return whether the event is in the right place: replies below a card, reactions on the card, and note reactions
    on a reply."""
    if is_reaction:
        return (kind == "note") != (binding.is_root and event.external_id == root_of(event.place))
    return binding.is_root or kind not in THREAD_KINDS


def _is_for_other_conversation(command: DeskCommand, conversation: Conversation) -> bool:
    """Return whether a form was opened for another conversation than the current one of its thread."""
    form = command.fields.get("conversation")
    return form is not None and form != [conversation.id]
