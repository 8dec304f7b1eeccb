"""The pictures of docs/desk.md: the example shop's people at work in the simulated Slack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import aiohttp
import jwt
from playwright.async_api import Browser

from tests.e2e.slack_desk import DeskInstallation, wait_for_transcript
from tests.harness.chat_client import Contact
from tests.harness.processes import ForkServer
from tests.screenshots.pictures import Screenshots
from tests.screenshots.shop import shop
from tests.simulators.slack import page
from tests.simulators.slack.markup import Reader
from tests.simulators.slack.message_contents import marks, words
from tests.simulators.slack.server import SlackVendor
from tests.simulators.slack.workspace import Post

SECRET = "a-secret-that-the-site-shares-with-parley"
WIDTH = 760
ORDER = "NP-10236"
UNDO = 3
FASTER = 20
"""Than Slack lets a desk be; both it and our own pace are."""
MO, INES = "Mo Lindqvist", "Ines Okafor"


@dataclass
class DeskPictures:
    stage: DeskInstallation
    browser: Browser
    album: Screenshots

    @property
    def reader(self) -> Reader:
        """Somebody for whom it is the middle of the morning."""
        now = datetime.now(UTC)
        return Reader(self.stage.slack.workspace, now, timezone(timedelta(hours=10 - now.hour)))

    async def take(self, name: str, html: str, scheme: Any = "light") -> None:
        context = await self.browser.new_context(viewport={"width": WIDTH, "height": 400}, color_scheme=scheme)
        tab = await context.new_page()
        await tab.set_content(html)
        await self.album.take(name, tab, full_page=True)
        await context.close()

    async def thread(self, name: str, card: Post, *, after: str = "", scheme: Any = "light") -> None:
        viewer = self.stage.slack.person(MO).id
        await self.take(name, page.thread(self.reader, self.stage.room, card, viewer, after=after), scheme)


async def customer(base: str, http: aiohttp.ClientSession, name: str, subject: str) -> Contact:
    """Signed in by the shop's site."""
    now = int(datetime.now(UTC).timestamp())
    identity = jwt.encode({"sub": subject, "name": name, "iat": now, "exp": now + 600}, SECRET, algorithm="HS256")
    contact = Contact(base, http, name)
    body = await contact.insist("POST", "sessions", json={"identity": identity})
    contact.token, contact.conversation = body["visitor_token"], body["conversation_id"]
    return contact


async def asked(contact: Contact, *texts: str) -> None:
    for text in texts:
        await contact.answered((await contact.say(text)).message_id)


async def shift(studio: DeskPictures, http: aiohttp.ClientSession) -> None:
    """A plant that arrived frozen: from the customer's question to a refund that a colleague approves."""
    stage = studio.stage
    for name in (MO, INES):
        stage.slack.workspace.enter(stage.room, stage.slack.person(name))
    anna = await customer(stage.parley.base, http, "Anna Vogel", "c-1003")
    await asked(anna, "Do you add a heat pack in winter?")
    await asked(anna, "My pitcher plant arrived frozen today. Can I talk to a person please?")
    card = await stage.card()
    await studio.take("desk-card", page.channel(studio.reader, stage.room))
    draft = await talked(stage, anna, card)
    await stage.until(lambda: "The customer has been waiting since" in words(card.body))
    await studio.thread("desk-thread", card)
    await studio.thread("desk-thread-dark", card, scheme="dark")

    await stage.slack.interactions.press(MO, draft, "Send")
    await stage.until(lambda: "Sent by" in words(draft.body))
    await stage.press(MO, card, "Return to agent")
    await stage.until(lambda: "back with the agent" in words(card.body))
    last = stage.thread(card)[-1].ts
    await asked(anna, f"Please refund 90 euros of order {ORDER}", "Yes, go ahead")
    request = await stage.in_thread(card, "Approval needed")
    await studio.thread("desk-request-dark", card, after=last, scheme="dark")
    await stage.slack.interactions.press(INES, request, "Approve")
    await wait_for_transcript(anna, lambda lines: any("are refunded" in line["text"] for line in lines))


async def talked(stage: DeskInstallation, anna: Contact, card: Post) -> Post:
    """A note, an answer that is changed after it was sent, and the draft of another."""
    await stage.claimed(MO, card)
    await anna.say(f"It is order {ORDER}. The leaves are black, but the crown is still firm.")
    await stage.in_thread(card, "the crown is still firm")
    stage.reply(INES, card, "// That box sat in the depot for two nights, I can see it in the tracking.")
    first = stage.reply(MO, card, "I am sorry to read that. Please keep it cool today, and do not repot it.")
    await stage.until(lambda: marks(first))
    await wait_for_transcript(anna, lambda lines: any("repot it" in line["text"] for line in lines))
    better = "I am sorry to read that. Please keep it cool and shaded this week, and do not repot it."
    stage.slack.people.edit(MO, first.ts, better)
    await wait_for_transcript(anna, lambda lines: any("this week" in line["text"] for line in lines))
    await anna.say("How long do I have to complain about a plant that came in bad shape?")
    await stage.in_thread(card, "came in bad shape?")
    await stage.press(MO, card, "Draft")
    return await stage.in_thread(card, "only people see this")


def configure(slack: SlackVendor, config: dict[str, Any]) -> None:
    """The example shop, with a desk."""
    tenant = config["tenants"]["plantstore"]
    tenant["channels"]["slack"] = {"main": slack.settings()}
    tenant["channels"]["web"]["main"]["identity_secret"] = SECRET
    tenant["desk"] = {"channel": slack.channel("support").id, "undo_seconds": UNDO}


async def play(fork_server: ForkServer, browser: Browser, album: Screenshots) -> None:
    slack = SlackVendor(pace=0.01)
    slack.limits.speed = FASTER
    hurry = {"TEST_HURRY_DESK": str(FASTER)}
    async with (
        slack.serving(),
        shop(fork_server, partial(configure, slack), **hurry) as parley,
        aiohttp.ClientSession() as http,
    ):
        slack.call(f"{parley.base}/v1/webhooks/slack/plantstore/main")
        await shift(DeskPictures(DeskInstallation(parley, slack), browser, album), http)
