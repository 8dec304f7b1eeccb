"""Which encoder searches the documents: the setting ``encoder``, and what of it this machine has."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway.settings import Config
from infra.deploy import encoder as fetching
from infra.deploy.finding import Finding

if TYPE_CHECKING:
    from agent_worker.knowledge.encoder import Encoder

log = structlog.get_logger("parley.knowledge")
_FIX = "`make encoder` fetches it (with Maven), or set `encoder: light` if word vectors are enough"


def open_encoder(config: Config) -> Encoder | None:
    """Blocking, a few hundred milliseconds. None when nothing is installed: words alone are searched then. Raises
    ConfigInvalid for a folder that was named and cannot be used."""
    from agent_worker.knowledge.encoder import light_encoder
    from agent_worker.knowledge.onnx import open_folder

    light = light_encoder()
    if config.encoder == "light" or light is None:
        return light
    if config.encoder != "auto":
        return open_folder(Path(config.encoder), light)
    if reason := _missing():
        log.info("encoder_light", reason=reason, fix=_FIX)
        return light
    return open_folder(fetching.place(), light)


def finding(config: Config) -> Finding:
    """For ``parley doctor``."""
    from schemas.errors import ConfigInvalid

    if config.encoder == "auto" and (reason := _missing()):
        return Finding("encoder", "warn", f"light word vectors, less exact: {reason}", _FIX)
    try:
        opened = open_encoder(config)
    except ConfigInvalid as error:
        return Finding("encoder", "fail", error.message, error.fix)
    if opened is None:
        return Finding("encoder", "warn", "none: words alone are searched", "pip install wordllama")
    return Finding("encoder", "ok", opened.name)


def _missing() -> str:
    """What the sentence encoder lacks; empty when nothing."""
    if find_spec("onnxruntime") is None:
        return "the package onnxruntime is not installed (the extra `encoder`)"
    return "" if fetching.present() else f"no encoder in {fetching.place()}"
