"""``response_url``: how an app answers a press or a command without a token."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from tests.simulators.slack import blocks
from tests.simulators.slack.core import Slack
from tests.simulators.slack.encoding import Refusal, answer, is_true
from tests.simulators.slack.workspace import Json, Person, Post, Room
from tests.simulators.vendor import Request

LASTS = 30 * 60
USES = 5


@dataclass
class Reply:
    """``post`` is the message that was pressed."""

    person: Person
    room: Room
    post: Post | None
    at: float
    uses: int = 0


class Responses:
    def __init__(self, slack: Slack) -> None:
        self._slack = slack
        self._open: dict[str, Reply] = {}

    def url(self, kind: str, person: Person, room: Room, post: Post | None = None) -> str:
        secret = self._slack.ids.secret()
        self._open[secret] = Reply(person, room, post, self._slack.now())
        return f"{self._slack.origin}/{kind}/{self._slack.workspace.team}/{secret}"

    async def handle(self, http: web.Request, request: Request) -> web.Response:
        reply = self._open.get(http.match_info["secret"])
        if reply is None or self._slack.now() > reply.at + LASTS:
            return answer({"ok": False, "error": "expired_url"}, status=404)
        if reply.uses >= USES:
            return answer({"ok": False, "error": "used_url"}, status=404)
        if http.content_type != "application/json":
            return answer({"ok": False, "error": "invalid_payload"}, status=400)
        body = request.body = await http.json()
        try:
            self.apply(reply, body)
        except Refusal as refusal:
            return answer(refusal.body, status=400)
        reply.uses += 1
        request.did = True
        return web.Response(text="ok")

    def apply(self, reply: Reply, body: Json) -> None:
        """Raises Refusal."""
        if is_true(body.get("delete_original")) and reply.post:
            return self._slack.remove(reply.post)
        said = self._content(body)
        if is_true(body.get("replace_original")) and reply.post:
            kept = {name: value for name, value in reply.post.body.items() if name not in ("text", "blocks")}
            return self._slack.rewrite(reply.post, {**kept, **said})
        bot = self._slack.bot
        said |= {"user": bot.id, "bot_id": bot.bot_id, "app_id": bot.app_id}
        if body.get("thread_ts"):
            said["thread_ts"] = str(body["thread_ts"])
        to = "" if body.get("response_type") == "in_channel" else reply.person.id
        self._slack.publish(reply.room, bot, {**said, **({"is_ephemeral": True} if to else {})}, to=to)

    def _content(self, body: Json) -> Json:
        written = blocks.read_for_message(body.get("blocks"))
        if not (body.get("text") or written):
            raise Refusal("no_text")
        said: Json = {"text": str(body.get("text") or "")}
        return {**said, "blocks": blocks.complete(written, self._slack.ids)} if written else said
