"""A vendor at the keyboard: what is typed is said as a customer, what is sent to that customer is printed."""

from __future__ import annotations

import asyncio
import mimetypes
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import chain
from pathlib import Path
from textwrap import indent

import yaml

from tests.simulators.vendor import File, ShownMessage, Vendor
from tests.simulators.vendor_clock import VendorClock
from tests.simulators.webhook_delivery import Webhook, WebhookDelivery

WHERE = "# For parley.yaml, under the tenant. If it has `channels:` already, add only the lines below that word:"
HELP = """\
Type a message and press Enter. A number picks a choice of the last message that has any. Beside that:
  /as NAME      be somebody else          /file PATH    send a file
  /edit TEXT    change your last message  /delete       take it back
  /react EMOJI  to the last answer        /later HOURS  let time pass
  /help         this                      /quit         leave"""


class Prompt:
    """``write`` gets whole lines."""

    def __init__(
        self,
        vendor: Vendor,
        webhook_sender: WebhookDelivery,
        pace: VendorClock,
        *,
        write: Callable[[str], None] = print,
        person: str = "anna",
    ) -> None:
        self._vendor = vendor
        self._postman = webhook_sender
        self._pace = pace
        self._write = write
        self._person = person
        self._last = ""
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "as": self._as,
            "file": self._file,
            "edit": self._edit,
            "delete": self._delete,
            "react": self._react,
            "later": self._later,
            "help": self._help,
        }

    async def run(self, lines: AsyncIterator[str], account: str) -> None:
        """Until ``/quit`` or the end of input."""
        self._write(snippet(self._vendor, account))
        self._write(f"You are {self._person} on {self._vendor.name}. /help tells what you can do.")
        printing = asyncio.get_running_loop().create_task(self._print())
        try:
            async for line in lines:
                if line.strip() == "/quit":
                    break
                await self._obey(line.rstrip("\n"))
        finally:
            printing.cancel()
            await asyncio.gather(printing, return_exceptions=True)

    async def _obey(self, line: str) -> None:
        if not line.strip():
            return
        try:
            if line.startswith("/"):
                name, _, rest = line[1:].partition(" ")
                await self._commands.get(name, self._help)(rest.strip())
            else:
                await self._say(line)
        except NotImplementedError:
            self._write("  (customers cannot do that on this channel)")
        except (ValueError, OSError) as error:
            self._write(f"  ({error})")

    async def _say(self, line: str) -> None:
        offered = self._offered()
        if offered is not None and line.strip().isdigit() and 1 <= int(line) <= len(offered.choices):
            self._last = await self._vendor.choose(self._person, offered, offered.choices[int(line) - 1])
        else:
            self._last = await self._vendor.say(self._person, line)
        await self._heard()

    async def _heard(self) -> None:
        """Say so when nobody listens."""
        if not self._postman.sent:
            return self._write("  (no webhook address is set)")
        parcel: Webhook = self._postman.sent[-1]
        await parcel.tried.wait()
        if parcel.outcomes and parcel.outcomes[0] not in range(200, 300):
            self._write(f"  (not heard: {parcel.outcomes[0]}; tried again later, if the vendor does)")

    def _offered(self) -> ShownMessage | None:
        shown = self._vendor.ledger.at(self._vendor.place(self._person))
        return next((each for each in reversed(shown) if each.choices), None)

    async def _as(self, name: str) -> None:
        self._person = name or self._person
        self._write(f"  (you are {self._person})")

    async def _file(self, path: str) -> None:
        type_ = mimetypes.guess_type(path)[0] or "application/octet-stream"
        data = await asyncio.to_thread(Path(path).read_bytes)
        self._last = await self._vendor.say(self._person, "", files=[File(Path(path).name, type_, data)])
        await self._heard()

    async def _edit(self, text: str) -> None:
        await self._vendor.edit(self._person, self._mine(), text)

    def _mine(self) -> str:
        if not self._last:
            raise ValueError("you have said nothing yet")
        return self._last

    async def _delete(self, _: str) -> None:
        await self._vendor.delete(self._person, self._mine())

    async def _react(self, emoji: str) -> None:
        answers = self._vendor.ledger.at(self._vendor.place(self._person))
        if not answers:
            raise ValueError("there is no answer yet")
        await self._vendor.react(self._person, answers[-1].id, emoji or "👍")

    async def _later(self, hours: str) -> None:
        self._pace.forward(float(hours or 1) * 3600)

    async def _help(self, _: str) -> None:
        self._write(HELP)

    async def _print(self) -> None:
        ledger, printed = self._vendor.ledger, 0
        while True:
            await ledger.until(lambda: len(ledger.shown) > printed, deadline=1e9)  # noqa: B023  # asked at once
            for shown in ledger.shown[printed:]:
                self._write(as_lines(shown))
            printed = len(ledger.shown)


def as_lines(shown: ShownMessage) -> str:
    """A message as it looks to its person."""
    lines = [f"◂ {line}" for line in shown.text.splitlines() or [""]]
    lines += [f"  [{file.name}, {file.type}, {len(file.data)} bytes]" for file in shown.files]
    lines += [f"  {number}. {label}" for number, label in enumerate(shown.choices, 1)]
    return "\n".join(lines)


def snippet(vendor: Vendor, account: str) -> str:
    """The account for parley.yaml, indented as below a tenant."""
    channel = yaml.safe_dump({vendor.name: {account: vendor.settings()}}, sort_keys=False)
    return f"{WHERE}\n    channels:\n{indent(channel, ' ' * 6)}"


async def read_lines() -> AsyncIterator[str]:
    """The lines of standard input. A thread reads them, and does not hold up the end."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        for line in chain(iter(sys.stdin.readline, ""), [""]):
            loop.call_soon_threadsafe(lines.put_nowait, line)

    threading.Thread(target=read, daemon=True).start()
    while line := await lines.get():
        yield line
