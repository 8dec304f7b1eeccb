"""The webhook desk: the channel that hears what people do, the desk, and a client. No contact writes here."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from connectors import http
from connectors.channel_services import ChannelServices
from connectors.desk import contents as c
from connectors.desk.port import (
    REPLY_REVISION,
    Desk,
    DeskConnection,
    DeskMessage,
    DeskRates,
    Member,
    Post,
    Rate,
    RenderedPost,
)
from connectors.desk.thread_ids import Place, channel_of, message_id, message_of, thread_id
from schemas import topics
from schemas.content import describe_message
from schemas.errors import InvalidRequest, SendRefused, Unauthorized
from schemas.messages import MessageState, OutboundMessage, RemoteFile, TranscriptMessage
from schemas.ports import (
    Account,
    Capabilities,
    ChannelEvent,
    DeliveryPolicy,
    RawRequest,
    RenderContext,
    VendorCall,
    VendorResponse,
)

FILE = "file-"  # begins the ids of files
FREE = Rate(1_000.0, 1_000)


class Act(BaseModel):
    """An act at a message, in the thread below ``thread``. ``act`` has fields of ``DeskActed``."""

    queue: str
    thread: str
    message: str
    act: dict[str, Any]


ACTS = TypeAdapter(list[Act])


def line_text(line: TranscriptMessage, contact: str) -> str:
    name = line.author.name or (contact if line.author.kind == "contact" else line.author.kind)
    said = "Deleted by the customer" if line.state == "deleted" else describe_message(line)
    return f"{name}: {said}" + (" (edited)" if line.revision else "")


TEXTS: dict[type[c.Content], Callable[[Any], list[str]]] = {
    c.Card: lambda each: [each.view.name, each.view.status, each.view.reason, *each.view.summary],
    c.CardTransfer: lambda each: [each.view.name, f"Moved to {each.to}"],
    c.TranscriptLines: lambda each: [line_text(line, each.contact) for line in each.lines],
    c.HandoffNotice: lambda each: ["Handed over to people" + " again" * each.is_repeated, each.reason],
    c.TimeNotice: lambda each: [f"{each.kind}: the customer waits since {each.since}, due {each.due}", each.link],
    c.ApprovalRequest: lambda each: ["Approval needed", each.contact, c.summarize_approval(each.approval)],
    c.ApprovalOutcome: lambda each: [each.summary, each.text],
    c.ResolutionNotice: lambda each: [each.text, *([] if each.is_rating else [each.resolution.note])],
    c.Draft: lambda each: [each.text or f"No draft: {each.draft.reason}"],
    c.DraftOutcome: lambda each: [f"{each.command.kind} by {each.command.name}"],
    c.NotDelivered: lambda each: ["Not delivered to the customer", each.reason, each.line.text],
    c.ErasureNotice: lambda each: [each.text],
    c.WeeklyReport: lambda each: [each.title, *each.figures, *each.groups, each.link],
    c.InDoubt: lambda each: ["This may not have reached the customer", each.line.text],
}
"""The words of posts; the desk's own program makes something nicer of them."""


class WebhookDesk(Desk):
    """Channel and desk in one; see ``schemas.ports.Channel`` and ``connectors.desk.port.Desk``."""

    name = "webhook"
    title = "The help desk"
    capabilities = Capabilities(max_text=10_000)
    policy = DeliveryPolicy(reconciliation="repeat")
    rates = DeskRates(0.05, FREE, FREE, FREE, card_every=timedelta(0), retry=timedelta(seconds=1))
    marks: Mapping[MessageState, str] = {state: state for state in ("sent", "delivered", "read", "failed")}
    max_draft = 10_000

    def __init__(self, tools: ChannelServices) -> None:
        self._tools = tools

    def at_desk(self) -> WebhookDesk:
        return self

    def connect(self, account: Account) -> WebhookConnection:
        return WebhookConnection(account, self._tools)

    def verify(self, request: RawRequest, account: Account) -> None:
        wanted = hmac.digest(account.settings.secret.get_secret_value().encode(), request.body, "sha256").hex()
        if not hmac.compare_digest(wanted.encode(), request.headers.get("x-signature", "").encode()):
            raise Unauthorized("the signature is wrong")

    def parse(self, request: RawRequest, account: Account) -> list[ChannelEvent]:
        try:
            return [self._event(told) for told in ACTS.validate_json(request.body)]
        except ValidationError as error:
            raise InvalidRequest("no acts of the webhook desk") from error

    def _event(self, told: Act) -> ChannelEvent:
        act = {**told.act, "by": f"{self.name}:{told.act.get('by')}"}
        place, about = thread_id(told.queue, told.thread), message_id(told.queue, told.message)
        revision = REPLY_REVISION if act.get("kind") == "reply" else f"{act.get('kind')}:{act['by']}:{act.get('at')}"
        return ChannelEvent(topics.DESK_COMMAND, place, about, act, (), revision)

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        raise SendRefused("nobody_there")

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        return message_id(call.arguments["queue"], (FILE if call.files else "") + answer_of(reply)["id"])

    def render_post(self, content: c.Content) -> RenderedPost:
        lines = [line for line in TEXTS[type(content)](content) if line]
        buttons = [asdict(button) for button in getattr(content, "buttons", ())]
        return RenderedPost(lines[0], ({"kind": type(content).__name__, "text": "\n".join(lines), "buttons": buttons},))

    def post_call(self, post: Post) -> VendorCall:
        shown = {"text": post.rendered.text, "blocks": list(post.rendered.blocks), "about": dict(post.metadata)}
        return VendorCall("post", {"queue": post.channel, "thread": post.thread, **shown}, post.files)

    def is_file(self, place: Place) -> bool:
        return place.message.startswith(FILE)


class WebhookConnection(http.HttpConnection, DeskConnection):
    """See ``connectors.desk.port.DeskConnection``; also a Fetcher."""

    def __init__(self, account: Account, tools: ChannelServices) -> None:
        self._account, self._tools = account, tools
        headers = {"authorization": f"Bearer {account.settings.secret.get_secret_value()}"}
        super().__init__(account.settings.url, headers=headers, marker_field="marker")

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        files = []
        for file in call.files:
            _, data = await self._tools.read_file(self._account.tenant, file.id)
            files.append({"name": file.name, "type": file.type, "data": base64.b64encode(data).decode()})
        return await super().perform(VendorCall(call.operation, {**call.arguments, "files": files}), marker)

    async def _ask(self, operation: str, **arguments: Any) -> Any:
        return answer_of(await super().perform(VendorCall(operation, arguments), ""))

    async def update(self, place: Place, rendered: RenderedPost) -> None:
        await self._ask("update", id=place.message, text=rendered.text, blocks=list(rendered.blocks))

    async def delete(self, place: Place) -> None:
        await self._ask("delete", id=place.message.removeprefix(FILE))

    async def replace_mark(self, place: Place, before: str, after: str) -> None:
        await self._ask("mark", id=place.message, mark=after)

    async def whisper(self, thread: str, by: str, text: str, *, undo: str = "") -> None:
        await self._ask("whisper", thread=message_of(thread), to=by.partition(":")[2], text=text, undo=undo)

    async def find_message(self, external_id: str) -> DeskMessage | None:
        found = await self._ask("message", id=message_of(external_id).removeprefix(FILE))
        root = thread_id(channel_of(external_id), found["thread"] or message_of(external_id)) if found else ""
        return DeskMessage(root, found["about"]) if found else None

    async def list_members(self, channel: str) -> frozenset[str]:
        return frozenset((await self._ask("members", queue=channel))["members"])

    async def find_person(self, user: str) -> Member:
        return Member(**await self._ask("person", id=user))

    async def fetch(self, file: RemoteFile, most: int) -> tuple[bytes, str, str]:
        found = await self._ask("file", id=file.ref)
        return base64.b64decode(found["data"]), found["type"], found["name"]


def answer_of(reply: VendorResponse) -> Any:
    if reply.status != 200:
        raise SendRefused("not_found") if reply.status == 404 else http.build_delivery_error(reply)
    return reply.body


def open_channel(tools: ChannelServices) -> WebhookDesk:
    return WebhookDesk(tools)
