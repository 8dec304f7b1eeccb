"""Mutated payloads of every vendor, signed as their own: the short version of ``python -m tests.fuzz payloads``."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.payloads import CALLED, CHANNELS, in_process, mutants, over_sockets
from tests.harness.processes import ForkServer

SEED = random.SystemRandom().randrange(10**6)


@pytest.mark.parametrize("channel", CHANNELS)
def test_no_payload_is_a_defect(channel: str) -> None:
    """It is taken, or refused with a 4xx, in time."""
    outcome = in_process(channel, SEED, 3000)
    assert outcome.wrong == [], f"seed {SEED}\n{outcome}"
    assert outcome.events > 100, outcome
    assert outcome.statuses.keys() <= {200, 400, 401}, outcome


@pytest.mark.slow
@pytest.mark.parametrize("channel", CALLED)
async def test_no_payload_is_answered_with_a_5xx(channel: str, fork_server: ForkServer, tmp_path: Path) -> None:
    outcome = await over_sockets(fork_server, tmp_path, channel, SEED, 500)
    assert outcome.wrong == [], f"seed {SEED}\n{outcome}"
    assert outcome.sent == 500
    assert outcome.statuses[200] > 100, outcome


def test_a_seed_makes_the_same_payloads_again() -> None:
    once, again = ([body for _, body in mutants("slack", 7, 200)] for _ in range(2))
    assert once == again
    assert len(set(once)) > 150
