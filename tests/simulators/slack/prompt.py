"""A small prompt: what is typed is said in Slack, and what the app answers is printed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from mimetypes import guess_type
from pathlib import Path

from tests.simulators.slack.encoding import Refusal
from tests.simulators.slack.event_delivery import Undelivered
from tests.simulators.slack.server import SlackVendor
from tests.simulators.slack.workspace import Room
from tests.simulators.vendor import File, ShownMessage

HELP = """\
  TEXT             say it               1, 2 …           pick a choice of the last message
  /as NAME         be somebody else     /in CHANNEL      go into a channel        /dm   back to direct messages
  /thread          answer in the last message's thread   /top  leave the thread
  /edit TEXT       change what you said last             /delete  take it back
  /react EMOJI     to the last message  /file PATH       send a file              /quit"""


class Prompt:
    def __init__(self, slack: SlackVendor, person: str) -> None:
        self._slack = slack
        self._person = person
        self._room: Room | None = None
        self._thread = ""
        self._said = ""
        self._last: ShownMessage | None = None
        self._seen: dict[str, tuple[str, bool]] = {}

    async def run(self) -> None:
        print(HELP)
        watching = asyncio.ensure_future(self._watch())
        try:
            async for line in _lines():
                if line == "/quit":
                    break
                await self._try(line)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _try(self, line: str) -> None:
        try:
            await self.do(line)
        except (LookupError, PermissionError, ValueError, OSError, Undelivered, Refusal) as error:
            print(f"  ! {error}", flush=True)

    async def do(self, line: str) -> None:
        """One line as it was typed."""
        command, _, rest = line.partition(" ")
        does: dict[str, Callable[[str], None]] = {
            "/as": self._become,
            "/in": self._go,
            "/dm": self._back,
            "/thread": self._answer,
            "/top": self._leave,
            "/edit": lambda text: self._note(self._slack.people.edit(self._person, self._said, text).ts),
            "/delete": lambda _: self._note(self._slack.people.delete(self._person, self._said).ts),
            "/react": lambda emoji: self._slack.people.react(self._person, self._of_last().id, emoji),
            "/file": self._send,
        }
        if command in does:
            does[command](rest.strip())
        elif line.isdigit() and self._last and 0 < int(line) <= len(self._last.choices):
            await self._slack.choose(self._person, self._last, self._last.choices[int(line) - 1])
        elif command.startswith("/"):
            print(HELP)
        elif line:
            self._note(self._slack.people.say(self._person, line, self._room, thread=self._thread).ts)

    def _note(self, ts: str) -> None:
        self._said = ts

    def _become(self, name: str) -> None:
        self._person = name or self._person
        self._room, self._thread = None, ""

    def _go(self, name: str) -> None:
        self._room, self._thread = self._slack.channel(name.removeprefix("#")), ""
        self._slack.people.join(self._room, self._person)

    def _back(self, _: str) -> None:
        self._room, self._thread = None, ""

    def _answer(self, _: str) -> None:
        post = self._slack.post(self._of_last().id)
        self._room, self._thread = post.room, post.root

    def _leave(self, _: str) -> None:
        self._thread = ""

    def _send(self, path: str) -> None:
        file = File(Path(path).name, guess_type(path)[0] or "application/octet-stream", Path(path).read_bytes())
        post = self._slack.people.say(self._person, "", self._room, thread=self._thread, files=[file])
        self._note(post.ts)

    def _of_last(self) -> ShownMessage:
        if self._last is None:
            raise LookupError("the app has said nothing yet")
        return self._last

    async def _watch(self) -> None:
        while True:
            await self._slack.ledger.until(self._news, deadline=10**9)
            for shown in self._news():
                self._print(shown)

    def _news(self) -> list[ShownMessage]:
        return [each for each in self._slack.ledger.shown if self._seen.get(each.id) != (each.text, each.deleted)]

    def _print(self, shown: ShownMessage) -> None:
        changed = "changed: " if shown.id in self._seen else ""
        self._seen[shown.id] = (shown.text, shown.deleted)
        self._last = shown
        text = "(deleted)" if shown.deleted else changed + shown.text
        print(f"\n  [{self._where(shown)}] {self._slack.bot.name}: {text}")
        for file in shown.files:
            print(f"      file {file.name}, {len(file.data)} bytes")
        for number, label in enumerate(shown.choices, 1):
            print(f"      {number}. {label}")
        sys.stdout.flush()

    def _where(self, shown: ShownMessage) -> str:
        room = self._slack.workspace.rooms[shown.place.partition("@")[0].partition(":")[0]]
        if room.kind == "im":
            person = next(member for member in room.members if member != self._slack.bot.id)
            found = self._slack.workspace.by_id(person)
            return f"to {found.name if found else person}"
        return f"#{room.name}, thread" if shown.reply_to else f"#{room.name}"


async def _lines() -> AsyncIterator[str]:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while line := await reader.readline():
            yield line.decode().strip()
    finally:
        transport.close()
