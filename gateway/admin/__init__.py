"""The admin API (contract §2): documents, routes, conversations, dead letters. One token for the whole installation."""

from __future__ import annotations

from aiohttp import web

from gateway.admin.approvals import ApprovalDesk
from gateway.admin.conversations import ConversationDesk
from gateway.admin.dead_letters import DeadLetterDesk
from gateway.admin.guard import Guard
from gateway.admin.knowledge import KnowledgeDesk
from gateway.admin.routes import RouteDesk
from gateway.admin.training import TrainingDesk
from gateway.wiring.parts import Parts

PREFIX = "/v1/admin/{tenant}"

__all__ = ["PREFIX", "add_routes"]


def add_routes(app: web.Application, parts: Parts) -> None:
    """Register every admin route; each answers 401 without the token and 404 for an unknown tenant."""
    guard = Guard(parts)
    documents, talks, letters = KnowledgeDesk(parts), ConversationDesk(parts), DeadLetterDesk(parts)
    approvals = ApprovalDesk(parts)
    for method, path, handler in (
        ("GET", "/knowledge", documents.listing),
        ("POST", "/knowledge/search", documents.search),
        ("GET", "/knowledge/{document}", documents.get),
        ("PUT", "/knowledge/{document}", documents.put),
        ("DELETE", "/knowledge/{document}", documents.delete),
        ("POST", "/route/explain", RouteDesk(parts).explain),
        ("GET", "/conversations", talks.listing),
        ("GET", "/conversations/{id}", talks.get),
        ("POST", "/conversations/{id}/owner", talks.own),
        ("POST", "/conversations/{id}/messages", talks.say),
        ("POST", "/conversations/{id}/attachments", talks.upload),
        ("GET", "/training", TrainingDesk(parts).export),
        ("GET", "/conversations/{id}/approvals", approvals.listing),
        ("POST", "/conversations/{id}/approvals/{approval}", approvals.decide),
        ("GET", "/deadletters", letters.listing),
        ("GET", "/deadletters/{id}", letters.get),
        ("POST", "/deadletters/{id}/replay", letters.replay),
    ):
        app.router.add_route(method, PREFIX + path, guard(handler))
