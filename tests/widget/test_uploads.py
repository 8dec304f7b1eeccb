"""Files in the chat: by button, by dropping and by pasting them; what is refused says why."""

from __future__ import annotations

import asyncio
import re
import struct
import zlib

from playwright.async_api import FilePayload, Route

from tests.harness.installation import Installation
from tests.speech.encoding import encode
from tests.widget.chat_page import ChatPage, Window, expect

NOTE = b"The leaves are brown at the tips.\n"
GIVE = """async (node, [how, name, type, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, { type }));
  const about = { bubbles: true, composed: true, cancelable: true };
  if (how === "paste") return node.dispatchEvent(new ClipboardEvent("paste", { ...about, clipboardData: data }));
  node.dispatchEvent(new DragEvent("dragover", { ...about, dataTransfer: data }));
  node.dispatchEvent(new DragEvent("drop", { ...about, dataTransfer: data }));
}"""


def png(side: int = 40) -> bytes:
    """A green square."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x3a\x7d\x5a" * side) * side
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def test_an_answer_below_a_tall_picture_is_in_view_once_the_picture_has_loaded(tab: ChatPage) -> None:
    held: list[Route] = []
    answered = asyncio.Event()

    async def hold(route: Route) -> None:
        """The picture comes after the answer, as over a slow line."""
        if route.request.resource_type == "image":
            held.append(route)
            await answered.wait()
        await route.continue_()

    await tab.page.route("**/*", hold)
    await pick(tab, {"name": "leaf.png", "mimeType": "image/png", "buffer": png(400)})
    await expect(tab.chat.locator(".chips progress")).to_have_count(0)
    reply = await tab.ask("Do you add a heat pack in winter?")
    answered.set()
    await expect(tab.own.locator(".files img")).to_have_js_property("naturalWidth", 400)
    assert held, "the picture was held back"
    await expect(reply.locator(".foot")).to_be_in_viewport()


async def pick(tab: ChatPage, *files: FilePayload) -> None:
    """Choose files in the dialogue that the button opens."""
    async with tab.page.expect_file_chooser() as chosen:
        await tab.chat.get_by_role("button", name="Attach a file").click()
    await (await chosen.value).set_files(list(files))


async def test_a_picture_and_a_text_are_sent_with_a_message_and_can_be_fetched(tab: ChatPage) -> None:
    """Uploaded first, named by the message; the picture is shown, the text can be opened and is what was sent."""
    await pick(
        tab,
        {"name": "leaf.png", "mimeType": "image/png", "buffer": png()},
        {"name": "note.txt", "mimeType": "text/plain", "buffer": NOTE},
    )
    await expect(tab.chat.locator(".chips li")).to_have_count(2)
    await expect(tab.chat.locator(".chips progress")).to_have_count(0)
    await expect(tab.told).to_contain_text("100 % uploaded")
    await tab.say("What is wrong with this leaf?")
    await expect(tab.own.locator(".files a")).to_have_count(2)
    await expect(tab.chat.locator(".chips li")).to_have_count(0)
    picture = tab.own.locator(".files img")
    await expect(picture).to_have_attribute("alt", "leaf.png")
    await expect(picture).to_have_js_property("naturalWidth", 40)
    link = tab.own.locator(".files a", has_text="note.txt")
    fetched = await tab.page.request.get(str(await link.get_attribute("href")))
    assert await fetched.body() == NOTE


async def test_files_can_be_dropped_and_pasted(tab: ChatPage) -> None:
    """Both end as files of one message without words."""
    await tab.panel.evaluate(GIVE, ["drop", "dropped.txt", "text/plain", "one"])
    await expect(tab.chat.locator(".chips li")).to_contain_text("dropped.txt")
    await tab.input.evaluate(GIVE, ["paste", "pasted.txt", "text/plain", "two"])
    await expect(tab.chat.locator(".chips li")).to_have_count(2)
    await expect(tab.chat.locator(".chips progress")).to_have_count(0)
    await tab.chat.get_by_role("button", name="Send", exact=True).click()
    await expect(tab.own.locator(".files a")).to_have_text([re.compile("dropped.txt"), re.compile("pasted.txt")])
    await expect(tab.chat.locator(".dropping")).to_have_count(0)


async def test_a_file_that_cannot_be_sent_says_why_and_can_be_removed(window: Window, tab: ChatPage) -> None:
    """Too large and empty are known at once; the server tells by its content that a program is none of the kinds it
    takes. The message goes without them."""
    window.expected = ("status of 415",)
    await tab.panel.evaluate(
        GIVE.replace("[text]", "['x'.repeat(text)]"), ["drop", "big.txt", "text/plain", 10_485_761]
    )
    await pick(
        tab,
        {"name": "empty.txt", "mimeType": "text/plain", "buffer": b""},
        {"name": "tool.exe", "mimeType": "text/plain", "buffer": b"MZ\x90\x00\x03\x00\xff\xff\x00" * 50},
    )
    chips = tab.chat.locator(".chips li")
    await expect(chips).to_have_text(
        [re.compile("larger than 10 MB"), re.compile("the file is empty"), re.compile("not accepted")]
    )
    await expect(tab.told).to_contain_text("tool.exe")
    await tab.chat.get_by_role("button", name="Remove big.txt").click()
    await expect(chips).to_have_count(2)
    await expect(tab.input).to_be_focused()
    await tab.ask("Can I use tap water?")
    await expect(tab.own.locator(".files")).to_have_count(0)


async def test_an_upload_that_breaks_off_can_be_tried_again(window: Window, tab: ChatPage) -> None:
    """Without a connection the file stays with a Retry; with it the same file is sent."""
    window.expected = ("ERR_FAILED",)
    await tab.page.route("**/attachments", lambda route: route.abort(), times=1)
    await pick(tab, {"name": "note.txt", "mimeType": "text/plain", "buffer": NOTE})
    chip = tab.chat.locator(".chips li")
    await expect(chip).to_contain_text("could not be uploaded")
    await chip.get_by_role("button", name="Retry").click()
    await expect(chip).not_to_contain_text("could not be uploaded")
    await expect(chip.locator("progress")).to_have_count(0)
    await tab.say("A note")
    await expect(tab.own.locator(".files a")).to_have_count(1)


async def test_a_message_waits_for_its_files(parley: Installation, tab: ChatPage) -> None:
    """Nothing is sent while a file is on its way; who tries is told."""
    held = []
    await tab.page.route("**/attachments", lambda route: held.append(route))
    await pick(tab, {"name": "note.txt", "mimeType": "text/plain", "buffer": NOTE})
    await expect(tab.chat.locator(".chips progress")).to_have_count(1)
    await tab.say("With a note")
    await expect(tab.told).to_have_text("A file is still being uploaded.")
    assert await tab.own.count() == 0
    await held[0].continue_()
    await expect(tab.chat.locator(".chips progress")).to_have_count(0)
    await tab.input.press("Enter")
    await expect(tab.own).to_contain_text(["With a note"])


async def test_a_recording_that_was_sent_can_be_played(tab: ChatPage) -> None:
    await pick(tab, {"name": "voice.webm", "mimeType": "audio/webm", "buffer": encode("heat-pack", "webm")})
    await expect(tab.chat.locator(".chips progress")).to_have_count(0)
    await tab.chat.get_by_role("button", name="Send").click()
    sound = tab.own.locator(".files audio")
    await expect(sound).to_have_attribute("aria-label", "voice.webm")
    state = await sound.evaluate(
        """(node) => new Promise((done, failed) => {
          node.addEventListener("loadeddata", () => done(node.readyState));
          node.addEventListener("error", () => failed(node.error.message));
          node.preload = "auto";
          node.load();
        })"""
    )
    assert state >= 2, "there is sound to play"


async def test_what_is_said_with_files_is_in_view_and_so_is_the_answer(tab: ChatPage) -> None:
    """The list of files takes room from the conversation, and pictures get their height late."""
    for _ in range(2):
        await tab.ask("Do you add a heat pack in winter?")
    last = tab.replies.last.locator(".foot")
    files: list[FilePayload] = [
        {"name": f"leaf-{n}.png", "mimeType": "image/png", "buffer": png(300 + n)} for n in range(4)
    ]
    await pick(tab, *files)
    await expect(tab.chat.locator(".chips li")).to_have_count(4)
    await expect(tab.chat.locator(".chips progress")).to_have_count(0)
    await expect(last, "above the files that wait").to_be_in_viewport()
    await tab.say("What is wrong with these leaves?")
    await expect(tab.own.last.locator(".files img")).to_have_count(4)
    await expect(tab.replies).to_have_count(3)
    await expect(last).to_be_in_viewport(ratio=1)
    await expect(tab.chat.locator(".jump")).to_be_hidden()
