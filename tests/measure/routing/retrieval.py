"""Retrieval on stackfaq by the agent's own index: nDCG@10 of each answer as a document under its thread's question."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.ranker import rank
from agent_worker.knowledge.ranking.training_sets import NOW, Thread, thread_documents
from tests.bench.figures import quantile
from tests.measure.retrieval_speed import prepare_document, vocabulary
from tests.measure.routing.encoding import CachingEncoder
from tests.measure.routing.figures import format_interval, gain, interval

_PASSAGES = 10_000
_IN_DOCUMENT = 20
Rows = list[tuple[str, str]]


def stackfaq(threads: Sequence[Thread], encoder: CachingEncoder) -> Rows:
    with tempfile.TemporaryDirectory() as folder:
        index = TenantIndex(Path(folder) / "tenant", encoder.inner)
        begun = time.perf_counter()
        index.apply([index.prepare(document, "1") for document in thread_documents(threads)])
        indexed = time.perf_counter() - begun
        gains, spent = _asked(index, threads, encoder)
        index.close()
    halves = np.array([thread.is_quoted for thread in threads for _ in thread.paraphrases])
    quoted = np.array(gains)[halves]
    return [
        (
            "nDCG@10, half that is quoted",
            format_interval(quoted.mean(), *interval(lambda each: float(each.mean()), quoted)),
        ),
        ("nDCG@10, other half", f"{np.array(gains)[~halves].mean():.4f}"),
        ("answers indexed in", f"{indexed:.1f} s"),
        ("query p50, p95", f"{quantile(spent, 0.5):.1f} ms, {quantile(spent, 0.95):.1f} ms"),
    ]


def _asked(index: TenantIndex, threads: Sequence[Thread], encoder: CachingEncoder) -> tuple[list[float], list[float]]:
    """The gain of each question, and what it took in milliseconds. First use loads: one question beforehand."""
    rank(index, threads[0].question, NOW, encoder.inner)
    gains, spent = [], []
    for number, thread in enumerate(threads):
        for text in thread.paraphrases:
            begun = time.perf_counter()
            hits = rank(index, text, NOW, encoder.inner).hits
            spent.append((time.perf_counter() - begun) * 1000)
            order = list(dict.fromkeys(hit.document for hit in hits))
            right = [document.split("-")[0] == str(number) for document in order]
            gains.append(gain(right, len(thread.answers)))
    return gains, spent


def memory(encoder: CachingEncoder) -> Rows:
    """Of made-up passages of 25 words in documents of 20: what the process grew by."""
    words = vocabulary()
    with tempfile.TemporaryDirectory() as folder:
        index = TenantIndex(Path(folder) / "tenant", encoder.inner)
        index.apply([prepare_document(index, "first", words)])
        before = _resident()
        for begin in range(0, _PASSAGES // _IN_DOCUMENT, 100):
            index.apply([prepare_document(index, f"d{number}", words) for number in range(begin, begin + 100)])
        grown = _resident() - before
        disk = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        index.close()
    return [("10,000 passages in memory, on disk", f"{grown / 2**20:.0f} MiB, {disk / 2**20:.0f} MiB")]


def _resident() -> int:
    """Bytes, once what is free was given back: what a worker holds that has long read its documents."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * 4096
