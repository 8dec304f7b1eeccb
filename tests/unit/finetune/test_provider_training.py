"""Training at a provider: retries when it overfits, goes on after a kill, leaves no data behind, and records all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree

import aiohttp
import pytest
from typer.testing import CliRunner

from agent_worker.learning.finetune.example_filters import filter_examples
from agent_worker.learning.finetune.training_files import FileOptions, write_training_files
from agent_worker.learning.finetune.training_run import (
    Attempt,
    LossPoint,
    TrainingRun,
    digest_files,
    list_versions,
    open_run,
)
from gateway.cli import app
from gateway.finetune.loss_plot import draw_losses
from gateway.finetune.provider_training import ProviderTraining
from schemas.errors import InvalidRequest, SetupError
from tests.simulators.finetune_server import FinetuneServer
from tests.unit.finetune.test_filters import NOW, example
from tests.unit.gateway.evals.eval_shop import CONFIG, install

FIRST = Attempt(rate=1.0, epochs=4)


@pytest.fixture
async def server() -> AsyncIterator[FinetuneServer]:
    async with FinetuneServer().serving() as opened:
        yield opened


@pytest.fixture
def data(tmp_path: Path) -> Path:
    examples = [example(f"{n}", f"Question q{n}?", f"Answer a{n} [1].", rejected=f"No r{n}.") for n in range(40)]
    write_training_files(tmp_path / "data", filter_examples(examples), FileOptions(tenant="shop", held_out=0.3), NOW)
    return tmp_path / "data"


def begin(folder: Path, **more: object) -> TrainingRun:
    digests = digest_files([folder / "sft.train.jsonl", folder / "sft.held-out.jsonl"])
    run = TrainingRun(
        id="shop-1", tenant="shop", base="base", base_model="small", method="sft", seed=7, data=digests,
        versions=list_versions(),
    )  # fmt: skip
    return run.model_copy(update=more)


async def train(server: FinetuneServer, data: Path, folder: Path, key: str = "sk-tune") -> TrainingRun:
    async def look_at_once() -> None:
        await asyncio.sleep(0)

    async with aiohttp.ClientSession() as http:
        hosted = ProviderTraining(http, server.base_url, key, folder, data, look_at_once)
        return await hosted.run(open_run(folder, begin(data)), FIRST)


async def test_a_model_is_trained_and_the_conversations_are_deleted_at_the_provider(
    server: FinetuneServer, data: Path, tmp_path: Path
) -> None:
    done = await train(server, data, tmp_path / "run")
    (job,) = server.jobs
    assert done.model == "ft:small:shop-1-1"
    assert (job["model"], job["seed"], job["method"]["type"]) == ("small", 7, "supervised")
    assert job["method"]["supervised"]["hyperparameters"] == {"n_epochs": 4, "learning_rate_multiplier": 1.0}
    assert job["validation_file"] != job["training_file"]
    assert server.files == {}
    assert [each.held_out for each in done.attempts[0].losses] == [2.0, 1.0, 0.8]
    recorded = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (recorded["model"], recorded["seed"]) == (done.model, 7)
    assert "python" in recorded["versions"]


async def test_overfitting_is_retried_twice_and_the_best_attempt_counts(
    server: FinetuneServer, data: Path, tmp_path: Path
) -> None:
    server.losses = [[1.0, 1.2, 1.5], [0.9, 1.0, 1.1], [0.95, 1.0, 1.2]]
    done = await train(server, data, tmp_path / "run")
    tried = [(each.rate, each.epochs) for each in done.attempts]
    assert tried == [(1.0, 4), (0.5, 4), (0.25, 2)]
    assert done.model == done.attempts[1].model == "ft:small:shop-1-2"


async def test_a_loss_that_falls_first_is_no_overfitting(server: FinetuneServer, data: Path, tmp_path: Path) -> None:
    server.losses = [[2.0, 1.0, 1.3]]
    assert len((await train(server, data, tmp_path / "run")).attempts) == 1


@pytest.mark.parametrize("moment", ["created", "running"])
async def test_an_interrupted_run_goes_on_and_nobody_pays_twice(
    server: FinetuneServer, data: Path, tmp_path: Path, moment: str
) -> None:
    """The process is gone before it knows the job's id, or while the job runs."""
    server.hold_creation, server.looks = moment == "created", 10**9
    running = asyncio.create_task(train(server, data, tmp_path / "run"))
    await server.created.wait()
    if moment == "running":
        await server.looked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    server.hold_creation, server.looks = False, 1
    done = await train(server, data, tmp_path / "run")
    assert len(server.jobs) == 1
    assert len(server.uploaded) == 2
    assert done.model == "ft:small:shop-1-1"
    assert await train(server, data, tmp_path / "run") == done, "a finished run is not run again"
    assert len(server.jobs) == 1


async def test_refusals_and_failures_say_why(server: FinetuneServer, data: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="refuses POST /files: 401"):
        await train(server, data, tmp_path / "wrong-key", key="sk-other")
    server.failure = "the file has too few examples"
    with pytest.raises(SetupError, match="too few examples"):
        await train(server, data, tmp_path / "run")


@pytest.mark.parametrize("change", [{"seed": 8}, {"base_model": "large"}, {"data": {}}])
def test_a_folder_keeps_one_run(data: Path, tmp_path: Path, change: dict[str, object]) -> None:
    assert open_run(tmp_path / "run", begin(data)) == open_run(tmp_path / "run", begin(data))
    with pytest.raises(InvalidRequest, match=next(iter(change))):
        open_run(tmp_path / "run", begin(data, **change))


def test_the_plot_shows_both_losses_and_the_lowest_point() -> None:
    losses = [LossPoint(step=n, train=2.0 - n / 10, held_out=2.0 - n / 20) for n in range(1, 6)]
    picture = ElementTree.fromstring(draw_losses([Attempt(rate=1, epochs=1, losses=losses)]))
    lines = [each.attrib["points"] for each in picture.iter("{http://www.w3.org/2000/svg}polyline")]
    assert [len(line.split()) for line in lines] == [5, 5]
    assert "1.750 at step 5" in "".join(picture.itertext())
    assert "not known" in draw_losses([Attempt(rate=1, epochs=1)])


@pytest.mark.parametrize(
    ("models", "problem"),
    [
        ("base: {provider: anthropic, model: m, api_key: k}", "cannot be trained here"),
        ("other: {provider: openai, model: m, base_url: 'http://127.0.0.1:9/v1'}", "no model 'base'"),
    ],
)
def test_a_base_that_cannot_be_served_is_refused(tmp_path: Path, data: Path, models: str, problem: str) -> None:
    file = install(tmp_path)
    file.write_text(f"{CONFIG}models: {{{models}}}\n")
    result = CliRunner().invoke(app, ["finetune", "train", str(data), "--base", "base", "--config", str(file)])
    assert result.exit_code != 0
    assert problem in str(result.exception or result.output)


def test_a_provider_cannot_rehearse(tmp_path: Path, data: Path) -> None:
    file = install(tmp_path)
    file.write_text(f"{CONFIG}models: {{base: {{provider: openai, model: m, base_url: 'http://127.0.0.1:9/v1'}}}}\n")
    (prompts := tmp_path / "prompts.txt").write_text("Why is the sea salty?\n" * 40)
    words = ["finetune", "train", str(data), "--base", "base", "--rehearse", str(prompts), "--config", str(file)]
    result = CliRunner().invoke(app, words)
    assert "cannot rehearse" in str(result.exception)
