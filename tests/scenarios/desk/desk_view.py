"""A conversation as people see it where they work, whatever desk that is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from tests.simulators.help_desk import HelpDesk
from tests.simulators.slack.server import SlackVendor
from tests.simulators.vendor import File

PATIENCE = 90.0


class DeskView(ABC):
    """One conversation. ``conversation`` tells what its id may be. ``colleague`` has it, and others; a form that is
    open is of one conversation. Eve only talks. Posts are the desk's own."""

    def __init__(
        self, vendor: SlackVendor | HelpDesk, conversation: Callable[[], Sequence[str]], colleague: str
    ) -> None:
        self.vendor = vendor
        self.colleague = colleague
        self._conversation = conversation
        self._card: Any = None
        for name in (colleague, "Eve"):
            self.join(name)

    # ── each desk's own ──────────────────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def join(self, name: str) -> None: ...

    @abstractmethod
    def roots(self) -> list[Any]:
        """What our app has posted that begins a thread, of any conversation."""

    @abstractmethod
    def posts(self) -> list[Any]:
        """What our app shows below the card, in order."""

    @abstractmethod
    def words(self, post: Any) -> str: ...

    @abstractmethod
    def values(self, post: Any) -> str:
        """What its buttons are about."""

    @abstractmethod
    def name_of(self, post: Any) -> str:
        """The desk's id of it."""

    @abstractmethod
    def about(self, post: Any) -> str:
        """What it carries along."""

    @abstractmethod
    def labels(self, post: Any) -> list[str]: ...

    @abstractmethod
    def files_of(self, post: Any) -> list[File]: ...

    @abstractmethod
    async def press_button(self, card: Any, label: str) -> None:
        """Raises Undelivered when nobody heard."""

    @abstractmethod
    def reply(self, card: Any, name: str, text: str, files: Sequence[File]) -> None: ...

    @abstractmethod
    def form(self) -> Any:
        """The one that is open; falsy when none is."""

    @abstractmethod
    async def submit(self, **values: Any) -> None:
        """``outcome``, ``tags`` and ``note``. Raises Undelivered when nobody heard."""

    # ── what people see and do ───────────────────────────────────────────────────────────────────────────────────────

    async def until(self, true: Callable[[], Any], what: str) -> Any:
        try:
            return await self.vendor.ledger.until(true, deadline=PATIENCE)
        except TimeoutError:
            shown = [self.words(post)[:300] for post in ([self._card, *self.posts()] if self._card else self.cards())]
            raise AssertionError(f"people wait for {what}; they see {shown}") from None

    def cards(self) -> list[Any]:
        """Of this conversation, as long as there is something to press."""
        return [post for post in self.roots() if any(id_ in self.values(post) for id_ in self._conversation())]

    @property
    def has_card(self) -> bool:
        return self._card is not None

    async def card(self) -> Any:
        if self._card is None:
            found: list[Any] = await self.until(self.cards, "a card")
            (self._card,) = found
        return self._card

    def shown(self) -> str:
        """What our app shows below the card."""
        return "\n".join(self.words(post) for post in self.posts())

    async def press(self, label: str, *, unless: str = "") -> None:
        """``unless``: what the card says when it was heard before, whatever the presser was told."""
        card = await self.card()

        def is_done() -> bool:
            return bool(unless) and unless in self.words(card)

        await self.until(lambda: label in self.labels(card) or is_done(), label)
        if is_done():
            return
        await self.press_button(card, label)

    async def says(self, status: str) -> None:
        card = await self.card()
        await self.until(lambda: status in self.words(card), f"{status!r} on the card")

    async def shows(self, text: str) -> None:
        await self.card()
        await self.until(lambda: text in self.shown(), f"{text!r} in the thread")

    def write(self, text: str, *files: File, by: str = "") -> None:
        assert self._card is not None
        self.reply(self._card, by or self.colleague, text, files)

    async def fill_in(self, **values: Any) -> None:
        await self.until(self.form, "the form")
        await self.submit(**values)

    def files(self) -> list[File]:
        """Those that our app put below the card."""
        return [file for post in self.posts() for file in self.files_of(post)]
