"""https://hl7.org/fhir/R4/xml.html: what is read, and what is refused with its place."""

from __future__ import annotations

import pytest

from fhir_api.errors import FhirError
from fhir_api.formats.xml_reader import json_of

NS = 'xmlns="http://hl7.org/fhir"'
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">a<br/>b &amp; c</div>'


def read(inner: str, type: str = "Patient", attributes: str = NS) -> str:
    return json_of(f"<{type} {attributes}>{inner}</{type}>".encode(), 64).decode()


def refused(inner: str, type: str = "Patient", attributes: str = NS) -> FhirError:
    with pytest.raises(FhirError) as caught:
        read(inner, type, attributes)
    return caught.value


def places(error: FhirError) -> list[str]:
    return [issue.expression for issue in error.issues]


def test_elements_become_members_and_repeating_ones_arrays() -> None:
    found = read('<active value="true"/><name><given value="A"/><given value="B"/></name>')
    assert found == '{"resourceType":"Patient","active":true,"name":[{"given":["A","B"]}]}'


@pytest.mark.parametrize("text", ["1.10", "-0.0", "100", "1e400", "0.000000000000000000001"])
def test_decimals_keep_their_text(text: str) -> None:
    found = read(f'<valueQuantity><value value="{text}"/></valueQuantity>', "Observation")
    assert f'"value":{text}}}' in found


def test_ids_and_extensions_of_primitives_stand_beside_their_values() -> None:
    """https://hl7.org/fhir/R4/json.html#primitive"""
    extension = '<extension url="http://x.test"><valueString value="y"/></extension>'
    inner = f'<name><given value="A"/><given id="g">{extension}</given></name><birthDate id="b" value="1970"/>'
    assert read(inner) == (
        '{"resourceType":"Patient","name":[{"given":["A",null],"_given":[null,{"id":"g",'
        '"extension":[{"url":"http://x.test","valueString":"y"}]}]}],'
        '"birthDate":"1970","_birthDate":{"id":"b"}}'
    )
    only_extended = f"<name><given>{extension}</given></name>"
    assert '"name":[{"_given":[{"extension"' in read(only_extended)


def test_resources_stand_inside_resources() -> None:
    inner = '<contained><Patient><id value="p"/></Patient></contained><status value="final"/>'
    assert '"contained":[{"resourceType":"Patient","id":"p"}]' in read(inner, "Observation")
    parameter = '<parameter><name value="r"/><resource><Basic/></resource></parameter>'
    assert '"resource":{"resourceType":"Basic"}' in read(parameter, "Parameters")


def test_the_narrative_is_kept_to_the_byte() -> None:
    div = "<div xmlns=\"http://www.w3.org/1999/xhtml\"\n  ><p title='x'>é &#160;<!-- c -->\n</p></div >"
    found = read(f'<text><status value="generated"/>{div}</text>')
    assert found.partition('"div":"')[2].startswith(
        '<div xmlns=\\"http://www.w3.org/1999/xhtml\\"\\n  ><p title=\'x\'>é &#160;<!-- c -->\\n</p></div >"'
    )


@pytest.mark.parametrize(
    "div",
    [
        '<div xmlns="http://www.w3.org/1999/xhtml"/>',
        '<div xmlns="http://www.w3.org/1999/xhtml"></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><br/></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><div><br/></div>x</div>',
    ],
)
def test_the_end_of_a_narrative_is_found(div: str) -> None:
    found = read(f'<text><status value="empty"/>{div}</text><active value="true"/>')
    assert f'"div":"{div.replace(chr(34), chr(92) + chr(34))}"}},"active":true}}' in found


def test_a_narrative_with_a_prefix_declared_elsewhere_stands_for_itself() -> None:
    inner = '<text><status value="generated"/><h:div><h:p xml:lang="de">a&lt;b</h:p></h:div></text>'
    found = read(inner, attributes=f'{NS} xmlns:h="http://www.w3.org/1999/xhtml"')
    assert (
        '<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><p xml:lang=\\"de\\">a&lt;b</p></div>'
        in found
    )


def test_comments_instructions_white_space_and_schema_locations_say_nothing() -> None:
    attributes = (
        f'{NS} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="http://hl7.org/fhir ../patient.xsd"'
    )
    found = read('\n <!-- x --> <?y z?>\n <active value="false"/>\n', attributes=attributes)
    assert found == '{"resourceType":"Patient","active":false}'


def test_a_byte_order_mark_moves_nothing() -> None:
    text = f'<Patient {NS}><text><status value="generated"/>{DIV}</text></Patient>'
    assert json_of(b"\xef\xbb\xbf" + text.encode(), 64) == json_of(text.encode(), 64)


@pytest.mark.parametrize(
    ("inner", "place"),
    [
        ("<nickname/>", "Patient.nickname"),
        ("<name><given value='a'/><nick value='b'/></name>", "Patient.name[0].nick"),
        ("<name/><name use='usual'><family value='a'/></name>", "Patient.name[1].@use"),
        ("<active value='true' x='y'/>", "Patient.active.@x"),
        ("<active value='True'/>", "Patient.active"),
        ("<active/>", "Patient.active"),
        ("<active value='true'/><active value='true'/>", "Patient.active"),
        ("<gender value='male'/><active value='true'/>", "Patient.active"),
        ("<name/><gender value='male'/><name/>", "Patient.name[1]"),
        ("<multipleBirthInteger value='1.5'/>", "Patient.multipleBirthInteger"),
        ("<multipleBirthInteger value=' 1'/>", "Patient.multipleBirthInteger"),
        ("some text", "Patient"),
        ("<name>text</name>", "Patient.name[0]"),
        ("<active xmlns='urn:x' value='true'/>", "Patient.active"),
        ("<id id='x' value='a'/><id value='b'/>", "Patient.id"),
        ("<contained/>", "Patient.contained[0]"),
        ("<contained><Basic/><Basic/></contained>", "Patient.contained[0]"),
        ("<contained><Nonsense/></contained>", "Patient.contained[0]"),
        ("<contained><Basic x='y'/></contained>", "Patient.contained[0].@x"),
        ("<text><div>a</div></text>", "Patient.text.div"),
        ("<active value='true'><value value='x'/></active>", "Patient.active.value"),
    ],
)
def test_what_the_schemas_do_not_allow_is_refused_with_its_place(inner: str, place: str) -> None:
    error = refused(inner)
    assert (error.status, places(error)) == (422, [place])


def test_all_problems_are_told_at_once_up_to_a_hundred() -> None:
    assert len(refused("<a/>" * 7).issues) == 7
    assert len(refused("<a/>" * 1000).issues) == 100


ENTITY = '<!DOCTYPE Patient [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(b)} "{f"&{chr(b - 1)};" * 10}">' for b in range(ord("b"), ord("k")))
    + "]>"
)


@pytest.mark.parametrize(
    "document",
    [
        f'{ENTITY}<Patient {NS}><language value="&x;"/></Patient>',
        f'{LAUGHS}<Patient {NS}><language value="&j;"/></Patient>',
        f'<!DOCTYPE Patient SYSTEM "http://127.0.0.1:1/x.dtd"><Patient {NS}/>',
        f'<Patient {NS}><language value="&nbsp;"/></Patient>',
        f'<?xml version="1.0" encoding="UTF-16"?><Patient {NS}/>',
        f'<?xml version="1.0" encoding="latin-1"?><Patient {NS}/>',
        f"<Patient {NS}>",
        f"<Patient {NS}/><Patient {NS}/>",
        f"<Patient {NS}><active value='true' value='true'/></Patient>",
        f"<Patient {NS}><x:active/></Patient>",
        "<Patient/>",
        '<Patient xmlns="http://hl7.org/fhir/x"/>',
        f"<Nonsense {NS}/>",
        f"<HumanName {NS}/>",
        "",
        "{}",
        "\x00",
        f"<Patient {NS}>" + "<extension>" * 70,
    ],
)
def test_hostile_or_broken_documents_are_refused(document: str) -> None:
    """XXE, entity bombs, foreign encodings, depth: https://owasp.org/www-community/vulnerabilities/XML_External_Entity_(XXE)_Processing"""
    with pytest.raises(FhirError) as caught:
        json_of(document.encode(), 64)
    assert caught.value.status == 400
    assert "etc" not in caught.value.text


def test_bytes_that_are_no_utf8_are_refused() -> None:
    with pytest.raises(FhirError) as caught:
        json_of(f'<Patient {NS}><language value="\xff"/></Patient>'.encode("latin-1"), 64)
    assert caught.value.status == 400
