"""Extraction stands whatever a client sends: it runs on validated resources, but does not rest on that."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.definitions.elements import RESOURCE_TYPES, properties_of
from fhir_api.definitions.generator.package import PackageUnavailable, find
from fhir_api.search.extract import entries_of
from fhir_api.search.parameters import parameters_of

BASE = "https://our.example/fhir"

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
)
TYPES_WITH_USUAL_MEMBERS = (
    "Observation",
    "Patient",
    "CodeableConcept",
    "Identifier",
    "Range",
    "Period",
)
names = st.sampled_from(
    sorted(
        {name for type_ in TYPES_WITH_USUAL_MEMBERS for name in properties_of(type_)}
        | {"reference", "url"}
    )
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


@given(
    st.sampled_from(
        ["Patient", "Observation", "Bundle", "Condition", "QuestionnaireResponse", "Task"]
    ),
    st.dictionaries(names, anything, max_size=8),
)
def test_any_json_object_has_entries_that_the_store_can_keep(
    type_: str, members: dict[str, object]
) -> None:
    for entry in entries_of(type_, {**members, "resourceType": type_}, BASE):
        for field in entry.__slots__:
            assert isinstance(getattr(entry, field), str | int | float | None)


def test_every_official_example_is_indexed_and_most_parameters_occur_in_one() -> None:
    try:
        package = find()
    except PackageUnavailable as exc:
        pytest.skip(f"the R4 package cannot be had: {exc}")
    occurring: set[tuple[str, str]] = set()
    for name, content in package:
        if len(content) > 1_000_000:
            continue  # the definitions once more, as one Bundle
        resource = orjson.loads(content)
        type_ = resource["resourceType"]
        if type_ not in RESOURCE_TYPES:
            continue
        for entry in entries_of(type_, resource, BASE):
            code = entry.param.partition(":")[0]
            if not code:
                continue  # what the server itself looks for
            assert code in parameters_of(type_), name
            occurring.add((type_, code))
    own = {
        (type_, code)
        for type_ in RESOURCE_TYPES
        for code, parameter in parameters_of(type_).items()
        if parameter.base == type_
    }
    assert len(occurring & own) > 0.7 * len(own)
