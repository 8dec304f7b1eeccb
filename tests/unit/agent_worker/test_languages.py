"""Words of a language are found in their other forms, where documents are declared to be in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_worker.knowledge.text.analysis import STEMMED, stem, terms
from tests.unit.agent_worker.worker_environment import TENANT, world_at

FORMS = {
    "de": ("Unsere Häuser brauchen viel Wärme.", "Braucht ein Haus das?"),
    "es": ("Aceptamos devoluciones.", "¿Una devolución?"),
    "fr": ("Ils annulent souvent les abonnements.", "Comment annuler l'abonnement ?"),
    "it": ("Annulliamo gli ordini pagati.", "Posso parlare dell'ordine?"),
    "nl": ("Verzendingen zijn gratis.", "Kost een verzending iets?"),
    "ru": ("Пользуемся хорошими коробками.", "А какая у вас коробка?"),
    "hu": ("A csomagjainkat hétfőn küldjük.", "Hol van a csomag?"),
    "fi": ("Takuuaikamme kasveille on vuosi.", "Onko kasvilla se?"),
    "tr": ("Bitkilerimizi pazartesi yollarız.", "Bitki nerede?"),
}


async def test_other_forms_of_a_word_are_found_in_documents_of_its_language(tmp_path: Path) -> None:
    """By words alone, with all languages in one index; undeclared, the same texts hold some of these words only in the
    form that was asked for."""
    async with world_at(tmp_path, prepare=False, encoder=lambda: None) as world:
        for language, (said, _) in FORMS.items():
            await world.put(f"in-{language}", f"# {language}\n\n{said}", language=f"{language}-XX")
        for language, (_, asked) in FORMS.items():
            found = await world.library.search(TENANT, asked, wait=20)
            assert found.passages, asked
            assert found.passages[0].document == f"in-{language}", asked
        await world.put("in-ru", f"# ru\n\n{FORMS['ru'][0]}")
        assert not (await world.library.search(TENANT, FORMS["ru"][1], wait=20)).passages


@pytest.mark.parametrize("language", sorted(STEMMED))
def test_every_stemmer_is_there(language: str) -> None:
    assert stem("Parcel", language)


def test_english_is_stemmed_as_ever() -> None:
    text = "We're delivering o'clock parcels; it's a buyer's guide"
    assert terms(text) == terms(text, "en") == terms(text, "xx")
    assert terms("l’abonnement d'Anna qu'il") == ["abonn", "anna", "il"]
