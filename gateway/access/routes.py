"""The permission that each operation of the admin API and of the console requires. Both check these tables, and OpenAPI
shows them."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.access import Permission

ADMIN_ROUTES: Mapping[tuple[str, str], Permission] = {
    ("GET", "/knowledge"): "read",
    ("POST", "/knowledge/search"): "read",
    ("GET", "/knowledge/sources"): "read",
    ("POST", "/knowledge/sources/{source}/sync"): "knowledge",
    ("POST", "/knowledge/sources/{source}/removals"): "knowledge",
    ("GET", "/knowledge/{document}"): "read",
    ("PUT", "/knowledge/{document}"): "knowledge",
    ("DELETE", "/knowledge/{document}"): "knowledge",
    ("GET", "/knowledge/{document}/versions"): "read",
    ("POST", "/knowledge/{document}/restore"): "knowledge",
    ("POST", "/knowledge/{document}/try"): "knowledge",
    ("GET", "/knowledge-health"): "read",
    ("POST", "/knowledge-health"): "knowledge",
    ("POST", "/route/explain"): "read",
    ("GET", "/conversations"): "read",
    ("GET", "/conversations/{id}"): "read",
    ("POST", "/conversations/{id}/owner"): "reply",
    ("POST", "/conversations/{id}/messages"): "reply",
    ("POST", "/conversations/{id}/attachments"): "reply",
    ("GET", "/conversations/{id}/approvals"): "read",
    ("POST", "/conversations/{id}/approvals/{approval}"): "reply",
    ("GET", "/recordings"): "admin",
    ("GET", "/training"): "admin",
    ("GET", "/deadletters"): "read",
    ("GET", "/deadletters/{id}"): "read",
    ("POST", "/deadletters/{id}/replay"): "admin",
    ("GET", "/tokens"): "owner",
    ("POST", "/tokens"): "owner",
    ("DELETE", "/tokens/{id}"): "owner",
    ("GET", "/audit"): "admin",
    ("GET", "/audit/export"): "admin",
    ("GET", "/audit/verification"): "admin",
}
"""By method and path below ``/v1/admin/{tenant}``."""

CONSOLE_ROUTES: Mapping[tuple[str, str], Permission] = {
    ("GET", "/conversations"): "read",
    ("GET", "/conversations/{id}"): "read",
    ("GET", "/conversations/{id}/resolve"): "reply",
    ("POST", "/conversations/{id}/owner"): "reply",
    ("POST", "/conversations/{id}/messages"): "reply",
    ("POST", "/conversations/{id}/approvals/{approval}"): "reply",
    ("GET", "/deadletters"): "read",
    ("POST", "/deadletters"): "admin",
    ("GET", "/knowledge"): "read",
    ("POST", "/knowledge"): "read",
    ("GET", "/knowledge/new"): "knowledge",
    ("POST", "/knowledge/new"): "knowledge",
    ("GET", "/knowledge/upload"): "knowledge",
    ("POST", "/knowledge/upload"): "knowledge",
    ("GET", "/knowledge/health"): "read",
    ("POST", "/knowledge/health"): "knowledge",
    ("GET", "/knowledge/sources"): "read",
    ("POST", "/knowledge/sources"): "knowledge",
    ("GET", "/knowledge/documents/{document}"): "read",
    ("GET", "/knowledge/documents/{document}/edit"): "knowledge",
    ("POST", "/knowledge/documents/{document}/edit"): "knowledge",
    ("GET", "/knowledge/documents/{document}/versions/{version}"): "read",
    ("POST", "/knowledge/documents/{document}/restore"): "knowledge",
    ("POST", "/knowledge/documents/{document}/delete"): "knowledge",
    ("GET", "/access"): "owner",
    ("POST", "/access"): "owner",
    ("POST", "/access/{id}/revoke"): "owner",
    ("GET", "/audit"): "admin",
    ("GET", "/audit/export"): "admin",
}
"""By method and path below ``/console/{tenant}``."""
