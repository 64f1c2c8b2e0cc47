"""https://hl7.org/fhir/R4/xml.html"""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from fhir_api.errors import FhirError
from fhir_api.formats.xml_reader import json_of
from fhir_api.formats.xml_writer import DECLARATION, xml_of
from tests.fhir_api.test_official_examples_come_back import exact
from tests.fhir_api.validation.official_examples import official_package

HEAD = f'{DECLARATION}<Patient xmlns="http://hl7.org/fhir">'


def written(inner: str) -> str:
    found = xml_of(b'{"resourceType":"Patient",%s}' % inner.encode()).decode()
    assert found.startswith(HEAD)
    assert found.endswith("</Patient>")
    return found[len(HEAD) : -len("</Patient>")]


def test_elements_come_in_the_order_of_the_definitions() -> None:
    found = written('"birthDate":"1970","name":[{"given":["A"],"family":"B"}],"id":"a"')
    assert found == (
        '<id value="a"/><name><family value="B"/><given value="A"/></name><birthDate value="1970"/>'
    )


def test_values_are_escaped_so_that_they_come_back() -> None:
    text = "<&>\"' \t\n\r é 𝄞"
    inner = json.dumps({"resourceType": "Patient", "language": text}).encode()
    assert json.loads(json_of(xml_of(inner), 64))["language"] == text
    assert ET.fromstring(xml_of(inner))[0].attrib["value"] == text


def test_ids_urls_and_extensions_of_primitives() -> None:
    found = written(
        '"_birthDate":{"id":"b","extension":[{"url":"http://x.test","valueDecimal":1.10}]},'
        '"name":[{"id":"n","given":["A",null],"_given":[null,{"id":"g"}]}]'
    )
    assert found == (
        '<name id="n"><given value="A"/><given id="g"/></name>'
        '<birthDate id="b"><extension url="http://x.test"><valueDecimal value="1.10"/></extension>'
        "</birthDate>"
    )


def test_a_narrative_stays_as_it_is_but_for_entities_of_html() -> None:
    div = "<div xmlns='http://www.w3.org/1999/xhtml'>a&nbsp;b &amp; &lt;</div>"
    found = written(json.dumps({"text": {"status": "generated", "div": div}})[1:-1])
    assert found.endswith(f"{div.replace('&nbsp;', '&#160;')}</text>")


@pytest.mark.parametrize(
    "div",
    [
        "<div xmlns='http://www.w3.org/1999/xhtml'>a</div><active/>",
        "<div>a</div>",
        "<?xml version='1.0'?><div xmlns='http://www.w3.org/1999/xhtml'/>",
        "<!DOCTYPE x><div xmlns='http://www.w3.org/1999/xhtml'/>",
        "text",
    ],
)
def test_a_narrative_cannot_break_out_of_its_document(div: str) -> None:
    with pytest.raises(FhirError) as caught:
        written(json.dumps({"text": {"status": "generated", "div": div}})[1:-1])
    assert caught.value.status == 406


def test_what_xml_cannot_say_is_told() -> None:
    for inner in ('"language":"\\u0001"', '"language":"\\uffff"', '"nickname":"x"'):
        with pytest.raises(FhirError) as caught:
            written(inner)
        assert caught.value.status == 406


def test_indented_xml_says_the_same() -> None:
    body = b'{"resourceType":"Patient","name":[{"given":["A","B"]}],"contact":[{"gender":"male"}]}'
    pretty = xml_of(body, indented=True)
    assert b"\n    <given" in pretty
    assert json_of(pretty, 64) == body


def in_any_order(value: Any) -> Any:
    """XML has its own order of elements."""
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        return sorted((name, in_any_order(inner)) for name, inner in value)
    return [in_any_order(item) for item in value] if isinstance(value, list) else value


@pytest.mark.timeout(600)
def test_every_official_resource_survives_xml_to_the_text_of_its_numbers() -> None:
    count, different = 0, []
    for name, content in official_package():
        count += 1
        again = json_of(xml_of(content), 64)
        if in_any_order(exact(again)) != in_any_order(exact(content)):
            different.append(name)
    assert different == []
    assert count > 5000
