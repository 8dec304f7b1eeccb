"""A candidate file: what it changes, and what is wrong with it, with its place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config.loader import load
from gateway.replay.candidate import read_candidate
from gateway.replay.candidate_documents import replace_documents
from gateway.wiring.models.providers import build_voice
from schemas.conversation import Document
from schemas.errors import ConfigInvalid

AT = datetime(2026, 5, 4, tzinfo=UTC)
CONFIG = """
secret_key: test-secret-key-of-32-characters!
admin_token: test-admin-token-of-32-characters
tenants:
  shop:
    name: Shop
    voice: {name: Fern, not_found: Not found., instructions: Be kind.}
    knowledge: {paths: [knowledge]}
    channels: {web: {main: {}}}
"""


def published(id: str, body: str, *, version: int, source: str = "") -> Document:
    """As a sync of a file with this body would publish it."""
    title, _, _ = body.removeprefix("# ").partition("\n")
    return Document(id=id, title=title, body=body.strip(), source=source, version=version, updated_at=AT)


def write(folder: Path, text: str, config: str = CONFIG) -> tuple[Path, Path]:
    (folder / "parley.yaml").write_text(config)
    (folder / "candidate.yaml").write_text(text)
    return folder / "parley.yaml", folder / "candidate.yaml"


def test_a_candidate_changes_what_it_mentions_and_nothing_else(tmp_path: Path) -> None:
    config, file = write(
        tmp_path,
        "model: other\nmodels: {other: {provider: local}}\nprompt: Be brief.\nvoice: {not_found: No idea.}\n"
        "knowledge: {answerable_above: 0.7}\n",
    )
    candidate = read_candidate(file, "shop")
    before, after = load(config).tenants["shop"], load(config, overlay=candidate.overlay).tenants["shop"]
    voice = build_voice(after.voice)
    assert (voice.name, voice.not_found, voice.instructions) == ("Fern", "No idea.", {"": "Be brief."})
    assert (before.model, after.model) == ("local", "other")
    assert after.knowledge.answerable_above == 0.7
    assert after.knowledge.paths == before.knowledge.paths
    assert candidate.folder is None


def test_an_empty_candidate_changes_nothing(tmp_path: Path) -> None:
    config, file = write(tmp_path, "")
    assert load(config, overlay=read_candidate(file, "shop").overlay) == load(config)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("modl: local\n", ("candidate.yaml:1", "modl")),
        ("model: local\nvoice:\n  nme: x\n", ("candidate.yaml:3", "nme")),
        ("model: gone\n", ("candidate.yaml:1", "gone")),
        ("knowledge: nowhere\n", ("candidate.yaml:1", "nowhere")),
        ("[1, 2]\n", ("candidate.yaml",)),
    ],
)
def test_a_mistake_is_reported_with_its_place(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    config, file = write(tmp_path, text)
    with pytest.raises(ConfigInvalid) as refused:
        load(config, overlay=read_candidate(file, "shop").overlay)
    for word in words:
        assert word in str(refused.value)


async def test_a_folder_stands_for_the_folder_of_the_tenant(tmp_path: Path) -> None:
    """Edited, new and missing documents are so for the replay. Documents from elsewhere stay."""
    config, file = write(tmp_path, "knowledge: new\n")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "shipping.md").write_text("# Shipping\n\nFaster than ever.\n")
    (tmp_path / "new" / "extra.md").write_text("# Extra\n\nSomething new.\n")
    (tmp_path / "new" / "returns.md").write_text("# Returns\n\nWithin 30 days.\n")
    before = [
        published("shipping", "# Shipping\n\nSlow.\n", version=3, source="knowledge"),
        published("returns", "# Returns\n\nWithin 30 days.\n", version=4, source="knowledge"),
        published("gone", "# Gone\n\nNot for long.\n", version=5, source="knowledge"),
        published("faq", "# FAQ\n\nWritten over the API.\n", version=6),
    ]
    candidate = read_candidate(file, "shop")
    assert candidate.folder is not None
    after = {
        each.id: each
        for each in await replace_documents(load(config), "shop", before, candidate.folder, tmp_path / "scratch")
    }
    assert sorted(after) == ["extra", "faq", "returns", "shipping"]
    assert "Faster" in after["shipping"].body
    assert (after["faq"], after["returns"].version) == (before[3], 4)
    assert {after["shipping"].version, after["extra"].version} == {7, 8}
