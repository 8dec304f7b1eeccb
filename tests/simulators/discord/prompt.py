"""The simulated Discord in a terminal: what is typed is said as a customer, what the bot sends is printed."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable

from tests.simulators.discord.server_state import Channel
from tests.simulators.discord.vendor import Discord
from tests.simulators.prompt import snippet
from tests.simulators.vendor import ShownMessage

HELP = """\
Type a message and press Enter. A number picks a choice of the last message that has any. In a channel, begin with @bot:
the bot answers whoever mentions it. /ask TEXT is the slash command. Beside that:
  :edit TEXT   :delete   :react EMOJI   (your last message)        :up EMOJI   (react to the bot's last message)
  :as NAME     :dm   :channel   :thread NAME   (who writes, and where)        :drop   (cut the gateway)
  :help        :quit"""


class Prompt:
    """Ends with the input, or with ``:quit``."""

    def __init__(self, server: Discord, person: str, say: Callable[[str], None] = print) -> None:
        self._server = server
        self._person = person
        self._say = say
        self._last = ""
        self._ended = False
        self._online = False
        self._printed: dict[str, tuple[str, bool]] = {}

    async def run(self) -> None:
        self._say(snippet(self._server, "main"))
        self._say(HELP)
        watching = asyncio.create_task(self._watch())
        lines = _lines()
        try:
            while (line := await lines.get()) is not None and line != ":quit":
                if line:
                    await self.take(line)
        finally:
            self._ended = True
            self._server.ledger.changed()
            await watching

    async def take(self, line: str) -> None:
        """Do what one line asks for. What cannot be done is said, and changes nothing."""
        try:
            if line.startswith(":"):
                order, _, rest = line[1:].partition(" ")
                await self._order(order, rest)
            elif line.startswith("/"):
                name, _, text = line[1:].partition(" ")
                self._server.command(self._person, name, *([text] if text else []))
            elif line.isdigit() and (offer := self._offer()) is not None and 0 < int(line) <= len(offer.choices):
                await self._server.choose(self._person, offer, offer.choices[int(line) - 1])
            else:
                self._last = await self._server.say(self._person, line.replace("@bot", self._server.mention))
        except (KeyError, ValueError) as error:
            self._say(f"  ! {error}")

    async def _order(self, order: str, rest: str) -> None:
        if order == "edit":
            await self._server.edit(self._person, self._last, rest)
        elif order == "delete":
            await self._server.delete(self._person, self._last)
        elif order == "react":
            await self._server.react(self._person, self._last, rest or "👍")
        elif order == "up":
            await self._server.react(self._person, self._here()[-1].id, rest or "👍")
        elif order == "as":
            self._person = rest or self._person
        elif order == "drop":
            self._server.gateway.hang_up()
        elif order == "help":
            self._say(HELP)
        else:
            self._go(order, rest)

    def _go(self, order: str, rest: str) -> None:
        user = self._server.world.user(self._person)
        home = self._server.world.home
        places: dict[str, Callable[[], Channel]] = {
            "dm": lambda: self._server.world.dm(user),
            "channel": lambda: home,
            "thread": lambda: self._server.people.open_thread(user, home, rest or self._person),
        }
        if order not in places:
            raise ValueError(f"no order :{order}")
        self._server.move(self._person, places[order]())

    def _here(self) -> list[ShownMessage]:
        shown = self._server.ledger.at(self._server.place(self._person))
        if not shown:
            raise ValueError("the bot has written nothing here")
        return shown

    def _offer(self) -> ShownMessage | None:
        shown = self._server.ledger.at(self._server.place(self._person))
        return next((each for each in reversed(shown) if each.choices), None)

    async def _watch(self) -> None:
        """Print what is new or has changed, until the end; then once more."""
        while not self._ended:
            with contextlib.suppress(TimeoutError):
                await self._server.ledger.until(lambda: self._ended or self.print_news(), deadline=60)
        self.print_news()

    def print_news(self) -> bool:
        online = any(session.connection is not None for session in self._server.gateway.sessions.values())
        news = online != self._online
        if news:
            self._online = online
            self._say(f"  (the bot is {'online' if online else 'offline'})")
        for shown in self._server.ledger.shown:
            state = (shown.text, shown.deleted)
            before = self._printed.get(shown.id)
            if before == state:
                continue
            self._printed[shown.id] = state
            news = True
            mark = "deleted: " if shown.deleted else "edited: " if before else ""
            self._say(f"  bot ▸ {mark}{shown.text}")
            for number, label in enumerate(shown.choices, 1):
                self._say(f"        {number}. {label}")
            for file in shown.files:
                self._say(f"        [{file.name}, {file.type or 'unknown type'}, {len(file.data)} bytes]")
        return news


def _lines() -> asyncio.Queue[str | None]:
    """Lines as they are typed, then None. A thread that is not waited for: nothing else reads a terminal everywhere."""
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        with contextlib.suppress(RuntimeError):
            for line in sys.stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line.strip())
            loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return lines
