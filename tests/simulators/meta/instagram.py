"""Instagram's people, and the controls of a test over what the vendor does with their messages."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from tests.simulators.meta import instagram_content as content
from tests.simulators.meta.graph import Graph
from tests.simulators.meta.instagram_api import Api
from tests.simulators.meta.instagram_checks import REACTIONS
from tests.simulators.meta.instagram_state import Message
from tests.simulators.meta.webhooks import Update
from tests.simulators.vendor import File, ShownMessage

MEDIA_LIVES = 7
"""Days."""
STORY_LIVES = 24 * 3600
EDIT_WITHIN = 15 * 60


class Instagram(Api):
    name = "instagram"

    def serving(self, port: int = 0) -> AbstractAsyncContextManager[Graph]:
        return self.graph.serving(port)

    def settings(self) -> dict[str, Any]:
        host = "graph.instagram.com" if self.login == "instagram" else "graph.facebook.com"
        return {
            "ig_id": self.ig_id,
            "access_token": self.token.value,
            "app_secret": self.app.secret,
            "verify_token": self.app.verify_token,
            "api_base": f"{self.graph.url}/{host}/v26.0",
        }

    def call(self, url: str) -> None:
        self.app.callbacks["instagram"] = url

    def place(self, person: str) -> str:
        return self.person(person).igsid

    async def say(self, person: str, text: str, *, files: Sequence[File] = (), reply_to: str = "") -> str:
        """Files make one message without text; a text beside them is a second message, and the id is that one's."""
        mid = ""
        if files:
            found = [(_kind(each), self.address(each)) for each in files]
            mid = self.sends(person, content.build_files(*found), reply_to=reply_to)
        return self.sends(person, {"text": text}, reply_to=reply_to) if text or not files else mid

    def sends(self, person: str, message: dict[str, Any], *, reply_to: str = "") -> str:
        """Any content of ``instagram_content``, or of a test's own."""
        reply = {"reply_to": {"mid": reply_to}} if reply_to else {}
        return self._record(person, reply | message, lambda mid: {"message": {"mid": mid} | reply | message})

    async def edit(self, person: str, message: str, text: str) -> None:
        """Within 15 minutes. Raises ValueError when it is too late."""
        original = self._own(person, message)
        if self.graph.pace.now() - original.at > EDIT_WITHIN:
            raise ValueError("it is too late to edit this message")
        original.edits += 1
        original.body = {**original.body, "text": text}
        self.edited(person, message, text, original.edits)

    def edited(self, person: str, message: str, text: str, num_edit: int) -> None:
        """The bare event, for edits out of order."""
        told = {"mid": message, "text": text, "num_edit": num_edit}
        self.push(self.person(person), {"message_edit": told})

    async def delete(self, person: str, message: str) -> None:
        """Unsends. The event has the same mid as the message."""
        self._own(person, message).deleted = True
        self.push(self.person(person), {"message": {"mid": message, "is_deleted": True}})

    async def react(self, person: str, message: str, emoji: str, *, take_back: bool = False) -> None:
        told: dict[str, Any] = {"mid": message, "action": "unreact" if take_back else "react"}
        if not take_back:
            names = {each: name for name, each in REACTIONS.items()}
            told |= {"reaction": names.get(emoji, "other"), "emoji": emoji}
        self.push(self.person(person), {"reaction": told})

    async def choose(self, person: str, shown: ShownMessage, label: str) -> str:
        """Raises ValueError when the message has no such choice."""
        for choice in self.messages[shown.id].choices:
            if choice.title == label and choice.is_postback:
                return self.postback(person, label, choice.payload)
            if choice.title == label:
                return self.sends(person, {"text": label, "quick_reply": {"payload": choice.payload}})
        raise ValueError(f"no choice {label!r} in {shown.choices}")

    def postback(self, person: str, title: str, payload: str, *, mid: bool = True) -> str:
        """A button or an icebreaker; ``mid``: without one, as the vendor did for long."""
        told = {"title": title, "payload": payload}
        return self._record(person, {}, lambda new: {"postback": ({"mid": new} if mid else {}) | told})

    def read(self, person: str, message: str) -> None:
        self.push(self.person(person), {"read": {"mid": message}})

    def refers(self, person: str, referral: dict[str, Any]) -> None:
        """Somebody comes by an advertisement or a link, and says nothing."""
        self._arrived(person)
        self.push(self.person(person), referral)

    def human(self, person: str, text: str) -> str:
        """Someone of the business answers in the app: an echo that carries no app of ours. Not in the ledger, which is
        about what we sent."""
        message = Message(self.graph.ids.mid(), self.person(person), True, self.graph.pace.now(), {"text": text})
        self.messages[message.mid] = message
        self.echo(message)
        return message.mid

    def handover(self, person: str, kind: str, **payload: Any) -> None:
        """``kind``: pass, take or request; the event of the handover protocol."""
        self.push(self.person(person), {f"{kind}_thread_control": payload})

    def change(self, field: str, value: dict[str, Any], *, entry: str = "") -> None:
        """An update that is no message, such as ``comments``; the console's test button says entry "0"."""
        told = {"field": field, "value": value}
        self.graph.webhooks.push(Update(self.app, "instagram", entry or self.ig_id, "changes", told))

    def address(self, file: File, *, lives: float = MEDIA_LIVES * 86_400) -> str:
        """Where a file that a person sends can be had, without a token."""
        medium = self.graph.media.add(file, self.ig_id, days=MEDIA_LIVES)
        return self.graph.media.address(medium, self.graph.url, path="ig_messaging_cdn", lives=lives)

    async def settled(self, *, deadline: float = 30) -> None:
        await self.graph.webhooks.webhook_sender.settled(deadline)

    def redeliver(self, message: str, *, times: int = 1, at_once: bool = False) -> None:
        self.graph.webhooks.redeliver(message, times=times, at_once=at_once)

    def _record(self, person: str, body: dict[str, Any], event: Any) -> str:
        self._arrived(person)
        mid = self.graph.ids.mid()
        self.messages[mid] = Message(mid, self.person(person), False, self.graph.pace.now(), body)
        self.push(self.person(person), event(mid), announces=mid)
        return mid

    def _arrived(self, person: str) -> None:
        """Writing opens the window and consents to a look-up."""
        who = self.person(person)
        who.consent, who.last_in = True, self.graph.pace.now()

    def _own(self, person: str, message: str) -> Message:
        known = self.messages[message]
        if known.person is not self.person(person) or known.outbound:
            raise ValueError("only one's own messages can be changed")
        return known


def _kind(file: File) -> str:
    kind = file.type.partition("/")[0]
    return kind if kind in ("image", "video", "audio") else "file"
