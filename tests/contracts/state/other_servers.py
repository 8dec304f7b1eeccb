"""Servers on which an engine runs in another way than usual, and the modules of the suite that run there too."""

from __future__ import annotations

from collections.abc import Mapping

OTHER_SERVERS: Mapping[str, frozenset[str]] = {
    "redis_cluster": frozenset(
        {
            "test_contact_erasure",
            "test_contact_index",
            "test_contact_keys",
            "test_contacts",
            "test_conversations",
            "test_deliveries",
            "test_journal",
            "test_leases",
            "test_limiter",
            "test_parking",
            "test_rebuild_from_log",
            "test_retention",
            "test_signals",
            "test_transcript",
        }
    ),
}
"""By the name of the module's fixture without ``_url``. The modules of each run nearly every script."""
