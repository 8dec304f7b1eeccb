"""The web console, where people watch the agent, take over conversations, replay dead letters, and give access."""

from __future__ import annotations

from aiohttp import web

from gateway.access.audit_routes import CONSOLE_ACTIONS
from gateway.access.routes import CONSOLE_ROUTES
from gateway.console.assets import load_assets
from gateway.console.forms import DEFAULT_LIMITS, FormLimits
from gateway.console.guard import ConsoleGuard, FormHandler, PageHandler, with_error_pages
from gateway.console.live_updates import LiveUpdates
from gateway.console.pages.access import AccessPage
from gateway.console.pages.audit import AuditPage
from gateway.console.pages.contacts import ContactPages
from gateway.console.pages.conversation import ConversationPage
from gateway.console.pages.conversation_list import ConversationListPage
from gateway.console.pages.dead_letters import DeadLetterPage
from gateway.console.pages.evals import EvalsPage
from gateway.console.pages.insights import InsightsPage
from gateway.console.pages.knowledge.document import DocumentPage
from gateway.console.pages.knowledge.document_editor import EDITOR_LIMITS, DocumentEditorPage
from gateway.console.pages.knowledge.document_list import KnowledgePage
from gateway.console.pages.knowledge.document_upload import UPLOAD_LIMITS, DocumentUploadPage
from gateway.console.pages.knowledge.health import KnowledgeHealthPage
from gateway.console.pages.knowledge.sources import KnowledgeSourcesPage
from gateway.console.pages.openid_sign_in import OpenIdSignIn
from gateway.console.pages.sign_in import SignInPage
from gateway.console.sessions import ConsoleSessions
from gateway.insights.stored_insights import InsightReports
from gateway.knowledge.citations import Citations
from gateway.knowledge.health import open_health_checks
from gateway.webchat.watch import WatchRegistry
from gateway.wiring.process_services import ProcessServices
from schemas.errors import NotFound

PREFIX = "/console/{tenant}"

__all__ = ["PREFIX", "add_routes"]


def add_routes(app: web.Application, services: ProcessServices, watches: WatchRegistry) -> None:
    """Register all pages. Whoever is not signed in is redirected to the sign-in page."""
    sessions = ConsoleSessions(services)
    guard, live = ConsoleGuard(services, sessions), LiveUpdates(services, sessions, watches)
    sign_in = SignInPage(services, sessions, guard)
    openid = OpenIdSignIn(services, sessions, sign_in)
    for path, handler in (
        ("/console", with_error_pages(sign_in.show)),
        ("/console/", _redirect_home),
        ("/console/session", with_error_pages(sign_in.check_session)),
        ("/console/openid", with_error_pages(openid.begin)),
        ("/console/openid/callback", with_error_pages(openid.finish)),
        ("/console/assets/{file}", _serve_asset),
    ):
        app.router.add_get(path, handler, allow_head=False)
    app.router.add_post("/console/session", with_error_pages(sign_in.sign_in))
    app.router.add_post("/console/session/end", guard.wrap_form(sign_in.sign_out, None))
    _add_tenant_routes(app, services, guard, live)
    _add_knowledge_routes(app, services, guard, live)
    _add_insight_routes(app, services, guard, live)


def _add_insight_routes(
    app: web.Application, services: ProcessServices, guard: ConsoleGuard, live: LiveUpdates
) -> None:
    reports = InsightReports(services)
    reports.close_with(app)
    page = InsightsPage(services, live, reports)
    _add_page(app, guard, "/insights", page.show)
    _add_page(app, guard, "/insights/conversations", page.show_conversations)
    _add_page(app, guard, "/insights/{group}/cases", page.export_cases)
    _add_form(app, guard, "/insights", page.update)
    _add_form(app, guard, "/insights/{group}/draft", page.save_draft)


def _add_tenant_routes(app: web.Application, services: ProcessServices, guard: ConsoleGuard, live: LiveUpdates) -> None:
    conversation, dead_letters = ConversationPage(services, live), DeadLetterPage(services)
    access, audit, contacts = AccessPage(services), AuditPage(services), ContactPages(services)
    for path, page in (
        ("/conversations", ConversationListPage(services, live).show),
        ("/conversations/{id}", conversation.show),
        ("/conversations/{id}/resolve", conversation.show_resolution_form),
        ("/contacts", contacts.show_list),
        ("/contacts/{id}", contacts.show),
        ("/contacts/{id}/export", contacts.export),
        ("/deadletters", dead_letters.show),
        ("/evals", EvalsPage(services).show),
        ("/access", access.show),
        ("/audit", audit.show),
        ("/audit/export", audit.export),
    ):
        _add_page(app, guard, path, page)
    for path, form in (
        ("/conversations/{id}/owner", conversation.change_owner),
        ("/conversations/{id}/messages", conversation.send_message),
        ("/conversations/{id}/approvals/{approval}", conversation.decide_approval),
        ("/contacts/{id}/erase", contacts.erase),
        ("/deadletters", dead_letters.act),
        ("/access", access.create),
        ("/access/{id}/revoke", access.revoke),
    ):
        _add_form(app, guard, path, form)


def _add_knowledge_routes(
    app: web.Application, services: ProcessServices, guard: ConsoleGuard, live: LiveUpdates
) -> None:
    knowledge, upload = KnowledgePage(services), DocumentUploadPage(services)
    citations, editor = Citations(services), DocumentEditorPage(services)
    document = DocumentPage(services, citations)
    sources = KnowledgeSourcesPage(services, live)
    health = KnowledgeHealthPage(services, live, open_health_checks(app, services, citations))
    base = "/knowledge"
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
        _add_page(app, guard, path, page)
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
        _add_form(app, guard, path, form, limits)


def _add_page(app: web.Application, guard: ConsoleGuard, path: str, page: PageHandler) -> None:
    route = ("GET", path)
    handler = guard.wrap_page(page, CONSOLE_ROUTES[route], CONSOLE_ACTIONS.get(route, ""))
    app.router.add_get(PREFIX + path, handler, allow_head=False)


def _add_form(
    app: web.Application, guard: ConsoleGuard, path: str, form: FormHandler, limits: FormLimits = DEFAULT_LIMITS
) -> None:
    route = ("POST", path)
    handler = guard.wrap_form(form, CONSOLE_ROUTES[route], CONSOLE_ACTIONS.get(route, ""), limits)
    app.router.add_post(PREFIX + path, handler)


async def _redirect_home(_: web.Request) -> web.StreamResponse:
    # Paths of pages have no slash at the end, but people type one.
    raise web.HTTPPermanentRedirect("/console")


async def _serve_asset(request: web.Request) -> web.Response:
    file = load_assets().get(request.match_info["file"])
    if file is None:
        raise NotFound("no such file")
    return file.respond(request)
