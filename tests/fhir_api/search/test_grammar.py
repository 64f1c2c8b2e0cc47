"""https://hl7.org/fhir/R4/search.html#escaping and #prefix"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.search.grammar import ParameterName, prefixed, split, unescape
from store.query import Compare


def escaped(text: str) -> str:
    for character in "\\,|$":
        text = text.replace(character, "\\" + character)
    return text


@given(st.lists(st.text(), min_size=1), st.sampled_from(",|"))
def test_what_is_escaped_and_joined_is_split_into_the_same_parts(parts, separator):
    joined = separator.join(escaped(part) for part in parts)
    assert [unescape(part) for part in split(joined, separator)] == parts


@given(st.text(alphabet="\\,|$a"), st.sampled_from(",|"))
def test_splitting_any_text_loses_no_character(text, separator):
    assert separator.join(split(text, separator)) == text


def test_a_backslash_before_any_other_character_stands_for_itself():
    assert unescape(r"C:\temp\$a\\b") == r"C:\temp$a\b"


def test_an_escaped_backslash_does_not_escape_the_comma_after_it():
    assert [unescape(part) for part in split(r"a\\,b\,c", ",")] == ["a\\", "b,c"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("code", ParameterName("code")),
        ("code:not", ParameterName("code", "not")),
        ("code:", ParameterName("code", "")),
        ("subject.name", ParameterName("subject", None, "name")),
        ("subject:Patient.name:exact", ParameterName("subject", "Patient", "name:exact")),
        ("_has:Observation:patient:code", ParameterName("_has", "Observation:patient:code")),
    ],
)
def test_a_name_is_code_modifier_and_chain(text, name):
    assert ParameterName.of(text) == name


@pytest.mark.parametrize("prefix", list(Compare))
def test_every_prefix_is_taken_off(prefix):
    assert prefixed(f"{prefix}2013-01-14") == (prefix, "2013-01-14")


def test_no_prefix_means_equal():
    assert prefixed("-5.4") == (Compare.EQ, "-5.4")


@pytest.mark.parametrize("text", ["xx5", "GT5", "greater5", "g5"])
def test_letters_that_are_no_prefix_are_refused(text):
    with pytest.raises(ValueError, match="valid"):
        prefixed(text)
