"""The metrics page of a running process, as Prometheus reads it."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tests.harness.contract_client import ContractClient


@dataclass(frozen=True)
class Page:
    """Samples by name and labels; histograms appear as ``…_count``, ``…_sum`` and ``…_bucket``."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples with these labels; 0 when there is none."""
        wanted = labels.items()
        return sum(value for (known, has), value in self.samples.items() if known == name and wanted <= has)

    def labels(self, name: str, label: str) -> set[str]:
        return {dict(has)[label] for known, has in self.samples if known == name}


async def scrape(shop: ContractClient, role: str) -> Page:
    """``role`` is edge, worker or connectors; embedded, one process is all of them."""
    port = shop.installation.port(role if shop.installation.scaled else "dev")
    async with shop.http.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.status == 200
        return page_of(await answer.text())


def page_of(text: str) -> Page:
    families = text_string_to_metric_families(text)
    return Page({(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples})
