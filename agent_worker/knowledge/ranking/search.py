"""One search of a tenant's index: the passages for a question, and whether they answer it."""

from __future__ import annotations

from datetime import datetime

from agent_worker.knowledge.answer_threshold import ANSWERABLE_ABOVE
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.confidence import SUGGESTABLE_ABOVE, confidence
from agent_worker.knowledge.ranking.ranker import passage_of, rank
from agent_worker.knowledge.text.analysis import NO_SYNONYMS, Synonyms
from agent_worker.knowledge.vectors.encoder import Encoder
from schemas.messages import Assurance
from schemas.ports import SearchResult

_MAX_QUERY = 8_000
"""Characters of a question; no channel delivers a longer message."""


def search_index(
    index: TenantIndex,
    tenant: str,
    query: str,
    now: datetime,
    encoder: Encoder | None,
    *,
    k: int = 8,
    assurance: Assurance = "anonymous",
    language: str = "",
    above: float = ANSWERABLE_ABOVE,
    own_synonyms: Synonyms = NO_SYNONYMS,
) -> SearchResult:
    """Blocking, so callers run it in a thread. ``above``: confidence from which the documents count as containing an
    answer; ``own_synonyms``: the tenant's."""
    text = query[:_MAX_QUERY]
    result = rank(index, text, now, encoder, k, assurance=assurance, language=language, own_synonyms=own_synonyms)
    score = confidence(result.evidence, index.kind)
    passages = [passage_of(tenant, hit) for hit in result.hits]
    return SearchResult(
        passages,
        bool(passages) and score >= above,
        score,
        index.encoder_name,
        result.vector,
        suggestable=bool(passages) and score >= min(above, SUGGESTABLE_ABOVE[index.kind]),
    )
