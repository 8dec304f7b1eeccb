"""A tenant without rules for routes: a short way to what the long one would say."""

from __future__ import annotations

import pytest

from agent_worker.router.router import Router, RoutingRequest
from agent_worker.router.rules import RouteRules
from schemas.ports import SearchResult

LONG_WAY = RouteRules(sure_above=0.6)
"""Rules that decide nothing either, and are looked at."""


@pytest.mark.parametrize("model", ["local", "remote"])
@pytest.mark.parametrize("text", ["Do you ship in winter?", "hello", "thanks", "I want to talk to a person", ""])
async def test_the_short_way_leads_where_the_long_one_does(text: str, model: str) -> None:
    message = RoutingRequest(text=text, search_result=SearchResult([], answerable=True, confidence=0.7), model=model)
    short, long = [await Router().route(rules, message) for rules in (RouteRules(), LONG_WAY)]
    assert (short.name, short.models, short.reasons) == (long.name, long.models, long.reasons)
    assert (short.intent, short.confidence, short.out_of_scope) == (long.intent, long.confidence, long.out_of_scope)
