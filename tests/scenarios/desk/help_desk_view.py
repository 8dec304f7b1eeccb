"""A queue of the simulated help desk, behind the webhook desk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.scenarios.desk.desk_view import DeskView
from tests.simulators.help_desk import HelpDesk, Post
from tests.simulators.vendor import File


class HelpDeskView(DeskView):
    """Its program asks for an outcome by itself: nothing is told before the form is filled in."""

    vendor: HelpDesk
    _form: Post | None = None

    def join(self, name: str) -> None:
        self.vendor.join(name)

    def roots(self) -> list[Post]:
        return [post for post in self.vendor.posts.values() if not post.by and not post.thread]

    def posts(self) -> list[Post]:
        assert self._card is not None
        return [post for post in self.vendor.posts.values() if not post.by and post.thread == self._card.id]

    def words(self, post: Post) -> str:
        return post.words

    def values(self, post: Post) -> str:
        return str(post.blocks)

    def name_of(self, post: Post) -> str:
        return post.id

    def about(self, post: Post) -> str:
        return str(post.about)

    def labels(self, post: Post) -> list[str]:
        return list(post.buttons)

    def files_of(self, post: Post) -> list[File]:
        return post.files

    async def press_button(self, card: Post, label: str) -> None:
        if label == "Resolve":
            self._form = card
        else:
            await self.vendor.press(self.colleague, card, label).taken.wait()

    def reply(self, card: Post, name: str, text: str, files: Sequence[File]) -> None:
        self.vendor.say(name, card, text, files)

    def form(self) -> Any:
        return self._form

    async def submit(self, **values: Any) -> None:
        card, self._form = self._form, None
        assert card is not None
        fields = {name: value if isinstance(value, list) else [value] for name, value in values.items()}
        await self.vendor.press(self.colleague, card, "Resolve", **fields, ask=["ask"]).taken.wait()
