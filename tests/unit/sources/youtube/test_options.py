"""Locations and options are checked before anything is asked, and secrets are never repeated."""

from __future__ import annotations

from typing import Any

import pytest

from agent_worker.sources.registry import source_of
from agent_worker.sources.youtube.options import Location, parse_location, read_options
from agent_worker.sources.youtube.source import YouTube
from schemas.errors import Forbidden, InvalidRequest

OAUTH = {"client_id": "id", "client_secret": "s3cret-1", "refresh_token": "s3cret-2"}


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("youtube://channel/@nepenthes", Location("channel", "@nepenthes")),
        ("youtube://channel/UC1234567890123456789012", Location("channel", "UC1234567890123456789012")),
        ("youtube://playlist/PL_x-1", Location("playlist", "PL_x-1")),
        ("youtube://video/dQw4w9WgXcQ", Location("video", "dQw4w9WgXcQ")),
    ],
)
def test_a_location_names_a_channel_a_playlist_or_a_video(text: str, location: Location) -> None:
    assert parse_location(text) == location
    assert isinstance(source_of(text), YouTube)


@pytest.mark.parametrize(
    "text",
    [
        "youtube://",
        "youtube://channel/nepenthes",
        "youtube://channel/UCshort",
        "youtube://video/dQw4w9WgXcQ&key=x",
        "youtube://video/../videos",
        "youtube://playlist/",
        "youtube://shorts/dQw4w9WgXcQ",
    ],
)
def test_another_location_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(InvalidRequest, match="not a place at YouTube") as caught:
        parse_location(text)
    assert "youtube://channel/@handle" in caught.value.fix


@pytest.mark.parametrize(
    ("options", "said", "fix"),
    [
        ({"api_keys": "s3cret-1"}, "no option 'api_keys'", "did you mean 'api_key'?"),
        ({**OAUTH, "colour": "s3cret-1"}, "no option 'colour'", "the options are: api_key, "),
        ({}, "an api_key is needed", "the options are"),
        ({"client_id": "id", "refresh_token": "s3cret-1"}, "belong together", ""),
        ({"api_key": "s3cret-1\nX-Evil: 1"}, "api_key has blanks", ""),
        ({"api_key": "s3cret-1", "recheck_days": -1}, "recheck_days", ""),
        ({"api_key": "s3cret-1", "languages": ["english please"]}, "languages.0", ""),
        ({"api_key": "s3cret-1", "api_url": "http://example.com"}, "api_url", "leave api_url out"),
        ({"api_key": "s3cret-1", "token_url": "file:///etc/passwd"}, "", ""),
    ],
)
def test_a_wrong_option_is_named_with_a_fix(options: dict[str, Any], said: str, fix: str) -> None:
    with pytest.raises((InvalidRequest, Forbidden)) as caught:
        read_options(options)
    assert said in caught.value.message
    assert fix in caught.value.fix
    assert "s3cret" not in caught.value.message + caught.value.fix


def test_secrets_are_hidden_when_options_are_printed() -> None:
    assert "s3cret" not in repr(read_options({**OAUTH, "api_key": "s3cret-3"}))


def test_private_addresses_need_to_be_listed() -> None:
    url = "http://127.0.0.1:8080/youtube/v3"
    with pytest.raises(Forbidden, match="private"):
        read_options({"api_key": "key", "api_url": url})
    assert read_options({"api_key": "key", "api_url": url, "private_hosts": ["127.0.0.1:8080"]}).api_url == url
