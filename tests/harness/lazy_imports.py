"""The places where a function may import: everywhere else imports stand at the top of the module."""

from __future__ import annotations

from fnmatch import fnmatchcase

from tests.harness.source_tree import FunctionImport

PLACES = {
    "gateway/commands/*": "a command imports its own work, so that the others start quickly",
    "connectors/registry.py": "channels are imported when an account uses them",
    "gateway/wiring/engines.py": "only the configured bus and store are imported",
    "gateway/wiring/encoders.py": "only the configured encoder is imported",
    "gateway/wiring/models.py": "only the configured providers are imported",
    "infra/tracing.py": "OpenTelemetry is an optional dependency",
}
"""File pattern → reason."""


def is_allowed(found: FunctionImport) -> bool:
    return any(fnmatchcase(found.path, pattern) for pattern in PLACES)
