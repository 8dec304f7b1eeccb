"""Slack's implementation of the desk's connection: the client of one account, on the Web API.

https://docs.slack.dev/reference/methods · https://docs.slack.dev/reference/objects/user-object
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from connectors.desk.port import FORM_TRIGGER, DeskMessage, Member, RenderedPost
from connectors.desk.rules import TenantDeskRules
from connectors.desk.thread_ids import Place, channel_of, message_id, message_of, thread_id
from connectors.inbound.display_names import clean_display_name
from connectors.slack import file_transfer, history
from connectors.slack.client import SlackClient
from connectors.slack.desk import modals
from connectors.slack.desk.block_kit import undo_blocks
from connectors.slack.desk.desk import channel_of_call
from connectors.slack.errors import find_error
from connectors.slack.inbound.requests import Json
from connectors.slack.places import SlackModel
from connectors.slack.profiles import ProfileNames
from connectors.slack.settings import SlackAccount
from schemas.conversation import Conversation
from schemas.desk import DeskCommand
from schemas.errors import RetryLater, SendRefused
from schemas.ports import Account, VendorCall, VendorResponse

PAGE_SIZE = 1_000
"""Slack's largest page size: a person who pressed a button waits three seconds at most."""
FORM_NOT_OPENED = "This form could not be opened. Please try again."
DRAFT_TOO_LONG = "This draft is too long for a form. Please copy it into the thread and change it there."
DRAFT_LOST = "This draft no longer exists. Please ask for another one."
ONE_MESSAGE = {"inclusive": True, "include_all_metadata": True, "limit": 2}


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """The workspace in which our app is installed, the organization around it, and our own bot."""

    team: str
    enterprise: str = ""
    bot: str = ""


class Enterprise(SlackModel):
    enterprise_id: str = ""
    teams: list[str] = []


class User(SlackModel):
    """Slack sets ``is_stranger`` only for people outside all shared channels; others are identified by their
    workspace."""

    name: str | None = None
    real_name: str | None = None
    profile: ProfileNames = ProfileNames()
    team_id: str = ""
    deleted: bool = False
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    enterprise_user: Enterprise | None = None

    def explain_refusal(self, home: BotIdentity) -> str:
        """The reason why they may not act, empty if they may: guests, people of other workspaces, bots and former
        members may not."""
        if self.deleted or self.is_bot:
            return "gone" if self.deleted else "bot"
        if self.is_restricted or self.is_ultra_restricted:
            return "guest"
        return "" if self._belongs_to(home) and not self.is_stranger else "outsider"

    def _belongs_to(self, home: BotIdentity) -> bool:
        org = self.enterprise_user or Enterprise()
        is_in_enterprise = bool(home.enterprise) and org.enterprise_id == home.enterprise
        return self.team_id == home.team or home.team in org.teams or is_in_enterprise


class SlackDeskConnection:
    """See ``connectors.desk.port.DeskConnection``; also a Lookup."""

    def __init__(self, account: Account, read_file: file_transfer.ReadFile, is_file: Callable[[Place], bool]) -> None:
        self._account = account
        settings: SlackAccount = account.settings
        self._client = SlackClient(settings)
        self._read_file = read_file
        self._is_file = is_file
        self._identity: BotIdentity | None = None

    async def close(self) -> None:
        await self._client.close()

    # ── posts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        arguments = {name: value for name, value in call.arguments.items() if name not in ("since", "about")}
        if call.files:
            return await file_transfer.upload_files(
                self._client, call, self._account.tenant, self._read_file, arguments
            )
        payload = {**call.arguments.get("about", {}), "id": marker}
        metadata = {"event_type": history.DESK_TYPE, "event_payload": payload}
        return await self._client.call(call.operation, {**arguments, "metadata": metadata})

    async def lookup(self, call: VendorCall, marker: str) -> str | None:
        channel = channel_of_call(call)
        timestamp = await history.find_message(self._client, call, channel, marker)
        return None if timestamp is None else message_id(channel, timestamp)

    async def update(self, place: Place, rendered: RenderedPost) -> None:
        arguments = {"channel": place.channel, "ts": place.message}
        try:
            await self._ask("chat.update", {**arguments, "text": rendered.text, "blocks": list(rendered.blocks)})
        except SendRefused as error:
            if error.message == "cant_update_message":
                raise SendRefused("not_found") from error
            raise

    async def delete(self, place: Place) -> None:
        if self._is_file(place):
            await self._ask("files.delete", {"file": place.message})
        elif place.message:
            await self._ask("chat.delete", {"channel": place.channel, "ts": place.message})

    async def replace_mark(self, place: Place, before: str, after: str) -> None:
        """Marks are reactions. Both calls may be repeated: Slack then only reports that nothing changed."""
        message = {"channel": place.channel, "timestamp": place.message}
        if before:
            with suppress(SendRefused):
                await self._ask("reactions.remove", {**message, "name": before})
        await self._ask("reactions.add", {**message, "name": after})

    async def get_link(self, place: Place) -> str:
        message = {"channel": place.channel, "message_ts": place.message}
        return str((await self._ask("chat.getPermalink", message)).get("permalink") or "")

    async def whisper(self, thread: str, by: str, text: str, *, undo: str = "") -> None:
        arguments: Json = {"channel": channel_of(thread), "thread_ts": message_of(thread), "text": text}
        if undo:
            arguments["blocks"] = undo_blocks(text, undo, message_of(thread))
        await self._ask("chat.postEphemeral", {**arguments, "user": by.removeprefix("slack:")})

    async def open_form(self, conversation: Conversation, command: DeskCommand, rules: TenantDeskRules) -> str | None:
        """A modal can be opened within three seconds of a press."""
        draft = ""
        if command.fields.get("form"):
            message = await self.find_message(command.external_id)
            metadata = (
                message.metadata if message is not None and message.metadata.get("draft") == command.value else {}
            )
            draft = str(metadata.get("text") or "")
            if not draft or len(draft) > modals.MAX_INPUT:
                return DRAFT_TOO_LONG if draft else DRAFT_LOST
        view = modals.build_modal(conversation, command, rules, draft)
        if view is None:
            return None
        try:
            await self._ask("views.open", {"trigger_id": command.fields[FORM_TRIGGER][0], "view": view})
        except SendRefused:
            return FORM_NOT_OPENED  # too late, or the event came twice and the modal is open already
        return ""

    # ── lookups ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def find_message(self, external_id: str) -> DeskMessage | None:
        """Look up a message, with its metadata if our bot wrote it."""
        channel, stamp = channel_of(external_id), message_of(external_id)
        arguments = {"channel": channel, "ts": stamp, "oldest": stamp, "latest": stamp, **ONE_MESSAGE}
        try:
            reply = (await self._ask("conversations.replies", arguments)).get("messages")
        except SendRefused:
            return None
        messages: Sequence[Any] = reply if isinstance(reply, list) else []
        message = next((each for each in messages if isinstance(each, dict) and each.get("ts") == stamp), None)
        if message is None:
            return None
        root = message.get("thread_ts")
        is_ours = message.get("bot_id") == (await self._ask_identity()).bot
        return DeskMessage(
            thread_id(channel, root if isinstance(root, str) else stamp), _read_metadata(message) if is_ours else {}
        )

    async def list_members(self, channel: str) -> frozenset[str]:
        members: set[str] = set()
        async for page in self._pages("conversations.members", {"channel": channel}, "members"):
            members.update(each for each in page if isinstance(each, str))
        return frozenset(members)

    async def find_person(self, user: str) -> Member:
        home = await self._ask_identity()
        try:
            profile = User.model_validate((await self._ask("users.info", {"user": user})).get("user"))
        except ValidationError:
            return Member(refusal="unknown")
        names = (profile.profile.display_name, profile.profile.real_name, profile.real_name, profile.name)
        return Member(clean_display_name(*filter(None, names)) or user, profile.explain_refusal(home))

    async def _ask_identity(self) -> BotIdentity:
        """Return the bot's identity. Raises RetryLater also if Slack does not say, because then nobody's workspace can
        be checked."""
        if self._identity is None:
            try:
                reply = await self._ask("auth.test", {})
            except SendRefused as error:
                raise RetryLater("Slack does not say whose app this is") from error
            team, enterprise, bot = (str(reply.get(name) or "") for name in ("team_id", "enterprise_id", "bot_id"))
            if not team or not bot:
                raise RetryLater("Slack does not say whose app this is")
            self._identity = BotIdentity(team, enterprise, bot)
        return self._identity

    async def _pages(self, method: str, arguments: Json, name: str) -> AsyncIterator[list[Any]]:
        """Iterate over the list ``name`` of each page."""
        arguments = {**arguments, "limit": PAGE_SIZE}
        while True:
            body = await self._ask(method, arguments)
            page = body.get(name)
            yield page if isinstance(page, list) else []
            cursor = (body.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
            arguments = {**arguments, "cursor": cursor}

    async def _ask(self, method: str, arguments: Mapping[str, Any]) -> Json:
        """Make a call that may be repeated. Raises a DeliveryError."""
        reply = await self._client.ask(method, arguments)
        if (error := find_error(reply)) is not None:
            raise error
        body: Json = reply.body
        return body


def _read_metadata(message: Json) -> Json:
    metadata = message.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != history.DESK_TYPE:
        return {}
    payload = metadata.get("event_payload")
    return payload if isinstance(payload, dict) else {}
