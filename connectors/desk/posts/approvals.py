"""Posts of actions that wait for approval, one in the thread for each."""

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


class ApprovalPosts:
    def __init__(self, desk: Desk, records: PostRecords, poster: Poster, states: PostState) -> None:
        self._desk = desk
        self._records = records
        self._poster = poster
        self._states = states

    async def find_next(self, view: View, root: Root) -> Post | None:
        """Build the post of the next approval that is not posted yet. It is recorded as open first, so that its outcome
        will be shown."""
        for approval in _list_waiting(view):
            marker = ids.derived_id(approval.id, "desk", root.number)
            if root.place is None or await self._records.outcome(view.id, marker) is not None:
                continue
            opened = await self._load_open(view.id)
            if opened.get(marker) is None:
                entry = (approval.id, summarize_approval(approval))
                await self._states.write(view.id, _open_id(view.id), json.dumps({**opened, marker: entry}))
            rendered = self._desk.render_post(ApprovalRequest(approval, view.name))
            return Post(marker, root.place.channel, approval.requested_at, root.place.message, rendered)
        return None

    async def update(self, session: DeskSession, view: View) -> None:
        """Replace the posts of approvals that are settled by their outcome, without buttons. Raises Parked."""
        opened = await self._load_open(view.id)
        waiting = {approval.id for approval in _list_waiting(view)}
        still_open = {marker: entry for marker, entry in opened.items() if entry[0] in waiting}
        decisions = view.conversation.facts.decisions
        for marker, (approval, summary) in opened.items():
            posted = await self._records.outcome(view.id, marker)
            if marker in still_open or posted is None or not posted.external_id:
                continue
            outcome = ApprovalOutcome(summary, [each for each in decisions if each.approval_id == approval])
            place, rendered = Place.of(posted.external_id), self._desk.render_post(outcome)
            await self._poster.update(session, place, rendered)
        if still_open != opened:
            await self._states.write(view.id, _open_id(view.id), json.dumps(still_open))

    async def _load_open(self, conversation: str) -> dict[str, tuple[str, str]]:
        """By marker: the id of the approval, and what it is for. Entries of older releases say more."""
        text = await self._states.read(conversation, _open_id(conversation))
        entries = json.loads(text).items() if text else ()
        return {marker: (id_, summary) for marker, (id_, summary, *_) in entries}


def _open_id(conversation: str) -> str:
    return ids.derived_id(conversation, "approvals")


def _list_waiting(view: View) -> list[PendingApproval]:
    return [
        each for each in (view.conversation.facts.actions or ActionMemory()).approvals if each.expires_at > view.now
    ]
