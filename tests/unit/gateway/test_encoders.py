"""The setting ``encoder``: which one is opened, and what ``doctor`` says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gateway.config import loader as configuration
from gateway.config.settings import Config
from gateway.wiring.models import encoders
from infra.deploy import encoder as fetching
from schemas.errors import ConfigInvalid


def load_config(folder: Path, encoder: str | None) -> Config:
    raw = {"tenants": {"shop": {"name": "Shop"}}} | ({"encoder": encoder} if encoder is not None else {})
    (folder / "parley.yaml").write_text(yaml.safe_dump(raw))
    return configuration.load(folder / "parley.yaml", environ={}, make_secrets=False)


def test_auto_takes_the_sentence_encoder_that_is_there(tmp_path: Path) -> None:
    """Without a setting the fetched encoder is used, and ``doctor`` names it and what is beside it."""
    fetching.fetch()
    config = load_config(tmp_path, None)
    opened = encoders.open_encoder(config)
    assert opened is not None
    assert (config.encoder, opened.kind) == ("auto", "strong")
    found = encoders.check_encoder(config)
    assert opened.multilingual is not None, "the development tools include it"
    assert (found.status, found.detail) == ("ok", f"{opened.name}; questions in other languages find English documents")


def test_auto_falls_back_and_says_how_to_get_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it was not fetched, word vectors serve; that is a warning with a way out, not a failure."""
    monkeypatch.setenv("PARLEY_ENCODER", str(tmp_path / "nothing"))
    config = load_config(tmp_path, "auto")
    opened = encoders.open_encoder(config)
    assert opened is not None
    assert opened.kind == "light"
    found = encoders.check_encoder(config)
    assert found.status == "warn"
    assert "make encoder" in found.fix


def test_light_is_light_whatever_is_there(tmp_path: Path) -> None:
    """Who asks for word vectors gets them, without a warning."""
    config = load_config(tmp_path, "light")
    opened = encoders.open_encoder(config)
    assert opened is not None
    assert (opened.kind, encoders.check_encoder(config).status) == ("light", "ok")


def test_folder_is_named_relative_to_the_file(tmp_path: Path) -> None:
    """A folder of one's own is used under its own name; one that holds none is refused, not replaced in silence."""
    fetched = fetching.fetch()
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("model.onnx", "tokenizer.json"):
        (mine / name).symlink_to(fetched / name)
    (mine / "encoder.json").write_text(json.dumps({"name": "my-own", "pooling": "mean", "max_tokens": 128}))
    opened = encoders.open_encoder(load_config(tmp_path, "mine"))
    assert opened is not None
    assert opened.name.startswith("my-own+")
    config = load_config(tmp_path, "elsewhere")
    assert config.encoder == str(tmp_path / "elsewhere")
    with pytest.raises(ConfigInvalid):
        encoders.open_encoder(config)
    assert encoders.check_encoder(config).status == "fail"
