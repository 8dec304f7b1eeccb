"""The admin API: documents, routing, conversations, approvals, contacts, dead letters, recordings, training data,
insights, API tokens and the audit trail."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from gateway.access.audit_routes import ADMIN_ACTIONS
from gateway.access.routes import ADMIN_ROUTES
from gateway.admin.approvals import ApprovalApi
from gateway.admin.audit import AuditApi
from gateway.admin.contacts import ContactApi
from gateway.admin.conversations import ConversationApi
from gateway.admin.dead_letters import DeadLetterApi
from gateway.admin.guard import AdminGuard, Handler
from gateway.admin.knowledge import KnowledgeApi
from gateway.admin.knowledge_health import KnowledgeHealthApi
from gateway.admin.knowledge_sources import KnowledgeSourceApi
from gateway.admin.learning.eval_runs import EvalRunApi
from gateway.admin.learning.finetune_examples import FinetuneExampleApi
from gateway.admin.learning.insights import InsightApi
from gateway.admin.learning.outcomes import OutcomeApi
from gateway.admin.learning.recordings import RecordingsApi
from gateway.admin.learning.training_export import TrainingExportApi
from gateway.admin.route_explanation import RouteApi
from gateway.admin.tokens import TokenApi
from gateway.insights.insight_reader import InsightReader
from gateway.knowledge.citations import Citations
from gateway.knowledge.health import open_health_checks
from gateway.wiring.process_services import ProcessServices

PREFIX = "/v1/admin/{tenant}"

__all__ = ["PREFIX", "add_routes"]

_Route = tuple[str, str, Handler]
"""Method, path below the tenant, and handler."""


def add_routes(app: web.Application, services: ProcessServices) -> None:
    """Register all endpoints. Each responds with 401 without a valid token, with 403 to a token of another tenant or
    without the permission, and with 404 for an unknown tenant."""
    guard = AdminGuard(services)
    routes = *_knowledge_routes(app, services), *_conversation_routes(services), *_learning_routes(services)
    for method, path, handler in (*routes, *_access_routes(services)):
        guarded = guard(handler, ADMIN_ROUTES[method, path], ADMIN_ACTIONS.get((method, path), ""))
        # A name of a document may have any letter but a slash, so that a wrong one is told what is wrong with it.
        app.router.add_route(method, PREFIX + path.replace("{document}", "{document:[^/]+}"), guarded)


def _knowledge_routes(app: web.Application, services: ProcessServices) -> Iterable[_Route]:
    documents, sources = KnowledgeApi(services), KnowledgeSourceApi(services)
    health = KnowledgeHealthApi(services, open_health_checks(app, services, Citations(services)))
    return (
        ("GET", "/knowledge", documents.list_documents),
        ("POST", "/knowledge/search", documents.search),
        ("GET", "/knowledge/sources", sources.list_sources),
        ("POST", "/knowledge/sources/{source}/sync", sources.sync),
        ("POST", "/knowledge/sources/{source}/removals", sources.decide_removal),
        ("GET", "/knowledge/{document}", documents.get),
        ("PUT", "/knowledge/{document}", documents.put),
        ("DELETE", "/knowledge/{document}", documents.delete),
        ("GET", "/knowledge/{document}/versions", documents.list_versions),
        ("POST", "/knowledge/{document}/restore", documents.restore),
        ("POST", "/knowledge/{document}/try", documents.try_question),
        ("GET", "/knowledge-health", health.read),
        ("POST", "/knowledge-health", health.start),
    )


def _conversation_routes(services: ProcessServices) -> Iterable[_Route]:
    conversations, approvals, contacts = ConversationApi(services), ApprovalApi(services), ContactApi(services)
    dead_letters = DeadLetterApi(services)
    return (
        ("POST", "/route/explain", RouteApi(services).explain),
        ("GET", "/conversations", conversations.list_conversations),
        ("GET", "/conversations/{id}", conversations.get),
        ("POST", "/conversations/{id}/owner", conversations.change_owner),
        ("POST", "/conversations/{id}/messages", conversations.send_message),
        ("POST", "/conversations/{id}/attachments", conversations.upload),
        ("GET", "/contacts", contacts.list_contacts),
        ("GET", "/contacts/{id}", contacts.get),
        ("GET", "/contacts/{id}/export", contacts.export),
        ("DELETE", "/contacts/{id}", contacts.erase),
        ("GET", "/erasures/{id}", contacts.get_erasure),
        ("GET", "/conversations/{id}/approvals", approvals.list_approvals),
        ("POST", "/conversations/{id}/approvals/{approval}", approvals.decide),
        ("GET", "/deadletters", dead_letters.list_dead_letters),
        ("GET", "/deadletters/{id}", dead_letters.get),
        ("POST", "/deadletters/{id}/replay", dead_letters.replay),
        ("DELETE", "/deadletters/{id}", dead_letters.discard),
    )


def _learning_routes(services: ProcessServices) -> Iterable[_Route]:
    reader = InsightReader(services)
    outcomes, insights, evals = OutcomeApi(services, reader), InsightApi(services, reader), EvalRunApi(services)
    return (
        ("GET", "/recordings", RecordingsApi(services).export),
        ("GET", "/training", TrainingExportApi(services).export),
        ("GET", "/finetune/examples", FinetuneExampleApi(services).export),
        ("GET", "/insights", insights.read),
        ("POST", "/insights/{group}/draft", insights.save_draft),
        ("GET", "/report", insights.read_period),
        ("GET", "/outcomes", outcomes.read),
        ("GET", "/outcomes/conversations", outcomes.list_conversations),
        ("GET", "/evals", evals.list_runs),
        ("POST", "/evals", evals.publish),
    )


def _access_routes(services: ProcessServices) -> Iterable[_Route]:
    tokens, audit = TokenApi(services), AuditApi(services)
    return (
        ("GET", "/tokens", tokens.list_tokens),
        ("POST", "/tokens", tokens.create),
        ("DELETE", "/tokens/{id}", tokens.revoke),
        ("GET", "/audit", audit.list_records),
        ("GET", "/audit/export", audit.export),
        ("GET", "/audit/verification", audit.verify),
        ("POST", "/backups", audit.announce_backup),
    )
