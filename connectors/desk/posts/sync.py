"""Synchronization of the desk with the state of a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import structlog

from connectors.desk.contents import CardTransfer, DraftOutcome
from connectors.desk.port import Desk
from connectors.desk.posts.approvals import ApprovalPosts
from connectors.desk.posts.post_erasure import PostErasure
from connectors.desk.posts.post_index import LinePost, find_posts
from connectors.desk.posts.post_selector import PostSelector, render_card
from connectors.desk.posts.posted_state import PostRecords, PostState, Root, find_root, leave_root
from connectors.desk.posts.poster import DeskSession, Poster
from connectors.desk.posts.thread import PendingPost, Thread, digest
from connectors.desk.thread_ids import Place
from connectors.desk.view import View, load_view, needs_people
from connectors.outbound.delivery_log import Outcome
from schemas import ids
from schemas.conversation import Conversation, DeliveryOutcome
from schemas.desk import DeskCommand, DraftGenerated
from schemas.errors import Parked
from schemas.ports import Batch, Clock, Metrics, State

log = structlog.get_logger("parley.desk")

UNREACHABLE_RETRY = timedelta(minutes=5)
UNREACHABLE_METRIC = "parley_desk_unreachable_total"
NOT_FOUND = "not_found"


class DeskSync:
    def __init__(self, desk: Desk, state: State, poster: Poster, clock: Clock, metrics: Metrics) -> None:
        self._desk = desk
        self._metrics = metrics
        self._state = state
        self._poster = poster
        self._clock = clock
        self._records = records = PostRecords(state.deliveries)
        self._states = PostState(records, clock)
        self._thread = Thread(desk, records, poster, self._states, clock)
        self._approvals = ApprovalPosts(desk, records, poster, self._states)
        self._selector = PostSelector(desk, records, self._thread, self._approvals, poster)
        self.erasure = PostErasure(desk, poster, records, state.deliveries)
        self._card_updated_at: dict[str, datetime] = {}

    async def run(self, session: DeskSession, drafts: Sequence[DraftGenerated], batch: Batch) -> None:
        """Repeat ``run_once`` until the desk is up to date, or more records have arrived. Raises Parked,
        Unavailable."""
        while (next_update := await self.run_once(session, drafts)) is not None:
            if batch.arrived.is_set() or batch.backlog.is_set():
                return  # the next batch updates everything
            await _wait_for_more(batch, (next_update - self._clock()).total_seconds())

    async def is_relevant(self, conversation: Conversation) -> bool:
        """Return whether the desk shows the conversation, or has to. Most conversations never come to people."""
        return needs_people(conversation) or (await find_root(self._records, conversation.id)).place is not None

    async def record_done(self, session: DeskSession, marker: str) -> None:
        await self._poster.record_done(session, marker)

    async def show_command(self, session: DeskSession, command: DeskCommand) -> None:
        """Show the effect of a command that the conversation's state does not contain. Raises Parked."""
        if command.kind in ("send_draft", "discard_draft"):
            await self._end_draft(session, command)
        elif command.kind == "transfer" and command.value in session.rules.places:
            current = await self._state.conversations.get(session.conversation.id)
            holder = current.holder if current is not None else None
            if holder is not None and (holder.by, holder.since) == (command.by, command.at):
                await self._transfer(session, command.value)

    async def _end_draft(self, session: DeskSession, command: DeskCommand) -> None:
        """Replace the draft that this command sent or discarded by its outcome, without buttons."""
        settled = await self._outcome(session, ids.derived_id(command.value, "draft-settled"))
        posted = await self._outcome(session, ids.derived_id(command.value, "desk"))
        if (
            settled is None
            or settled.reason.partition(" ")[0] != command.id
            or posted is None
            or not posted.external_id
        ):
            return
        rendered = self._desk.render_post(DraftOutcome(command, command.at))
        await self._poster.update(session, Place.of(posted.external_id), rendered)

    async def _outcome(self, session: DeskSession, marker: str) -> DeliveryOutcome | None:
        return await self._records.outcome(session.conversation.id, marker)

    async def run_once(self, session: DeskSession, drafts: Sequence[DraftGenerated] = ()) -> datetime | None:
        """Post and update everything. Return the time of the next update, None if nothing is left. Raises Parked,
        Unavailable."""
        while True:
            view = await self._load_view(session)
            root = await find_root(self._records, session.conversation.id)
            if root.place is None and not (view.needs_people or drafts):
                return None
            pending = await self._selector.find_next(session, view, root, drafts)
            if pending is None:
                break
            await self._poster.wait_turn(session, pending.post.channel)
            # Load the state again after the wait, so that messages that arrived meanwhile join the post.
            view, root = await self._load_view(session), await find_root(self._records, session.conversation.id)
            if (pending := await self._selector.find_next(session, view, root, drafts)) is not None:
                await self._post(session, root, pending)
        return await self._update(session, view, root)

    async def _load_view(self, session: DeskSession) -> View:
        conversation = await self._state.conversations.get(session.conversation.id)
        return await load_view(self._state, conversation or session.conversation, self._clock())

    async def _post(self, session: DeskSession, root: Root, pending: PendingPost) -> None:
        outcome = await self._thread.post(session, pending)
        posted = await self._records.outcome(session.conversation.id, pending.post.marker)
        if pending.post.marker == root.marker:
            await self._check_root(session, root, outcome, posted.reason if posted is not None else "")
        elif outcome == "failed" and posted is not None and posted.reason == NOT_FOUND and pending.post.thread:
            await leave_root(self._poster, session, root, root.required_channel)
        elif outcome != "sent":
            log.warning("desk_post_lost", conversation_id=session.conversation.id, outcome=outcome)

    async def _check_root(self, session: DeskSession, root: Root, outcome: Outcome, reason: str) -> None:
        if outcome == "sent":
            return
        # A final refusal, but people can fix its reason: the app is not in the channel, or the channel is gone.
        await leave_root(self._poster, session, root)
        self._metrics.count(UNREACHABLE_METRIC, tenant=session.rules.tenant)
        log.error("desk_unreachable", tenant=session.rules.tenant, reason=reason or outcome)
        raise Parked("the desk's channel accepts nothing", until=self._clock() + UNREACHABLE_RETRY)

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _update(self, session: DeskSession, view: View, root: Root) -> datetime | None:
        await self._thread.update(session, view, root)
        await self._approvals.update(session, view)
        next_update = await self._update_card(session, view, root)
        marks = self._desk.marks
        replies = [line for line in view.lines if line.author.kind == "person" and line.state in marks]
        for each in await find_posts(self._records, root, replies):
            if not await self._update_mark(session, each):
                return self._clock() + self._poster.rates.retry
        return next_update

    async def _update_mark(self, session: DeskSession, line_post: LinePost) -> bool:
        """Show the delivery state of a person's reply. Return False if the desk accepts no more marks now. Raises
        Parked."""
        mark, place = self._desk.marks[line_post.line.state], line_post.place
        if place is None:
            return True
        conversation, key = session.conversation.id, ids.derived_id(line_post.line.id, "mark")
        shown = await self._states.read(conversation, key)
        if shown == mark:
            return True
        if not await self._poster.may_mark(session):
            return False
        await self._poster.ask(session, lambda connection: connection.replace_mark(place, shown, mark))
        await self._states.write(conversation, key, mark)
        return True

    async def _update_card(self, session: DeskSession, view: View, root: Root) -> datetime | None:
        """Update the card: at once after a change of owner, else with a delay. Return the time when it is due, None
        once it is done. Raises Parked."""
        if root.place is None:
            return None
        rendered = await render_card(self._desk, view, session.rules)
        epoch = str(view.conversation.epoch)
        wanted_state = f"{epoch}:{digest(rendered.blocks)}"
        key = ids.derived_id(root.marker, "card")
        shown_state = await self._states.read(view.id, key)
        if shown_state == wanted_state:
            return None
        now = self._clock()
        if shown_state.partition(":")[0] == epoch:  # the owner has not changed
            interval = self._poster.rates.card_every
            due = self._card_updated_at.get(root.marker, now - interval) + interval
            if now < due:
                return due
            if not await self._poster.may_update(session):
                return now + self._poster.rates.retry
        if await self._poster.update(session, root.place, rendered) == NOT_FOUND:
            await leave_root(self._poster, session, root, root.required_channel)
            return now if view.needs_people else None
        self._card_updated_at[root.marker] = now
        await self._states.write(view.id, key, wanted_state)
        return None

    async def replace_deleted_cards(self, session: DeskSession, deleted: Collection[str]) -> None:
        """Replace the current card if it is one of these, which are gone at the vendor."""
        if not deleted:
            return
        root = await find_root(self._records, session.conversation.id)
        if root.place is not None and root.place.external_id in deleted:
            await leave_root(self._poster, session, root, root.required_channel)

    async def _transfer(self, session: DeskSession, channel: str) -> None:
        """Move the conversation to another of the desk's channels. Raises Parked."""
        root = await find_root(self._records, session.conversation.id)
        if root.place is None or root.place.channel != channel:
            if root.place is not None:
                rendered = self._desk.render_post(CardTransfer(await self._load_view(session), channel))
                await self._poster.update(session, root.place, rendered)
            await leave_root(self._poster, session, root, channel)


async def _wait_for_more(batch: Batch, seconds: float) -> None:
    """Wait until a record arrives, the partition moves on, or ``seconds`` have passed."""
    waits = [asyncio.ensure_future(each.wait()) for each in (batch.arrived, batch.backlog, batch.revoking)]
    try:
        await asyncio.wait(waits, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
