"""The web console, where people watch the agent, take over conversations, reply, and replay dead letters."""

from __future__ import annotations

from aiohttp import web

from gateway.console.assets import load_assets
from gateway.console.forms import DEFAULT_LIMITS
from gateway.console.guard import ConsoleGuard, with_error_pages
from gateway.console.live_updates import LiveUpdates
from gateway.console.pages.conversation import ConversationPage
from gateway.console.pages.conversation_list import ConversationListPage
from gateway.console.pages.dead_letters import DeadLetterPage
from gateway.console.pages.document import DocumentPage
from gateway.console.pages.document_editor import EDITOR_LIMITS, DocumentEditorPage
from gateway.console.pages.document_upload import UPLOAD_LIMITS, DocumentUploadPage
from gateway.console.pages.knowledge import KnowledgePage
from gateway.console.pages.knowledge_health import KnowledgeHealthPage
from gateway.console.pages.knowledge_sources import KnowledgeSourcesPage
from gateway.console.pages.sign_in import SignInPage
from gateway.console.sessions import ConsoleSessions
from gateway.knowledge.citations import Citations
from gateway.knowledge.health import open_health_checks
from gateway.webchat.watch import WatchRegistry
from gateway.wiring.process_services import ProcessServices
from schemas.errors import NotFound

__all__ = ["add_routes"]


def add_routes(app: web.Application, services: ProcessServices, watches: WatchRegistry) -> None:
    """Register all pages. Whoever is not signed in is redirected to the sign-in page."""
    sessions = ConsoleSessions(services)
    guard, live = ConsoleGuard(services, sessions), LiveUpdates(services, sessions, watches)
    conversation, dead_letters = ConversationPage(services, live), DeadLetterPage(services)
    sign_in, conversation_path = SignInPage(services, sessions, guard), "/console/{tenant}/conversations/{id}"
    for path, handler in (
        ("/console", with_error_pages(sign_in.show)),
        ("/console/session", with_error_pages(sign_in.check_session)),
        ("/console/{tenant}/conversations", guard.wrap_page(ConversationListPage(services, live).show)),
        (conversation_path, guard.wrap_page(conversation.show)),
        (f"{conversation_path}/resolve", guard.wrap_page(conversation.show_resolution_form)),
        ("/console/{tenant}/deadletters", guard.wrap_page(dead_letters.show)),
        ("/console/assets/{file}", _serve_asset),
    ):
        app.router.add_get(path, handler, allow_head=False)
    for path, handler in (
        ("/console/session", with_error_pages(sign_in.sign_in)),
        ("/console/session/end", guard.wrap_form(sign_in.sign_out)),
        (f"{conversation_path}/owner", guard.wrap_form(conversation.change_owner)),
        (f"{conversation_path}/messages", guard.wrap_form(conversation.send_message)),
        (f"{conversation_path}/approvals/{{approval}}", guard.wrap_form(conversation.decide_approval)),
        ("/console/{tenant}/deadletters", guard.wrap_form(dead_letters.replay)),
    ):
        app.router.add_post(path, handler)
    _add_knowledge_routes(app, services, guard, live)


def _add_knowledge_routes(
    app: web.Application, services: ProcessServices, guard: ConsoleGuard, live: LiveUpdates
) -> None:
    knowledge, upload = KnowledgePage(services), DocumentUploadPage(services)
    citations, editor = Citations(services), DocumentEditorPage(services)
    document = DocumentPage(services, citations)
    sources = KnowledgeSourcesPage(services, live)
    health = KnowledgeHealthPage(services, live, open_health_checks(app, services, citations))
    base = "/console/{tenant}/knowledge"
    document_path = f"{base}/documents/{{document}}"
    for path, page in (
        (base, knowledge.show),
        (f"{base}/new", editor.show_new),
        (f"{base}/upload", upload.show),
        (f"{base}/health", health.show),
        (f"{base}/sources", sources.show),
        (document_path, document.show),
        (f"{document_path}/edit", editor.show),
        (f"{document_path}/versions/{{version}}", document.show_version),
    ):
        app.router.add_get(path, guard.wrap_page(page), allow_head=False)
    for path, form, limits in (
        (base, knowledge.ask, DEFAULT_LIMITS),
        (f"{base}/new", editor.submit_new, EDITOR_LIMITS),
        (f"{base}/upload", upload.upload, UPLOAD_LIMITS),
        (f"{base}/health", health.check, DEFAULT_LIMITS),
        (f"{base}/sources", sources.act, DEFAULT_LIMITS),
        (f"{document_path}/edit", editor.submit, EDITOR_LIMITS),
        (f"{document_path}/restore", document.restore, DEFAULT_LIMITS),
        (f"{document_path}/delete", document.delete, DEFAULT_LIMITS),
    ):
        app.router.add_post(path, guard.wrap_form(form, limits))


async def _serve_asset(request: web.Request) -> web.Response:
    file = load_assets().get(request.match_info["file"])
    if file is None:
        raise NotFound("no such file")
    return file.respond(request)
