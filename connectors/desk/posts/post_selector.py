"""Selection of the next post about a conversation, the most urgent first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from connectors.desk.contents import Card, Content, Draft, HandoffNotice, InDoubt, NotDelivered, ResolutionNotice
from connectors.desk.port import Desk, Post, RenderedPost
from connectors.desk.posts.approvals import ApprovalPosts
from connectors.desk.posts.posted_state import PostRecords, Root
from connectors.desk.posts.poster import DeskSession, Poster
from connectors.desk.posts.thread import PendingPost, Thread
from connectors.desk.posts.timers import list_due_notices
from connectors.desk.rules import TenantDeskRules
from connectors.desk.thread_ids import Place
from connectors.desk.view import LINES_KEPT, View
from connectors.outbound.rendering import render_within_deadline
from schemas import ids
from schemas.desk import DraftGenerated
from schemas.errors import SendRefused
from schemas.messages import TranscriptMessage


class PostSelector:
    def __init__(
        self, desk: Desk, records: PostRecords, thread: Thread, approvals: ApprovalPosts, poster: Poster
    ) -> None:
        self._desk = desk
        self._poster = poster
        self._records = records
        self._thread = thread
        self._approvals = approvals

    async def find_next(
        self, session: DeskSession, view: View, root: Root, drafts: Sequence[DraftGenerated]
    ) -> PendingPost | None:
        """Find the next missing post; None if the desk shows everything. Raises Parked."""
        place = root.place
        if place is None:
            return PendingPost(await self._build_card(session.rules, view, root))
        if (handoff_notice := self._build_handoff_notice(view, root, place)) and not await self._is_posted(
            view, handoff_notice.marker
        ):
            return PendingPost(handoff_notice)
        notice = await self._build_time_notice(session, view, place)
        if notice is not None and not notice.thread:
            return PendingPost(notice)  # it calls people
        if (line := await self._thread.find_next(view, root)) is not None:
            return line
        if (approval := await self._approvals.find_next(view, root)) is not None:
            return PendingPost(approval)
        if notice is not None:
            return PendingPost(notice)
        others = [*await self._build_drafts(place, drafts), *await self._build_failures(view, place)]
        for post in [*others, *self._build_resolutions(view, place)]:
            if not await self._is_posted(view, post.marker):
                return PendingPost(post)
        return None

    async def _is_posted(self, view: View, marker: str) -> bool:
        return await self._records.outcome(view.id, marker) is not None

    async def _build_card(self, rules: TenantDeskRules, view: View, root: Root) -> Post:
        channel = root.required_channel or view.channel(rules)
        metadata = {"conversation": view.id, "tenant": rules.tenant, "channel": view.conversation.origin.channel}
        rendered = await render_card(self._desk, view, rules)
        return Post(root.marker, channel, view.opened_at, rendered=rendered, metadata=metadata)

    def _build_handoff_notice(self, view: View, root: Root, place: Place) -> Post | None:
        """Build the notice of a repeated handoff: a change of the card alone notifies nobody."""
        handoff = view.handoff
        if handoff is None or not view.is_with_people or root.shown_at is None or root.shown_at > handoff.opened_at:
            return None
        marker = ids.derived_id(root.marker, "handoff", handoff.number)
        return self._build_thread_post(place, marker, handoff.opened_at, HandoffNotice(view))

    async def _build_drafts(self, place: Place, drafts: Sequence[DraftGenerated]) -> list[Post]:
        posts = []
        for draft in drafts:
            content = Draft(draft)
            work = partial(self._desk.render_post, content)
            rendered = await render_within_deadline(work, [draft.text], surface="desk draft")
            # With its text in the metadata, a draft can be sent even after the stores were lost.
            text = content.text if len(content.text) <= self._desk.max_draft else ""
            metadata = {"draft": draft.id, "text": text, "model": draft.model}
            marker = ids.derived_id(draft.id, "desk")
            posts.append(Post(marker, place.channel, draft.at, place.message, rendered, metadata))
        return posts

    async def _build_time_notice(self, session: DeskSession, view: View, place: Place) -> Post | None:
        """Raises Parked."""
        for each in list_due_notices(view, session.rules):
            marker = each.marker(view.id)
            if await self._is_posted(view, marker):
                continue
            if not each.channel:
                return self._build_thread_post(place, marker, each.occasion, each.notice)
            link = await self._poster.ask(session, lambda connection: connection.get_link(place))
            notice = replace(each.notice, link="" if isinstance(link, SendRefused) else link)
            return Post(marker, each.channel, each.occasion, rendered=self._desk.render_post(notice))
        return None

    async def _build_failures(self, view: View, place: Place) -> list[Post]:
        """Build the posts about messages that did not arrive, or may not have: a mark alone does not say what to do."""
        posts = []
        for line in view.all_lines:
            if line.state == "unknown":
                marker = ids.derived_id(line.id, "desk-in-doubt")
                posts.append(self._build_thread_post(place, marker, line.created_at, InDoubt(line)))
        for line in view.lines:
            if _is_refused(line):
                outcome = await self._records.outcome(view.id, line.id)
                content = NotDelivered(line, outcome.reason if outcome is not None else "")
                marker = ids.derived_id(line.id, "desk-failed")
                posts.append(self._build_thread_post(place, marker, line.created_at, content))
        return posts

    def _build_resolutions(self, view: View, place: Place) -> list[Post]:
        """Build the posts about resolutions and their ratings, as far as their records are kept."""
        posts = []
        for each in view.conversation.facts.resolutions:
            if each.at <= view.now - LINES_KEPT:
                continue
            if not each.is_empty:
                marker = ids.derived_id(each.id, "desk")
                posts.append(self._build_thread_post(place, marker, each.at, ResolutionNotice(each)))
            if each.score is not None:
                content = ResolutionNotice(each, is_rating=True)
                posts.append(self._build_thread_post(place, ids.derived_id(each.id, "desk-rated"), each.at, content))
        return posts

    def _build_thread_post(self, place: Place, marker: str, since: datetime, content: Content) -> Post:
        return Post(marker, place.channel, since, place.message, self._desk.render_post(content))


def _is_refused(line: TranscriptMessage) -> bool:
    """Return whether a reply will never arrive and people should know. A reply of the agent is dropped on purpose, when
    a person took over, but a person's never is."""
    if line.author.kind == "person":
        return line.state in ("failed", "dropped")
    return line.author.kind == "agent" and line.state == "failed"


async def render_card(desk: Desk, view: View, rules: TenantDeskRules) -> RenderedPost:
    texts = [line.text for line in view.before]
    return await render_within_deadline(lambda: desk.render_post(Card(view, rules)), texts, surface="desk card")
