"""Connection of one bot: sends, looks up and fetches messages."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import aiohttp
import discord
from pydantic import ValidationError

from connectors.discord import errors
from connectors.discord.components import list_custom_ids
from connectors.discord.messages import DELETE, EDIT
from connectors.discord.models import FileAttachment, Message
from connectors.discord.places import parse_place
from connectors.discord.rest import RestClient
from connectors.discord.threads import QuestionThreads, is_refused, is_unknown_channel
from connectors.http import download, read_at_most
from schemas.errors import NotFound, RetryLater, SendRefused, SendUnknown, TooLarge
from schemas.messages import Attachment, RemoteFile
from schemas.ports import Account, AccountFinding, VendorCall, VendorResponse

NONCE_LENGTH = 25
MAX_PAGES = 20
CONTENT_INTENT = discord.ApplicationFlags(gateway_message_content=True, gateway_message_content_limited=True).value
"""Flags of an application: the message content intent, and the same for a bot in fewer than a hundred servers."""

ReadFile = Callable[[str, str], Awaitable[tuple[Attachment, bytes]]]


class DiscordConnection:
    """Connection of one bot. The session is opened by the first request."""

    def __init__(self, account: Account, read_file: ReadFile) -> None:
        self._account = account
        self._read_file = read_file
        self._rest = RestClient(account)
        self._threads = QuestionThreads(self._rest, self._load_bot_id)
        self._bot = ""

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        if call.operation in (EDIT, DELETE):
            return await self._change_in_thread(call)
        body = {**call.arguments["body"], "nonce": build_nonce(marker), "enforce_nonce": True}
        thread, parent = call.arguments["channel"], call.arguments.get("parent", "")
        reply = await self._create(thread, body, call.files)
        if not parent or not is_unknown_channel(reply):
            return reply
        opened = await self._threads.open(parent, thread)
        if opened is None:
            return await self._create(thread, body, call.files)
        if not is_refused(opened):
            return opened
        # The bot may not open a thread there, so the answer stays in the channel, as a reply to the question.
        reference = {"message_id": thread, "fail_if_not_exists": False}
        return await self._create(parent, {**body, "message_reference": reference}, call.files)

    async def _create(self, channel: str, body: Any, files: Sequence[Attachment]) -> VendorResponse:
        path = f"/channels/{channel}/messages"
        if not files:
            return await self._rest.request("POST", path, json=body)
        return await self._rest.request("POST", path, data=await self._build_form(body, files))

    async def _change_in_thread(self, call: VendorCall) -> VendorResponse:
        """Edit or delete a message in its thread, or in the channel where no thread could be opened."""
        reply = await self._change(call, call.arguments["channel"])
        parent = call.arguments.get("parent", "")
        return await self._change(call, parent) if parent and is_unknown_channel(reply) else reply

    async def _change(self, call: VendorCall, channel: str) -> VendorResponse:
        """A deletion has no body in its answer, so the id is added."""
        path = f"/channels/{channel}/messages/{call.arguments['message']}"
        if call.operation == EDIT:
            return await self._rest.request("PATCH", path, json=call.arguments["body"])
        reply = await self._rest.request("DELETE", path)
        return replace(reply, body={"id": call.arguments["message"]}) if reply.status == 204 else reply

    async def lookup(self, call: VendorCall, marker: str) -> str | None:
        """Also raises SendRefused where it can never be known."""
        bot_id = await self._load_bot_id()
        place, before = f"/channels/{await self._find_channel(call)}", ""
        for _ in range(MAX_PAGES):
            page = await self._rest.read(f"{place}/messages?limit={PAGE_SIZE}{before}", list)
            if not has_valid_ids(page):
                raise SendUnknown("the answer cannot be read")
            if not page and not before:
                await self._check_history_is_readable(place, call)
                return None
            if (external_id := find_newest(call, page, bot_id)) or reaches_back(call, page):
                return external_id
            before = f"&before={page[-1]['id']}"
        raise SendUnknown("too many messages have been written there since")

    async def _find_channel(self, call: VendorCall) -> str:
        """Return the channel to search: the parent where no thread could be opened."""
        thread, parent = str(call.arguments["channel"]), str(call.arguments.get("parent", ""))
        if parent and is_unknown_channel(await self._rest.request("GET", f"/channels/{thread}")):
            return parent
        return thread

    async def fetch(self, file: RemoteFile, most: int) -> tuple[bytes, str, str]:
        channel, message, wanted = file.ref.split("/")
        try:
            found = await self._rest.read(f"/channels/{channel}/messages/{message}", dict)
        except SendRefused as error:
            raise NotFound(f"the message of the file: {error.message}") from error
        except SendUnknown as error:
            raise RetryLater(error.message) from error
        attached = next((each for each in _read_attachments(found) if each.id == wanted), None)
        if attached is None or not attached.url:
            raise NotFound("the file is no longer there")
        if attached.size > most:
            raise TooLarge(f"a file may have at most {most} bytes")
        return await self._download(attached.url, most), attached.content_type, attached.filename or file.name

    async def show_typing(self, place: str, external_id: str) -> None:
        """Discord has no read marks for bots; it shows "typing" for ten seconds."""
        try:
            target = parse_place(place)
            reply = await self._rest.request("POST", f"/channels/{target.channel}/typing")
            if target.parent and is_unknown_channel(reply):
                await self._rest.request("POST", f"/channels/{target.parent}/typing")
        except (RetryLater, SendUnknown):
            return

    async def inspect(self) -> list[AccountFinding]:
        reply = await self._rest.request("GET", "/applications/@me")
        if reply.status == 401:
            return [
                AccountFinding("fail", "Discord refuses the token", "reset it in the Developer Portal and set `token`")
            ]
        errors.raise_for_error(reply)
        flags = reply.body.get("flags") if isinstance(reply.body, dict) else None
        if isinstance(flags, int) and not flags & CONTENT_INTENT:
            fix = "switch on the message content intent of the bot in Discord's Developer Portal"
            return [AccountFinding("warn", "the bot may not read what is written in servers", fix)]
        return [AccountFinding("ok", "the token works, with the message content intent")]

    async def close(self) -> None:
        await self._rest.close()

    async def _load_bot_id(self) -> str:
        self._bot = self._bot or str((await self._rest.read("/users/@me", dict)).get("id") or "")
        if not self._bot:
            raise SendUnknown("Discord does not say who the bot is")
        return self._bot

    async def _check_history_is_readable(self, place: str, call: VendorCall) -> None:
        """An empty history means that nothing was written, or that the bot may not read it. Raises SendRefused if
        something was written since."""
        last = (await self._rest.read(place, dict)).get("last_message_id")
        if last is not None and is_after(last, call):
            raise SendRefused("history_hidden")

    async def _build_form(self, body: Any, files: Sequence[Attachment]) -> aiohttp.FormData:
        """Raises SendRefused when one of our files is gone."""
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
        """The address itself grants access, so the token is not sent."""
        try:
            async with download(url, self._rest.base) as response:
                if response.status == 429 or response.status >= 500:
                    raise RetryLater(f"status {response.status}")
                if response.status != 200:
                    raise NotFound("the file is no longer there")
                return await read_at_most(response, most)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise RetryLater("the file cannot be fetched now") from error


def build_nonce(marker: str) -> str:
    """Shorten our id of a part to the 25 characters that Discord accepts."""
    return hashlib.sha256(marker.encode()).hexdigest()[:NONCE_LENGTH]


def _read_attachments(message: Any) -> list[FileAttachment]:
    """Return the attachments of a message and of those that it forwards. Raises RetryLater."""
    try:
        found = Message.model_validate(message)
    except ValidationError as error:
        raise RetryLater("the message of the file cannot be read") from error
    return [file for part in [found, *(each.message for each in found.message_snapshots)] for file in part.attachments]


# Comparison of a call with the messages that Discord shows. Discord does not keep the nonce, so a message counts as
# ours if the bot wrote it after the message that it answers, with the same text, files and buttons. The sender knows
# the ids of similar messages that were sent.
PAGE_SIZE = 100


def has_valid_ids(page: Sequence[Any]) -> bool:
    return all(isinstance(each, dict) and str(each.get("id", "")).isdigit() for each in page)


def find_newest(call: VendorCall, page: Sequence[Mapping[str, Any]], bot_id: str) -> str | None:
    """Return the id of the newest message of a page that matches this call."""
    for each in page:
        if is_after(each["id"], call) and _is_by_bot(each, bot_id) and _has_same_content(call, each):
            return str(each["id"])
    return None


def reaches_back(call: VendorCall, page: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether earlier pages cannot hold what this call showed. Pages come newest first."""
    return len(page) < PAGE_SIZE or not is_after(page[-1]["id"], call)


def is_after(id_: Any, call: VendorCall) -> bool:
    """Return whether the message is young enough to be from this call."""
    return int(id_) > int(call.arguments["since"])


def _is_by_bot(message: Mapping[str, Any], bot_id: str) -> bool:
    # Answers to interactions are the bot's too, but none of our calls made them.
    return (message.get("author") or {}).get("id") == bot_id and not message.get("webhook_id")


def _has_same_content(call: VendorCall, message: Mapping[str, Any]) -> bool:
    body = call.arguments["body"]
    sizes = sorted(each.get("size", 0) for each in message.get("attachments", []))
    return (
        _remove_invisible(message.get("content") or "") == _remove_invisible(body["content"])
        and sizes == sorted(each.size for each in call.files)
        and list_custom_ids(message.get("components")) == list_custom_ids(body.get("components"))
    )


def _remove_invisible(text: str) -> str:
    """Remove spaces and invisible characters: Discord trims texts."""
    return "".join(character for character in text if unicodedata.category(character)[0] not in "CZ")
