"""Actions that wait for a colleague's yes, each as a post of its own in the thread."""

from __future__ import annotations

import json

from connectors.desk.contents import ApprovalOutcome, ApprovalRequest, summarize_approval
from connectors.desk.port import Desk, Post
from connectors.desk.posts.posted_state import PostRecords, PostState, Root
from connectors.desk.posts.poster import DeskSession, Poster
from connectors.desk.thread_ids import Place
from connectors.desk.view import View
from schemas import ids
from schemas.actions import ActionMemory, PendingApproval
from schemas.desk import DeskCommand


class ApprovalPosts:
    def __init__(self, desk: Desk, records: PostRecords, poster: Poster, shown: PostState) -> None:
        self._desk = desk
        self._records = records
        self._poster = poster
        self._shown = shown

    async def next(self, view: View, root: Root) -> Post | None:
        """The next that is not posted yet. It goes on record as open before that: what becomes of it will be shown."""
        for approval in _list_waiting(view):
            marker = ids.derived_id(approval.id, "desk", root.number)
            if root.place is None or await self._records.outcome(view.id, marker) is not None:
                continue
            opened = await self._load_open(view.id)
            if opened.get(marker) is None:
                about = [approval.id, summarize_approval(approval), approval.expires_at.timestamp()]
                await self._shown.write(view.id, _open_id(view.id), json.dumps({**opened, marker: about}))
            rendered = self._desk.render_post(ApprovalRequest(approval, view.name))
            return Post(marker, root.place.channel, approval.requested_at, root.place.message, rendered)
        return None

    async def note_decision(self, session: DeskSession, acted: DeskCommand) -> None:
        """Keep who decided: the state forgets an approval once it is decided."""
        about = ids.derived_id(acted.value, "decided")
        if not await self._shown.read(session.conversation.id, about):
            await self._shown.write(session.conversation.id, about, acted.model_dump_json())

    async def update(self, session: DeskSession, view: View) -> None:
        """Take the buttons from those that wait no more. Raises Parked."""
        opened = await self._load_open(view.id)
        waiting = {approval.id for approval in _list_waiting(view)}
        left = {marker: about for marker, about in opened.items() if about[0] in waiting}
        for marker, (approval, summary, expires) in opened.items():
            posted = await self._records.outcome(view.id, marker)
            if marker in left or posted is None or not posted.external_id:
                continue
            word = await self._shown.read(view.id, ids.derived_id(approval, "decided"))
            acted = DeskCommand.model_validate_json(word) if word else None
            outcome = ApprovalOutcome(summary, acted, view.at.timestamp() >= expires)
            place, rendered = Place.of(posted.external_id), self._desk.render_post(outcome)
            await self._poster.update(session, place, rendered)
        if left != opened:
            await self._shown.write(view.id, _open_id(view.id), json.dumps(left))

    async def _load_open(self, conversation: str) -> dict[str, tuple[str, str, float]]:
        text = await self._shown.read(conversation, _open_id(conversation))
        return {marker: tuple(about) for marker, about in json.loads(text).items()} if text else {}


def _open_id(conversation: str) -> str:
    return ids.derived_id(conversation, "approvals")


def _list_waiting(view: View) -> list[PendingApproval]:
    return [each for each in (view.conversation.facts.actions or ActionMemory()).approvals if each.expires_at > view.at]
