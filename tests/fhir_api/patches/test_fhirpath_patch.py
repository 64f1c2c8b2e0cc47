"""https://hl7.org/fhir/R4/fhirpatch.html"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fhir_api.errors import Category, FhirError
from fhir_api.patches.fhirpath_patch import (
    MOST_OPERATIONS,
    apply_fhirpath_patch,
    read_fhirpath_patch,
)

PLENTY = 1_000_000


def part(name: str, **member: Any) -> dict[str, Any]:
    return {"name": name, **member}


def operation(type: str, path: str, *parts: dict[str, Any]) -> dict[str, Any]:
    said = [part("type", valueCode=type), part("path", valueString=path), *parts]
    return {"name": "operation", "part": said}


def value(**member: Any) -> dict[str, Any]:
    return part("value", **member)


def named(name: str) -> dict[str, Any]:
    return part("name", valueString=name)


def numbered(**numbers: int) -> list[dict[str, Any]]:
    return [part(name, valueInteger=number) for name, number in numbers.items()]


def patched(resource: Any, *operations: dict[str, Any], most_bytes: int = PLENTY) -> bytes:
    body = resource if isinstance(resource, bytes) else orjson.dumps(resource)
    patch = orjson.dumps({"resourceType": "Parameters", "parameter": operations})
    return apply_fhirpath_patch(read_fhirpath_patch(patch), body, most_bytes)


def result(resource: Any, *operations: dict[str, Any]) -> Any:
    return orjson.loads(patched({"resourceType": "Patient", **resource}, *operations))


def test_what_a_patch_does_not_touch_keeps_its_bytes_and_what_it_adds_its_text() -> None:
    body = b'{"resourceType":"Observation","component":[{ "valueQuantity":{"value":1.10}}]}'
    patch = (
        b'{"resourceType":"Parameters","parameter":[{"name":"operation","part":['
        b'{"name":"type","valueCode":"add"},{"name":"path","valueString":"Observation"},'
        b'{"name":"name","valueString":"value"},{"name":"value","valueQuantity":{"value":2.500}}]}]}'
    )
    out = apply_fhirpath_patch(read_fhirpath_patch(patch), body, PLENTY)
    assert out == body[:-1] + b',"valueQuantity":{"value":2.500}}'


def test_add_appends_to_a_list_and_makes_what_is_not_there() -> None:
    name = value(valueHumanName={"family": "B"})
    assert result({}, operation("add", "Patient", named("name"), name))["name"] == [{"family": "B"}]
    two = result({"name": [{"family": "A"}]}, operation("add", "Patient", named("name"), name))
    assert two["name"] == [{"family": "A"}, {"family": "B"}]
    born = operation("add", "Patient", named("birthDate"), value(valueDate="1974-12-25"))
    assert result({}, born)["birthDate"] == "1974-12-25"


def test_a_choice_takes_the_member_of_the_values_type() -> None:
    dead = operation("add", "Patient", named("deceased"), value(valueBoolean=True))
    assert result({}, dead)["deceasedBoolean"] is True
    when = operation("replace", "Patient.deceased", value(valueDateTime="2020-01-01"))
    after = result({"deceasedBoolean": True}, when)
    assert after == {"resourceType": "Patient", "deceasedDateTime": "2020-01-01"}


def test_parts_make_a_value_of_a_type_without_a_name() -> None:
    contact = value(
        part=[
            part("name", valueHumanName={"text": "a name"}),
            part("telecom", valueContactPoint={"value": "1"}),
            part("telecom", valueContactPoint={"value": "2"}),
            part("gender", valueCode="male"),
        ]
    )
    after = result({}, operation("add", "Patient", named("contact"), contact))
    telecom = [{"value": "1"}, {"value": "2"}]
    assert after["contact"] == [{"name": {"text": "a name"}, "telecom": telecom, "gender": "male"}]


def test_the_extensions_of_a_primitive_stay_beside_their_values() -> None:
    """https://hl7.org/fhir/R4/json.html#primitive"""
    extended = {"extension": [{"url": "urn:x", "valueCode": "y"}]}
    name = {"given": ["a", "b", "c"], "_given": [None, extended, None]}
    start = {"name": [name]}
    gone = result(start, operation("delete", "Patient.name[0].given[0]"))
    assert gone["name"] == [{"given": ["b", "c"], "_given": [extended, None]}]
    moved = result(
        start, operation("move", "Patient.name.given", *numbered(source=1, destination=2))
    )
    assert moved["name"] == [{"given": ["a", "c", "b"], "_given": [None, None, extended]}]
    plain = result(start, operation("replace", "Patient.name.given[1]", value(valueString="B")))
    assert plain["name"] == [{"given": ["a", "B", "c"]}]


def test_a_primitive_can_be_given_an_extension_and_lose_it_again() -> None:
    extension = value(valueExtension={"url": "urn:x", "valueCode": "y"})
    for path, start in (
        ("Patient.birthDate", {"birthDate": "1974"}),
        ("Patient.name.given[1]", {"name": [{"given": ["a", "b"]}]}),
    ):
        extended = result(start, operation("add", path, named("extension"), extension))
        assert result(extended, operation("delete", f"{path}.extension")) == {
            "resourceType": "Patient",
            **start,
        }
    assert extended["name"][0]["_given"] == [
        None,
        {"extension": [{"url": "urn:x", "valueCode": "y"}]},
    ]


def test_delete_leaves_no_empty_element() -> None:
    start = {"contact": [{"name": {"text": "x"}}], "active": True}
    assert result(start, operation("delete", "Patient.contact.name.text")) == {
        "resourceType": "Patient",
        "active": True,
    }
    assert result(start, operation("delete", "Patient.photo"))["active"] is True


def test_a_path_may_filter() -> None:
    start = {"identifier": [{"system": "a", "value": "1"}, {"system": "b", "value": "2"}]}
    where = "Patient.identifier.where(system = 'b').value"
    after = result(start, operation("replace", where, value(valueString="3")))
    assert [one["value"] for one in after["identifier"]] == ["1", "3"]


def test_each_operation_sees_what_the_one_before_it_left() -> None:
    start = {"name": [{"family": "a"}, {"family": "b"}]}
    after = result(
        start,
        operation("delete", "Patient.name[0]"),
        operation("replace", "Patient.name[0].family", value(valueString="c")),
    )
    assert after["name"] == [{"family": "c"}]


@pytest.mark.parametrize(
    "wrong",
    [
        operation("replace", "Patient.gender", value(valueCode="male")),
        operation("replace", "Patient.name", value(valueHumanName={})),
        operation("delete", "Patient.name"),
        operation("replace", "Patient", value(valueString="x")),
        operation("delete", "Patient"),
        operation("delete", "Patient.name.count()"),
        operation("add", "Patient", named("colour"), value(valueString="x")),
        operation("add", "Patient", named("active"), value(valueBoolean=False)),
        operation("add", "Patient", named("deceased"), value(valueString="x")),
        operation("add", "Patient", named("active"), value(part=[part("x", valueCode="y")])),
        operation("add", "Patient", named("name"), value()),
        operation("insert", "Patient.photo", *numbered(index=0), value(valueAttachment={})),
        operation("insert", "Patient.name", *numbered(index=3), value(valueHumanName={})),
        operation("insert", "Patient.name[0]", *numbered(index=0), value(valueHumanName={})),
        operation("insert", "Patient.name.given", *numbered(index=0), value(valueString="x")),
        operation("insert", "Patient.active", *numbered(index=0), value(valueBoolean=True)),
        operation("move", "Patient.name", *numbered(source=0, destination=2)),
        operation("replace", "Patient.active + 'x'", value(valueString="x")),
    ],
)
def test_an_operation_that_leads_nowhere_is_422_with_its_place(wrong: dict[str, Any]) -> None:
    start = {"active": True, "name": [{"given": ["a"]}, {"given": ["b"]}]}
    with pytest.raises(FhirError) as refused:
        result(start, wrong)
    assert refused.value.status == 422
    assert refused.value.expression == "Parameters.parameter[0]"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "change", "part": []},
        {"name": "operation"},
        operation("grow", "Patient.name"),
        operation("delete", "Patient.("),
        operation("delete", "nothing()"),
        operation("delete", "x" * 501),
        operation("add", "Patient", value(valueString="x")),
        operation("delete", "Patient.name", value(valueString="x")),
        operation("delete", "Patient.name", part("type", valueCode="add")),
        operation("move", "Patient.name", *numbered(source=-1, destination=0)),
        operation("add", "Patient", part("name", valueInteger=1), value(valueString="x")),
    ],
)
def test_what_is_no_patch_is_400(wrong: dict[str, Any]) -> None:
    with pytest.raises(FhirError) as refused:
        result({}, wrong)
    assert refused.value.status == 400
    assert refused.value.expression.startswith("Parameters.parameter[0]")


def test_a_patch_is_bounded() -> None:
    nothing = operation("delete", "Patient.photo")
    with pytest.raises(FhirError) as refused:
        result({}, *[nothing] * (MOST_OPERATIONS + 1))
    assert refused.value.category is Category.TOO_COSTLY
    resource = {"resourceType": "Patient", "name": [{"text": "x" * 10_000}]}
    with pytest.raises(FhirError) as refused:
        patched(resource, *[nothing] * MOST_OPERATIONS, most_bytes=100_000)
    assert refused.value.status == 413
    costly = {"name": [{"given": ["x"] * 100}] * 100}
    path = "Patient.name.where(given.where($this = 'y').exists() or given.count() > 999)"
    with pytest.raises(FhirError) as refused:
        result(costly, operation("delete", path))
    assert refused.value.category is Category.TOO_COSTLY
