"""Which scopes grant access to resources, and to which.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.smart.scopes import Level, ResourceScope, resource_scope, resource_scopes

LABORATORY = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"


@pytest.mark.parametrize(
    ("written", "letters"),
    [
        ("patient/Observation.read", "rs"),
        ("patient/Observation.write", "cud"),
        ("patient/Observation.*", "cruds"),
        ("patient/Observation.rs", "rs"),
        ("patient/Observation.c", "c"),
        ("patient/Observation.cruds", "cruds"),
    ],
)
def test_v1_and_v2_scopes_name_the_same_interactions(written: str, letters: str) -> None:
    scope = resource_scope(written)
    assert scope == ResourceScope(Level.PATIENT, "Observation", frozenset(letters))


def test_a_restriction_is_search_parameters() -> None:
    scope = resource_scope(f"user/Observation.rs?category={LABORATORY}&status=final,amended")
    assert scope is not None
    assert scope.where == (("category", LABORATORY), ("status", "final,amended"))
    assert str(scope) == f"user/Observation.rs?category={LABORATORY}&status=final,amended"


@pytest.mark.parametrize(
    "written",
    [
        "openid",
        "fhirUser",
        "launch",
        "launch/patient",
        "offline_access",
        "patient/Observation",
        "patient/Observation.",
        "patient/Observation.sr",
        "patient/Observation.rx",
        "patient/Observation.RS",
        "patient/Observation.read.write",
        "patient/observation.rs",
        "patient/Unknown.rs",
        "patient/.rs",
        "Patient/Observation.rs",
        "practitioner/Observation.rs",
        "patient/Observation.rs?",
        "patient/Observation.rs?category",
        "patient/Observation.rs?category=",
        "patient/Observation.rs?category=%20",
        "patient/Observation.rs?category=a&",
        "patient/Observation.rs?=a",
        "patient/Observation.rs?category=%FF",
        "patient/Observation.read?category=a",
        "patient/Observation.rs?" + "&".join(["category=a"] * 17),
        "patient/Observation.rs\n",
        "",
    ],
)
def test_what_is_not_understood_in_full_grants_nothing(written: str) -> None:
    assert resource_scope(written) is None


def test_a_token_grants_each_of_its_resource_scopes_once() -> None:
    text = "openid patient/*.rs launch/patient patient/*.read user/Task.cu  nonsense"
    assert [str(scope) for scope in resource_scopes(text)] == ["patient/*.rs", "user/Task.cu"]
    assert resource_scopes("") == ()


names = st.text(min_size=1, max_size=8)
values = st.text(min_size=1, max_size=8).filter(lambda text: bool(text.strip()))


@given(
    level=st.sampled_from(Level),
    type=st.sampled_from(["*", "Patient", "Observation"]),
    letters=st.frozensets(st.sampled_from("cruds"), min_size=1),
    where=st.lists(st.tuples(names, values), max_size=3).map(tuple),
)
def test_a_scope_is_read_back_from_its_own_text(
    level: Level, type: str, letters: frozenset[str], where: tuple[tuple[str, str], ...]
) -> None:
    scope = ResourceScope(level, type, letters, where)
    assert " " not in str(scope)
    assert resource_scope(str(scope)) == scope


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    for scope in resource_scopes(text):
        assert scope.interactions
