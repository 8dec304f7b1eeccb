"""A base model that may not be trained, or whose adapters could not be served, is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent_worker.learning.finetune.example_filters import filter_examples
from agent_worker.learning.finetune.model_folder import read_base_model, read_licence
from agent_worker.learning.finetune.training_files import FileOptions, write_training_files
from gateway.cli import app
from schemas.errors import MissingDependency, SetupError
from tests.unit.finetune.test_filters import NOW, example
from tests.unit.gateway.evals.eval_shop import CONFIG, install

LLAMA: dict[str, Any] = {"architectures": ["LlamaForCausalLM"]}


def write_model(folder: Path, config: dict[str, Any] | None = None, licence: str = "apache-2.0") -> Path:
    (folder / "config.json").write_text(json.dumps(LLAMA if config is None else config))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\n# Model\n" if licence else "# Model\n")
    return folder


def test_a_model_that_may_be_trained_and_served(tmp_path: Path) -> None:
    found = read_base_model(write_model(tmp_path))
    assert (found.architecture, found.licence) == ("LlamaForCausalLM", "apache-2.0")


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM, whose adapters cannot be served"),
        ({}, "unknown architecture"),
        (LLAMA | {"quantization_config": {"bits": 4}}, "quantized"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, config: dict[str, Any], problem: str) -> None:
    with pytest.raises(SetupError, match=problem):
        read_base_model(write_model(tmp_path, config))


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("config.json", "no config.json"),
        ("tokenizer_config.json", "no chat template"),
        ("model.safetensors", "no weights"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, file: str, problem: str) -> None:
    write_model(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(SetupError, match=problem):
        read_base_model(tmp_path)


@pytest.mark.parametrize("licence", ["cc-by-nc-4.0", "llama3.1", ""])
def test_a_licence_that_may_forbid_it_must_be_accepted_by_name(tmp_path: Path, licence: str) -> None:
    write_model(tmp_path, licence=licence)
    with pytest.raises(SetupError, match=f"may forbid it: {licence or 'none is named'}"):
        read_base_model(tmp_path)
    with pytest.raises(SetupError):
        read_base_model(tmp_path, "mit")
    if licence:
        assert read_base_model(tmp_path, licence.upper()).licence == licence


def test_the_licence_file_counts_where_the_card_names_none(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("Apache License\nVersion 2.0, January 2004")
    assert read_licence(tmp_path) == "apache-2.0"


def test_training_here_without_its_libraries_says_how_to_install_them(tmp_path: Path) -> None:
    (folder := tmp_path / "model").mkdir()
    (shop := tmp_path / "shop").mkdir()
    file = install(shop)
    file.write_text(CONFIG)
    examples = [example(f"{n}", f"Question q{n}?", f"Answer a{n} [1].") for n in range(20)]
    write_training_files(tmp_path / "data", filter_examples(examples), FileOptions(tenant="shop"), NOW)
    words = ["finetune", "train", str(tmp_path / "data"), "--base", str(write_model(folder)), "--config", str(file)]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "run")])
    assert isinstance(result.exception, MissingDependency)
    assert "pip install" in result.exception.fix
    assert "torch" in result.exception.fix
    refused = CliRunner().invoke(app, [*words, "--method", "dpo", "--out", str(tmp_path / "other")])
    assert "learns answers only" in str(refused.exception)
    (prompts := tmp_path / "prompts.txt").write_text("What is the capital of Norway?\n\nWhy is the sea salty?\n")
    refused = CliRunner().invoke(app, [*words, "--rehearse", str(prompts), "--out", str(tmp_path / "third")])
    assert "prompts.txt has 2 prompts" in str(refused.exception)
    prompts.write_bytes(b"\xff\xfe" * 40)
    refused = CliRunner().invoke(app, [*words, "--rehearse", str(prompts), "--out", str(tmp_path / "third")])
    assert "not UTF-8" in str(refused.exception)
    assert not (tmp_path / "third").exists(), "nothing was begun"
