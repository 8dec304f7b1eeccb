"""The result of one row of the budget table: the figures of every round, and whether the budget was met."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ValueRange:
    """Median, lowest and highest of some rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> ValueRange:
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g}–{self.high:.3g})"


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0–1) of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(slots=True)
class Row:
    """One line of the table. ``measured`` is what ``budget`` is about, in ``unit``; ``side`` tells on which side of the
    budget it has to be. ``detail``: everything else worth knowing, JSON-ready."""

    name: str
    what: str
    unit: str
    measured: ValueRange
    budget: float | None = None
    side: Literal["at most", "at least"] = "at most"
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """None where there is no budget."""
        if self.budget is None:
            return None
        value = self.measured.median
        return value <= self.budget if self.side == "at most" else value >= self.budget

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}

    def __str__(self) -> str:
        verdict = {None: "", True: "met", False: "MISSED"}[self.met]
        budget = "" if self.budget is None else f"{self.side} {self.budget:.3g}"
        return f"{self.name:28} {self.measured!s:>28} {self.unit:10} {budget:>16}  {verdict}"


ALLOWED_LOSS = 0.15
"""Share by which a figure may be worse than the one it is compared with. The rounds of one run differ by as much."""
RATIOS = frozenset({"requests", "x bare", "x bolt", "x plain", "KB"})
"""Units that say the same on a slower or busier machine. Times and rates do not."""


def find_regressions(rows: Sequence[Row], earlier: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence for each row whose ratio is worse than in an ``earlier`` report, beyond ``ALLOWED_LOSS``."""
    known = {row["name"]: row["measured"]["median"] for row in earlier if row["unit"] in RATIOS}
    found = []
    for row in rows:
        before, now = known.get(row.name), row.measured.median
        if before is not None and row.unit in RATIOS:
            loss = now / before if row.side == "at most" else before / now
            if loss > 1 + ALLOWED_LOSS:
                found.append(f"{row.name}: {now:.3g} {row.unit}, was {before:.3g}, {100 * (loss - 1):.0f} % worse")
    return found
