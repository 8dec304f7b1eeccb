"""One account's client of the desk, by Slack's Web API.

https://docs.slack.dev/reference/methods · https://docs.slack.dev/reference/objects/user-object
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from connectors.desk.port import FORM_TRIGGER, DeskMessage, Member, RenderedPost
from connectors.desk.rules import DeskRules
from connectors.desk.thread_ids import Place, channel_of, message_id, message_of, thread_id
from connectors.inbound.display_names import clean_display_name
from connectors.slack import file_transfer, history
from connectors.slack.client import SlackClient
from connectors.slack.desk import modals
from connectors.slack.desk.block_kit import undo_blocks
from connectors.slack.desk.desk import channel_of_call
from connectors.slack.errors import find_error
from connectors.slack.places import SlackModel
from connectors.slack.profiles import ProfileNames
from connectors.slack.requests import Json
from connectors.slack.settings import SlackAccount
from schemas.conversation import Conversation
from schemas.desk import DeskCommand
from schemas.errors import SendDelayed, SendRefused
from schemas.ports import Account, VendorCall, VendorResponse

PAGE = 1_000
"""As many as Slack gives at once: whoever pressed something waits three seconds at most."""
AGAIN = "This form could not be opened. Please press again."
TOO_LONG = "This draft is too long for a form. Please copy it into the thread and change it there."
LOST = "This draft is not there any more. Please ask for another one."
ALL_OF_IT = {"inclusive": True, "include_all_metadata": True, "limit": 2}


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
    """``is_stranger`` is said of those alone whom no shared channel shows: others are known by their workspace."""

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

    def refusal(self, home: BotIdentity) -> str:
        """Why they may not act: guests, people of other workspaces, bots and those who left may not."""
        if self.deleted or self.is_bot:
            return "gone" if self.deleted else "bot"
        if self.is_restricted or self.is_ultra_restricted:
            return "guest"
        return "" if self._is_at(home) and not self.is_stranger else "outsider"

    def _is_at(self, home: BotIdentity) -> bool:
        org = self.enterprise_user or Enterprise()
        same = bool(home.enterprise) and org.enterprise_id == home.enterprise
        return self.team_id == home.team or home.team in org.teams or same


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
        about = {**call.arguments.get("about", {}), "id": marker}
        metadata = {"event_type": history.DESK_TYPE, "event_payload": about}
        return await self._client.call(call.operation, {**arguments, "metadata": metadata})

    async def lookup(self, call: VendorCall, marker: str) -> str | None:
        channel = channel_of_call(call)
        found = await history.find_message(self._client, call, channel, marker)
        return None if found is None else message_id(channel, found)

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
        """One reaction. Both calls may be repeated: Slack only says that it is so already."""
        where = {"channel": place.channel, "timestamp": place.message}
        if before:
            with suppress(SendRefused):
                await self._ask("reactions.remove", {**where, "name": before})
        await self._ask("reactions.add", {**where, "name": after})

    async def link(self, place: Place) -> str:
        where = {"channel": place.channel, "message_ts": place.message}
        return str((await self._ask("chat.getPermalink", where)).get("permalink") or "")

    async def whisper(self, thread: str, by: str, text: str, *, undo: str = "") -> None:
        asked: Json = {"channel": channel_of(thread), "thread_ts": message_of(thread), "text": text}
        if undo:
            asked["blocks"] = undo_blocks(text, undo, message_of(thread))
        await self._ask("chat.postEphemeral", {**asked, "user": by.removeprefix("slack:")})

    async def open_form(self, found: Conversation, acted: DeskCommand, rules: DeskRules) -> str | None:
        """Slack lets a modal be opened for three seconds after a press."""
        draft = ""
        if acted.fields.get("form"):
            message = await self.message(acted.external_id)
            about = message.about if message is not None and message.about.get("draft") == acted.value else {}
            draft = str(about.get("text") or "")
            if not draft or len(draft) > modals.MOST_DRAFT:
                return TOO_LONG if draft else LOST
        view = modals.build_modal(found, acted, rules, draft)
        if view is None:
            return None
        try:
            await self._ask("views.open", {"trigger_id": acted.fields[FORM_TRIGGER][0], "view": view})
        except SendRefused:
            return AGAIN  # too late, or told twice: the modal may be open already
        return ""

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def message(self, external_id: str) -> DeskMessage | None:
        """With what its metadata carry along, where it is our bot's."""
        channel, stamp = channel_of(external_id), message_of(external_id)
        asked = {"channel": channel, "ts": stamp, "oldest": stamp, "latest": stamp, **ALL_OF_IT}
        try:
            answered = (await self._ask("conversations.replies", asked)).get("messages")
        except SendRefused:
            return None
        messages: Sequence[Any] = answered if isinstance(answered, list) else []
        found = next((each for each in messages if isinstance(each, dict) and each.get("ts") == stamp), None)
        if found is None:
            return None
        root = found.get("thread_ts")
        is_ours = found.get("bot_id") == (await self._ask_identity()).bot
        return DeskMessage(
            thread_id(channel, root if isinstance(root, str) else stamp), _read_metadata(found) if is_ours else {}
        )

    async def members(self, channel: str) -> frozenset[str]:
        found: set[str] = set()
        async for page in self._pages("conversations.members", {"channel": channel}, "members"):
            found.update(each for each in page if isinstance(each, str))
        return frozenset(found)

    async def person(self, user: str) -> Member:
        home = await self._ask_identity()
        try:
            found = User.model_validate((await self._ask("users.info", {"user": user})).get("user"))
        except ValidationError:
            return Member(refused="unknown")
        names = (found.profile.display_name, found.profile.real_name, found.real_name, found.name)
        return Member(clean_display_name(*filter(None, names)) or user, found.refusal(home))

    async def _ask_identity(self) -> BotIdentity:
        """Raises SendDelayed also where Slack does not say: nobody is at home nowhere."""
        if self._identity is None:
            try:
                told = await self._ask("auth.test", {})
            except SendRefused as error:
                raise SendDelayed("Slack does not say whose app this is") from error
            team, enterprise, bot = (str(told.get(name) or "") for name in ("team_id", "enterprise_id", "bot_id"))
            if not team or not bot:
                raise SendDelayed("Slack does not say whose app this is")
            self._identity = BotIdentity(team, enterprise, bot)
        return self._identity

    async def _pages(self, method: str, asked: Json, name: str) -> AsyncIterator[list[Any]]:
        """Read what stands under ``name`` on each page."""
        asked = {**asked, "limit": PAGE}
        while True:
            body = await self._ask(method, asked)
            found = body.get(name)
            yield found if isinstance(found, list) else []
            cursor = (body.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
            asked = {**asked, "cursor": cursor}

    async def _ask(self, method: str, arguments: Mapping[str, Any]) -> Json:
        """A call that changes nothing when it is made again. Raises a DeliveryError."""
        reply = await self._client.ask(method, arguments)
        if (error := find_error(reply)) is not None:
            raise error
        body: Json = reply.body
        return body


def _read_metadata(message: Json) -> Json:
    metadata = message.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != history.DESK_TYPE:
        return {}
    about = metadata.get("event_payload")
    return about if isinstance(about, dict) else {}
