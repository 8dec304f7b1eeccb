"""Messages of a contact who is being erased in rooms that somebody else began, such as threads in a channel.

These conversations go on, so only the contact's part is emptied. The log tells which it is, and is asked before the
contact's key is erased, while it can be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gateway.contacts.erasure_records import Erasure
from gateway.contacts.record_selection import decode_payload, read_speaker
from gateway.wiring.process_services import ProcessServices
from schemas import ids, topics
from schemas.actions import ActionMemory
from schemas.conversation import Turn
from schemas.desk import DeskUpdate
from schemas.envelope import envelope
from schemas.messages import TranscriptMessage

SOURCE = "parley/erasure"
_PAGE = 200
DeleteFiles = Callable[[str, list[TranscriptMessage]], Awaitable[int]]
"""``(tenant, lines)`` → how many files of these lines were deleted."""


@dataclass(slots=True)
class _Part:
    """The contact's part of one conversation: ids of lines and turns."""

    lines: set[str] = field(default_factory=set)
    turns: list[str] = field(default_factory=list)

    def add_turn(self, turn: Turn, contacts: frozenset[str]) -> None:
        """Add the turn with its replies if it answered the contact."""
        speakers = {reply.contact_id for reply in turn.replies}
        if not self.lines.isdisjoint(turn.handled) or not contacts.isdisjoint(speakers):
            self.turns.append(turn.id)
            self.lines.update(reply.id for reply in turn.replies)


class RoomMessages:
    def __init__(self, services: ProcessServices, delete_files: DeleteFiles) -> None:
        self._services = services
        self._state = services.state
        self._delete_files = delete_files

    async def find(self, erasures: Sequence[Erasure]) -> dict[str, dict[str, list[str]]]:
        """Find what the contacts wrote in conversations that they did not begin: by erasure and conversation, the ids
        of the messages."""
        by_contact = {contact: each for each in erasures for contact in each.contact_ids}
        found: dict[str, dict[str, list[str]]] = {each.id: {} for each in erasures}
        existing = await self._services.bus.describe_topics()
        for channel in await self._list_channels(erasures):
            if (topic := topics.inbound(channel)) in existing:
                async for record in await self._services.bus.read(topic):
                    if record.headers.get("ce_type") != topics.MESSAGE_RECEIVED:
                        continue
                    payload = decode_payload(record.value)
                    erasure = by_contact.get(read_speaker(payload))
                    if erasure is not None and record.key not in erasure.conversations:
                        messages = found[erasure.id].setdefault(record.key, [])
                        if (message := str(payload.get("id", ""))) not in messages:
                            messages.append(message)
        return found

    async def _list_channels(self, erasures: Sequence[Erasure]) -> list[str]:
        """The channels on which the contacts are known: nobody writes in a room of another one."""
        known = [await self._state.contacts.get(each.tenant, id_) for each in erasures for id_ in each.contact_ids]
        addresses = [address for each in known if each is not None for address in (*each.addresses, *each.left)]
        return sorted({address.channel for address in addresses})

    async def redact(self, erasure: Erasure) -> dict[str, int]:
        """Empty the contact's part of all these conversations. Returns how much it was, by kind. May be repeated."""
        counts = {"redacted_messages": 0, "turns": 0, "files": 0}
        contacts = frozenset(erasure.contact_ids)
        for conversation, messages in erasure.rooms.items():
            part = _Part(set(messages))
            for turn in await self._state.turns.list_newest(conversation):
                part.add_turn(turn, contacts)
            lines = await self._find_lines(conversation, part)
            counts["files"] += await self._delete_files(erasure.tenant, lines)
            emptied = [each.id for each in lines]
            for kind, count in (await self._state.contact_erasure.redact(conversation, emptied, part.turns)).items():
                counts[kind] += count
            await self._forget_actions(conversation, contacts)
            await self._refresh_desk(erasure.tenant, conversation, emptied)
        return counts

    async def _find_lines(self, conversation: str, part: _Part) -> list[TranscriptMessage]:
        after, own = 0, list[TranscriptMessage]()
        while lines := await self._state.transcript.read(conversation, after=after, limit=_PAGE):
            after = lines[-1].seq
            own += [each for each in lines if each.id in part.lines or each.turn_id in part.turns]
        return own

    async def _forget_actions(self, conversation: str, contacts: frozenset[str]) -> None:
        """Remove what the conversation remembers about the contact's actions."""
        known = await self._state.conversations.get(conversation)
        if known is None or (memory := known.facts.actions) is None or _remove_contacts(memory, contacts) == memory:
            return
        now = self._services.clock()
        begun = await self._state.conversations.begin(conversation, known.origin, [], now=now)
        current = begun.conversation
        changed = _remove_contacts(current.facts.actions or ActionMemory(), contacts)
        await self._state.conversations.commit(
            conversation,
            token=begun.token,
            version=current.version,
            epoch=current.epoch,
            facts=current.facts.model_copy(update={"actions": None if changed == ActionMemory() else changed}),
            handled=[],
            outbox=[],
            now=now,
        )

    async def _refresh_desk(self, tenant: str, conversation: str, lines: list[str]) -> None:
        """Let the desk show that the lines are gone, if it shows the conversation."""
        desk = self._services.config.desks.get(tenant, "")
        if not desk or not lines:
            return
        now = self._services.clock()
        update = DeskUpdate(changed=lines, at=now)
        event_id = ids.derived_id(conversation, f"redacted:{lines[-1]}:{len(lines)}")
        event = envelope(
            topics.DESK_UPDATE,
            update,
            id=event_id,
            time=now,
            source=SOURCE,
            tenant=tenant,
            channel=desk,
            conversation=conversation,
        )
        await self._services.bus.append([event])


def _remove_contacts(memory: ActionMemory, contacts: frozenset[str]) -> ActionMemory:
    """The memory without what it holds about these contacts."""

    def keep(part: object) -> bool:
        return part is not None and getattr(part, "contact_id", "") not in contacts

    return memory.model_copy(
        update={
            **{
                name: part if keep(part := getattr(memory, name)) else None
                for name in ("confirmation", "code", "filling")
            },
            **{
                name: [each for each in getattr(memory, name) if keep(each)]
                for name in ("approvals", "proofs", "mentions")
            },
        }
    )
