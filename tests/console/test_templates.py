"""Templates escape what they are given, and name nothing that they are not given."""

from __future__ import annotations

from importlib.resources import files

import pytest
from jinja2 import Environment, UndefinedError, nodes

from gateway.console.rendering import render

TEMPLATES = [each for each in (files("gateway.console") / "templates").iterdir() if each.name.endswith(".html")]


def marks_of_safety(source: str) -> list[str]:
    """The places where a template would let text through without escaping it."""
    tree = Environment(autoescape=True).parse(source)
    found = [each.name for each in tree.find_all(nodes.Filter) if each.name == "safe"]
    found += [type(each).__name__ for each in tree.find_all(nodes.EvalContextModifier)]
    found += [each.name for each in tree.find_all(nodes.Name) if each.name == "Markup"]
    return found


def test_no_template_declares_text_safe() -> None:
    assert len(TEMPLATES) > 10
    assert {each.name: marks_of_safety(each.read_text("utf-8")) for each in TEMPLATES} == {
        each.name: [] for each in TEMPLATES
    }


@pytest.mark.parametrize("source", ["{{ text | safe }}", "{{ Markup(text) }}", "{{ (text | upper | safe) ~ 'x' }}"])
def test_a_declaration_of_safety_is_found(source: str) -> None:
    assert marks_of_safety(source) != []


def test_a_value_is_escaped_in_text_and_in_attributes() -> None:
    hostile = """<img src=x onerror="a()">'"""
    names = {"name": hostile, "error": hostile, "openid": {"title": hostile}, "has_codes": True, "needs_codes": False}
    shown = render("sign_in.html", return_path=hostile, has_operators=True, **names)
    assert "<img" not in shown
    assert shown.count("&lt;img src=x onerror=&#34;a()&#34;&gt;&#39;") == 5


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="message"):
        render("error.html", title="Not found", fix="")
