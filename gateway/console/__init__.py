"""The web console: people see what the agent does, take over, answer, and replay what was given up on."""

from __future__ import annotations

from aiohttp import web

from gateway.console.assets import found as files
from gateway.console.guard import ConsoleGuard, told
from gateway.console.live_updates import Live
from gateway.console.pages.conversation import ConversationPage
from gateway.console.pages.dead_letters import DeadLetterPage
from gateway.console.pages.inbox import Inbox
from gateway.console.pages.knowledge import KnowledgePage
from gateway.console.pages.sign_in import SignIn
from gateway.console.sessions import ConsoleSessions
from gateway.webchat.watch import Doors
from gateway.wiring.parts import Parts
from schemas.errors import NotFound

__all__ = ["add_routes"]


def add_routes(app: web.Application, parts: Parts, doors: Doors) -> None:
    """Register every page; each but the sign-in leads there whoever is not signed in."""
    sessions = ConsoleSessions(parts)
    guard, live = ConsoleGuard(parts, sessions), Live(parts, sessions, doors)
    talk, letters, documents = ConversationPage(parts, live), DeadLetterPage(parts), KnowledgePage(parts)
    door, one = SignIn(parts, sessions, guard), "/console/{tenant}/conversations/{id}"
    for path, handler in (
        ("/console", told(door.front)),
        ("/console/session", told(door.is_signed_in)),
        ("/console/{tenant}/conversations", guard.page(Inbox(parts, live).show)),
        (one, guard.page(talk.show)),
        (f"{one}/resolve", guard.page(talk.resolve)),
        ("/console/{tenant}/deadletters", guard.page(letters.show)),
        ("/console/{tenant}/knowledge", guard.page(documents.show)),
        ("/console/assets/{file}", _file),
    ):
        app.router.add_get(path, handler, allow_head=False)
    for path, handler in (
        ("/console/session", told(door.begin)),
        ("/console/session/end", guard.act(door.end)),
        (f"{one}/owner", guard.act(talk.own)),
        (f"{one}/messages", guard.act(talk.say)),
        (f"{one}/approvals/{{approval}}", guard.act(talk.decide)),
        ("/console/{tenant}/deadletters", guard.act(letters.replay)),
        ("/console/{tenant}/knowledge", guard.act(documents.ask)),
    ):
        app.router.add_post(path, handler)


async def _file(request: web.Request) -> web.Response:
    file = files().get(request.match_info["file"])
    if file is None:
        raise NotFound("no such file")
    return file.answer(request)
