"""Narratives (https://hl7.org/fhir/R4/narrative.html#xhtml)."""

from __future__ import annotations

import pytest

from fhir_api.validation.xhtml import xhtml

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


@pytest.mark.parametrize(
    "inner",
    [
        "text",
        "a&nbsp;&lt;b &#233;&copy;",
        '<p style="color: red" class="x">a</p><br/><hr/>',
        '<table border="1"><tbody><tr><td colspan="2" align="left">a</td></tr></tbody></table>',
        '<a href="https://a.example/b?c=1#d">a</a><a name="x">b</a><a href="#x">c</a><a href="Patient/1">d</a>',
        '<img src="#fig" alt="a"/>',
        '<img src="data:image/png;base64,AAAA" alt="a"/>',
        '<p xml:lang="nl" lang="nl">a</p>',
        '<h:p xmlns:h="http://www.w3.org/1999/xhtml">a</h:p>',
        "<!-- a comment -->a",
    ],
)
def test_formatting_links_and_images_are_allowed(inner: str) -> None:
    assert xhtml(DIV.format(inner)) is None


@pytest.mark.parametrize(
    "inner",
    [
        "<script>alert(1)</script>a",
        "<p onclick='alert(1)'>a</p>",
        "<P>a</P>",
        "<iframe src='https://a.example'/>a",
        "<object/>a",
        "<form><input/></form>a",
        "<style>p {}</style>a",
        "<link rel='stylesheet' href='a.css'/>a",
        "<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>a",
        "<a href='javascript:alert(1)'>a</a>",
        "<a href='JaVa\tScript:alert(1)'>a</a>",
        "<a href='&#106;avascript:alert(1)'>a</a>",
        "<a href='vbscript:a'>a</a>",
        "<a href='view-source:a'>a</a>",
        "<a href='data:text/html,a'>a</a>",
        "<img src='javascript:a' alt=''/>",
        "<p style='width: expression(alert(1))'>a</p>",
        "<a xmlns:x='http://www.w3.org/1999/xlink' x:href='javascript:a'>a</a>",
        "<?php a ?>a",
        "&unheard;",
        "<b>a",
        "<p>a</b></p>",
        "a & b",
        "<p class=x>a</p>",
        "<p class='a' class='b'>a</p>",
        "a\x00b",
        "<b>" * 300 + "a" + "</b>" * 300,
    ],
)
def test_anything_that_runs_or_is_not_well_formed_is_refused(inner: str) -> None:
    """txt-1: 'only the basic html formatting elements and attributes'."""
    assert xhtml(DIV.format(inner)) is not None


def test_an_entity_bomb_is_refused_before_it_grows() -> None:
    entities = '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    assert xhtml(f"<!DOCTYPE div [{entities}]>{DIV.format('&b;')}") is not None


@pytest.mark.parametrize("inner", ["", " \n ", "<p> </p>", "<!-- a -->", "&nbsp;"])
def test_a_narrative_says_something(inner: str) -> None:
    """txt-2: 'The narrative SHALL have some non-whitespace content'."""
    problem = xhtml(DIV.format(inner))
    assert problem is not None
    assert "txt-2" in problem.text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "<div>a</div>",
        '<p xmlns="http://www.w3.org/1999/xhtml">a</p>',
        DIV.format("a") * 2,
        DIV.format("a") + "b",
    ],
)
def test_the_root_is_one_div_of_xhtml(text: str) -> None:
    assert xhtml(text) is not None


def test_the_place_of_a_mistake_is_told_but_not_its_text() -> None:
    problem = xhtml(DIV.format("\n<b>Jane Doe</i>"))
    assert problem is not None
    assert "line 2" in problem.text
    assert "Jane" not in problem.text
