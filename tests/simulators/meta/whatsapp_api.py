"""The API of a WhatsApp number: sends, read marks with typing, media; and the statuses that follow a send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from tests.simulators.meta.calls import Call
from tests.simulators.meta.errors import GraphError, make_invalid_error, make_missing_error, unknown_object, well_formed
from tests.simulators.meta.media import StoredMedia, check_file, fetch_link
from tests.simulators.meta.whatsapp_checks import MEDIA_TYPES, ShownContent, check_content, check_frame, fill_template
from tests.simulators.meta.whatsapp_state import Customer, Message, Number, WhatsAppState
from tests.simulators.vendor import File, Request, ShownMessage
from tests.simulators.vendor_clock import Bucket
from tests.simulators.webhook_delivery import Webhook

PAIR_BURST, PAIR_EVERY = 45, 6.0
READ_WITHIN = 30 * 86_400
UPLOAD_LIVES = 30
"""Days."""
ALL_TYPES = {type_: size for types in MEDIA_TYPES.values() for type_, size in types.items()}


@dataclass(frozen=True, slots=True)
class Template:
    body: str
    buttons: tuple[str, ...] = ()


class Api(WhatsAppState):
    """``statuses``: what is told of a message that reached its person, in this order, repeats included; a ``failed``
    may carry a code (``failed:131026``). ``statuses_first``: the first is delivered before the send is answered.
    ``window_errors``: how a send after 24 hours fails."""

    limit_code = 130429

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.statuses: Sequence[str] = ("sent", "delivered")
        self.statuses_first = False
        self.window_errors: Literal["status", "sync"] = "status"
        self.pair = Bucket(PAIR_BURST, PAIR_EVERY, self.graph.pace.now)
        self.templates: dict[tuple[str, str], Template] = {("hello_world", "en_US"): Template("Hello World")}
        self.typing: list[str] = []
        """Ids of messages whose senders were shown that we type."""
        self.reactions: dict[str, str] = {}
        """Message → our reaction."""
        self.graph.surfaces.append(self)

    def owns(self, node: str) -> bool:
        medium = self.graph.media.get(node)
        return node in self.numbers or (medium is not None and medium.owner in self.numbers)

    def operation(self, call: Call) -> str:
        if call.node in self.numbers:
            if call.edge == "messages":
                return "messages.read" if "status" in call.params else "messages"
            return "media.upload" if call.edge == "media" else "number.get"
        return "media.delete" if call.method == "DELETE" else "media.get"

    async def handle(self, call: Call, noted: Request) -> dict[str, Any] | web.Response:
        number = self.numbers.get(call.node) or self.numbers[self._medium(call.node).owner]
        noted.account = number.id
        if number.id not in call.account.accounts:
            raise unknown_object(call.node, call.method)
        match (call.node in self.numbers, call.method, call.edge):
            case (True, "POST", "messages"):
                return await self._messages(number, call, noted)
            case (True, "POST", "media"):
                return self._upload(number, call, noted)
            case (True, "GET", ""):
                return {"id": number.id, "display_phone_number": number.display, "verified_name": "Parley"}
            case (False, "GET", ""):
                noted.did = True
                return self.graph.media.described(self._medium(call.node), self.graph.url)
            case (False, "DELETE", ""):
                noted.did = True
                self.graph.media.remove(call.node)
                return {"success": True}
        raise unknown_object(call.node, call.method)

    def tell(self, message: Message, status: str) -> Webhook | None:
        """Push one status of a message of ours."""
        name, _, code = status.partition(":")
        customer, number = message.customer, message.number
        told: dict[str, Any] = {"id": message.id, "status": name, "timestamp": self.stamp()}
        hidden = customer.number_hidden and not message.by_number
        told |= {} if hidden else {"recipient_id": customer.wa_id}
        if self.bsuid and not (name == "failed" and message.by_number):
            told["recipient_user_id"] = customer.user_id
        if message.tag:
            told["biz_opaque_callback_data"] = message.tag
        if name == "failed":
            told["errors"] = [GraphError(int(code or 131026)).in_status()]
            return self.push(number, self.value(number, statuses=[told]), lane=customer.place)
        told["pricing"] = {"billable": False, "pricing_model": "PMP", "category": "service", "type": "regular"}
        contacts = [self.contact(customer)]
        return self.push(number, self.value(number, contacts=contacts, statuses=[told]), lane=customer.place)

    async def _messages(self, number: Number, call: Call, noted: Request) -> dict[str, Any]:
        if "status" in call.params:
            return self._read(number, call.params, noted)
        body = call.params
        with well_formed():
            kind = check_frame(body)
            sight = check_content(kind, body[kind])
        self._check_context(number, body)
        if kind == "reaction" and body["reaction"]["message_id"] not in self.messages:
            raise make_invalid_error("reaction['message_id'] is not a message of this conversation")
        to, user_id = str(body.get("to", "")), str(body.get("recipient", ""))
        if to and not 6 <= len("".join(filter(str.isdigit, to))) <= 15:
            raise make_invalid_error("to is not a phone number")
        self._check_limits(number, to or user_id)
        customer = self.recipient(to, user_id)
        if customer is None and not to:
            raise make_invalid_error("recipient is not a user of this business")
        if kind == "template":
            with well_formed():
                sight = self._template(body["template"])
        return await self._send(number, customer, kind, body, sight, noted)

    def _check_context(self, number: Number, body: dict[str, Any]) -> None:
        context = body.get("context")
        if context is None:
            return
        known = self.messages.get(str(context.get("message_id"))) if isinstance(context, dict) else None
        if known is None or known.number is not number:
            raise make_invalid_error("context['message_id'] is not a message of this number")

    def _check_limits(self, number: Number, key: str) -> None:
        if not number.throughput.take():
            raise GraphError(130429, details="Cloud API message throughput has been reached.")
        if not self.pair.take(f"{number.id}:{key}"):
            raise GraphError(131056, details="Too many messages sent from this phone number to the same number.")

    def _template(self, content: dict[str, Any]) -> ShownContent:
        template = self.templates.get((content["name"], content["language"]["code"]))
        if template is None:
            details = f"template name ({content['name']}) does not exist in {content['language']['code']}"
            raise GraphError(132001, details=details)
        return ShownContent(fill_template(template.body, content), list(template.buttons))

    async def _send(
        self,
        number: Number,
        customer: Customer | None,
        kind: str,
        body: dict[str, Any],
        sight: ShownContent,
        noted: Request,
    ) -> dict[str, Any]:
        late = customer is not None and kind != "template" and not self.window_open(customer, number)
        if late and self.window_errors == "sync":
            details = "Message failed to send because more than 24 hours have passed since the customer last replied"
            raise GraphError(131047, details=details)
        files, failure = await self._files(sight, number)
        to = str(body.get("to", ""))
        nobody = Customer("", "".join(filter(str.isdigit, to)), "", "")
        message = Message(
            self.ids.wamid((customer or nobody).wa_id),
            number,
            customer or nobody,
            outbound=True,
            at=self.graph.pace.now(),
            content={"type": kind, kind: body[kind]},
            tag=str(body.get("biz_opaque_callback_data", "")),
            by_number=bool(to),
        )
        self.messages[message.id] = message
        noted.did = True
        failure = failure or ("failed:131026" if customer is None else "failed:131047" if late else "")
        if not failure and customer is not None:
            self._show(message, sight, files, str((body.get("context") or {}).get("message_id", "")), body)
        # Only "sent" is reported of a reaction.
        statuses = [status for status in self.statuses if kind != "reaction" or status == "sent"]
        await self._follow(message, [failure] if failure else statuses)
        return self._accepted(message, to or str(body["recipient"]), kind)

    async def _files(self, sight: ShownContent, number: Number) -> tuple[list[File], str]:
        """What the person sees of media. What cannot be had fails after the answer, as a status."""
        if "link" in sight.media:
            try:
                return [await fetch_link(sight.media["link"], types=ALL_TYPES)], ""
            except GraphError as error:
                return [], f"failed:{error.code}"
        if "id" in sight.media:
            medium = self.graph.media.get(sight.media["id"])
            if medium is None or medium.owner != number.id:
                raise GraphError(100, "(#100) Invalid parameter", details="media id does not exist", subcode=33)
            return [medium.file], ""
        return [], ""

    def _show(
        self, message: Message, sight: ShownContent, files: list[File], reply_to: str, body: dict[str, Any]
    ) -> None:
        if message.content["type"] == "reaction":
            about = body["reaction"]["message_id"]
            if sight.text:
                self.reactions[about] = sight.text
            else:  # taking back what was never there is accepted, and reported, too
                self.reactions.pop(about, None)
            return
        message.shown = self.ledger.show(
            ShownMessage(
                message.id,
                message.number.id,
                message.customer.place,
                sight.text,
                sight.choices,
                files,
                message.tag,
                reply_to,
                native=body,
            )
        )

    async def _follow(self, message: Message, statuses: Sequence[str]) -> None:
        parcels = [self.tell(message, status) for status in statuses]
        if self.statuses_first and parcels and parcels[0] is not None:
            await parcels[0].tried.wait()

    def _accepted(self, message: Message, asked: str, kind: str) -> dict[str, Any]:
        contact = {"input": asked}
        if message.by_number:
            contact["wa_id"] = message.customer.wa_id
        if self.bsuid and message.customer.user_id:
            contact["user_id"] = message.customer.user_id
        told = {"id": message.id} | ({"message_status": "accepted"} if kind == "template" else {})
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [told]}

    def _read(self, number: Number, body: dict[str, Any], noted: Request) -> dict[str, Any]:
        if body.get("messaging_product") != "whatsapp":
            raise make_missing_error("messaging_product")
        if body["status"] != "read":
            raise make_invalid_error("status must be read")
        message = self.messages.get(str(body.get("message_id")))
        if message is None or message.outbound or message.number is not number:
            raise make_invalid_error("message_id is not a message that was received")
        if self.graph.pace.now() - message.at > READ_WITHIN:
            raise make_invalid_error("the message is older than 30 days")
        typing = body.get("typing_indicator")
        if typing is not None and typing != {"type": "text"}:
            raise make_invalid_error("typing_indicator['type'] must be text")
        if typing is not None:
            self.typing.append(message.id)
        noted.did = True
        return {"success": True}

    def _upload(self, number: Number, call: Call, noted: Request) -> dict[str, Any]:
        if call.params.get("messaging_product") != "whatsapp":
            raise make_missing_error("messaging_product")
        file = call.files.get("file")
        if file is None:
            raise make_missing_error("file")
        file = File(file.name, str(call.params.get("type") or file.type).partition(";")[0], file.data)
        if file.type not in ALL_TYPES:
            raise GraphError(
                100, f"(#100) Param file must be a file with one of the following types: {file.type} is not"
            )
        check_file(file.type, len(file.data), ALL_TYPES)
        noted.did = True
        return {"id": self.graph.media.add(file, number.id, days=UPLOAD_LIVES).id}

    def _medium(self, node: str) -> StoredMedia:
        medium = self.graph.media.get(node)
        if medium is None:
            raise unknown_object(node, "GET")
        return medium
