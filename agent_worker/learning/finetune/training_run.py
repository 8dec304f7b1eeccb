"""The record of a training run: what was done, with which data, seeds and versions, and the losses. It is enough to go
on after the process was killed."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from schemas.errors import InvalidRequest

RECORD = "run.json"
MAX_ATTEMPTS = 3
"""The first one, and two retries if it overfits."""
_RISE = 1.02
"""A held-out loss that is this much above its lowest value rises, whatever the noise."""
_PACKAGES = ("parley-gateway", "torch", "transformers", "trl", "peft")
Method = Literal["sft", "dpo"]


class LossPoint(BaseModel):
    """The losses at a step. None: not measured there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int
    train: float | None = None
    held_out: float | None = None


class Attempt(BaseModel):
    """One training. ``rate``: the learning rate, at a provider as a factor of its own; ``rank``: of the adapter, 0
    where the provider chooses it. ``job``: at the provider. ``model``: the name of what came out of it."""

    model_config = ConfigDict(extra="forbid")

    rate: float
    epochs: int
    rank: int = 0
    job: str = ""
    status: str = ""
    model: str = ""
    losses: list[LossPoint] = []
    failure: str = ""

    @property
    def best_point(self) -> LossPoint | None:
        """The point with the lowest held-out loss."""
        measured = [each for each in self.losses if each.held_out is not None]
        return min(measured, key=lambda each: each.held_out or 0.0, default=None)

    @property
    def overfits(self) -> bool:
        """True if the held-out loss rose from the start on: then nothing was learned that holds for others."""
        measured = [each.held_out for each in self.losses if each.held_out is not None]
        return len(measured) > 1 and min(measured) == measured[0] and measured[-1] > measured[0] * _RISE


class TrainingRun(BaseModel):
    """``id``: of the run, under which a provider knows it. ``base``: the entry of the registry or the folder of the
    model. ``data``: digests of the files. ``files``: file → its id at the provider."""

    model_config = ConfigDict(extra="forbid")

    id: str
    tenant: str
    base: str
    base_model: str
    method: Method
    seed: int
    licence: str = ""
    data: dict[str, str]
    versions: dict[str, str]
    files: dict[str, str] = {}
    attempts: list[Attempt] = []
    model: str = ""

    def save(self, folder: Path) -> None:
        """Replace the record at once, so that a kill leaves the one before or this one."""
        temporary = folder / f"{RECORD}.tmp"
        temporary.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, folder / RECORD)

    @property
    def best_attempt(self) -> Attempt | None:
        """The finished attempt with the lowest held-out loss. Where nothing was measured, the last one."""
        done = [each for each in self.attempts if each.model]
        measured = [each for each in done if each.best_point is not None]
        return min(measured, key=_lowest_loss) if measured else done[-1] if done else None

    def plan_next(self, first: Attempt) -> Attempt | None:
        """The next attempt: after overfitting with half the learning rate, then with a quarter of the rank, too; where
        the provider chooses the rank, with fewer epochs. None if no other one is worth it."""
        if not self.attempts:
            return first.model_copy(deep=True)
        last = self.attempts[-1]
        if len(self.attempts) >= MAX_ATTEMPTS or not last.overfits:
            return None
        if len(self.attempts) == 1:
            return Attempt(rate=last.rate / 2, epochs=last.epochs, rank=last.rank)
        return Attempt(rate=last.rate / 2, epochs=max(1, last.epochs // 2), rank=last.rank and max(2, last.rank // 4))


def _lowest_loss(attempt: Attempt) -> float:
    best = attempt.best_point
    return float("inf") if best is None or best.held_out is None else best.held_out


def open_run(folder: Path, begun: TrainingRun) -> TrainingRun:
    """The run that was interrupted in this folder, or the one that begins. Raises InvalidRequest if the folder has
    another one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RECORD
    if not path.exists():
        begun.save(folder)
        return begun
    try:
        known = TrainingRun.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise InvalidRequest(f"{path} is no record of a training", fix="name another folder with --out") from error
    fixed = ("tenant", "base_model", "method", "seed", "data")
    changed = [name for name in fixed if getattr(known, name) != getattr(begun, name)]
    if changed:
        raise InvalidRequest(
            f"{folder} has a run with another {', '.join(changed)}", fix="name another folder with --out"
        )
    return known


def digest_files(paths: Sequence[Path]) -> dict[str, str]:
    """File name → digest of its content."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def list_versions() -> dict[str, str]:
    """The versions that the result depends on, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
