"""Actions that wait for a colleague's yes, each as a post of its own in the thread."""

from __future__ import annotations

import json

from connectors.desk.posts.posted_state import Records
from connectors.desk.posts.poster import Poster, Session
from connectors.desk.posts.posts import Place, Post
from connectors.desk.posts.roots import Root
from connectors.desk.posts.slate import Slate
from connectors.desk.view import View
from connectors.slack.desk import render_notices as requests
from schemas import ids
from schemas.actions import ActionMemory, PendingApproval
from schemas.desk import DeskActed


class Approvals:
    def __init__(self, records: Records, poster: Poster, slate: Slate) -> None:
        self._records = records
        self._poster = poster
        self._slate = slate

    async def next(self, view: View, root: Root) -> Post | None:
        """The next that is not shown yet. It is on record as open before: what becomes of it will be shown."""
        for approval in _waiting(view):
            marker = ids.derived_id(approval.id, "desk", root.number)
            if root.place is None or await self._records.outcome(view.id, marker) is not None:
                continue
            opened = await self._opened(view.id)
            if opened.get(marker) is None:
                told = [approval.id, requests.summary(approval), approval.expires_at.timestamp()]
                await self._slate.write(view.id, _about(view.id), json.dumps({**opened, marker: told}))
            shown = requests.asked(approval, view.name)
            where = root.place
            return Post(marker, where.channel, approval.requested_at, where.ts, shown.text, shown.blocks)
        return None

    async def heard(self, session: Session, acted: DeskActed) -> None:
        """Who decided: the state forgets an approval once it is."""
        about = ids.derived_id(acted.value, "decided")
        if not await self._slate.read(session.conversation.id, about):
            await self._slate.write(session.conversation.id, about, acted.model_dump_json())

    async def renew(self, session: Session, view: View) -> None:
        """Take the buttons from those that wait no more. Raises Parked."""
        opened = await self._opened(view.id)
        waiting = {approval.id for approval in _waiting(view)}
        left = {marker: told for marker, told in opened.items() if told[0] in waiting}
        for marker, (approval, what, expires) in opened.items():
            told = await self._records.outcome(view.id, marker)
            if marker in left or told is None or not told.external_id:
                continue
            word = await self._slate.read(view.id, ids.derived_id(approval, "decided"))
            acted = DeskActed.model_validate_json(word) if word else None
            shown = requests.decided(what, acted, view.at.timestamp() >= expires)
            place = Place.of(told.external_id)
            arguments = {"channel": place.channel, "ts": place.ts, "text": shown.text, "blocks": list(shown.blocks)}
            await self._poster.ask(session, "chat.update", arguments)
        if left != opened:
            await self._slate.write(view.id, _about(view.id), json.dumps(left))

    async def _opened(self, conversation: str) -> dict[str, tuple[str, str, float]]:
        text = await self._slate.read(conversation, _about(conversation))
        return {marker: tuple(told) for marker, told in json.loads(text).items()} if text else {}


def _about(conversation: str) -> str:
    return ids.derived_id(conversation, "approvals")


def _waiting(view: View) -> list[PendingApproval]:
    return [each for each in (view.conversation.facts.actions or ActionMemory()).approvals if each.expires_at > view.at]
