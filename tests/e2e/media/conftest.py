"""An installation with an account at every vendor. Its tenant has a transcriber, and a model that looks at pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness.processes import ForkServer
from tests.scenarios.scenario_installation import KINDS, ScenarioInstallation, ScenarioSettings, stage_of
from tests.simulators.models.server import ModelServer
from tests.simulators.models.transcription_server import KEY, TranscriptionServer

RECORDINGS = Path(__file__).resolve().parents[2] / "speech"
HEAT = "Do you add a heat pack in winter?"


@pytest.fixture(scope="module")
async def transcriber() -> AsyncIterator[TranscriptionServer]:
    async with TranscriptionServer(HEAT).serving() as running:
        yield running


@pytest.fixture(scope="module")
async def model() -> AsyncIterator[ModelServer]:
    async with ModelServer().serving() as running:
        yield running


@pytest.fixture(scope="module")
async def stage(
    fork_server: ForkServer,
    transcriber: TranscriptionServer,
    model: ModelServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ScenarioInstallation]:
    remote = {"provider": "openai", "model": "adapter-7", "base_url": model.base_url, "abilities": ["vision"]}
    hearing = {"provider": "openai", "model": "whisper-1", "base_url": transcriber.base_url, "api_key": KEY}
    config = {"models": {"local": {"provider": "local"}, "remote": remote}, "transcribers": {"hearing": hearing}}
    settings = ScenarioSettings(
        kinds=KINDS, tenant=lambda _: {"model": "remote", "transcriber": "hearing"}, config=config
    )
    async with stage_of(fork_server, tmp_path_factory.mktemp("media"), settings) as stage:
        yield stage
