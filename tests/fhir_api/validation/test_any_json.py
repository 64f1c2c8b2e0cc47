"""Whatever JSON comes in, validation answers with a list of issues."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.definitions.elements import RESOURCE_TYPES, properties_of
from fhir_api.validation import Validator
from tests.fhir_api.validation.mutations import mutations
from tests.fhir_api.validation.test_mutations import IMAGING_TASK

VALIDATOR = Validator()
PLACES = list(mutations(IMAGING_TASK))

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
names = st.sampled_from(
    sorted(
        properties_of("Task").keys()
        | properties_of("Reference").keys()
        | {"_status", "resourceType", "given"}
    )
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


def answers(resource: dict[str, Any], type_: str) -> None:
    for issue in VALIDATOR.validate(resource, type_):
        assert issue.text
        assert issue.expression.startswith(type_)


@given(st.sampled_from(sorted(RESOURCE_TYPES)), st.dictionaries(names, anything, max_size=6))
def test_any_object_that_says_it_is_a_resource_is_judged(
    type_: str, members: dict[str, Any]
) -> None:
    answers({**members, "resourceType": type_}, type_)
    answers(members, type_)


@given(st.sampled_from(PLACES), anything)
def test_a_resource_with_anything_at_any_place_is_judged(place: Any, value: Any) -> None:
    resource: Any = orjson.loads(orjson.dumps(IMAGING_TASK))
    holder = resource
    for key in place.keys[:-1]:
        holder = holder[key]
    holder[place.keys[-1]] = value
    answers(resource, "Task")
