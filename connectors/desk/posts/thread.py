"""The thread below a card: every line that people must see, once, in order; and kept as its author changes it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from connectors.desk.contents import Lines, is_long, is_shown, list_stored_files
from connectors.desk.port import Desk, Post, RenderedPost
from connectors.desk.posts.post_index import TOGETHER, LinePost, find_posts
from connectors.desk.posts.posted_state import PostRecords, PostState, Root
from connectors.desk.posts.poster import DeskSession, Poster
from connectors.desk.thread_ids import Place
from connectors.desk.view import View
from connectors.outbound.delivery_log import Outcome
from connectors.outbound.rendering import render_within_deadline
from schemas.conversation import DeliveryOutcome
from schemas.ports import Clock

FILES = ".files"
"""Ends the marker of a contact's files, which come after the words of their line."""


@dataclass(frozen=True, slots=True)
class PendingPost:
    """A post to be made, and the lines that stand in it beside the one whose marker it has."""

    post: Post
    others: tuple[LinePost, ...] = ()


class Thread:
    def __init__(self, desk: Desk, records: PostRecords, poster: Poster, shown: PostState, clock: Clock) -> None:
        self._desk = desk
        self._records = records
        self._poster = poster
        self._shown = shown
        self._clock = clock

    async def next(self, view: View, root: Root) -> PendingPost | None:
        """Find what has to be posted now; None when all lines are there."""
        shown = [line for line in view.before if is_long(line)] + [line for line in view.lines if is_shown(line)]
        all_ = await find_posts(self._records, root, shown)
        if root.place is None:
            return None
        waiting = [each for each in all_ if not each.is_shown]
        before = all_ if not waiting else all_[: all_.index(waiting[0])]
        if (files := await self._belated_files(view, root.place, before)) is not None or not waiting:
            return files
        first = waiting[0]
        if first.leader:
            return self._follow(view, root, waiting, first.leader)
        decided = [each for each in waiting[1:] if each.leader == first.marker]
        if decided:
            return await self._shared_post(view, root.place, [first, *decided])
        group = await self._group(view, waiting)
        if len(group) > 1:
            return await self._shared_post(view, root.place, group)
        return await self._single_post(view, root.place, first)

    async def _group(self, view: View, waiting: Sequence[LinePost]) -> Sequence[LinePost]:
        """Choose the lines that the next post holds. One that was on its way alone is taken to be there as it was then:
        whatever joined it would never be shown. One with files stands alone, so that they stand below it."""
        if len(waiting) == 1 or await self._records.is_begun(view.id, waiting[0].marker):
            return waiting[:1]
        free = list(takewhile(lambda each: not each.leader, waiting))
        without_files = list(takewhile(lambda each: not list_stored_files(each.line), free))
        if len(without_files) < 2:
            return free[:1]
        lines = [each.line for each in without_files]
        count = await render_within_deadline(
            lambda: self._desk.count_fitting(lines, view.name), [line.text for line in lines], surface="desk thread"
        )
        return free[:count]

    async def post(self, session: DeskSession, wanted: PendingPost) -> Outcome:
        """Send a post. The lines that share it are on record before, so that whoever goes on after a crash asks for the
        same one."""
        marker, now = wanted.post.marker, self._clock()
        for each in wanted.others:
            together = DeliveryOutcome(message_id=each.marker, state="unknown", reason=f"{TOGETHER}{marker}", at=now)
            await self._records.record(session.conversation.id, together)
        outcome = await self._poster.post(session, wanted.post)
        posted = await self._records.outcome(session.conversation.id, marker) if wanted.others else None
        for each in wanted.others:
            external_id = posted.external_id if posted is not None else ""
            await self._poster.record_done(session, each.marker, outcome=outcome, external_id=external_id)
        return outcome

    async def _belated_files(self, view: View, root: Place, shown: Sequence[LinePost]) -> PendingPost | None:
        """Find files of what contacts wrote. A worker fetches them, perhaps after the words of their line were
        posted."""
        for each in shown:
            files = list_stored_files(each.line) if _posts_files_later(each) else ()
            if not files or each.place is None or self._desk.is_file(each.place):
                continue
            marker = f"{each.marker}{FILES}"
            if await self._records.outcome(view.id, marker) is None:
                return PendingPost(Post(marker, root.channel, each.line.created_at, root.message, files=files))
        return None

    def _follow(self, view: View, root: Root, waiting: Sequence[LinePost], leader: str) -> PendingPost:
        """The post is out, and not yet on record for all of its lines: sending it again only says where it is."""
        group = [each for each in waiting if each.leader == leader]
        channel = root.place.channel if root.place else ""
        return PendingPost(Post(leader, channel, view.opened_at, rendered=RenderedPost("…")), tuple(group))

    async def _shared_post(self, view: View, root: Place, group: Sequence[LinePost]) -> PendingPost:
        first, rendered = group[0], await self._render(group, view)
        post = Post(first.marker, root.channel, first.line.created_at, root.message, rendered)
        return PendingPost(post, tuple(group[1:]))

    async def _single_post(self, view: View, root: Place, one: LinePost) -> PendingPost:
        """One piece after the other; the last has the line's own marker, and the files come last."""
        pieces = await self._pieces(view, root, one)
        for piece in pieces[:-1]:
            if await self._records.outcome(view.id, piece.marker) is None:
                return PendingPost(piece)
        return PendingPost(pieces[-1])

    async def _pieces(self, view: View, root: Place, one: LinePost) -> list[Post]:
        line, since = one.line, one.line.created_at
        messages = self._desk.split(await self._render([one], view))
        # What a worker fetches must not change the names of the pieces: they may be on their way.
        files = () if _posts_files_later(one) else list_stored_files(line)
        last = len(messages) - (0 if files else 1)
        posts = [
            Post(one.marker if number == last else f"{one.marker}.{number}", root.channel, since, root.message, message)
            for number, message in enumerate(messages)
        ]
        if files:
            posts.append(Post(one.marker, root.channel, since, root.message, files=files))
        return posts

    async def _render(self, group: Sequence[LinePost], view: View) -> RenderedPost:
        lines = Lines(tuple(each.line for each in group), view.name)
        texts = [line.text for line in lines.lines]
        return await render_within_deadline(lambda: self._desk.render_post(lines), texts, surface="desk thread")

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def update(self, session: DeskSession, view: View, root: Root) -> None:
        """Bring posts whose lines were edited or deleted in line with them. Raises Parked."""
        shown = [*view.before, *(line for line in view.lines if is_shown(line))]
        changed = [line for line in shown if line.revision or line.state == "deleted"]
        if not changed:
            return
        all_ = await find_posts(self._records, root, shown)
        for each in all_:
            if each.line in changed and each.place is not None:
                place = await self._place_of_text(view, each, each.place)
                await self._update_post(session, view, root, place, [one for one in all_ if one.place == each.place])

    async def _place_of_text(self, view: View, one: LinePost, place: Place) -> Place:
        """A line with files, or of several pieces, has its words in the first piece."""
        first = await self._records.outcome(view.id, f"{one.marker}.0")
        return place if first is None or not first.external_id else Place.of(first.external_id)

    async def _update_post(
        self, session: DeskSession, view: View, root: Root, place: Place, group: Sequence[LinePost]
    ) -> None:
        about = f"{view.id}:{place.external_id}"
        rendered = await self._render(group, view)
        as_is = digest(rendered.blocks)
        if await self._shown.read(view.id, about) == as_is:
            return
        first, *rest = self._desk.split(rendered)
        # What people wrote themselves cannot be changed by us: they see that they have edited it.
        await self._poster.update(session, place, first)
        await self._delete_rest(session, view, group[0], place)
        version = f"{sum(each.line.revision for each in group)}-{as_is[:8]}"
        await self._delete_extra(session, view, group[0].marker, version if rest else "")
        for number, message in enumerate(rest):
            marker = f"{group[0].marker}.{version}.{number}"
            since, thread = group[0].line.created_at, root.place.message if root.place else ""
            await self._poster.wait_turn(session, place.channel)
            await self._poster.post(session, Post(marker, place.channel, since, thread, message))
        await self._shown.write(view.id, about, as_is)

    async def _delete_rest(self, session: DeskSession, view: View, one: LinePost, first: Place) -> None:
        """The other pieces of a line say what its author no longer says; a deleted line leaves no files behind."""
        number = 1
        while (piece := await self._records.outcome(view.id, f"{one.marker}.{number}")) is not None:
            await self._delete(session, piece.external_id)
            number += 1
        is_gone = one.line.state == "deleted"
        if one.place is not None and (is_gone if self._desk.is_file(one.place) else one.place != first):
            await self._poster.delete(session, one.place)
        if is_gone and (files := await self._records.outcome(view.id, f"{one.marker}{FILES}")) is not None:
            await self._delete(session, files.external_id)

    async def _delete_extra(self, session: DeskSession, view: View, marker: str, version: str) -> None:
        """Delete posts that an earlier version needed beyond the first. ``version``: the one that needs some now."""
        about = f"{marker}.more"
        before = await self._shown.read(view.id, about)
        if before == version:
            return
        number = 0
        while before and (more := await self._records.outcome(view.id, f"{marker}.{before}.{number}")) is not None:
            await self._delete(session, more.external_id)
            number += 1
        await self._shown.write(view.id, about, version)

    async def _delete(self, session: DeskSession, external_id: str) -> None:
        if external_id:
            await self._poster.delete(session, Place.of(external_id))


def _posts_files_later(one: LinePost) -> bool:
    """Tell whether its files have a post of their own, after its words."""
    return one.line.author.kind == "contact"


def digest(blocks: Sequence[Any]) -> str:
    """Tell whether two messages look the same."""
    return hashlib.sha256(repr(list(blocks)).encode()).hexdigest()[:24]
