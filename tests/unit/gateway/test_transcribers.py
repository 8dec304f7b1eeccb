"""The registry of transcribers: what an operator writes, and what comes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent_worker.transcription.endpoint import TranscriptionEndpoint
from gateway.config import loader
from gateway.config.models import TranscriberEntry
from gateway.config.settings import Config
from gateway.wiring.models.transcription import find_used_transcribers, open_transcriber
from schemas.errors import ConfigInvalid, MissingDependency

ROOT = Path(__file__).resolve().parents[3]
SHOP = "tenants:\n  shop: {name: Shop, transcriber: %s}\n  clinic: {name: Clinic}\n"
REMOTE = "transcribers:\n  remote: {provider: openai, model: whisper-1, base_url: http://127.0.0.1:1/v1%s}\n"


def load(folder: Path, text: str, **environ: str) -> Config:
    file = folder / "parley.yaml"
    file.write_text(text, encoding="utf-8")
    return loader.load(file, environ=environ, make_secrets=False)


def test_nobody_transcribes_unless_a_tenant_says_so(tmp_path: Path) -> None:
    made = load(tmp_path, REMOTE % "" + SHOP % '""')
    assert find_used_transcribers(made) == set()
    assert find_used_transcribers(load(tmp_path, REMOTE % "" + SHOP % "remote")) == {"remote"}


def test_a_model_is_found_beside_the_configuration(tmp_path: Path) -> None:
    made = load(tmp_path, "transcribers:\n  own: {model: models/large}\n" + SHOP % "own")
    assert made.transcribers["own"].model == str(tmp_path / "models" / "large")
    with pytest.raises(ConfigInvalid, match=r"lacks model\.bin"):
        open_transcriber(made.transcribers["own"])


def test_a_key_is_not_shown(tmp_path: Path) -> None:
    made = load(tmp_path, REMOTE % ', api_key: "${KEY}"' + SHOP % "remote", KEY="sk-hidden")
    assert isinstance(open_transcriber(made.transcribers["remote"]), TranscriptionEndpoint)
    assert "sk-hidden" not in repr(made)


def test_a_plug_in_that_is_not_installed_is_named() -> None:
    with pytest.raises(MissingDependency, match="the transcriber vosk is not installed"):
        open_transcriber(TranscriberEntry(provider="vosk"))


PROBLEMS = {
    "a transcriber nobody knows": (
        REMOTE % "" + SHOP % "remot",
        "tenants.shop.transcriber: there is no transcriber 'remot' under `transcribers`; did you mean 'remote'?",
    ),
    "an endpoint without an address": (
        "transcribers:\n  remote: {provider: openai, model: whisper-1}\n" + SHOP % "remote",
        "transcribers.remote: provider openai needs base_url",
    ),
    "an address of this machine": (
        "transcribers:\n  own: {base_url: http://127.0.0.1/v1}\n" + SHOP % "own",
        "provider faster-whisper takes no base_url and api_key; did you mean `provider: openai`?",
    ),
    "the setting of earlier releases": ("transcriber: whisper\n" + SHOP % '""', "transcriber: unknown key"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_mistake_is_explained(tmp_path: Path, case: str) -> None:
    text, expected = PROBLEMS[case]
    with pytest.raises(ConfigInvalid) as raised:
        load(tmp_path, text)
    assert expected in raised.value.message


def test_every_setting_is_explained_on_its_page() -> None:
    page = (ROOT / "docs" / "how-to" / "voice-notes-and-pictures.md").read_text()
    assert [name for name in TranscriberEntry.model_fields if not re.search(rf"`{name}`", page)] == []


def test_the_examples_on_the_page_are_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "voice-notes-and-pictures.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 3
    for block in blocks:
        made = load(tmp_path, block, OPENAI_API_KEY="a", ANTHROPIC_API_KEY="b")
        assert made.tenants
