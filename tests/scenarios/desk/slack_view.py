"""A channel of the simulated Slack in which people work; some of the customers write there as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.scenarios.desk.desk_view import DeskView
from tests.simulators.slack.event_delivery import Undelivered
from tests.simulators.slack.message_contents import labels, words
from tests.simulators.slack.server import SlackVendor
from tests.simulators.slack.workspace import Post, Room
from tests.simulators.vendor import File


class SlackDeskView(DeskView):
    vendor: SlackVendor

    @property
    def room(self) -> Room:
        return self.vendor.channel("desk")

    def join(self, name: str) -> None:
        self.vendor.people.join(self.room, name)

    def roots(self) -> list[Post]:
        return [post for post in self.room.top() if post.author is self.vendor.bot]

    def posts(self) -> list[Post]:
        assert self._card is not None
        thread = sorted(self.room.replies(self._card.ts), key=lambda post: post.ts)
        return [post for post in thread if post.author is self.vendor.bot]

    def words(self, post: Post) -> str:
        return words(post.body)

    def values(self, post: Post) -> str:
        return str(post.body["blocks"])

    def name_of(self, post: Post) -> str:
        return post.ts

    def about(self, post: Post) -> str:
        return str(post.body.get("metadata", ""))

    def labels(self, post: Post) -> list[str]:
        return labels(post.body)

    def files_of(self, post: Post) -> list[File]:
        return [self.vendor.storage.kept[file["id"]].file for file in post.body.get("files", [])]

    async def press_button(self, card: Post, label: str) -> None:
        await self.vendor.interactions.press(self.colleague, card, label)

    def reply(self, card: Post, name: str, text: str, files: Sequence[File]) -> None:
        self.vendor.people.say(name, text, self.room, thread=card.ts, files=files)

    def form(self) -> Any:
        return self.vendor.views.of(self.vendor.person(self.colleague))

    async def submit(self, **values: Any) -> None:
        view = await self.vendor.interactions.submit(self.colleague, values)
        if view is not None and not view.errors:
            raise Undelivered("the form stayed open: whoever was to take it died")
        assert view is None, view.errors
