"""The thread below a card: it shows every line once, in order, and follows edits and deletions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from connectors.desk.contents import TranscriptLines, is_long, is_shown, list_stored_files
from connectors.desk.port import Desk, Post, RenderedPost
from connectors.desk.posts.post_index import SHARED_POST, LinePost, find_posts
from connectors.desk.posts.posted_state import PostRecords, PostState, Root
from connectors.desk.posts.poster import DeskSession, Poster
from connectors.desk.thread_ids import Place
from connectors.desk.view import View
from connectors.outbound.delivery_log import Outcome
from connectors.outbound.rendering import render_within_deadline
from schemas.conversation import DeliveryOutcome
from schemas.ports import Clock

FILES_SUFFIX = ".files"
"""Suffix of the marker of a contact's files, which are posted after the text of their line."""


@dataclass(frozen=True, slots=True)
class PendingPost:
    """A post to send. ``other_lines``: further lines in it, beside the one whose marker it has."""

    post: Post
    other_lines: tuple[LinePost, ...] = ()


class Thread:
    def __init__(self, desk: Desk, records: PostRecords, poster: Poster, states: PostState, clock: Clock) -> None:
        self._desk = desk
        self._records = records
        self._poster = poster
        self._states = states
        self._clock = clock

    async def find_next(self, view: View, root: Root) -> PendingPost | None:
        """Find the next post; None if all lines are shown."""
        lines = [line for line in view.before if is_long(line)] + [line for line in view.lines if is_shown(line)]
        posts = await find_posts(self._records, root, lines)
        if root.place is None:
            return None
        waiting = [each for each in posts if not each.is_shown]
        complete = posts[: posts.index(waiting[0])] if waiting else posts
        late_files = await self._find_late_files(view, root.place, complete)
        if late_files is not None or not waiting:
            return late_files
        first = waiting[0]
        if first.shared_marker:
            return self._complete_shared_post(view, root, waiting, first.shared_marker)
        decided = [each for each in waiting[1:] if each.shared_marker == first.marker]
        if decided:
            return await self._build_shared_post(view, root.place, [first, *decided])
        group = await self._choose_group(view, waiting)
        if len(group) > 1:
            return await self._build_shared_post(view, root.place, group)
        return await self._build_single_post(view, root.place, first)

    async def _choose_group(self, view: View, waiting: Sequence[LinePost]) -> Sequence[LinePost]:
        """Choose the lines of the next post. A line whose post was begun alone stays alone, because it may have been
        sent: a line added to it would never be shown. A line with files is posted alone, followed by its files."""
        if len(waiting) == 1 or await self._records.is_begun(view.id, waiting[0].marker):
            return waiting[:1]
        free = list(takewhile(lambda each: not each.shared_marker, waiting))
        without_files = list(takewhile(lambda each: not list_stored_files(each.line), free))
        if len(without_files) < 2:
            return free[:1]
        lines = [each.line for each in without_files]
        count = await render_within_deadline(
            lambda: self._desk.count_fitting(lines, view.name), [line.text for line in lines], surface="desk thread"
        )
        return free[:count]

    async def post(self, session: DeskSession, pending: PendingPost) -> Outcome:
        """Send a post. The lines that share it are recorded first, so that after a crash the same post is sent
        again."""
        marker, now = pending.post.marker, self._clock()
        for each in pending.other_lines:
            shared = DeliveryOutcome(message_id=each.marker, state="unknown", reason=f"{SHARED_POST}{marker}", at=now)
            await self._records.record(session.conversation.id, shared)
        outcome = await self._poster.post(session, pending.post)
        posted = await self._records.outcome(session.conversation.id, marker) if pending.other_lines else None
        for each in pending.other_lines:
            external_id = posted.external_id if posted is not None else ""
            await self._poster.record_done(session, each.marker, outcome=outcome, external_id=external_id)
        return outcome

    async def _find_late_files(self, view: View, root: Place, posts: Sequence[LinePost]) -> PendingPost | None:
        """Find files of contacts that are not posted yet. A worker fetches them, perhaps after the text of their line
        was posted."""
        for each in posts:
            files = list_stored_files(each.line) if _posts_files_later(each) else ()
            if not files or each.place is None or self._desk.is_file(each.place):
                continue
            marker = f"{each.marker}{FILES_SUFFIX}"
            if await self._records.outcome(view.id, marker) is None:
                return PendingPost(Post(marker, root.channel, each.line.created_at, root.message, files=files))
        return None

    def _complete_shared_post(self, view: View, root: Root, waiting: Sequence[LinePost], leader: str) -> PendingPost:
        """Complete a shared post whose outcome is not yet recorded for all of its lines: repeating the send only
        returns its place."""
        group = [each for each in waiting if each.shared_marker == leader]
        channel = root.place.channel if root.place else ""
        return PendingPost(Post(leader, channel, view.opened_at, rendered=RenderedPost("…")), tuple(group))

    async def _build_shared_post(self, view: View, root: Place, group: Sequence[LinePost]) -> PendingPost:
        first, rendered = group[0], await self._render(group, view)
        post = Post(first.marker, root.channel, first.line.created_at, root.message, rendered)
        return PendingPost(post, tuple(group[1:]))

    async def _build_single_post(self, view: View, root: Place, line_post: LinePost) -> PendingPost:
        """Post a long line in several messages, one after the other. The last has the line's own marker; files come
        last."""
        pieces = await self._split_line(view, root, line_post)
        for piece in pieces[:-1]:
            if await self._records.outcome(view.id, piece.marker) is None:
                return PendingPost(piece)
        return PendingPost(pieces[-1])

    async def _split_line(self, view: View, root: Place, line_post: LinePost) -> list[Post]:
        line, since = line_post.line, line_post.line.created_at
        messages = self._desk.split(await self._render([line_post], view))
        # Files that a worker fetches later must not change the markers of the pieces, which may be sent already.
        files = () if _posts_files_later(line_post) else list_stored_files(line)
        last = len(messages) - (0 if files else 1)
        posts = [
            Post(
                line_post.marker if number == last else f"{line_post.marker}.{number}",
                root.channel,
                since,
                root.message,
                message,
            )
            for number, message in enumerate(messages)
        ]
        if files:
            posts.append(Post(line_post.marker, root.channel, since, root.message, files=files))
        return posts

    async def _render(self, group: Sequence[LinePost], view: View) -> RenderedPost:
        lines = TranscriptLines(tuple(each.line for each in group), view.name)
        texts = [line.text for line in lines.lines]
        return await render_within_deadline(lambda: self._desk.render_post(lines), texts, surface="desk thread")

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def update(self, session: DeskSession, view: View, root: Root) -> None:
        """Update the posts of lines that were edited or deleted. Raises Parked."""
        lines = [*view.before, *(line for line in view.lines if is_shown(line))]
        changed = [line for line in lines if line.revision or line.state == "deleted"]
        if not changed:
            return
        posts = await find_posts(self._records, root, lines)
        for each in posts:
            if each.line in changed and each.place is not None:
                place = await self._find_text_post(view, each, each.place)
                await self._update_post(session, view, root, place, [one for one in posts if one.place == each.place])

    async def _find_text_post(self, view: View, line_post: LinePost, place: Place) -> Place:
        """Return the place of the first piece, which has the text if the line has files or several pieces."""
        first = await self._records.outcome(view.id, f"{line_post.marker}.0")
        return place if first is None or not first.external_id else Place.of(first.external_id)

    async def _update_post(
        self, session: DeskSession, view: View, root: Root, place: Place, group: Sequence[LinePost]
    ) -> None:
        key = f"{view.id}:{place.external_id}"
        rendered = await self._render(group, view)
        content_digest = digest(rendered.blocks)
        if await self._states.read(view.id, key) == content_digest:
            return
        first, *rest = self._desk.split(rendered)
        # Messages of people cannot be changed by us, and show their own edits.
        await self._poster.update(session, place, first)
        await self._delete_other_pieces(session, view, group[0], place)
        version = f"{sum(each.line.revision for each in group)}-{content_digest[:8]}"
        await self._delete_extra_posts(session, view, group[0].marker, version if rest else "")
        for number, message in enumerate(rest):
            marker = f"{group[0].marker}.{version}.{number}"
            since, thread = group[0].line.created_at, root.place.message if root.place else ""
            await self._poster.wait_turn(session, place.channel)
            await self._poster.post(session, Post(marker, place.channel, since, thread, message))
        await self._states.write(view.id, key, content_digest)

    async def _delete_other_pieces(self, session: DeskSession, view: View, line_post: LinePost, first: Place) -> None:
        """Delete the other pieces of an edited line, and the files of a deleted one."""
        number = 1
        while (piece := await self._records.outcome(view.id, f"{line_post.marker}.{number}")) is not None:
            await self._delete(session, piece.external_id)
            number += 1
        is_gone = line_post.line.state == "deleted"
        if line_post.place is not None and (
            is_gone if self._desk.is_file(line_post.place) else line_post.place != first
        ):
            await self._poster.delete(session, line_post.place)
        if is_gone and (files := await self._records.outcome(view.id, f"{line_post.marker}{FILES_SUFFIX}")) is not None:
            await self._delete(session, files.external_id)

    async def _delete_extra_posts(self, session: DeskSession, view: View, marker: str, version: str) -> None:
        """Delete the extra posts of an earlier version. ``version``: the version that has extra posts now, empty for
        none."""
        key = f"{marker}.more"
        before = await self._states.read(view.id, key)
        if before == version:
            return
        number = 0
        while before and (more := await self._records.outcome(view.id, f"{marker}.{before}.{number}")) is not None:
            await self._delete(session, more.external_id)
            number += 1
        await self._states.write(view.id, key, version)

    async def _delete(self, session: DeskSession, external_id: str) -> None:
        if external_id:
            await self._poster.delete(session, Place.of(external_id))


def _posts_files_later(line_post: LinePost) -> bool:
    """Return whether the files of the line have a post of their own, after its text."""
    return line_post.line.author.kind == "contact"


def digest(blocks: Sequence[Any]) -> str:
    """Hash the content of a message, to detect changes."""
    return hashlib.sha256(repr(list(blocks)).encode()).hexdigest()[:24]
