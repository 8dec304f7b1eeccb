"""The data card: what the training data consists of, where it comes from, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from agent_worker.learning.finetune.example_filters import FilterResult, group_by_problem
from agent_worker.learning.finetune.training_example import PROBLEMS, SOURCES, TrainingExample, TrainingModel

OWN_LICENCE = "the tenant's own documents and conversations; not for publication"
_REASONS = {
    "crisis": "the contact may have been in danger",
    "one_time_code": "somebody wrote a one-time code",
    "other_contact": "the answer names another contact, or a number or address from elsewhere",
    "outdated_document": "a cited document says something else today",
    "not_recorded": "the log no longer holds what the model saw",
    "agent_echo": "a person sent a text of the agent as their own",
    "contradictory_figures": "figures that the passages do not have, or that differ between answers",
    "not_grounded": "no sentence of the answer is in the passages, or it declines what another one answers",
    "near_duplicate": "another example says the same",
    "model_share": "more answers of models than allowed",
}


class DocumentUse(TrainingModel):
    """``examples``: those that cite the document in this version."""

    document: str
    version: int
    location: str
    examples: int


class ProblemCount(TrainingModel):
    """``conversations``: up to ten of them, to look at."""

    problem: str
    why: str
    examples: int
    conversations: list[str]


class DataCard(TrainingModel):
    """``files``: file → rows; ``splits``: split → contacts. ``exact``: examples whose prompt was proven to be the
    recorded request by its digest; the other ones were not answered by a remote model. ``declines``: examples whose
    answer is that the passages have none."""

    tenant: str
    created_at: datetime
    since: str
    examples: int
    contacts: int
    exact: int
    declines: int = 0
    files: dict[str, int]
    splits: dict[str, int]
    sources: dict[str, int]
    channels: dict[str, int]
    languages: dict[str, int]
    models: dict[str, int]
    first_at: datetime | None
    last_at: datetime | None
    documents: list[DocumentUse]
    dropped: list[ProblemCount]
    model_share: float
    model_share_limit: float
    licence: str
    seed: int

    @property
    def dropped_examples(self) -> int:
        return sum(each.examples for each in self.dropped)


def describe_examples(filtered: FilterResult) -> dict[str, Any]:
    """The fields of a card that follow from the examples."""
    kept = filtered.kept
    answers = [each for each in kept if each.chosen]
    times = sorted(each.at for each in kept)
    return {
        "examples": len(kept),
        "contacts": len({each.contact for each in kept}),
        "exact": sum(each.is_exact for each in kept),
        "declines": sum(each.declines for each in kept),
        "sources": _count((each.source for each in kept), SOURCES),
        "channels": _count(each.channel for each in kept),
        "languages": _count(each.language or "unknown" for each in kept),
        "models": _count(each.model for each in answers if each.model and not each.by_person),
        "first_at": times[0] if times else None,
        "last_at": times[-1] if times else None,
        "documents": _count_documents(kept),
        "dropped": _describe_dropped(filtered.dropped),
        "model_share": round(sum(not each.by_person for each in answers) / (len(answers) or 1), 4),
    }


def _count(values: Iterable[str], order: Sequence[str] = ()) -> dict[str, int]:
    counts = Counter(values)
    return {value: counts[value] for value in (order or sorted(counts)) if counts[value]}


def _count_documents(examples: Iterable[TrainingExample]) -> list[DocumentUse]:
    counts = Counter(cited for each in examples for cited in set(each.documents))
    return [
        DocumentUse(document=cited.document, version=cited.version, location=cited.location, examples=count)
        for cited, count in sorted(counts.items(), key=lambda each: (-each[1], each[0].document, each[0].version))
    ]


def _describe_dropped(dropped: Iterable[TrainingExample]) -> list[ProblemCount]:
    groups = group_by_problem(dropped)
    return [
        ProblemCount(
            problem=problem,
            why=_REASONS[problem],
            examples=len(groups[problem]),
            conversations=sorted({each.conversation for each in groups[problem]})[:10],
        )
        for problem in PROBLEMS
        if problem in groups
    ]


# ── as a page ────────────────────────────────────────────────────────────────────────────────────────────────────────


def render_card(card: DataCard) -> str:
    """The card as Markdown."""
    period = f"{card.first_at:%Y-%m-%d} to {card.last_at:%Y-%m-%d}" if card.first_at and card.last_at else "none"
    facts = [
        ("examples", card.examples),
        ("contacts", card.contacts),
        ("answered", period),
        ("prompts proven by digest", f"{card.exact} of {card.examples}"),
        ("answers that decline", card.declines),
        ("answers that models wrote", f"{card.model_share:.0%} (at most {card.model_share_limit:.0%})"),
        ("dropped", card.dropped_examples),
        ("seed of the split", card.seed),
        ("licence", card.licence),
    ]
    lines = [f"# Training data of {card.tenant}", "", f"Written {card.created_at:%Y-%m-%d %H:%M} UTC.", ""]
    lines += _table(("figure", "value"), facts)
    for title, counts in (
        ("Files", card.files),
        ("Contacts of each split", card.splits),
        ("Where the answers come from", card.sources),
        ("Channels", card.channels),
        ("Languages", card.languages),
        ("Models that wrote answers", card.models),
    ):
        if counts:
            lines += ["", f"## {title}", "", *_table(("name", "number"), counts.items())]
    lines += ["", "## Dropped", ""]
    lines += _table(("problem", "examples", "why"), ((each.problem, each.examples, each.why) for each in card.dropped))
    lines += ["", "## Documents that the answers cite", ""]
    documents = ((each.document, each.version, each.location, each.examples) for each in card.documents)
    lines += _table(("document", "version", "location", "examples"), documents)
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    if not cells:
        return ["None."]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells)]
