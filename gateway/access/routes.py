"""The permission that each operation of the admin API requires. The API checks this table, and OpenAPI shows it."""

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
}
"""By method and path below ``/v1/admin/{tenant}``."""
