"""Suites are read with their mistakes named, and cases are added without touching anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.evals.suite_files import add_case, read_suite
from schemas.errors import ConfigInvalid


def write(folder: Path, text: str) -> Path:
    path = folder / "suite.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "cases:\n  - name: a\n    message: Hi\n    expect: {contians: x}\n",
            ("suite.yaml:4", "did you mean 'contains'?"),
        ),
        ("cases:\n  - name: a\n", ("suite.yaml:2", "exactly one of `message`, `turns` and `customer`")),
        ("cases:\n  - {name: a, message: Hi, turns: [{message: Hi}]}\n", ("exactly one of",)),
        ("cases:\n  - {name: a, turns: [{people: Hi}]}\n", ("either `message` or `picks`",)),
        ("cases:\n  - {name: a, message: Hi}\n  - {name: a, message: Hi}\n", ("two cases have the name 'a'",)),
        ("cases:\n  - {name: a, customer: {wants: a refund}}\n", ("only simulated customers",)),
        ("cases: []\n", ("cases",)),
        ("gate: 2\ncases:\n  - {name: a, message: Hi}\n", ("suite.yaml:1", "gate")),
        ("cases:\n  - name: a\n    message: Hi\n    expect: {structure: [greet]}\n", ("structure",)),
        ("[]\n", ("must be a mapping",)),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        read_suite(write(tmp_path, text))
    for word in words:
        assert word in str(refused.value)


def test_short_forms_say_the_same_as_long_ones(tmp_path: Path) -> None:
    text = """
        gate: 0.9
        cases:
          - name: a
            message: Hi
            expect: {cites: shipping, contains: 4.50, action: refund, structure: [explain, {name: x, phrases: y}]}
    """
    suite = read_suite(write(tmp_path, text))
    expect = suite.cases[0].expect
    assert suite.gate.passed == 0.9
    assert (expect.cites, expect.contains) == (["shipping"], [4.5])
    assert [each.name for each in expect.action or []] == ["refund"]


def test_what_contacts_wrote_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither a variable nor a file of ours."""
    monkeypatch.setenv("SECRET", "hidden")
    (tmp_path / "secret.txt").write_text("hidden")
    texts = [
        "${SECRET}",
        "file:secret.txt",
        "off",
        "4e5",
        "2026-05-04",
        "null",
        "- a: b # c",
        "“a”\n\nb: |\n  c",
        "🌱 ",
        "'",
    ]
    path = tmp_path / "suite.yaml"
    for number, text in enumerate(texts):
        add_case(path, {"name": f"case {number}", "message": text, "expect": {"contains": [text]}})
    suite = read_suite(path)
    assert [case.message for case in suite.cases] == texts
    assert [case.expect.contains for case in suite.cases] == [[text] for text in texts]


@pytest.mark.parametrize("indentation", ["", "  ", "    "])
def test_a_case_is_added_at_the_end_and_the_rest_stays(tmp_path: Path, indentation: str) -> None:
    before = (
        f"# mine\ngate: 0.5  # for now\ncases:\n{indentation}# the first\n{indentation}- {{name: a, message: Hi}}\n"
    )
    path = write(tmp_path, before)
    case: dict[str, Any] = {"name": "b", "turns": [{"message": "Hello", "expect": {"asks": True}}, {"picks": "yes"}]}
    add_case(path, case)
    assert path.read_text().startswith(before)
    assert [each.name for each in read_suite(path).cases] == ["a", "b"]


@pytest.mark.parametrize("text", ["cases:\n  - {name: a, message: Hi}\ngate: 1\n", "cases: [{name: a, message: Hi}]\n"])
def test_a_file_in_which_cases_are_not_last_is_not_changed(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigInvalid):
        add_case(path, {"name": "b", "message": "Hi"})
    assert path.read_text() == text


def test_the_suite_of_the_example_is_valid() -> None:
    suite = read_suite(Path("examples/plantstore/evals.yaml"))
    assert len(suite.cases) >= 7
