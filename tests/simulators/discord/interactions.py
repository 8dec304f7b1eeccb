"""Interactions: somebody pressed, picked or typed a command, and the bot has three seconds to say that it heard.

Source: the page "Receiving and Responding" of Discord's documentation. The codes of the webhook part are those met in
discord/discord-api-docs issues 6851 and 7220.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.simulators.discord.api import Call, Reply, Route
from tests.simulators.discord.bot_messages import USER_MENTIONS, Draft, Posts
from tests.simulators.discord.limits import Allowance
from tests.simulators.discord.payloads import blank_message, channel_json, member_json, message_json, user_json
from tests.simulators.discord.refusals import Form, Refusal, refusal
from tests.simulators.discord.server_state import Channel, Message, ServerState, User

ANSWER_SECONDS = 3.0
TOKEN_SECONDS = 900.0
COMMAND, COMPONENT = 2, 3
MESSAGE, LATER, LATER_UPDATE, UPDATE, AUTOCOMPLETE, MODAL = 4, 5, 6, 7, 8, 9
EPHEMERAL, LOADING = 1 << 6, 1 << 7
FOLLOW_UP = Allowance("webhooks", 5, 2.0)
HOOK = "/webhooks/{webhook}/{token}"


@dataclass(slots=True)
class Interaction:
    """``answered`` is the kind of the first answer, 0 before it. ``original`` is the message that answer made, or the
    one with the component where the answer was an update."""

    id: str
    token: str
    type: int
    channel: Channel
    user: User
    at: float
    data: dict[str, Any]
    source: Message | None = None
    answered: int = 0
    original: Message | None = None
    sent: list[Message] = field(default_factory=list)
    modal: dict[str, Any] | None = None


class Interactions:
    def __init__(self, world: ServerState, posts: Posts) -> None:
        self._world = world
        self._posts = posts
        self.made: dict[str, Interaction] = {}
        """Every interaction of this run, by its id."""

    def routes(self) -> list[Route]:
        callback = "/interactions/{interaction}/{token}/callback"
        original, other = HOOK + "/messages/@original", HOOK + "/messages/{message}"
        table = [
            ("POST", callback, "Create Interaction Response", self.answer),
            ("POST", HOOK, "Create Followup Message", self.follow_up),
            ("GET", original, "Get Original Interaction Response", self.get),
            ("PATCH", original, "Edit Original Interaction Response", self.edit),
            ("DELETE", original, "Delete Original Interaction Response", self.delete),
            ("GET", other, "Get Followup Message", self.get),
            ("PATCH", other, "Edit Followup Message", self.edit),
            ("DELETE", other, "Delete Followup Message", self.delete),
        ]
        return [Route(*row, FOLLOW_UP, token_in_path=True) for row in table]

    def begin(
        self, kind: int, channel: Channel, user: User, data: dict[str, Any], source: Message | None
    ) -> Interaction:
        """Tell the bot. Whether it answers in time shows in ``answered``."""
        ids = self._world.ids
        made = Interaction(ids.snowflake(), ids.token(96), kind, channel, user, self._world.now(), data, source)
        self.made[made.id] = made
        self._world.tell("INTERACTION_CREATE", self._event(made), channel)
        return made

    def answer(self, call: Call) -> Reply:
        """The first answer, once and in time."""
        made = self.made.get(call.path["interaction"])
        late = made is not None and not made.answered and self._world.now() - made.at > ANSWER_SECONDS
        if made is None or made.token != call.path["token"] or late:
            raise refusal(10062)
        if made.answered:
            raise refusal(40060)
        kind = call.body.get("type")
        form = Form()
        form.choice(("type",), kind, (MESSAGE, LATER, *((LATER_UPDATE, UPDATE) if made.source else ()), MODAL))
        form.check()
        self._first(made, kind, call)
        made.answered = kind
        self._world.ledger.changed()
        if call.query("with_response") in ("1", "true", "True"):
            return Reply(200, self._response(made))
        return Reply()

    def follow_up(self, call: Call) -> Reply:
        made = self._made(call)
        waiting = made.original
        if made.answered == LATER and waiting is not None and waiting.data["flags"] & LOADING:
            # The first message after "I am thinking" takes that one's place.
            self._fill(made, waiting, call)
            return self._shape(waiting)
        draft = Draft(call.body, call.uploads, USER_MENTIONS, private=True)
        self._posts.check(draft)
        message = self._posts.build(made.channel, draft)
        self._publish(made, message)
        return self._shape(message)

    def get(self, call: Call) -> Reply:
        made = self._made(call)
        return self._shape(self._message(made, call))

    def edit(self, call: Call) -> Reply:
        made = self._made(call)
        message = self._message(made, call)
        self._fill(made, message, call)
        return self._shape(message)

    def delete(self, call: Call) -> Reply:
        made = self._made(call)
        self._posts.delete(made.channel, self._message(made, call))
        return Reply()

    def _first(self, made: Interaction, kind: int, call: Call) -> None:
        data = call.body.get("data") or {}
        if kind == MODAL:
            made.modal = data
        elif kind == LATER:
            made.original = self._thinking(made, bool((data.get("flags") or 0) & EPHEMERAL))
        elif kind == LATER_UPDATE:
            made.original = made.source
        elif kind == UPDATE:
            assert made.source is not None
            made.original = made.source
            self._posts.edit(made.channel, made.source, Draft(data, call.uploads, USER_MENTIONS, private=True))
        else:
            draft = Draft(data, call.uploads, USER_MENTIONS, private=True)
            self._posts.check(draft)
            made.original = self._posts.build(made.channel, draft)
            self._publish(made, made.original)

    def _thinking(self, made: Interaction, ephemeral: bool) -> Message:
        """A message that says only that the bot is at work. Nobody reads anything in it yet."""
        data = blank_message(self._world, made.channel, self._world.bot)
        data |= {"flags": LOADING | (EPHEMERAL if ephemeral else 0), **self._origin(made)}
        message = Message(data, ephemeral=ephemeral)
        made.channel.messages[message.id] = message
        made.sent.append(message)
        if not ephemeral:
            self._world.tell("MESSAGE_CREATE", message_json(self._world, message), made.channel)
        return message

    def _publish(self, made: Interaction, message: Message) -> None:
        message.data |= {"application_id": self._world.application, "webhook_id": self._world.application}
        message.data |= self._origin(made)
        made.sent.append(message)
        self._posts.publish(made.channel, message)

    def _fill(self, made: Interaction, message: Message, call: Call) -> None:
        if message.id not in made.channel.messages:
            raise refusal(10008)
        flags = message.data["flags"]
        message.data["flags"] = flags & ~LOADING
        try:
            self._posts.edit(made.channel, message, Draft(call.body, call.uploads, USER_MENTIONS, private=True))
        except Refusal:
            message.data["flags"] = flags
            raise

    def _origin(self, made: Interaction) -> dict[str, Any]:
        about = {"id": made.id, "type": made.type, "user": user_json(made.user), "authorizing_integration_owners": {}}
        if made.source is None:
            named = {"id": made.id, "type": made.type, "name": made.data["name"], "user": user_json(made.user)}
            return {"type": 20, "interaction_metadata": {**about, "name": made.data["name"]}, "interaction": named}
        reference = {"type": 0, "channel_id": made.channel.id, "message_id": made.source.id}
        more = {**about, "interacted_message_id": made.source.id}
        return {"type": 19, "interaction_metadata": more, "message_reference": reference}

    def _made(self, call: Call) -> Interaction:
        """The interaction of a token. The token ends after fifteen minutes, and means nothing before an answer."""
        if call.path["webhook"] != self._world.application:
            raise refusal(10015)
        found = next((each for each in self.made.values() if each.token == call.path["token"]), None)
        if found is None or self._world.now() - found.at > TOKEN_SECONDS:
            raise refusal(50027)
        if not found.answered:
            raise refusal(10015)
        return found

    def _message(self, made: Interaction, call: Call) -> Message:
        id = call.path.get("message")
        wanted = made.original if id is None else next((each for each in made.sent if each.id == id), None)
        if wanted is None or wanted.id not in made.channel.messages:
            raise refusal(10008)
        return wanted

    def _shape(self, message: Message) -> Reply:
        return Reply(200, message_json(self._world, message))

    def _response(self, made: Interaction) -> dict[str, Any]:
        about: dict[str, Any] = {"id": made.id, "type": made.type}
        resource: dict[str, Any] = {"type": made.answered}
        if made.original is not None:
            flags = made.original.data["flags"]
            about["response_message_id"] = made.original.id
            about["response_message_loading"] = bool(flags & LOADING)
            about["response_message_ephemeral"] = bool(flags & EPHEMERAL)
            if made.answered in (MESSAGE, UPDATE):
                resource["message"] = message_json(self._world, made.original)
        return {"interaction": about, "resource": resource}

    def _event(self, made: Interaction) -> dict[str, Any]:
        who: dict[str, Any] = {"user": user_json(made.user)}
        if made.channel.guild:
            member = member_json(self._world, made.user, with_user=True)
            who = {"member": {**member, "permissions": str((1 << 50) - 1)}, "guild_locale": "en-US"}
            who["guild"] = {"id": self._world.guild, "locale": "en-US", "features": []}
        event: dict[str, Any] = {
            "id": made.id,
            "application_id": self._world.application,
            "type": made.type,
            "token": made.token,
            "version": 1,
            "data": made.data,
            "channel_id": made.channel.id,
            "channel": channel_json(self._world, made.channel),
            "app_permissions": str((1 << 50) - 1),
            "locale": "en-US",
            "entitlements": [],
            "authorizing_integration_owners": {"0": self._world.guild if made.channel.guild else "0"},
            "context": 0 if made.channel.guild else 1,
            "attachment_size_limit": 10 * 1024**2,
            **who,
        }
        if made.source is not None:
            event["message"] = message_json(self._world, made.source)
        return event
