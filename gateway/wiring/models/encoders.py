"""The encoder of the vector search, opened from the setting ``encoder``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.knowledge.vectors.multilingual_encoder import find_missing_part as find_missing_multilingual
from agent_worker.knowledge.vectors.onnx_encoder import open_folder
from gateway.config.settings import Config
from infra.deploy import encoder as fetching
from infra.deploy.doctor_finding import Finding
from schemas.errors import ConfigInvalid
from schemas.runtime.optional_dependencies import install_command

if TYPE_CHECKING:
    from agent_worker.knowledge.vectors.encoder import Encoder

OTHER_LANGUAGES_FIND_LITTLE = "questions in other languages than your documents' find little"
log = structlog.get_logger("parley.knowledge")
_DOWNLOAD_HINT = (
    "run `make encoder` in a checkout, or `python -m infra.deploy.encoder` elsewhere, to download it with Maven; "
    "or set `encoder: light` if word vectors are enough"
)


def open_encoder(config: Config) -> Encoder | None:
    """The configured encoder, or None if none is installed: then the search only compares words. Blocking, for some
    hundred milliseconds. Raises ConfigInvalid for a folder that cannot be used."""
    light = light_encoder()
    if config.encoder == "light" or light is None:
        return light
    if config.encoder != "auto":
        return open_folder(Path(config.encoder), light)
    if missing := _find_missing_part():
        log.warning("encoder_light", reason=missing[0], fix=missing[1])
        return light
    return open_folder(fetching.encoder_dir(), light)


def check_encoder(config: Config) -> Finding:
    """The finding for ``parley doctor``."""
    if config.encoder == "auto" and (missing := _find_missing_part()):
        return Finding("encoder", "warn", f"light word vectors, which are less accurate: {missing[0]}", missing[1])
    try:
        encoder = open_encoder(config)
    except ConfigInvalid as error:
        return Finding("encoder", "fail", error.message, error.fix)
    if encoder is None:
        return Finding("encoder", "warn", "none: the search only compares words", "pip install wordllama")
    if lacking := find_missing_languages(config):
        fix = f"run `make encoder` in a checkout, else {install_command('languages')}"
        return Finding("encoder", "warn", f"{encoder.name}; {OTHER_LANGUAGES_FIND_LITTLE} ({lacking})", fix)
    languages = "; questions in other languages find English documents" if encoder.multilingual is not None else ""
    return Finding("encoder", "ok", f"{encoder.name}{languages}")


def find_missing_languages(config: Config) -> str:
    """Return why the sentence encoder that was fetched has no encoder for other languages beside it, or an empty text:
    it has one, or another encoder is in use."""
    return "" if config.encoder != "auto" or _find_missing_part() else find_missing_multilingual(fetching.NAME)


def _find_missing_part() -> tuple[str, str] | None:
    """The missing part of the sentence encoder and how to install it, or None if it is complete."""
    if find_spec("onnxruntime") is None:
        return "the package onnxruntime is not installed", f"{install_command('encoder')}; then {_DOWNLOAD_HINT}"
    return None if fetching.is_present() else (f"no encoder in {fetching.encoder_dir()}", _DOWNLOAD_HINT)
