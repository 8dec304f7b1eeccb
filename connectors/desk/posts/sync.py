"""Brings what the desk shows of one conversation in line with its state."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from connectors.desk.contents import CardTransfer, DraftOutcome
from connectors.desk.port import Desk
from connectors.desk.posts.approvals import ApprovalPosts
from connectors.desk.posts.post_index import LinePost, find_posts
from connectors.desk.posts.post_selector import PostSelector, render_card
from connectors.desk.posts.posted_state import PostRecords, PostState, Root, current_root, leave_root
from connectors.desk.posts.poster import DeskSession, Poster
from connectors.desk.posts.thread import PendingPost, Thread, digest
from connectors.desk.thread_ids import Place
from connectors.desk.view import View, needs_people, view_of
from connectors.outbound.delivery_log import Outcome
from schemas import ids
from schemas.conversation import Conversation, DeliveryOutcome
from schemas.desk import DeskCommand, DraftGenerated
from schemas.errors import Parked
from schemas.ports import Batch, Clock, Metrics, State

log = structlog.get_logger("parley.desk")

UNREACHABLE = timedelta(minutes=5)
UNREACHABLE_METRIC = "parley_desk_unreachable_total"
GONE = "not_found"


class DeskSync:
    def __init__(self, desk: Desk, state: State, poster: Poster, clock: Clock, metrics: Metrics) -> None:
        self._desk = desk
        self._metrics = metrics
        self._state = state
        self._poster = poster
        self._clock = clock
        self._records = records = PostRecords(state.deliveries)
        self._shown = PostState(records, clock)
        self._thread = Thread(desk, records, poster, self._shown, clock)
        self._approvals = ApprovalPosts(desk, records, poster, self._shown)
        self._planner = PostSelector(desk, records, self._thread, self._approvals, poster)
        self._updated: dict[str, datetime] = {}

    async def run(self, session: DeskSession, drafts: Sequence[DraftGenerated], batch: Batch) -> None:
        """Repeat ``run_once`` until nothing is left to show, or more has come. Raises Parked, Unavailable."""
        while (later := await self.run_once(session, drafts)) is not None:
            if batch.arrived.is_set() or batch.backlog.is_set():
                return  # whoever handles that looks at all of it
            await _wait_for_more(batch, (later - self._clock()).total_seconds())

    async def concerns(self, conversation: Conversation) -> bool:
        """Tell whether anything of it is to be seen, or is seen already. Most conversations are never people's."""
        return needs_people(conversation) or (await current_root(self._records, conversation.id)).place is not None

    async def record_done(self, session: DeskSession, marker: str) -> None:
        await self._poster.record_done(session, marker)

    async def note_act(self, session: DeskSession, acted: DeskCommand) -> None:
        """Show what the state does not keep of an act. Raises Parked."""
        if acted.kind in ("approve", "deny"):
            if await self._outcome(session, acted.id) is not None:
                await self._approvals.note_decision(session, acted)
        elif acted.kind in ("send_draft", "discard_draft"):
            await self._end_draft(session, acted)
        elif acted.kind == "transfer" and acted.value in session.rules.places:
            now = await self._state.conversations.get(session.conversation.id)
            holder = now.holder if now is not None else None
            if holder is not None and (holder.by, holder.since) == (acted.by, acted.at):
                await self._transfer(session, acted.value)

    async def _end_draft(self, session: DeskSession, acted: DeskCommand) -> None:
        """A draft that was sent or discarded by this act can be neither any more."""
        settled = await self._outcome(session, ids.derived_id(acted.value, "draft-settled"))
        posted = await self._outcome(session, ids.derived_id(acted.value, "desk"))
        if settled is None or settled.reason.partition(" ")[0] != acted.id or posted is None or not posted.external_id:
            return
        rendered = self._desk.render_post(DraftOutcome(acted, acted.at))
        await self._poster.update(session, Place.of(posted.external_id), rendered)

    async def _outcome(self, session: DeskSession, marker: str) -> DeliveryOutcome | None:
        return await self._records.outcome(session.conversation.id, marker)

    async def run_once(self, session: DeskSession, drafts: Sequence[DraftGenerated] = ()) -> datetime | None:
        """Bring all in line. Return when to come back, None when nothing is left. Raises Parked, Unavailable."""
        while True:
            view = await self._view(session)
            root = await current_root(self._records, session.conversation.id)
            if root.place is None and not (view.needs_people or drafts):
                return None
            wanted = await self._planner.next(session, view, root, drafts)
            if wanted is None:
                break
            await self._poster.wait_turn(session, wanted.post.channel)
            # The state as it is when the turn has come: what was said while we waited stands in the same post.
            view, root = await self._view(session), await current_root(self._records, session.conversation.id)
            if (wanted := await self._planner.next(session, view, root, drafts)) is not None:
                await self._post(session, root, wanted)
        return await self._update(session, view, root)

    async def _view(self, session: DeskSession) -> View:
        conversation = await self._state.conversations.get(session.conversation.id)
        return await view_of(self._state, conversation or session.conversation, self._clock())

    async def _post(self, session: DeskSession, root: Root, wanted: PendingPost) -> None:
        outcome = await self._thread.post(session, wanted)
        posted = await self._records.outcome(session.conversation.id, wanted.post.marker)
        if wanted.post.marker == root.marker:
            await self._check_root(session, root, outcome, posted.reason if posted is not None else "")
        elif outcome == "failed" and posted is not None and posted.reason == GONE and wanted.post.thread:
            await leave_root(self._poster, session, root, root.bound_to)
        elif outcome != "sent":
            log.warning("desk_post_lost", conversation_id=session.conversation.id, outcome=outcome)

    async def _check_root(self, session: DeskSession, root: Root, outcome: Outcome, reason: str) -> None:
        if outcome == "sent":
            return
        # Refused for good, but the reason can be mended: the app is not in the channel, or the channel is gone.
        await leave_root(self._poster, session, root)
        self._metrics.count(UNREACHABLE_METRIC, tenant=session.rules.tenant)
        log.error("desk_unreachable", tenant=session.rules.tenant, reason=reason or outcome)
        raise Parked("the desk's channel takes nothing", until=self._clock() + UNREACHABLE)

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _update(self, session: DeskSession, view: View, root: Root) -> datetime | None:
        await self._thread.update(session, view, root)
        await self._approvals.update(session, view)
        later = await self._update_card(session, view, root)
        marks = self._desk.marks
        replies = [line for line in view.lines if line.author.kind == "person" and line.state in marks]
        for each in await find_posts(self._records, root, replies):
            if not await self._update_mark(session, each):
                return self._clock() + self._poster.rates.retry
        return later

    async def _update_mark(self, session: DeskSession, one: LinePost) -> bool:
        """Show how far a person's reply has come. False where the desk takes no more marks now: it is to be tried again
        soon. Raises Parked."""
        wanted, place = self._desk.marks[one.line.state], one.place
        if place is None:
            return True
        conversation, about = session.conversation.id, ids.derived_id(one.line.id, "mark")
        shown = await self._shown.read(conversation, about)
        if shown == wanted:
            return True
        if not await self._poster.may_mark(session):
            return False
        await self._poster.ask(session, lambda connection: connection.replace_mark(place, shown, wanted))
        await self._shown.write(conversation, about, wanted)
        return True

    async def _update_card(self, session: DeskSession, view: View, root: Root) -> datetime | None:
        """Change it now where somebody else may speak, else after a while. Return when it is due, None once it is
        done."""
        if root.place is None:
            return None
        rendered, about = await render_card(self._desk, view, session.rules), ids.derived_id(root.marker, "card")
        as_is = f"{view.conversation.epoch}:{digest(rendered.blocks)}"
        before, now = await self._shown.read(view.id, about), self._clock()
        if before == as_is:
            return None
        is_urgent, every = before.partition(":")[0] != str(view.conversation.epoch), self._poster.rates.card_every
        due = self._updated.get(root.marker, now - every) + every
        if not is_urgent and now < due:
            return due
        if not is_urgent and not await self._poster.may_update(session):
            return now + self._poster.rates.retry
        if await self._poster.update(session, root.place, rendered) == GONE:
            await leave_root(self._poster, session, root, root.bound_to)
            return now if view.needs_people else None
        self._updated[root.marker] = now
        await self._shown.write(view.id, about, as_is)
        return None

    async def _transfer(self, session: DeskSession, to: str) -> None:
        """Show the conversation in another of the desk's channels from now on. Raises Parked."""
        root = await current_root(self._records, session.conversation.id)
        if root.place is None or root.place.channel != to:
            if root.place is not None:
                rendered = self._desk.render_post(CardTransfer(await self._view(session), to))
                await self._poster.update(session, root.place, rendered)
            await leave_root(self._poster, session, root, to)


async def _wait_for_more(batch: Batch, seconds: float) -> None:
    """Wait until something comes, the partition moves on, or so much time has passed."""
    waits = [asyncio.ensure_future(each.wait()) for each in (batch.arrived, batch.backlog, batch.revoking)]
    try:
        await asyncio.wait(waits, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
