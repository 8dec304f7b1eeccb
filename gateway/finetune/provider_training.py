"""Training at a provider, over the fine-tuning API of OpenAI, which others offer, too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from pydantic import BaseModel, ConfigDict, ValidationError

from agent_worker.learning.finetune.training_run import Attempt, LossPoint, TrainingRun
from schemas.errors import SetupError, Unavailable

POLL_SECONDS = 10.0
_ENDED = frozenset({"succeeded", "failed", "cancelled"})
_TIMEOUT = aiohttp.ClientTimeout(total=300)
_GONE = frozenset({404, 410})


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


Body = TypeVar("Body", bound=_Reply)


class _File(_Reply):
    id: str


class _JobError(_Reply):
    message: str = ""


class _Job(_Reply):
    id: str
    status: str
    fine_tuned_model: str | None = None
    suffix: str | None = None
    user_provided_suffix: str | None = None
    error: _JobError | None = None

    @property
    def name(self) -> str:
        return self.suffix or self.user_provided_suffix or ""


class _JobList(_Reply):
    data: list[_Job]


class _Metrics(_Reply):
    train_loss: float | None = None
    valid_loss: float | None = None


class _Checkpoint(_Reply):
    step_number: int
    metrics: _Metrics = _Metrics()


class _CheckpointList(_Reply):
    data: list[_Checkpoint]


@dataclass(frozen=True, slots=True)
class ProviderTraining:
    """``base_url`` and ``key``: of the provider. ``folder``: of the run. ``wait``: until the job is looked at again;
    ``report``: what happens, for people."""

    http: aiohttp.ClientSession
    base_url: str
    key: str
    folder: Path
    data: Path
    wait: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(POLL_SECONDS)
    report: Callable[[str], None] = lambda _: None

    async def run(self, run: TrainingRun, first: Attempt) -> TrainingRun:
        """Train until an attempt does not overfit, at most three times; go on where an interrupted run ended. Each step
        is recorded. Raises Unavailable, and SetupError if the provider refuses."""
        if run.model:
            return run
        await self._upload(run)
        while True:
            attempt = run.attempts[-1] if run.attempts and run.attempts[-1].status not in _ENDED else None
            if attempt is None:
                attempt = run.plan_next(first)
                if attempt is None:
                    break
                run.attempts.append(attempt)
                run.save(self.folder)
            await self._train(run, attempt)
        best = run.best_attempt
        if best is None:
            last = run.attempts[-1]
            fix = "train again with another --out, once the cause is gone"
            raise SetupError(f"the training failed: {last.failure or last.status}", fix=fix)
        run.model = best.model
        run.save(self.folder)
        await self._remove_files(run)
        return run

    async def _upload(self, run: TrainingRun) -> None:
        for name in sorted(run.data):
            if name in run.files:
                continue
            content = (self.data / name).read_bytes()
            if not content:
                continue
            form = aiohttp.FormData({"purpose": "fine-tune"})
            form.add_field("file", content, filename=f"{run.id}-{name}", content_type="application/jsonl")
            run.files[name] = (await self._call(_File, "POST", "/files", data=form)).id
            run.save(self.folder)
            self.report(f"uploaded {name}")

    async def _train(self, run: TrainingRun, attempt: Attempt) -> None:
        if not attempt.job:
            job = await self._find_job(run) or await self._create_job(run, attempt)
            attempt.job, attempt.status = job.id, job.status
            run.save(self.folder)
            self.report(f"job {job.id}: learning rate × {attempt.rate:g}, {attempt.epochs} epochs")
        while attempt.status not in _ENDED:
            job = await self._call(_Job, "GET", f"/fine_tuning/jobs/{attempt.job}")
            if job.status in _ENDED:
                attempt.losses = await self._read_losses(attempt.job)
                attempt.model = job.fine_tuned_model or "" if job.status == "succeeded" else ""
                attempt.failure = job.error.message if job.error is not None else ""
                attempt.status = job.status
                run.save(self.folder)
                self.report(f"job {job.id} has {job.status}")
                return
            if job.status != attempt.status:
                attempt.status = job.status
                run.save(self.folder)
            await self.wait()

    async def _find_job(self, run: TrainingRun) -> _Job | None:
        """The job of this attempt, if the process was killed before its id was recorded: nobody pays twice."""
        listed = await self._call(_JobList, "GET", "/fine_tuning/jobs?limit=100")
        return next((job for job in listed.data if job.name == _name_job(run)), None)

    async def _create_job(self, run: TrainingRun, attempt: Attempt) -> _Job:
        parameters = {"n_epochs": attempt.epochs, "learning_rate_multiplier": attempt.rate}
        kind = "supervised" if run.method == "sft" else "dpo"
        body: dict[str, Any] = {
            "model": run.base_model,
            "training_file": run.files[f"{run.method}.train.jsonl"],
            "method": {"type": kind, kind: {"hyperparameters": parameters}},
            "seed": run.seed,
            "suffix": _name_job(run),
        }
        if held_out := run.files.get(f"{run.method}.held-out.jsonl"):
            body["validation_file"] = held_out
        return await self._call(_Job, "POST", "/fine_tuning/jobs", json=body)

    async def _read_losses(self, job: str) -> list[LossPoint]:
        """The losses at the checkpoints; none where the provider has no such list."""
        try:
            listed = await self._call(_CheckpointList, "GET", f"/fine_tuning/jobs/{job}/checkpoints?limit=100")
        except SetupError:
            return []
        points = [
            LossPoint(step=each.step_number, train=each.metrics.train_loss, held_out=each.metrics.valid_loss)
            for each in listed.data
        ]
        return sorted(points, key=lambda each: each.step)

    async def _remove_files(self, run: TrainingRun) -> None:
        """Delete the conversations at the provider, which no longer needs them."""
        for name, id in list(run.files.items()):
            async with self.http.delete(f"{self.base_url}/files/{id}", headers=self._headers) as response:
                if response.status >= 400 and response.status not in _GONE:
                    self.report(f"{name} could not be deleted at the provider: delete the file {id} there")
                    continue
            del run.files[name]
            run.save(self.folder)

    @property
    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    async def _call(self, kind: type[Body], method: str, path: str, **request: Any) -> Body:
        """The reply as this model. Raises SetupError for a refusal, and Unavailable if the provider does not answer."""
        url = f"{self.base_url}{path}"
        try:
            async with self.http.request(method, url, headers=self._headers, timeout=_TIMEOUT, **request) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable("the provider does not answer", fix="run the command again: it goes on") from error
        if response.status >= 500 or response.status == 429:
            raise Unavailable(f"the provider answers {response.status}", fix="run the command again: it goes on")
        if response.status >= 400:
            fix = "check base_url and api_key, and whether the provider can tune this model"
            raise SetupError(f"the provider refuses {method} {path.partition('?')[0]}: {response.status}", fix=fix)
        try:
            return kind.model_validate_json(text)
        except ValidationError as error:
            raise SetupError(f"the provider's reply to {path.partition('?')[0]} is not that of the API") from error


def _name_job(run: TrainingRun) -> str:
    """Unique for each attempt, and short enough for the suffix of a model's name."""
    return f"{run.id}-{len(run.attempts)}"
