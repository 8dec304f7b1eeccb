"""The health of a tenant's documents: what contradicts, repeats, expires, is never cited, or links to nothing.

A check runs in one process at a time, under a lease. Its report is the lease's note, so that every process shows it
and a restart keeps it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from agent_worker.knowledge.health.contradictions import Contradiction, ContradictionFinder
from agent_worker.knowledge.health.duplicates import Duplicate, DuplicateFinder
from agent_worker.knowledge.ingest.document_history import list_versions
from gateway.knowledge.broken_links import LinkCheck, LinkCollection
from gateway.knowledge.citations import CitationIndex, Citations
from gateway.storage.background_reports import BackgroundReport, BackgroundReports
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import Document
from schemas.errors import Unavailable
from schemas.ports import Knowledge

Code = Literal[
    "contradictory_figures",
    "duplicate_document",
    "duplicate_passage",
    "expired",
    "expires_soon",
    "broken_link",
    "never_cited",
]
TITLES: dict[Code, str] = {
    "contradictory_figures": "Contradictory figures",
    "duplicate_document": "Duplicate documents",
    "duplicate_passage": "Duplicate passages",
    "expired": "Expired",
    "expires_soon": "Expires soon",
    "broken_link": "Broken links",
    "never_cited": "Never cited",
}
"""The most urgent ones first."""
CODES = tuple(TITLES)
MAX_FINDINGS = 200
"""Findings of one code that a report lists; more are only counted."""
SOON = timedelta(days=14)
MIN_AGE = timedelta(days=30)
"""A document that has not been published for this long may still be cited."""
_PAGE_SIZE = 50
_YIELD_S = 0.001  # reading sentences is plain Python and holds the GIL
_MAX_QUOTE = 400


class HealthModel(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class FindingPlace(HealthModel):
    """A document of a finding, with the sentence that it is about; empty where the whole document is meant."""

    document: str
    title: str
    heading: str = ""
    quote: str = ""


class HealthFinding(HealthModel):
    """``detail`` says what is wrong, ``fix`` what to do."""

    code: Code
    places: list[FindingPlace]
    detail: str
    fix: str


class HealthReport(BackgroundReport):
    """``counts``: by code, including findings that are not listed. ``links_checked`` is None if links were not checked.
    ``cited_since``: when the oldest conversation was active in which citations were counted."""

    seconds: float = 0.0
    documents: int = 0
    findings: list[HealthFinding] = []
    counts: dict[str, int] = {}
    links_checked: int | None = None
    links_unchecked: int = 0
    conversations: int = 0
    cited_since: datetime | None = None


class HealthChecks:
    """Starts checks in the background and reads their reports."""

    def __init__(self, services: ProcessServices, citations: Citations) -> None:
        self._services = services
        self._citations = citations
        self.reports = BackgroundReports(services, "knowledge-health", HealthReport)

    async def read(self, tenant: str) -> HealthReport:
        """The last report, empty before the first check."""
        return await self.reports.read(tenant)

    async def start(self, tenant: str, *, links: bool) -> bool:
        """Start a check, unless one runs already, in this process or another."""
        return await self.reports.start(tenant, partial(self._check, tenant, links=links))

    async def _check(self, tenant: str, *, links: bool) -> HealthReport:
        if self._services.knowledge is None:
            raise Unavailable("this process does not search documents")
        started, now = time.monotonic(), self._services.clock()
        citations = await self._citations.find(tenant)
        collection = LinkCollection() if links else None
        survey = await _survey(self._services.knowledge, tenant, now, collection)
        hosts = self._services.config.tenants[tenant].knowledge.private_hosts
        checked = await collection.check(hosts) if collection is not None else None
        found = await asyncio.to_thread(lambda: [*survey.find(), *survey.find_dated(citations)])
        found += survey.describe_links(checked) if checked is not None else []
        found.sort(key=lambda finding: CODES.index(finding.code))
        counts: dict[str, int] = {code: sum(each.code == code for each in found) for code in CODES}
        return HealthReport(
            finished_at=self._services.clock(),
            seconds=round(time.monotonic() - started, 1),
            documents=len(survey.titles),
            findings=list(_limit(found)),
            counts=counts,
            links_checked=None if checked is None else checked.checked,
            links_unchecked=0 if checked is None else checked.unchecked,
            conversations=citations.coverage.conversations,
            cited_since=citations.coverage.since,
        )


def open_health_checks(app: web.Application, services: ProcessServices, citations: Citations) -> HealthChecks:
    """Checks that end with the application."""
    checks = HealthChecks(services, citations)
    checks.reports.close_with(app)
    return checks


def _format_day(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}"


def _limit(findings: Iterable[HealthFinding]) -> Iterable[HealthFinding]:
    seen: dict[str, int] = {}
    for finding in findings:
        seen[finding.code] = seen.get(finding.code, 0) + 1
        if seen[finding.code] <= MAX_FINDINGS:
            yield finding


async def _survey(knowledge: Knowledge, tenant: str, now: datetime, links: LinkCollection | None) -> DocumentSurvey:
    """Read all documents a few at a time, in a thread."""
    survey, after = DocumentSurvey(now), ""
    while page := await knowledge.list_page(tenant, after, _PAGE_SIZE):
        await asyncio.to_thread(survey.add, page, links)
        after = page[-1].id
    return survey


class DocumentSurvey:
    """Reads a tenant's documents page by page, and keeps only what the checks compare."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.titles: dict[str, str] = {}
        self._dates: dict[str, tuple[datetime, datetime | None]] = {}
        """First publication as far as known, and expiry."""
        self._internal: set[str] = set()
        self._duplicates = DuplicateFinder()
        self._contradictions = ContradictionFinder()

    def add(self, documents: Iterable[Document], links: LinkCollection | None) -> None:
        for document in documents:
            if document.proposal is not None:
                continue
            self.titles[document.id] = document.title
            first = min([document.updated_at, *(version.updated_at for version in list_versions(document))])
            self._dates[document.id] = first, document.expires_at
            if document.visibility == "internal":
                self._internal.add(document.id)
            if document.expires_at is None or document.expires_at > self._now:
                self._add_text(document, links)
            time.sleep(_YIELD_S)

    def _add_text(self, document: Document, links: LinkCollection | None) -> None:
        self._duplicates.add(document)
        self._contradictions.add(document)
        if links is not None:
            links.add(document)

    def find(self) -> list[HealthFinding]:
        """Duplicates and contradictions. Blocking."""
        duplicates, contradictions = self._duplicates.find(), self._contradictions.find()
        copies = {frozenset((each.first.document, each.second.document)) for each in duplicates if each.is_whole}
        return [
            *(self._describe_duplicate(each) for each in duplicates),
            *(
                self._describe_contradiction(each)
                for each in contradictions
                if frozenset((each.first.document, each.second.document)) not in copies
            ),
        ]

    def find_dated(self, citations: CitationIndex) -> list[HealthFinding]:
        """Expired documents, those that expire soon, and those that no answer has cited."""
        found, now = list[HealthFinding](), self._now
        for document, (first, expires_at) in self._dates.items():
            place = [self._build_place(document, "", "")]
            if expires_at is not None and expires_at <= now:
                detail = f"expired on {_format_day(expires_at)}, so nothing finds it"
                fix = "extend its last day if it is still true, or delete it"
                found.append(HealthFinding(code="expired", places=place, detail=detail, fix=fix))
                continue
            if expires_at is not None and expires_at <= now + SOON:
                detail = f"expires on {_format_day(expires_at)}"
                fix = "extend its last day, or write the document that follows it"
                found.append(HealthFinding(code="expires_soon", places=place, detail=detail, fix=fix))
            if self._is_uncited(document, first, citations):
                since = max(first, citations.coverage.since or first)
                detail = f"no answer has cited it since {_format_day(since)}"
                fix = "ask it what customers ask: if nothing finds it, give its sections headings in their words"
                found.append(HealthFinding(code="never_cited", places=place, detail=detail, fix=fix))
        return found

    def _is_uncited(self, document: str, first: datetime, citations: CitationIndex) -> bool:
        is_old = first <= self._now - MIN_AGE and citations.coverage.conversations > 0
        return is_old and document not in self._internal and not citations.of(document).total

    def describe_links(self, checked: LinkCheck) -> list[HealthFinding]:
        return [
            HealthFinding(
                code="broken_link",
                places=[self._build_place(place.document, "", place.line) for place in link.places],
                detail=f"{link.problem}: {link.url}",
                fix="correct the address, or remove the link",
            )
            for link in checked.broken
        ]

    def _build_place(self, document: str, heading: str, quote: str) -> FindingPlace:
        return FindingPlace(document=document, title=self.titles[document], heading=heading, quote=quote[:_MAX_QUOTE])

    def _describe_duplicate(self, found: Duplicate) -> HealthFinding:
        places = [
            FindingPlace(
                document=each.document, title=self.titles[each.document], heading=each.heading, quote=each.opening
            )
            for each in (found.first, found.second)
        ]
        degree = "identical" if found.similarity == 1.0 else f"{found.similarity:.0%} the same"
        if found.is_whole:
            detail, fix = f"the documents are {degree}", "keep one of them, and delete the other"
            return HealthFinding(code="duplicate_document", places=places, detail=detail, fix=fix)
        more = f", and {found.passages - 1} more" if found.passages > 1 else ""
        fix = "keep the passage in one document, and refer to it from the other"
        detail = f"a passage of both documents is {degree}{more}"
        return HealthFinding(code="duplicate_passage", places=places, detail=detail, fix=fix)

    def _describe_contradiction(self, found: Contradiction) -> HealthFinding:
        places = [self._build_place(each.document, each.heading, each.quote) for each in (found.first, found.second)]
        fix = "find out which figure is right, and correct the other document"
        detail = "two documents say the same with different figures"
        return HealthFinding(code="contradictory_figures", places=places, detail=detail, fix=fix)
