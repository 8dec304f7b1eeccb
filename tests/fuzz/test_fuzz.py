"""Mutated requests and frames against a running installation: the short version of `make fuzz`."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.http.endpoints.table import ENDPOINTS
from tests.fuzz.campaign import campaign
from tests.fuzz.hostile_values import bend, encode_hostile_json
from tests.fuzz.mutations import mutate_request
from tests.fuzz.seeds import ValidRequest
from tests.harness.processes import ForkServer

COUNT = 5000


@pytest.mark.slow
async def test_nothing_sent_makes_the_edge_fail(fork_server: ForkServer, tmp_path: Path) -> None:
    """Whatever is sent: no 5xx but 503 with Retry-After, an answer in time, valid requests are served as ever,
    memory stays bounded, the process lives, and no route was left out."""
    seed = random.SystemRandom().randrange(10**6)
    outcome = await campaign(fork_server, tmp_path, count=COUNT, seed=seed, processes=1)
    assert not outcome.faults, str(outcome)
    assert outcome.catch.sent >= COUNT
    assert outcome.catch.sound
    assert outcome.routes >= len([route for route in ENDPOINTS if route.method in ("GET", "POST", "PUT", "DELETE")])


def test_a_seed_makes_the_same_requests_again() -> None:
    """What a run found can be sent again."""
    seed = ValidRequest(
        "POST", "/v1/chat/plantstore/messages", (("a", "1"),), "token", {"text": "x", "list": [1]}, media="a/b"
    )

    def run() -> list[bytes]:
        rng = random.Random("7:0:0")
        return [mutate_request(seed, rng).wire(rng) for _ in range(300)]

    assert run() == run()
    assert len(set(run())) > 200


def test_bending_leaves_the_original_alone() -> None:
    """A seed is used again and again."""
    document = {"text": "x", "list": [1, {"a": None}]}
    rng = random.Random(1)
    for _ in range(500):
        encode_hostile_json(rng, bend(rng, document))
    assert document == {"text": "x", "list": [1, {"a": None}]}
