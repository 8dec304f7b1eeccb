"""A bot's messages at Discord: sent, looked up, fetched."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import aiohttp
from pydantic import ValidationError

from connectors.discord import errors
from connectors.discord.components import marks_of
from connectors.discord.messages import DELETE, EDIT
from connectors.discord.models import Attached, Message
from connectors.discord.places import target
from connectors.discord.rest import Rest
from connectors.discord.threads import Threads, is_refused, is_unknown_channel
from schemas.errors import NotFound, SendDelayed, SendRefused, SendUnknown, TooLarge
from schemas.messages import Attachment, RemoteFile
from schemas.ports import Account, Call, Remark, Reply

NONCE = 25
PAGES = 20
CHUNK = 64 * 1024
CONTENT_INTENT = 1 << 18 | 1 << 19
"""Flags of an application: the intent, and the same for one in fewer than a hundred servers."""

ReadFile = Callable[[str, str], Awaitable[tuple[Attachment, bytes]]]


class DiscordConnection:
    """One bot. The session is opened by the first request."""

    def __init__(self, account: Account, read_file: ReadFile) -> None:
        self._account = account
        self._read_file = read_file
        self._rest = Rest(account)
        self._threads = Threads(self._rest, self._me)
        self._bot = ""

    async def perform(self, call: Call, marker: str) -> Reply:
        if call.operation in (EDIT, DELETE):
            return await self._changed(call)
        body = {**call.arguments["body"], "nonce": nonce(marker), "enforce_nonce": True}
        thread, parent = call.arguments["channel"], call.arguments.get("parent", "")
        reply = await self._create(thread, body, call.files)
        if not parent or not is_unknown_channel(reply):
            return reply
        opened = await self._threads.open(parent, thread)
        if opened is None:
            return await self._create(thread, body, call.files)
        if not is_refused(opened):
            return opened
        # The bot may open no thread there: the answer stays in the channel, below the question.
        reference = {"message_id": thread, "fail_if_not_exists": False}
        return await self._create(parent, {**body, "message_reference": reference}, call.files)

    async def _create(self, channel: str, body: Any, files: Sequence[Attachment]) -> Reply:
        path = f"/channels/{channel}/messages"
        if not files:
            return await self._rest.ask("POST", path, json=body)
        return await self._rest.ask("POST", path, data=await self._form(body, files))

    async def _changed(self, call: Call) -> Reply:
        """Of a message that is there, in its thread or, where none could be opened, in the channel."""
        reply = await self._change(call, call.arguments["channel"])
        parent = call.arguments.get("parent", "")
        return await self._change(call, parent) if parent and is_unknown_channel(reply) else reply

    async def _change(self, call: Call, channel: str) -> Reply:
        """What is gone has no body; its id is known."""
        path = f"/channels/{channel}/messages/{call.arguments['message']}"
        if call.operation == EDIT:
            return await self._rest.ask("PATCH", path, json=call.arguments["body"])
        reply = await self._rest.ask("DELETE", path)
        return replace(reply, body={"id": call.arguments["message"]}) if reply.status == 204 else reply

    async def lookup(self, call: Call, marker: str) -> str | None:
        """Raises SendRefused too, where nobody will ever know."""
        bot = await self._me()
        place, before = f"/channels/{await self._shown_in(call)}", ""
        for _ in range(PAGES):
            page = await self._rest.read(f"{place}/messages?limit={PAGE}{before}", list)
            if not readable(page):
                raise SendUnknown("the answer cannot be read")
            if not page and not before:
                await self._check_nothing(place, call)
                return None
            if (found := newest(call, page, bot)) or reaches_back(call, page):
                return found
            before = f"&before={page[-1]['id']}"
        raise SendUnknown("too much was said there since")

    async def _shown_in(self, call: Call) -> str:
        """The channel in which to look: an answer stays out of a thread that could not be opened."""
        thread, parent = str(call.arguments["channel"]), str(call.arguments.get("parent", ""))
        if parent and is_unknown_channel(await self._rest.ask("GET", f"/channels/{thread}")):
            return parent
        return thread

    async def fetch(self, file: RemoteFile, most: int) -> tuple[bytes, str, str]:
        channel, message, wanted = file.ref.split("/")
        try:
            found = await self._rest.read(f"/channels/{channel}/messages/{message}", dict)
        except SendRefused as error:
            raise NotFound(f"the message of the file: {error.message}") from error
        except SendUnknown as error:
            raise SendDelayed(error.message) from error
        attached = next((each for each in _attached(found) if each.id == wanted), None)
        if attached is None or not attached.url:
            raise NotFound("the file is no longer there")
        if attached.size > most:
            raise TooLarge(f"a file may have {most} bytes")
        return await self._download(attached.url, most), attached.content_type, attached.filename or file.name

    async def seen(self, place: str, external_id: str) -> None:
        """Discord has no "seen" for bots; that an answer is being written is shown for ten seconds."""
        try:
            where = target(place)
            reply = await self._rest.ask("POST", f"/channels/{where.channel}/typing")
            if where.parent and is_unknown_channel(reply):
                await self._rest.ask("POST", f"/channels/{where.parent}/typing")
        except (SendDelayed, SendUnknown):
            return

    async def inspect(self) -> list[Remark]:
        reply = await self._rest.ask("GET", "/applications/@me")
        if reply.status == 401:
            return [Remark("fail", "Discord refuses the token", "reset it in the Developer Portal and set `token`")]
        errors.check(reply)
        flags = reply.body.get("flags") if isinstance(reply.body, dict) else None
        if isinstance(flags, int) and not flags & CONTENT_INTENT:
            fix = "switch on the message content intent of the bot in Discord's Developer Portal"
            return [Remark("warn", "the bot may not read what is written in servers", fix)]
        return [Remark("ok", "the token works, with the message content intent")]

    async def close(self) -> None:
        await self._rest.close()

    async def _me(self) -> str:
        self._bot = self._bot or str((await self._rest.read("/users/@me", dict)).get("id") or "")
        if not self._bot:
            raise SendUnknown("Discord does not say who the bot is")
        return self._bot

    async def _check_nothing(self, place: str, call: Call) -> None:
        """An empty history is that of a place where nothing was written, or of one that the bot may not read. Raises
        SendRefused where something was written since."""
        last = (await self._rest.read(place, dict)).get("last_message_id")
        if last is not None and is_after(last, call):
            raise SendRefused("history_hidden")

    async def _form(self, body: Any, files: Sequence[Attachment]) -> aiohttp.FormData:
        """Raises SendRefused when a file of ours is gone."""
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("payload_json", json.dumps(body), content_type="application/json")
        for number, each in enumerate(files):
            try:
                known, data = await self._read_file(self._account.tenant, each.id)
            except NotFound as error:
                raise SendRefused("file_gone") from error
            kind = known.type or "application/octet-stream"
            form.add_field(f"files[{number}]", data, filename=each.name, content_type=kind)
        return form

    async def _download(self, url: str, most: int) -> bytes:
        """The address is the proof, so the token stays here."""
        try:
            async with self._rest.session.get(url, allow_redirects=False) as response:
                if response.status == 429 or response.status >= 500:
                    raise SendDelayed(f"status {response.status}")
                if response.status != 200:
                    raise NotFound("the file is no longer there")
                return await _bounded(response, most)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SendDelayed("the file cannot be fetched now") from error


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK):
        data += chunk
        if len(data) > most:
            raise TooLarge(f"a file may have {most} bytes")
    return bytes(data)


def nonce(marker: str) -> str:
    """Our id of a piece, in the 25 characters that Discord takes."""
    return hashlib.sha256(marker.encode()).hexdigest()[:NONCE]


def _attached(message: Any) -> list[Attached]:
    """Also those of a message that this one forwards. Raises SendDelayed."""
    try:
        found = Message.model_validate(message)
    except ValidationError as error:
        raise SendDelayed("the message of the file cannot be read") from error
    return [file for part in [found, *(each.message for each in found.message_snapshots)] for file in part.attachments]


# Whether a call of ours is on a place's screen, judged by what Discord shows of the place.
#
# Discord does not keep the nonce with a message. A message is ours when the bot wrote it after what it answers and it
# has the same words, files and buttons. The sender tells two alike apart: it has the ids of those whose outcome it was
# told.
PAGE = 100


def readable(page: Sequence[Any]) -> bool:
    return all(isinstance(each, dict) and str(each.get("id", "")).isdigit() for each in page)


def newest(call: Call, page: Sequence[Mapping[str, Any]], bot: str) -> str | None:
    """The id of the newest message of a page that shows this call."""
    for each in page:
        if is_after(each["id"], call) and _is_by(each, bot) and _is_same(call, each):
            return str(each["id"])
    return None


def reaches_back(call: Call, page: Sequence[Mapping[str, Any]]) -> bool:
    """Whether nothing that this call made can stand before the page. Pages have the newest first."""
    return len(page) < PAGE or not is_after(page[-1]["id"], call)


def is_after(id_: Any, call: Call) -> bool:
    """Young enough to be what this call made."""
    return int(id_) > int(call.arguments["since"])


def _is_by(message: Mapping[str, Any], bot: str) -> bool:
    # What answers an interaction is also the bot's, but no call of ours made it.
    return (message.get("author") or {}).get("id") == bot and not message.get("webhook_id")


def _is_same(call: Call, message: Mapping[str, Any]) -> bool:
    body = call.arguments["body"]
    sizes = sorted(each.get("size", 0) for each in message.get("attachments", []))
    return (
        _visible(message.get("content") or "") == _visible(body["content"])
        and sizes == sorted(each.size for each in call.files)
        and marks_of(message.get("components")) == marks_of(body.get("components"))
    )


def _visible(text: str) -> str:
    """Without spaces and what nobody sees: Discord trims texts."""
    return "".join(character for character in text if unicodedata.category(character)[0] not in "CZ")
