"""WhatsApp's customers, and the controls of a test over what the vendor does with their messages."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from tests.simulators.meta import whatsapp_content as content
from tests.simulators.meta.graph import Graph
from tests.simulators.meta.whatsapp_api import Api
from tests.simulators.meta.whatsapp_state import Customer, Message, Number
from tests.simulators.vendor import File, ShownMessage

EDIT_WITHIN = 15 * 60
REVOKE_WITHIN = 2 * 86_400
INBOUND_MEDIA_LIVES = 7
"""Days."""


class WhatsApp(Api):
    name = "whatsapp"

    def serving(self, port: int = 0) -> AbstractAsyncContextManager[Graph]:
        return self.graph.serving(port)

    def settings(self, number: Number | None = None) -> dict[str, Any]:
        return {
            "provider": "meta",
            "phone_number_id": (number or self.number).id,
            "access_token": self.token.value,
            "app_secret": self.app.secret,
            "verify_token": self.app.verify_token,
            "api_base": f"{self.graph.url}/graph.facebook.com/v26.0",
        }

    def call(self, url: str) -> None:
        self.app.callbacks["whatsapp_business_account"] = url

    def place(self, person: str) -> str:
        return self.person(person).place

    async def say(self, person: str, text: str, *, files: Sequence[File] = (), reply_to: str = "") -> str:
        """Each file is a message of its own; the text is the caption of the first. The id is the first message's."""
        return self.says(person, text, files=files, reply_to=reply_to)[0]

    def says(
        self, person: str, text: str, *, files: Sequence[File] = (), reply_to: str = "", number: Number | None = None
    ) -> list[str]:
        """The ids of all that came of it."""
        contents = [content.text(text)] if not files else []
        for index, file in enumerate(files):
            owner = (number or self.number).id
            medium = self.graph.media.add(file, owner, days=INBOUND_MEDIA_LIVES)
            voice = file.type.startswith("audio/ogg")
            contents.append(content.media(medium, caption="" if index else text, voice=voice))
        return [self.sends(person, each, reply_to=reply_to, number=number) for each in contents]

    def sends(
        self,
        person: str,
        what: dict[str, Any],
        *,
        reply_to: str = "",
        number: Number | None = None,
        opens_window: bool = True,
        contacts: Sequence[dict[str, Any]] | None = None,
    ) -> str:
        """Any content of ``whatsapp_content``, or of a test's own; later keys win over those of the frame.
        ``contacts`` in place of the person's own; an empty list leaves the key out."""
        customer, number = self.person(person), number or self.number
        message = Message(
            self.ids.wamid(customer.wa_id), number, customer, outbound=False, at=self.graph.pace.now(), content=what
        )
        self.messages[message.id] = message
        if opens_window:
            customer.last_in[number.id] = message.at
        frame: dict[str, Any] = {"id": message.id, "timestamp": self.stamp()}
        if what.get("system", {}).get("type") == "user_changed_user_id":
            frame |= {} if customer.number_hidden else {"from": customer.wa_id}
        else:
            frame = self.addresses(customer, "from", "from_user_id") | frame
        if reply_to:
            frame["context"] = {"from": self._author(reply_to), "id": reply_to}
        contacts = [self.contact(customer)] if contacts is None else list(contacts)
        value = self.value(number, **({"contacts": contacts} if contacts else {}), messages=[frame | what])
        self.push(number, value, lane=customer.place, announces=message.id)
        return message.id

    async def edit(self, person: str, message: str, text: str) -> None:
        """Within 15 minutes, where the number is in the business app too; elsewhere it arrives as unsupported. Raises
        ValueError when it is too late."""
        original = self._own(person, message, EDIT_WITHIN)
        kind = original.content["type"]
        changed = (
            content.text(text) if kind == "text" else {"type": kind, kind: original.content[kind] | {"caption": text}}
        )
        self._change(original, content.edit(message, changed))

    async def delete(self, person: str, message: str) -> None:
        """Within two days. Raises ValueError when it is too late."""
        self._change(self._own(person, message, REVOKE_WITHIN), content.revoke(message))

    async def react(self, person: str, message: str, emoji: str, *, take_back: bool = False) -> None:
        self.sends(person, content.reaction(message, "" if take_back else emoji))

    async def choose(self, person: str, shown: ShownMessage, label: str) -> str:
        """Raises ValueError when the message has no such choice."""
        if label not in shown.choices:
            raise ValueError(f"no choice {label!r} in {shown.choices}")
        index = shown.choices.index(label)
        return self.sends(person, _reply(shown.native, label, index), reply_to=shown.id)

    def human(self, person: str, text: str) -> str:
        """Someone of the business answers in the business app. Not in the ledger, which is about what we sent."""
        customer, at = self.person(person), self.graph.pace.now()
        what = content.text(text)
        message = Message(self.ids.wamid(customer.wa_id), self.number, customer, outbound=True, at=at, content=what)
        self.messages[message.id] = message
        ends = {"from": self._author(""), **self.addresses(customer, "to", "to_user_id")}
        echo = {**ends, "id": message.id, "timestamp": self.stamp(), **what}
        self.push(
            self.number,
            self.value(self.number, message_echoes=[echo]),
            lane=customer.place,
            announces=message.id,
            field="smb_message_echoes",
        )
        return message.id

    def read(self, shown: ShownMessage) -> None:
        """The person opens the conversation: a ``read`` status."""
        self.tell(self.messages[shown.id], "read")

    def change_number(self, person: str, wa_id: str, *, user_id: str = "") -> None:
        """Tells it as the vendor does: in the old number's name, without contacts. With the number changes the user
        id."""
        customer = self.person(person)
        new_id = user_id or self.ids.digits(18, "DE.13")
        told = content.changed_number(customer.name, customer.wa_id, wa_id, new_id if self.bsuid else "")
        self.sends(person, told, opens_window=False, contacts=[])
        customer.wa_id = wa_id
        if self.bsuid:
            self._update_user_id(customer, new_id)

    def change_user_id(self, person: str, user_id: str) -> None:
        """The number stays. The old id stands only in the text of the system message, and in a webhook of its own
        (``user_id_update``)."""
        customer = self.person(person)
        wa_id = "" if customer.number_hidden else customer.wa_id
        told = content.changed_user_id(customer.name, customer.user_id, user_id, wa_id)
        self.sends(person, told, opens_window=False, contacts=[])
        self._update_user_id(customer, user_id)

    def _update_user_id(self, customer: Customer, new: str) -> None:
        told = {} if customer.number_hidden else {"wa_id": customer.wa_id}
        told |= {"detail": f"User id for {customer.name} has been updated.", "timestamp": self.stamp()}
        update = {**told, "user_id": {"previous": customer.user_id, "current": new}}
        customer.user_id = new
        value = self.value(self.number, contacts=[self.contact(customer)], user_id_update=[update])
        self.push(self.number, value, lane=customer.place, field="user_id_update")

    def account_field(self, field: str, value: dict[str, Any]) -> None:
        """A webhook that is about the account, such as ``account_update``."""
        self.push(self.number, value, field=field)

    def account_error(self, code: int, details: str = "") -> None:
        """Errors beside messages, at the level of ``value``."""
        error = {"code": code, "title": "Error", "message": "Error", "error_data": {"details": details}}
        self.push(self.number, self.value(self.number, errors=[error]))

    async def settled(self, *, deadline: float = 30) -> None:
        await self.graph.webhooks.webhook_sender.settled(deadline)

    def redeliver(self, message: str, *, times: int = 1, at_once: bool = False) -> None:
        self.graph.webhooks.redeliver(message, times=times, at_once=at_once)

    def _author(self, message: str) -> str:
        known = self.messages.get(message)
        if known is None or known.outbound:
            return "".join(filter(str.isdigit, self.number.display))
        return known.customer.wa_id

    def _own(self, person: str, message: str, within: float) -> Message:
        known = self.messages[message]
        if known.customer is not self.person(person) or known.outbound:
            raise ValueError("only one's own messages can be changed")
        if self.graph.pace.now() - known.at > within:
            raise ValueError("it is too late to change this message")
        return known

    def _change(self, original: Message, what: dict[str, Any]) -> None:
        told = what if original.number.coexistence else content.unsupported()
        self.sends(original.customer.name, told, number=original.number)


def _reply(native: dict[str, Any], label: str, index: int) -> dict[str, Any]:
    """The answer that picking a label gives, by what was sent."""
    if native["type"] == "template":
        for component in native["template"].get("components", []):
            if component.get("type") == "button" and str(component.get("index")) == str(index):
                return content.template_button(label, component["parameters"][0]["payload"])
        return content.template_button(label, label)
    action = native["interactive"]["action"]
    for button in action.get("buttons", []):
        if button["reply"]["title"] == label:
            return content.button_reply(button["reply"]["id"], label)
    rows = [row for section in action.get("sections", []) for row in section["rows"]]
    row = next(row for row in rows if row["title"] == label)
    return content.list_reply(row["id"], label, row.get("description", ""))
