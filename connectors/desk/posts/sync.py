"""Brings what Slack shows of one conversation in line with its state."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from connectors.desk.posts.approvals import Approvals
from connectors.desk.posts.marks import MARKS, Marks
from connectors.desk.posts.next_post import Agenda
from connectors.desk.posts.post_index import standings
from connectors.desk.posts.posted_state import Records
from connectors.desk.posts.poster import Poster, Session
from connectors.desk.posts.posts import Place
from connectors.desk.posts.roots import Root, current_root, leave_root
from connectors.desk.posts.slate import Slate
from connectors.desk.posts.tempo import Tempo
from connectors.desk.posts.thread import Thread, Wanted, digest
from connectors.desk.view import View, is_wanted, view_of
from connectors.outbound.delivery_log import Outcome
from connectors.slack.desk import render_notices as requests
from connectors.slack.desk.render_card import Card, moved, shown_card
from schemas import ids
from schemas.conversation import Conversation, Delivered
from schemas.desk import DeskActed, DraftMade
from schemas.errors import Parked
from schemas.ports import Batch, Clock, Metrics, State

log = structlog.get_logger("parley.desk")

UNREACHABLE = timedelta(minutes=5)
UNREACHABLE_METRIC = "parley_desk_unreachable_total"
GONE = frozenset({"not_found", "cant_update_message"})


class Showing:
    def __init__(self, state: State, poster: Poster, clock: Clock, tempo: Tempo, metrics: Metrics) -> None:
        self._tempo = tempo
        self._metrics = metrics
        self._state = state
        self._poster = poster
        self._clock = clock
        self._records = records = Records(state.deliveries)
        self._slate = Slate(records, clock)
        self._thread = Thread(records, poster, self._slate, clock)
        self._marks = Marks(poster, self._slate, tempo.reactions)
        self._approvals = Approvals(records, poster, self._slate)
        self._agenda = Agenda(records, self._thread, self._approvals, poster)
        self._updated: dict[str, datetime] = {}

    async def show(self, session: Session, drafts: Sequence[DraftMade], batch: Batch) -> None:
        """Until nothing is left to show, or more has come. Raises Parked, Unavailable."""
        while (later := await self._pass(session, drafts)) is not None:
            if batch.arrived.is_set() or batch.later.is_set():
                return  # whoever handles that looks at all of it
            await _arrival(batch, (later - self._clock()).total_seconds())

    async def concerns(self, conversation: Conversation) -> bool:
        """Whether anything of it is to be seen, or is seen already. Most conversations are never people's."""
        return is_wanted(conversation) or (await current_root(self._records, conversation.id)).place is not None

    async def glance(self, session: Session) -> None:
        """Once. Raises Parked, Unavailable."""
        await self._pass(session, ())

    async def done(self, session: Session, marker: str) -> None:
        await self._poster.note(session, marker)

    async def note(self, session: Session, acted: DeskActed) -> None:
        """What the state does not keep of an act, and the thread shows. Raises Parked."""
        if acted.kind in requests.DECIDED:
            if await self._outcome(session, acted.id) is not None:
                await self._approvals.heard(session, acted)
        elif acted.kind in requests.SETTLED:
            await self._settled(session, acted)
        elif acted.kind == "transfer" and acted.value in session.rules.places:
            now = await self._state.conversations.get(session.conversation.id)
            holder = now.holder if now is not None else None
            if holder is not None and (holder.by, holder.since) == (acted.by, acted.at):
                await self.transfer(session, acted.value)

    async def _settled(self, session: Session, acted: DeskActed) -> None:
        """A draft that was sent or discarded by this act can be neither any more."""
        settled = await self._outcome(session, ids.derived_id(acted.value, "draft-settled"))
        shown = await self._outcome(session, ids.derived_id(acted.value, "desk"))
        if settled is None or settled.reason.partition(" ")[0] != acted.id or shown is None or not shown.external_id:
            return
        await self._update(session, Place.of(shown.external_id), requests.settled(acted, acted.at))

    async def _outcome(self, session: Session, marker: str) -> Delivered | None:
        return await self._records.outcome(session.conversation.id, marker)

    async def _pass(self, session: Session, drafts: Sequence[DraftMade]) -> datetime | None:
        """Bring all in line. When to come back, None when nothing is left."""
        while True:
            view = await self._view(session)
            root = await current_root(self._records, session.conversation.id)
            if root.place is None and not (view.is_wanted or drafts):
                return None
            wanted = await self._agenda.next(session, view, root, drafts)
            if wanted is None:
                break
            await self._poster.turn(session, wanted.post.channel)
            # The state as it is when the turn has come: what was said while we waited stands in the same post.
            view, root = await self._view(session), await current_root(self._records, session.conversation.id)
            if (wanted := await self._agenda.next(session, view, root, drafts)) is not None:
                await self._posted(session, root, wanted)
        return await self._bring_up_to_date(session, view, root)

    async def _view(self, session: Session) -> View:
        conversation = await self._state.conversations.get(session.conversation.id)
        return await view_of(self._state, conversation or session.conversation, self._clock())

    async def _posted(self, session: Session, root: Root, wanted: Wanted) -> None:
        outcome = await self._thread.post(session, wanted)
        told = await self._records.outcome(session.conversation.id, wanted.post.marker)
        if wanted.post.marker == root.marker:
            await self._root_posted(session, root, outcome, told.reason if told is not None else "")
        elif outcome == "failed" and told is not None and told.reason in GONE and wanted.post.thread:
            await leave_root(self._poster, session, root, root.bound_to)
        elif outcome != "sent":
            log.warning("desk_post_lost", conversation_id=session.conversation.id, outcome=outcome)

    async def _root_posted(self, session: Session, root: Root, outcome: Outcome, reason: str) -> None:
        if outcome == "sent":
            return
        # Refused for good, but the reason can be mended: the app is not in the channel, or the channel is gone.
        await leave_root(self._poster, session, root)
        self._metrics.count(UNREACHABLE_METRIC, tenant=session.rules.tenant)
        log.error("desk_unreachable", tenant=session.rules.tenant, reason=reason or outcome)
        raise Parked("the desk's channel takes nothing", until=self._clock() + UNREACHABLE)

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _bring_up_to_date(self, session: Session, view: View, root: Root) -> datetime | None:
        await self._thread.renew(session, view, root)
        await self._approvals.renew(session, view)
        later = await self._card(session, view, root)
        replies = [line for line in view.lines if line.author.kind == "person" and line.state in MARKS]
        for each in await standings(self._records, root, replies):
            if not await self._marks.renew(session, each):
                return self._clock() + self._tempo.soon
        return later

    async def _card(self, session: Session, view: View, root: Root) -> datetime | None:
        """Now where somebody else may speak, else after a while. When it is due, None once it is done."""
        if root.place is None:
            return None
        shown, about = await shown_card(view, session.rules), ids.derived_id(root.marker, "card")
        as_is = f"{view.conversation.epoch}:{digest(shown.blocks)}"
        before, now = await self._slate.read(view.id, about), self._clock()
        if before == as_is:
            return None
        is_urgent = before.partition(":")[0] != str(view.conversation.epoch)
        due = self._updated.get(root.marker, now - self._tempo.card_every) + self._tempo.card_every
        if not is_urgent and now < due:
            return due
        if not is_urgent and not await self._poster.may(session, "updates", self._tempo.updates):
            return now + self._tempo.soon
        refused = await self._update(session, root.place, shown)
        if refused in GONE:
            await leave_root(self._poster, session, root, root.bound_to)
            return now if view.is_wanted else None
        self._updated[root.marker] = now
        await self._slate.write(view.id, about, as_is)
        return None

    async def _update(self, session: Session, place: Place, shown: Card) -> str:
        said = {"text": shown.text, "blocks": list(shown.blocks)}
        return await self._poster.ask(session, "chat.update", {"channel": place.channel, "ts": place.ts, **said})

    async def transfer(self, session: Session, to: str) -> None:
        """The conversation is shown in another of the desk's channels from now on. Raises Parked."""
        root = await current_root(self._records, session.conversation.id)
        if root.place is None or root.place.channel != to:
            if root.place is not None:
                await self._update(session, root.place, moved(await self._view(session), to))
            await leave_root(self._poster, session, root, to)


async def _arrival(batch: Batch, seconds: float) -> None:
    """Until something comes, the partition moves on, or so much time has passed."""
    waits = [asyncio.ensure_future(each.wait()) for each in (batch.arrived, batch.later, batch.hurry)]
    try:
        await asyncio.wait(waits, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
