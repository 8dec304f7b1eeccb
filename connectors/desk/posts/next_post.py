"""What is to be posted next about a conversation, in the order in which people need it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from connectors.desk.posts import timers as times
from connectors.desk.posts.approvals import Approvals
from connectors.desk.posts.posted_state import Records
from connectors.desk.posts.poster import Poster, Session
from connectors.desk.posts.posts import Place, Post
from connectors.desk.posts.roots import Root
from connectors.desk.posts.thread import Thread, Wanted
from connectors.desk.rules import DeskRules
from connectors.desk.view import View
from connectors.outbound.rendering import within_deadline
from connectors.slack.desk import block_kit as kit
from connectors.slack.desk import render_notices as requests
from connectors.slack.desk.render_card import WHO, shown_card, summary
from schemas import ids
from schemas.desk import DraftMade
from schemas.messages import TranscriptMessage


class Agenda:
    def __init__(self, records: Records, thread: Thread, approvals: Approvals, poster: Poster) -> None:
        self._poster = poster
        self._records = records
        self._thread = thread
        self._approvals = approvals

    async def next(self, session: Session, view: View, root: Root, drafts: Sequence[DraftMade]) -> Wanted | None:
        """What is to be posted next, in the order in which people need it."""
        place = root.place
        if place is None:
            return Wanted(await self._root(session.rules, view, root))
        for post in self._asides(view, root, place):
            if not await self._is_posted(view, post.marker):
                return Wanted(post)
        if (line := await self._thread.next(view, root)) is not None:
            return line
        if (approval := await self._approvals.next(view, root)) is not None:
            return Wanted(approval)
        if (due := await self._due(session, view, place)) is not None:
            return Wanted(due)
        for post in [*await self._drafts(place, drafts), *await self._failures(view, place)]:
            if not await self._is_posted(view, post.marker):
                return Wanted(post)
        return None

    async def _is_posted(self, view: View, marker: str) -> bool:
        return await self._records.outcome(view.id, marker) is not None

    async def _root(self, rules: DeskRules, view: View, root: Root) -> Post:
        shown, channel = await shown_card(view, rules), root.bound_to or view.channel(rules)
        about = {"conversation": view.id, "tenant": rules.tenant, "channel": view.conversation.origin.channel}
        return Post(root.marker, channel, view.opened_at, text=shown.text, blocks=shown.blocks, about=about)

    def _asides(self, view: View, root: Root, place: Place) -> list[Post]:
        """A card that changes calls nobody: that it is handed over once more is said in the thread."""
        handoff = view.handoff
        if handoff is None or not view.is_with_people or root.shown_at is None or root.shown_at > handoff.opened_at:
            return []
        again = " again" if handoff.number > 1 else ""
        blocks = [kit.marked(f"🟠 *Handed over to people{again}*"), *kit.exact(handoff.reason)]
        blocks += summary(view)
        marker = ids.derived_id(root.marker, "handoff", handoff.number)
        return [_below(place, marker, handoff.opened_at, f"{view.name} waits{again}: {handoff.reason}", blocks)]

    async def _drafts(self, place: Place, drafts: Sequence[DraftMade]) -> list[Post]:
        posts = []
        for made in drafts:
            shown = await within_deadline(partial(requests.draft, made), [made.text], surface="desk draft")
            carried = requests.carried(made)
            marker = ids.derived_id(made.id, "desk")
            posts.append(_below(place, marker, made.at, shown.text, shown.blocks, carried))
        return posts

    async def _due(self, session: Session, view: View, place: Place) -> Post | None:
        """What the time says. Raises Parked."""
        for told in times.notices(view, session.rules):
            marker = told.marker(view.id)
            if await self._is_posted(view, marker):
                continue
            if not told.elsewhere:
                return _below(place, marker, told.since, "The customer waits for an answer", [kit.marked(told.text)])
            link = await self._poster.permalink(session, place)
            there = f"{told.text}: <{link}|open the thread>" if link else told.text
            text = kit.notice("A customer waits for an answer, longer than agreed")
            return Post(marker, told.elsewhere, told.since, text=text, blocks=(kit.marked(there),))
        return None

    async def _failures(self, view: View, place: Place) -> list[Post]:
        """What has not arrived, or may not have, in words: a mark alone would not say what to do."""
        posts = [_in_doubt(place, line) for line in [*view.before, *view.lines] if line.state == "unknown"]
        for line in view.lines:
            if line.author.kind == "person" and line.state in ("failed", "dropped"):
                told = await self._records.outcome(view.id, line.id)
                why = told.reason if told is not None else ""
                quoted = kit.small(kit.plain(f"🧑‍💼 {line.text or 'a file'}"))
                because = [kit.plain(why)] if why else []
                blocks = [kit.small("❌ *Not delivered to the customer*", *because), quoted]
                marker = ids.derived_id(line.id, "desk-failed")
                posts.append(_below(place, marker, line.created_at, f"Not delivered: {why or line.text}", blocks))
        return posts


def _in_doubt(place: Place, line: TranscriptMessage) -> Post:
    """The customer would have to be asked: only people can decide to send it a second time."""
    blocks = [
        kit.small("⚠️ *This may not have reached the customer*"),
        kit.small(kit.plain(f"{WHO[line.author.kind]} {line.text or 'a file'}")),
        *kit.buttons([kit.button("resend", "Send again", line.id)]),
    ]
    marker = ids.derived_id(line.id, "desk-in-doubt")
    return _below(place, marker, line.created_at, f"This may not have reached the customer: {line.text}", blocks)


def _below(
    place: Place,
    marker: str,
    since: datetime,
    text: str,
    blocks: Sequence[kit.Json],
    about: dict[str, str] | None = None,
) -> Post:
    return Post(marker, place.channel, since, place.ts, kit.notice(text), tuple(blocks), about or {})
