"""Twenty thousand forged requests for every kind of account that is called by its vendor: none is believed."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from connectors.registry import CHANNELS
from tests.channels import fixture_translation
from tests.channels.forged_requests import (
    FORGERS,
    OF_SIGNATURES,
    GenuineRequest,
    build_account_with_next_secrets,
    build_strangers_account,
    find_genuine_requests,
    forge_requests,
)
from tests.harness.channel_tools import NOW

COUNT = 20_000
TOLERANCE = 300
SEED = random.SystemRandom().randrange(10**6)
SIGNED = {"SlackAccount", "MetaAccount", "TwilioAccount", "InstagramAccount"}
KINDS = {
    kind: found for channel in CHANNELS if channel != "web" for kind, found in find_genuine_requests(channel).items()
}


def test_every_kind_of_account_that_is_called_has_genuine_requests() -> None:
    assert KINDS.keys() >= SIGNED
    assert [kind for kind, found in KINDS.items() if len(found) < 3] == []
    assert {kind for kind, found in KINDS.items() if all(one.is_signed for one in found)} >= SIGNED


@pytest.mark.parametrize("kind", KINDS)
def test_no_forgery_is_believed(kind: str) -> None:
    print(f"seed {SEED}")
    rng = random.Random(f"{SEED}:{kind}")
    tried: Counter[str] = Counter()
    believed = []
    while tried.total() < COUNT:
        one = rng.choice(KINDS[kind])
        for name, request in forge_requests(one, rng):
            tried[name] += 1
            if one.accepts(request):
                believed.append((name, one.case, request))
        tried["another secret"] += 1
        if one.accepts(one.request, build_strangers_account(one, rng)):
            believed.append(("another secret", one.case, one.request))
    assert believed == []
    expected = {*FORGERS, "another secret"} - (set() if kind == "TwilioAccount" else {"another address"})
    assert set(tried) == expected - (set() if kind in SIGNED or KINDS[kind][0].is_signed else OF_SIGNATURES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_changed_and_changed_back_is_accepted(kind: str) -> None:
    """So it is the change that is refused, and not something else."""
    for one in KINDS[kind]:
        copy = replace(one.request, body=bytes(one.request.body), headers=dict(one.request.headers))
        assert one.accepts(copy), one.case


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_is_believed_as_long_as_its_secret_is_one_of_several(kind: str) -> None:
    rng = random.Random(SEED)
    for one in KINDS[kind]:
        account = build_account_with_next_secrets(one, rng)
        assert one.accepts(one.request, account), one.case
        forged = [name for name, request in forge_requests(one, rng) if one.accepts(request, account)]
        assert forged == [], one.case


def test_a_recorded_request_is_believed_for_five_minutes_and_not_a_second_longer() -> None:
    """Only Slack says when it signed."""
    for one in KINDS["SlackAccount"]:
        _, clock = fixture_translation.open_channel_at("slack")
        signed = int(one.request.headers["x-slack-request-timestamp"])
        for seconds in (-TOLERANCE - 1, TOLERANCE + 1, 86_400, -86_400):
            at = NOW.fromtimestamp(signed + seconds, NOW.tzinfo)
            late = replace(one, told={**one.told, "now": at.isoformat()})
            assert not late.accepts(one.request), (one.case, seconds)
        just = NOW.fromtimestamp(signed, NOW.tzinfo) + timedelta(seconds=TOLERANCE - 1)
        assert replace(one, told={**one.told, "now": just.isoformat()}).accepts(one.request)
        clock.now = NOW


@pytest.mark.parametrize("kind", ["SlackAccount", "MetaAccount", "InstagramAccount"])
def test_the_bytes_are_signed_and_not_what_they_mean(kind: str) -> None:
    """The same JSON written another way (ü instead of its escape, / instead of its own) is a forgery."""
    escaped = [one for one in KINDS[kind] if b"\\u" in one.request.body and one.request.body.startswith(b"{")]
    assert escaped, "no fixture has escapes"
    for one in escaped:
        for rewritten in _rewritten(one):
            assert json.loads(rewritten) == json.loads(one.request.body)
            assert not one.accepts(replace(one.request, body=rewritten)), one.case


def _rewritten(one: GenuineRequest) -> list[bytes]:
    meaning = json.loads(one.request.body)
    ways = [
        json.dumps(meaning, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"),
        json.dumps(meaning).encode(),
        one.request.body + b"\n",
    ]
    return [way for way in ways if way != one.request.body]
