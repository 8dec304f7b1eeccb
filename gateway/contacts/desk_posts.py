"""Removal of the posts at the desk that are about a contact who is being erased.

It comes before the contact's key is erased, because the desk gets its events through the log, like everything else. Two
events go to the desk for each conversation: the first lets it post nothing more, so that the log names all posts from
then on, and the second names them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from connectors.desk.posts.post_erasure import closing_id, removal_id
from connectors.desk.thread_ids import channel_of
from gateway.contacts.erasure_records import DeskProgress, Erasure, ErasureRecords
from gateway.wiring.desk import build_desk_rules
from gateway.wiring.process_services import ProcessServices
from schemas import ids, topics
from schemas.conversation import DeliveryOutcome
from schemas.desk import DeskUpdate
from schemas.envelope import Envelope, envelope

LONGEST_WAIT = timedelta(minutes=10)
"""The time after which an erasure goes on although the desk has not removed the posts."""
SOURCE = "parley/erasure"
_POSTS_AT_ONCE = 50
"""Posts that one event names."""


class DeskPosts:
    def __init__(self, services: ProcessServices, records: ErasureRecords) -> None:
        self._services = services
        self._state = services.state
        self._clock = services.clock
        self._records = records

    async def remove(self, erasures: Sequence[Erasure]) -> dict[str, dict[str, int]]:
        """Go on with the removals of one tenant. Returns those that are done, by erasure: how many posts were removed,
        and how many are left."""
        kind = self._services.config.desks.get(erasures[0].tenant, "")
        if not kind:
            return {each.id: {} for each in erasures}
        done: dict[str, dict[str, int]] = {}
        closed: list[Erasure] = []
        for erasure in erasures:
            progress, found = erasure.desk, None
            if progress is None:
                found = await self._close(erasure, kind)
            elif progress.posts is not None:
                found = await self._count(progress.posts, is_late=self._is_late(progress))
            elif self._is_late(progress) or await self._is_closed(progress):
                closed.append(erasure)
            if found is not None:
                done[erasure.id] = found
        return done | (await self._request_removals(closed, kind) if closed else {})

    def _is_late(self, progress: DeskProgress) -> bool:
        return self._clock() >= progress.asked_at + LONGEST_WAIT

    async def _close(self, erasure: Erasure, kind: str) -> dict[str, int] | None:
        known = [each for each in erasure.conversations if await self._state.conversations.get(each) is not None]
        if not known:
            return {}
        now = self._clock()
        update = DeskUpdate(erased=True, at=now)
        events = [self._build_event(erasure, kind, each, update, closing_id(each)) for each in known]
        await self._services.bus.append(events)
        await self._save(erasure, DeskProgress(asked_at=now, conversations=tuple(known)))
        return None

    async def _is_closed(self, progress: DeskProgress) -> bool:
        for conversation in progress.conversations:
            if await self._state.deliveries.outcome(conversation, closing_id(conversation)) is None:
                return False
        return True

    async def _request_removals(self, erasures: Sequence[Erasure], kind: str) -> dict[str, dict[str, int]]:
        """Tell the desk which posts to remove. Returns the erasures without any, as ``remove`` does."""
        found = await self._find_posts(erasures, kind)
        done: dict[str, dict[str, int]] = {}
        for erasure in erasures:
            if not await self._request_removal(erasure, kind, found):
                done[erasure.id] = {"desk_posts": 0}
        return done

    async def _request_removal(self, erasure: Erasure, kind: str, found: Mapping[str, list[str]]) -> bool:
        """Return whether there is anything to remove."""
        progress = erasure.desk
        if progress is None:
            return False
        events, posts = list[Envelope](), defaultdict[str, dict[str, int]](dict)
        for conversation in progress.conversations:
            places = found.get(conversation, [])
            for start in range(0, len(places), _POSTS_AT_ONCE):
                part = places[start : start + _POSTS_AT_ONCE]
                event_id = ids.derived_id(erasure.id, f"desk:{conversation}", start)
                update = DeskUpdate(erased=True, posts=part, at=self._clock())
                events.append(self._build_event(erasure, kind, conversation, update, event_id))
                posts[conversation][event_id] = len(part)
        if events:
            await self._services.bus.append(events)
        await self._save(erasure, progress.model_copy(update={"posts": dict(posts)}))
        return bool(events)

    async def _find_posts(self, erasures: Sequence[Erasure], kind: str) -> dict[str, list[str]]:
        """Find the vendor's ids of all posts about these conversations on the log."""
        rules = build_desk_rules(self._services, kind)[erasures[0].tenant]
        channels = rules.places | {rules.times.escalate_to}
        own = frozenset(one for each in erasures if each.desk is not None for one in each.desk.conversations)
        found = defaultdict[str, dict[str, None]](dict)
        async for record in await self._services.bus.read(topics.EVENTS, keys=own.__contains__):
            event = Envelope.from_wire(record.headers, record.value)
            if event.type != topics.DELIVERY_RECORDED or event.channel != kind or event.account != rules.account:
                continue
            outcome = event.payload(DeliveryOutcome)
            # Customers may write on the same account, in other channels of it.
            if outcome.state == "sent" and channel_of(outcome.external_id) in channels:
                found[record.key][outcome.external_id] = None
        return {conversation: list(places) for conversation, places in found.items()}

    async def _count(self, posts: dict[str, dict[str, int]], *, is_late: bool) -> dict[str, int] | None:
        removed = total = 0
        for conversation, named in posts.items():
            for event, count in named.items():
                outcome = await self._state.deliveries.outcome(conversation, removal_id(event))
                if outcome is None and not is_late:
                    return None
                total += count
                removed += int(outcome.reason) if outcome is not None else 0
        return {"desk_posts": removed, **({"desk_posts_left": total - removed} if removed < total else {})}

    def _build_event(self, erasure: Erasure, kind: str, conversation: str, update: DeskUpdate, id: str) -> Envelope:
        return envelope(
            topics.DESK_UPDATE,
            update,
            id=id,
            time=update.at,
            source=SOURCE,
            tenant=erasure.tenant,
            channel=kind,
            conversation=conversation,
        )

    async def _save(self, erasure: Erasure, progress: DeskProgress) -> None:
        await self._records.update(
            erasure.tenant, erasure.id, lambda known: known.model_copy(update={"desk": progress})
        )
