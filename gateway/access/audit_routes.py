"""The operations that are recorded in the audit trail, and what their records say."""

from __future__ import annotations

import re
from collections.abc import Mapping

CREATE_BACKUP, RESTORE_BACKUP = "backup.create", "backup.restore"
ADMIN_ACTIONS: Mapping[tuple[str, str], str] = {
    ("GET", "/conversations/{id}"): "conversation.read",
    ("POST", "/conversations/{id}/owner"): "owner.change",
    ("POST", "/conversations/{id}/messages"): "conversation.reply",
    ("POST", "/conversations/{id}/approvals/{approval}"): "approval.decide",
    ("GET", "/contacts/{id}"): "contact.read",
    ("GET", "/contacts/{id}/export"): "contact.export",
    ("DELETE", "/contacts/{id}"): "contact.erase",
    ("PUT", "/knowledge/{document}"): "knowledge.publish",
    ("DELETE", "/knowledge/{document}"): "knowledge.remove",
    ("POST", "/knowledge/{document}/restore"): "knowledge.restore",
    ("POST", "/knowledge/sources/{source}/sync"): "source.sync",
    ("POST", "/knowledge/sources/{source}/removals"): "source.removals",
    ("POST", "/insights/{group}/draft"): "knowledge.draft",
    ("POST", "/evals"): "eval.publish",
    ("GET", "/recordings"): "recording.export",
    ("GET", "/training"): "training.export",
    ("GET", "/finetune/examples"): "finetune.export",
    ("POST", "/deadletters/{id}/replay"): "deadletter.replay",
    ("DELETE", "/deadletters/{id}"): "deadletter.discard",
    ("GET", "/audit/export"): "audit.export",
    ("POST", "/backups"): CREATE_BACKUP,
}
"""By method and path below ``/v1/admin/{tenant}``. ``TokenService`` records what is done with tokens."""
CONSOLE_ACTIONS: Mapping[tuple[str, str], str] = {
    ("GET", "/conversations/{id}"): "conversation.read",
    ("POST", "/conversations/{id}/owner"): "owner.change",
    ("POST", "/conversations/{id}/messages"): "conversation.reply",
    ("POST", "/conversations/{id}/approvals/{approval}"): "approval.decide",
    ("GET", "/contacts/{id}"): "contact.read",
    ("GET", "/contacts/{id}/export"): "contact.export",
    ("POST", "/contacts/{id}/erase"): "contact.erase",
    ("POST", "/knowledge/documents/{document}/restore"): "knowledge.restore",
    ("POST", "/knowledge/documents/{document}/delete"): "knowledge.remove",
    ("GET", "/insights/{group}/cases"): "eval.export",
    ("POST", "/insights/{group}/draft"): "knowledge.draft",
    ("GET", "/audit/export"): "audit.export",
}
"""By method and path below ``/console/{tenant}``. The forms whose fields say what they concern record it themselves."""
_PARAMETER = re.compile(r"/(\w+)/\{(\w+)\}")
_KINDS = {
    "conversations": "conversation",
    "approvals": "approval",
    "contacts": "contact",
    "knowledge": "document",
    "documents": "document",
    "sources": "source",
    "deadletters": "deadletter",
    "insights": "insight",
}


def build_subject(path: str, parameters: Mapping[str, str]) -> str:
    """What a request concerns: ``conversation:<id>``, or ``tenant:<name>`` where its path names nothing else."""
    named = [f"{_KINDS[kind]}:{parameters[name]}" for kind, name in _PARAMETER.findall(path) if kind in _KINDS]
    return "/".join(named) or f"tenant:{parameters['tenant']}"
