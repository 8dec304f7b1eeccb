"""The transcription of voice notes that the configuration chooses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points

from agent_worker.media.decoder import MediaDecoder, require_audio_library
from agent_worker.transcription.voice_notes import VoiceNotes, VoiceRules
from gateway.config.models import TranscriberEntry
from gateway.config.settings import Config
from gateway.wiring.process_services import ProcessServices
from infra.deploy.speech_model import model_dir
from schemas.errors import MissingDependency
from schemas.ports import Transcriber, TranscriberOptions

ENTRY_POINT_GROUP = "parley.transcribers"


def open_voice_notes(services: ProcessServices, media: MediaDecoder) -> VoiceNotes:
    """Transcription for the tenants that have a transcriber. Raises MissingDependency, ConfigInvalid."""
    config = services.config
    if find_used_transcribers(config):
        require_audio_library()
    transcribers = {
        name: open_transcriber(config.transcribers[name]) for name in sorted(find_used_transcribers(config))
    }
    rules = {
        tenant: _build_rules(config.transcribers[settings.transcriber], transcribers[settings.transcriber])
        for tenant, settings in config.tenants.items()
        if settings.transcriber
    }
    return VoiceNotes(rules, services.blobs.get, media, services.metrics)


def find_used_transcribers(config: Config) -> set[str]:
    """The entries of ``transcribers`` that tenants use."""
    return {tenant.transcriber for tenant in config.tenants.values() if tenant.transcriber}


def open_transcriber(entry: TranscriberEntry) -> Transcriber:
    """Raises MissingDependency if the provider is not installed, ConfigInvalid if its model is not there."""
    options = TranscriberOptions(
        model=entry.model,
        base_url=entry.base_url,
        api_key=entry.api_key.get_secret_value(),
        threads=entry.threads,
    )
    if entry.provider == "faster-whisper":
        from agent_worker.transcription.whisper import open_whisper

        return open_whisper(replace(options, model=options.model or str(model_dir())))
    if entry.provider == "openai":
        from agent_worker.transcription.endpoint import TranscriptionEndpoint

        return TranscriptionEndpoint(options)
    return _find_plug_in(entry.provider)(options)


def _find_plug_in(name: str) -> Callable[[TranscriberOptions], Transcriber]:
    found = next((entry.load() for entry in entry_points(group=ENTRY_POINT_GROUP, name=name)), None)
    if found is None:
        raise MissingDependency(
            f"the transcriber {name} is not installed",
            fix=f"install the package with this entry point in {ENTRY_POINT_GROUP}",
        )
    open_plug_in: Callable[[TranscriberOptions], Transcriber] = found
    return open_plug_in


def _build_rules(entry: TranscriberEntry, transcriber: Transcriber) -> VoiceRules:
    return VoiceRules(transcriber, entry.timeout, entry.max_seconds, language=entry.language)
