"""The thread below a card: every line that people must see, once, in order; and kept as its author changes it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeVar

from connectors.desk.posts.post_index import TOGETHER, Standing, standings
from connectors.desk.posts.posted_state import Records
from connectors.desk.posts.poster import Poster, Session
from connectors.desk.posts.posts import Place, Post
from connectors.desk.posts.roots import Root
from connectors.desk.posts.slate import Slate
from connectors.desk.view import View
from connectors.outbound.delivery_log import Outcome
from connectors.outbound.rendering import within_deadline
from connectors.slack.desk import block_kit as kit
from connectors.slack.desk import render_transcript as lines
from connectors.slack.desk.render_card import is_long
from connectors.slack.desk.render_transcript import Said
from schemas.conversation import Delivered
from schemas.ports import Clock

T = TypeVar("T")
FILES = ".files"
"""Ends the marker of a contact's files, which come after the words of their line."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The next post, and the lines that stand in it beside the one whose marker it has."""

    post: Post
    others: tuple[Standing, ...] = ()


class Thread:
    def __init__(self, records: Records, poster: Poster, slate: Slate, clock: Clock) -> None:
        self._records = records
        self._poster = poster
        self._slate = slate
        self._clock = clock

    async def next(self, view: View, root: Root) -> Wanted | None:
        """What has to be posted now; None when all lines are there."""
        shown = [line for line in view.before if is_long(line)] + [each for each in view.lines if lines.is_shown(each)]
        all_ = await standings(self._records, root, shown)
        if root.place is None:
            return None
        waiting = [each for each in all_ if not each.is_shown]
        before = all_ if not waiting else all_[: all_.index(waiting[0])]
        if (files := await self._belated(view, root.place, before)) is not None or not waiting:
            return files
        first = waiting[0]
        if first.leader:
            return await self._follow(view, root, waiting, first.leader)
        decided = [each for each in waiting[1:] if each.leader == first.marker]
        if decided:
            return await self._together(view, root.place, [first, *decided])
        group = await self._group(view, waiting)
        if len(group) > 1:
            return await self._together(view, root.place, group)
        return await self._alone(view, root.place, first)

    async def _group(self, view: View, waiting: Sequence[Standing]) -> Sequence[Standing]:
        """The lines that the next post may hold. One that was on its way alone is taken to be there as it was then:
        whatever joined it would never be shown."""
        if len(waiting) == 1 or await self._records.is_begun(view.id, waiting[0].marker):
            return waiting[:1]
        free = list(takewhile(lambda each: not each.leader, waiting))
        said = await _first_post(free, view)
        if len(said.lines) > 1 and lines.stored(said.lines[-1]):
            said = await _first_post(free[: len(said.lines) - 1], view)
        return free[: len(said.lines)]

    async def post(self, session: Session, wanted: Wanted) -> Outcome:
        """Which lines share a post is on record before it is sent, so that whoever goes on after a crash asks for the
        same one."""
        marker, now = wanted.post.marker, self._clock()
        for each in wanted.others:
            together = Delivered(message_id=each.marker, state="unknown", reason=f"{TOGETHER}{marker}", at=now)
            await self._records.record(session.conversation.id, together)
        outcome = await self._poster.post(session, wanted.post)
        told = await self._records.outcome(session.conversation.id, marker) if wanted.others else None
        for each in wanted.others:
            external_id = told.external_id if told is not None else ""
            await self._poster.note(session, each.marker, outcome=outcome, external_id=external_id)
        return outcome

    async def _belated(self, view: View, place: Place, all_: Sequence[Standing]) -> Wanted | None:
        """Files of what contacts wrote, which a worker fetches: perhaps after the words of their line were posted."""
        for one in all_:
            files = lines.stored(one.line) if _is_belated(one) else ()
            if not files or one.place is None or one.place.is_file:
                continue
            marker = f"{one.marker}{FILES}"
            if await self._records.outcome(view.id, marker) is None:
                return Wanted(Post(marker, place.channel, one.line.created_at, place.ts, with_files=files))
        return None

    async def _follow(self, view: View, root: Root, waiting: Sequence[Standing], leader: str) -> Wanted | None:
        """The post is out, and not yet on record for all of its lines: sending it again only says where it is."""
        group = [each for each in waiting if each.leader == leader]
        post = Post(leader, root.place.channel if root.place else "", view.opened_at, text="…")
        return Wanted(post, tuple(group))

    async def _together(self, view: View, place: Place, group: Sequence[Standing]) -> Wanted:
        said = await _said(group, view)
        first = group[0]
        post = Post(first.marker, place.channel, first.line.created_at, place.ts, said.text, said.blocks)
        return Wanted(post, tuple(group[1:]))

    async def _alone(self, view: View, place: Place, one: Standing) -> Wanted:
        """One piece after the other; the last has the line's own marker, and the files come last."""
        pieces = await _rendered(lambda: _pieces(view, place, one), [one])
        for piece in pieces[:-1]:
            if await self._records.outcome(view.id, piece.marker) is None:
                return Wanted(piece)
        return Wanted(pieces[-1])

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def renew(self, session: Session, view: View, root: Root) -> None:
        """Bring posts whose lines were edited or deleted in line with them. Raises Parked."""
        shown = [*view.before, *(line for line in view.lines if lines.is_shown(line))]
        changed = [line for line in shown if line.revision or line.state == "deleted"]
        if not changed:
            return
        all_ = await standings(self._records, root, shown)
        for each in all_:
            if each.line in changed and each.place is not None:
                place = await self._text_of(view, each, each.place)
                await self._renewed(session, view, root, place, [one for one in all_ if one.place == each.place])

    async def _text_of(self, view: View, one: Standing, place: Place) -> Place:
        """A line with files, or of several pieces, has its words in the first piece."""
        first = await self._records.outcome(view.id, f"{one.marker}.0")
        return place if first is None or not first.external_id else Place.of(first.external_id)

    async def _renewed(self, session: Session, view: View, root: Root, place: Place, group: Sequence[Standing]) -> None:
        about = f"{view.id}:{place.channel}/{place.ts}"
        said = await _said(group, view)
        as_is = digest(said.blocks)
        if await self._slate.read(view.id, about) == as_is:
            return
        first, *rest = list(kit.packed(said.blocks))
        where = {"channel": place.channel, "ts": place.ts}
        # What people wrote themselves cannot be changed by us: they see that they have edited it.
        await self._poster.ask(session, "chat.update", {**where, "text": said.text, "blocks": first})
        await self._take_back_rest(session, view, group[0], place)
        version = f"{sum(each.line.revision for each in group)}-{as_is[:8]}"
        await self._take_back_more(session, view, group[0].marker, version if rest else "")
        for number, blocks in enumerate(rest):
            marker = f"{group[0].marker}.{version}.{number}"
            since, thread = group[0].line.created_at, root.place.ts if root.place else ""
            more = Post(marker, place.channel, since, thread, said.text, tuple(blocks))
            await self._poster.turn(session, place.channel)
            await self._poster.post(session, more)
        await self._slate.write(view.id, about, as_is)

    async def _take_back_rest(self, session: Session, view: View, one: Standing, first: Place) -> None:
        """The other pieces of a line say what its author no longer says; a deleted line leaves no files behind."""
        number = 1
        while (piece := await self._records.outcome(view.id, f"{one.marker}.{number}")) is not None:
            await self._take_back(session, Place.of(piece.external_id))
            number += 1
        is_gone = one.line.state == "deleted"
        if one.place is not None and (is_gone if one.place.is_file else one.place != first):
            await self._take_back(session, one.place)
        if (
            is_gone
            and (files := await self._records.outcome(view.id, f"{one.marker}{FILES}")) is not None
            and files.external_id
        ):
            await self._take_back(session, Place.of(files.external_id))

    async def _take_back_more(self, session: Session, view: View, marker: str, version: str) -> None:
        """Posts that an earlier version needed beyond the first. ``version``: the one that needs some now."""
        about = f"{marker}.more"
        before = await self._slate.read(view.id, about)
        if before == version:
            return
        number = 0
        while before and (more := await self._records.outcome(view.id, f"{marker}.{before}.{number}")) is not None:
            await self._take_back(session, Place.of(more.external_id))
            number += 1
        await self._slate.write(view.id, about, version)

    async def _take_back(self, session: Session, place: Place) -> None:
        if "." in place.ts:
            await self._poster.ask(session, "chat.delete", {"channel": place.channel, "ts": place.ts})
        elif place.ts:
            await self._poster.ask(session, "files.delete", {"file": place.ts})


async def _rendered(work: Callable[[], T], shown: Sequence[Standing]) -> T:
    return await within_deadline(work, [each.line.text for each in shown], surface="desk thread")


async def _first_post(shown: Sequence[Standing], view: View) -> Said:
    return await _rendered(lambda: next(lines.posts([each.line for each in shown], view.name)), shown)


async def _said(shown: Sequence[Standing], view: View) -> Said:
    return await _rendered(lambda: lines.again([each.line for each in shown], view.name), shown)


def _pieces(view: View, place: Place, one: Standing) -> list[Post]:
    line, since = one.line, one.line.created_at
    texts = list(kit.packed(lines.blocks_of(line, view.name)))
    said = lines.again([line], view.name)
    # What a worker fetches must not change the names of the pieces: they may be on their way.
    files = () if _is_belated(one) else lines.stored(line)
    last = len(texts) - (0 if files else 1)
    posts = [
        Post(
            one.marker if number == last else f"{one.marker}.{number}",
            place.channel,
            since,
            place.ts,
            said.text,
            tuple(blocks),
        )
        for number, blocks in enumerate(texts)
    ]
    if files:
        posts.append(Post(one.marker, place.channel, since, place.ts, with_files=files))
    return posts


def _is_belated(one: Standing) -> bool:
    """Whether its files have a post of their own, after its words."""
    return one.line.author.kind == "contact"


def digest(blocks: Sequence[kit.Json]) -> str:
    """Tells whether two messages look the same."""
    return hashlib.sha256(repr(list(blocks)).encode()).hexdigest()[:24]
