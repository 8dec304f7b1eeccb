"""The API of an Instagram account: sends, sender actions, profiles, conversations; and the echo of every send."""

from __future__ import annotations

import time
from typing import Any, Literal

from aiohttp import web

from tests.simulators.meta.calls import Call
from tests.simulators.meta.errors import GraphError, make_missing_error, unknown_object, well_formed
from tests.simulators.meta.instagram_checks import (
    ACTIONS,
    MEDIA_TYPES,
    REACTIONS,
    ShownContent,
    check_content,
    make_content_error,
)
from tests.simulators.meta.instagram_state import CONVERSATION, HUMAN_WINDOW, WINDOW, InstagramState, Message, Person
from tests.simulators.meta.media import fetch_link
from tests.simulators.vendor import File, Request, ShownMessage
from tests.simulators.vendor_clock import Bucket
from tests.simulators.webhook_delivery import Webhook

PROFILE = {
    "name",
    "username",
    "profile_pic",
    "is_verified_user",
    "follower_count",
    "is_user_follow_business",
    "is_business_follow_user",
}
DETAILED = 20
"""Messages of a conversation that can be looked up, the newest first."""


class Api(InstagramState):
    """``echoes``: the echo of a send follows its answer, is delivered before it, or waits until a test sends it
    (``echo``). ``echo_metadata``: the echo carries
    our ``metadata``, as Messenger's does; for Instagram nothing says so."""

    limit_code = 613

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        now = self.graph.pace.now
        self.echoes: Literal["after", "before", "held"] = "after"
        self.echo_metadata = False
        self.send_limit = Bucket(300, 1 / 300, now)
        self.media_limit = Bucket(10, 1 / 10, now)
        self.look_up_limit = Bucket(2, 1 / 2, now)
        self.actions: list[tuple[str, str]] = []
        """Person and action."""
        self.reactions: dict[str, str] = {}
        """Message → our reaction."""
        self.graph.surfaces.append(self)

    def owns(self, node: str) -> bool:
        person = self.by_id(node.removeprefix(CONVERSATION))
        return node in (self.ig_id, self.page_id) or node in self.messages or person is not None

    def operation(self, call: Call) -> str:
        if call.edge == "messages":
            return "sender_action" if "sender_action" in call.params else "messages"
        if call.edge == "conversations" or call.node.startswith(CONVERSATION):
            return "conversations"
        return "message.get" if call.node in self.messages else "profile" if self.by_id(call.node) else "account.get"

    async def handle(self, call: Call, noted: Request) -> dict[str, Any] | web.Response:
        noted.account = self.ig_id
        if self.ig_id not in call.account.accounts:
            raise unknown_object(call.node, call.method)
        person = self.by_id(call.node)
        match (call.method, call.edge):
            case ("POST", "messages") if call.node in (self.ig_id, self.page_id):
                return await self._messages(call, noted)
            case ("GET", "conversations"):
                return self._conversations(call)
            case ("GET", "") if person is not None:
                return self._profile(person, call)
            case ("GET", "") if call.node in self.messages:
                return self._message(self.messages[call.node], call)
            case ("GET", "") if call.node in ("me", self.ig_id, self.page_id):
                own = self.page_id if call.node == "me" else call.node
                return {"id": own, "user_id": self.ig_id, "username": "plantstore"}
            case ("GET", ""):
                return self._history(call)
        raise unknown_object(call.node, call.method)

    async def _messages(self, call: Call, noted: Request) -> dict[str, Any]:
        body = call.params
        person = self._recipient(body)
        if "sender_action" in body:
            with well_formed():
                return self._act(person, body, noted)
        with well_formed():
            sight = check_content(body.get("message"))
        reply_to = self._check_reply(body)
        self._check_window(person, call)
        slow = any(kind in ("audio", "video") for kind, _ in sight.media)
        if not (self.media_limit if slow else self.send_limit).take():
            raise GraphError(613, "(#613) Calls to this api have exceeded the rate limit.")
        files = [await self._fetched(kind, url) for kind, url in sight.media]
        return await self._send(person, body, sight, files, reply_to, noted)

    def _recipient(self, body: dict[str, Any]) -> Person:
        recipient = body.get("recipient")
        if not isinstance(recipient, dict) or not recipient.get("id"):
            raise make_missing_error("recipient")
        person = self.by_id(str(recipient["id"]))
        if person is None:
            raise make_content_error("No matching user found", subcode=2534014)
        if person.blocked:
            raise GraphError(551, "(#551) This person isn't available right now.", subcode=1545041)
        return person

    def _check_reply(self, body: dict[str, Any]) -> str:
        reply_to = body.get("reply_to")
        if reply_to is None:
            return ""
        mid = str(reply_to.get("mid", "")) if isinstance(reply_to, dict) else ""
        if mid not in self.messages:
            raise make_content_error("reply_to[mid] is not a message of this conversation")
        return mid

    def _check_window(self, person: Person, call: Call) -> None:
        kind, tag = call.params.get("messaging_type", "RESPONSE"), call.params.get("tag")
        if kind not in ("RESPONSE", "UPDATE", "MESSAGE_TAG"):
            raise make_content_error("messaging_type must be RESPONSE, UPDATE or MESSAGE_TAG")
        if kind == "MESSAGE_TAG" and tag != "HUMAN_AGENT":
            raise make_content_error("tag must be HUMAN_AGENT")
        if tag and kind != "MESSAGE_TAG":
            raise make_content_error("a tag needs messaging_type MESSAGE_TAG")
        if tag and "human_agent" not in call.account.scopes:
            raise GraphError(200, "(#200) The human_agent permission is needed for this tag")
        since = self.graph.pace.now() - person.last_in
        if since > (HUMAN_WINDOW if tag else WINDOW):
            raise GraphError(10, "(#10) This message is sent outside of allowed window.", subcode=2534022)

    async def _fetched(self, kind: str, url: str) -> File:
        try:
            return await fetch_link(url, types=MEDIA_TYPES[kind])
        except GraphError as error:
            raise make_content_error(
                f"Failed to fetch the file from the url: {error.details}", subcode=2018008
            ) from None

    async def _send(
        self,
        person: Person,
        body: dict[str, Any],
        sight: ShownContent,
        files: list[File],
        reply_to: str,
        noted: Request,
    ) -> dict[str, Any]:
        message = Message(self.graph.ids.mid(), person, True, self.graph.pace.now(), body["message"], sight.choices)
        self.messages[message.mid] = message
        noted.did = True
        message.shown = self.ledger.show(
            ShownMessage(
                message.mid,
                self.ig_id,
                person.igsid,
                sight.text,
                [each.title for each in sight.choices],
                files,
                str(body["message"].get("metadata", "")),
                reply_to,
                native=body,
            )
        )
        parcel = self.echo(message, app_id=self.app.id) if self.echoes != "held" else None
        if self.echoes == "before" and parcel is not None:
            await parcel.tried.wait()
        return {"recipient_id": person.igsid, "message_id": message.mid}

    def echo(self, message: Message, *, app_id: str = "") -> Webhook | None:
        """``app_id`` is left out when a person sent it in the app."""
        told = {"mid": message.mid, "is_echo": True} | ({"app_id": int(app_id)} if app_id else {})
        body = message.body
        if "text" in body:
            told["text"] = body["text"]
        attachments = body.get("attachments") or ([body["attachment"]] if "attachment" in body else [])
        if attachments:
            told["attachments"] = attachments
        if self.echo_metadata and "metadata" in body:
            told["metadata"] = body["metadata"]
        return self.push(message.person, {"message": told}, from_account=True, announces=message.mid, at=message.at)

    def _act(self, person: Person, body: dict[str, Any], noted: Request) -> dict[str, Any]:
        action = str(body["sender_action"])
        if action not in ACTIONS:
            raise make_content_error(f"sender_action must be one of {', '.join(ACTIONS)}")
        if "message" in body:
            raise make_content_error("sender_action and message cannot be sent together")
        if action in ("react", "unreact"):
            payload = body.get("payload")
            if not isinstance(payload, dict) or payload.get("message_id") not in self.messages:
                raise make_missing_error("payload[message_id]")
            self._react(payload, action)
        noted.did = True
        self.actions.append((person.igsid, action))
        return {"recipient_id": person.igsid}

    def _react(self, payload: dict[str, Any], action: str) -> None:
        if action == "unreact":
            self.reactions.pop(payload["message_id"], None)
            return
        if payload.get("reaction") not in REACTIONS:
            raise make_content_error(f"payload[reaction] must be one of {', '.join(REACTIONS)}")
        self.reactions[payload["message_id"]] = REACTIONS[payload["reaction"]]

    def _profile(self, person: Person, call: Call) -> dict[str, Any]:
        fields = [each for each in str(call.params.get("fields", "name,username")).split(",") if each]
        for unknown in set(fields) - PROFILE - {"id"}:
            raise make_content_error(f"Tried accessing nonexisting field ({unknown})")
        if not person.consent or person.blocked:
            raise GraphError(230, "(#230) User consent is required to access user profile")
        told = {
            "name": person.profile_name,
            "username": person.username,
            "profile_pic": f"{self.graph.url}/lookaside/picture/?mid={person.igsid}",
            "is_verified_user": False,
            "follower_count": 12,
            "is_user_follow_business": True,
            "is_business_follow_user": False,
        }
        return {name: told[name] for name in fields if name != "id"} | {"id": person.igsid}

    def _conversations(self, call: Call) -> dict[str, Any]:
        self._look_up()
        if self.login == "facebook" and call.params.get("platform") != "instagram":
            raise make_missing_error("platform")
        asked = str(call.params.get("user_id", ""))
        found = [each for each in self.people.values() if each.last_in and asked in ("", each.igsid)]
        found.sort(key=lambda each: each.last_in, reverse=True)
        return {"data": [{"id": self.conversation(each), "updated_time": _time(each.last_in)} for each in found]}

    def _history(self, call: Call) -> dict[str, Any]:
        self._look_up()
        person = self.by_id(call.node.removeprefix(CONVERSATION))
        assert person is not None, "the front door looked it up"
        messages = [{"id": each.mid, "created_time": _time(each.at)} for each in self._of(person)]
        return {"id": call.node, "messages": {"data": messages}}

    def _message(self, message: Message, call: Call) -> dict[str, Any]:
        self._look_up()
        if message not in self._of(message.person)[:DETAILED]:
            raise make_content_error("The message is not among the newest 20, or was deleted")
        ends = [{"id": message.person.igsid, "username": message.person.username}, {"id": self.ig_id}]
        sender, recipient = reversed(ends) if message.outbound else ends
        told = {"created_time": _time(message.at), "from": sender, "to": {"data": [recipient]}}
        told["message"] = message.body.get("text", "")
        fields = str(call.params.get("fields", "id,created_time")).split(",")
        return {name: told[name] for name in fields if name in told} | {"id": message.mid}

    def _of(self, person: Person) -> list[Message]:
        """Newest first."""
        return [each for each in reversed(self.messages.values()) if each.person is person and not each.deleted]

    def _look_up(self) -> None:
        if not self.look_up_limit.take():
            raise GraphError(613, "(#613) Calls to this api have exceeded the rate limit.")


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime(at))
