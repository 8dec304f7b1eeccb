"""`make finetune-demo`: a small real model is tuned on a log of the example shop, compared, promoted, and asked.

Everything goes through the commands of Parley. ``--python``: the interpreter of the environment with torch and
llama.cpp. The log is recorded once, and an interrupted training goes on."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from examples.plantstore.month.traffic import ShopTraffic
from infra.deploy.process import free_port
from tests.finetune.demo import measurement, recording
from tests.finetune.demo.recording import CLOSING, FAR_AWAY, HELD_OUT_DOCUMENTS, SHOP, ShopQuestion

BASE, TUNED = "smollm2", "smollm2-plantstore"
TOKEN = "demo-admin-token-of-32-characters"
CASES = 12
EPOCHS, RATE, RANK = 1, 1e-3, 16
REHEARSED = Path(__file__).with_name("rehearsed_prompts.txt")
"""Prompts that the adapter is to answer as its base does. None of the general questions is among them."""
START_S = 600
UNLIMITED = {
    "inbound_per_s": 100_000,
    "address_share": 1,
    "waiting_per_address": 1_000_000,
    "sockets_per_visitor": 10_000,
    "sockets_per_address": 10_000,
}
KEPT = (
    ("hello", "Hello"),
    ("thank you", "welcome"),
    ("Are you there?", "here"),
)
"""What the shop's agent can do before, as messages and a word of the answer."""


@dataclass(frozen=True)
class TuningTrial:
    """``folder``: of everything that the demo writes; ``python``: the interpreter that has torch and llama.cpp."""

    folder: Path
    python: Path
    threads: int

    @property
    def shop(self) -> Path:
        return self.folder / "shop"

    def parley(self, *words: str, environment: str = ".venv/bin") -> None:
        """Run a command in the shop's folder."""
        print("$ parley", *words, flush=True)
        program = Path(environment).resolve() / "parley"
        subprocess.run(["nice", "-n", "15", program, *words], cwd=self.shop, check=True, env=self._environment())

    def python_step(self, module: str, *words: str | Path) -> None:
        subprocess.run([self.python, "-m", module, *words], check=True, env=self._environment())

    def _environment(self) -> dict[str, str]:
        own = {"OMP_NUM_THREADS": str(self.threads), "PARLEY_MODEL": "local"}
        return {name: value for name, value in os.environ.items() if not name.startswith("PARLEY")} | own

    @contextmanager
    def serving(self, command: Sequence[str | Path], port: int, path: str, cwd: Path) -> Iterator[str]:
        """The address of a server, while it runs."""
        url = f"http://127.0.0.1:{port}"
        with (self.folder / f"{port}.log").open("wb") as log:
            environment = self._environment() | {"PARLEY_PORT": str(port)}
            server = subprocess.Popen(list(command), cwd=cwd, env=environment, stdout=log, stderr=log)
        try:
            until = time.monotonic() + START_S
            while not _answers(url + path):
                if server.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"{command[0]} did not start: see {log.name}")
                time.sleep(0.2)
            yield url
        finally:
            server.terminate()
            server.wait(30)

    @contextmanager
    def serving_shop(self) -> Iterator[str]:
        with self.serving([Path(".venv/bin/parley").resolve(), "dev"], free_port(), "/readyz", self.shop) as url:
            yield url

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def write_shop(self, model_url: str, model: str) -> None:
        """The configuration of the shop. ``model`` answers."""
        remote = {"provider": "openai", "base_url": f"{model_url}/v1", "model": BASE, "timeout": 600}
        # A small context: the model reads few tokens a second here. There is room for two or three passages.
        remote |= {"first_token": 600, "context": 2000, "max_output": 1000}
        tenant = {
            "name": "Nepenthes & Co",
            "model": model,
            "channels": {"web": {"main": {"messages_per_minute": 100_000}}},
            "fold": {"web": 0.05, "others": 0.05},
            # All customers come from one address here.
            "limits": UNLIMITED,
            "voice": {"name": "Pitcher", "locale": "en"},
            "budgets": {"turn_seconds": 600},
            "knowledge": {"paths": ["knowledge"]},
        }
        secrets = {"secret_key": "demo-secret-key-of-32-characters!!", "admin_token": TOKEN}
        config = {**secrets, "models": {"smol": remote}, "tenants": {"plantstore": tenant}}
        (self.shop / "parley.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def copy_documents(self, *, held_out: bool) -> None:
        (self.shop / "knowledge").mkdir(parents=True, exist_ok=True)
        for path in (SHOP / "knowledge").iterdir():
            if held_out or path.stem not in HELD_OUT_DOCUMENTS:
                shutil.copy(path, self.shop / "knowledge")

    def record(self) -> None:
        """A month of questions about the documents for training, answered by the shop and by colleagues."""
        self.copy_documents(held_out=False)
        self.write_shop("http://127.0.0.1:9", "local")
        answered = recording.read_questions("questions", "calibration") + recording.read_headings()
        questions = recording.select_training(answered) + recording.read_far_away()
        with self.serving_shop() as url:
            answers = asyncio.run(_play(url, questions))
        print(f"{len(questions)} conversations, {answers} answers of colleagues", flush=True)
        # The rows are requests as this model would get them.
        self.write_shop("http://127.0.0.1:9", "smol")
        self.parley("finetune", "data", "--since", "", "--model-share", "0", "--out", "../data")

    def train(self) -> Path:
        """The adapter of the best checkpoint."""
        if not (self.folder / "base" / "config.json").exists():
            self.python_step("tests.finetune.demo.model_files", "base", self.folder / "base")
        options = ["--epochs", str(EPOCHS), "--rate", str(RATE), "--rank", str(RANK), "--out", "../run"]
        options += ["--rehearse", str(REHEARSED)]
        words = ("finetune", "train", "../data", "--base", "../base", *options)
        self.parley(*words, environment=str(self.python.parent))
        model: str = json.loads((self.folder / "run" / "run.json").read_bytes())["model"]
        return self.folder / "run" / model

    def compare(self, model_url: str) -> None:
        """The questions about documents that no colleague ever wrote about, before and after."""
        self.copy_documents(held_out=True)
        self.write_shop(model_url, "local")
        with self.serving_shop() as url:
            questions = asyncio.run(_select_cases(url))
        cases = [
            {"name": f"case {n}", "message": each.text, "expect": {"cites": [*each.documents], "closing": CLOSING}}
            for n, each in enumerate(questions, 1)
        ]
        (self.shop / "evals.yaml").write_text(yaml.safe_dump({"cases": cases}))
        kept = [{"name": text, "message": text, "expect": {"contains": word}} for text, word in KEPT]
        declined = [{"name": text, "message": text, "expect": {"declines": True}} for text in FAR_AWAY]
        (self.shop / "forgetting.yaml").write_text(yaml.safe_dump({"cases": kept + declined}))
        self.write_shop(model_url, "smol")
        words = (
            "finetune",
            "evaluate",
            TUNED,
            "--base",
            "smol",
            "--offline",
            "--jobs",
            "2",
            "--out",
            "../evaluation.json",
        )
        self.parley(*words)

    def answer(self) -> None:
        """Promote the adapter, and ask the shop, which answers with it."""
        self.parley("finetune", "promote", "../evaluation.json", "--share", "1")
        question = yaml.safe_load((self.shop / "evals.yaml").read_text())["cases"][0]["message"]
        with self.serving_shop() as url:
            self.parley("chat", "--url", url, "--wait", "600", "-m", question)


async def _play(url: str, questions: Sequence[ShopQuestion]) -> int:
    async with aiohttp.ClientSession() as http:
        return await recording.record(ShopTraffic(http, url, TOKEN), questions, partial(_search, http, url))


async def _search(http: aiohttp.ClientSession, url: str, text: str) -> list[dict[str, Any]]:
    """The first two passages."""
    query, headers = {"query": text, "k": 2}, {"Authorization": f"Bearer {TOKEN}"}
    async with http.post(f"{url}/v1/admin/plantstore/knowledge/search", json=query, headers=headers) as answer:
        answer.raise_for_status()
        passages: list[dict[str, Any]] = (await answer.json())["passages"]
    return passages


async def _select_cases(url: str) -> list[ShopQuestion]:
    """Questions of which the document is among the first two passages found, at most two of one document. What a model
    writes to them plays no part."""
    found: list[ShopQuestion] = []
    async with aiohttp.ClientSession() as http:
        for each in recording.select_held_out(recording.read_questions("unseen", "questions", "calibration")):
            passages = await _search(http, url, each.text)
            known = sum(bool(other.documents & each.documents) for other in found)
            if (
                len(each.documents) == 1
                and known < 2
                and any(passage["document"] in each.documents for passage in passages)
            ):
                found.append(each)
    return found[:CASES]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".cache/finetune-demo"))
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    demo = TuningTrial(options.folder.resolve(), options.python.absolute(), options.threads)
    if not (demo.folder / "data" / "data-card.json").exists():
        demo.record()
    adapter = demo.train()
    demo.python_step(
        "tests.finetune.demo.model_files", "adapter", adapter, demo.folder / "base", demo.folder / "adapter.gguf"
    )
    port, log = free_port(), demo.folder / "requests.jsonl"
    log.unlink(missing_ok=True)
    options_of_server: list[str | Path] = ["--adapter", demo.folder / "adapter.gguf", "--port", str(port), "--log", log]
    command = [
        demo.python,
        "-m",
        "tests.finetune.demo.model_server",
        "--threads",
        str(demo.threads),
        *options_of_server,
    ]
    with demo.serving(command, port, "/v1/models", Path.cwd()) as url:
        demo.compare(url)
        report: dict[str, Any] = measurement.measure_answers(log, demo.shop / "evals.yaml", demo.shop / "knowledge")
        report["general questions"] = measurement.ask_general_questions(url, (BASE, TUNED))
        (demo.folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
        print(json.dumps(report, indent=2), flush=True)
        try:
            demo.answer()
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"the demo ends here: `parley {error.cmd[4]} {error.cmd[5]}` says why above") from None


if __name__ == "__main__":
    main()
