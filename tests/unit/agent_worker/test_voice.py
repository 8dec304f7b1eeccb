"""A voice speaks the contact's language where the tenant wrote no words of its own."""

from __future__ import annotations

from dataclasses import fields

import pytest

from agent_worker.voice import DEFAULT_VOICE, Voice, translate_voice

NOT_SPOKEN = {"name", "locale", "instructions", "examples"}


@pytest.mark.parametrize("phrase", [field.name for field in fields(Voice) if field.name not in NOT_SPOKEN])
def test_every_phrase_is_spoken_in_german(phrase: str) -> None:
    assert getattr(translate_voice(DEFAULT_VOICE, "de"), phrase) != getattr(DEFAULT_VOICE, phrase)
