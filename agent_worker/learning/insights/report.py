"""The report of a period: signals, groups of failures, and the cheapest cure of each."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from agent_worker.learning.insights.failure_signals import SignalKind

CureKind = Literal["document", "prompt", "routing", "action", "tuning"]
CURES: tuple[CureKind, ...] = get_args(CureKind)
"""The cheapest one first."""


class InsightModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DocumentProposalText(InsightModel):
    """A document written from what people answered. ``names``: of the people in these conversations, which are not to
    be published."""

    document: str
    title: str
    body: str
    names: list[str] = []


class InsightGroup(InsightModel):
    """Questions that failed alike. ``signal``: the most frequent one, ``signals``: all, with their numbers. ``trend``:
    from -1 (only in the first half of the period) to 1 (only in the second). ``parts``: failures in each quarter of the
    period. ``examples``: ids of conversations, the most typical first; ``conversations``: up to 500 of them. ``asked``:
    what contacts asked in the examples. ``document``: the one that is wrong, or that most answers cite."""

    id: str
    signal: SignalKind
    signals: dict[str, int]
    intent: str
    title: str
    count: int
    trend: float
    parts: list[int]
    examples: list[str]
    conversations: list[str]
    asked: list[str]
    document: str
    cure: CureKind
    suggestion: str
    proposal: DocumentProposalText | None = None


class InsightTotals(InsightModel):
    """``failed``: questions with a signal; ``grouped``: those in a group. ``by_signal``: questions with each signal.
    ``sampled_every``: of so many conversations one was read, because there were too many."""

    questions: int
    failed: int
    grouped: int
    by_signal: dict[str, int]
    sampled_every: int = 1


class InsightReport(InsightModel):
    groups: list[InsightGroup]
    totals: InsightTotals


EMPTY_REPORT = InsightReport(groups=[], totals=InsightTotals(questions=0, failed=0, grouped=0, by_signal={}))
"""The report of a period in which nothing was asked."""
