"""Servers on which an engine runs in another way than usual, and the modules of the suite that run there too."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from infra.state.redis.client.pipelined_client import PipelinedClient
from infra.state.redis.cluster.client import ClusterClient

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
FAILURES = frozenset({"test_cluster", "test_redis_failures", "test_sentinel"})
"""Modules about servers that do not answer."""


@pytest.fixture(autouse=True)
def patient_clients(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of Redis that wait for a minute: a busy machine may take longer than the three seconds of an
    installation. Modules about failures keep those."""
    if request.module.__name__.rpartition(".")[2] not in FAILURES:
        for client in (PipelinedClient, ClusterClient):
            defaults = client.__init__.__kwdefaults__
            assert defaults is not None
            monkeypatch.setitem(defaults, "timeout", 60.0)
