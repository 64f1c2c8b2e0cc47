"""Scopes: asked of an issuer that has names and no grammar, and cut down again to what the app wanted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fhir_api.smart.granting import asked_of_issuer, granted
from fhir_api.smart.scopes import resource_scopes

KNOWN = frozenset(
    [
        "openid",
        "fhirUser",
        "launch",
        "launch/patient",
        "offline_access",
        "patient/Observation.rs",
        "patient/Observation.c",
        "patient/Observation.r",
        "patient/Observation.s",
        "patient/*.rs",
        "patient/*.cruds",
        "patient/*.read",
        "user/Patient.rs",
        "user/Patient.cruds",
    ]
)


def asked(text: str) -> str:
    return " ".join(asked_of_issuer(text.split(), KNOWN))


def cut(wanted: str, by_issuer: str) -> str:
    return " ".join(granted(wanted.split(), by_issuer.split()))


def test_what_the_issuer_knows_is_asked_of_it_by_name() -> None:
    wanted = "launch openid patient/Observation.rs patient/*.read"
    assert asked(wanted) == wanted


def test_a_restriction_stays_here() -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters"""
    assert asked("patient/Observation.rs?category=laboratory") == "patient/Observation.rs"


def test_letters_that_the_issuer_has_no_name_for_are_asked_one_by_one_or_with_more() -> None:
    assert asked("patient/Observation.cr") == "patient/Observation.c patient/Observation.r"
    assert asked("user/Patient.r") == "user/Patient.rs"


def test_what_the_issuer_cannot_grant_is_left_out() -> None:
    """https://www.rfc-editor.org/rfc/rfc6749#section-3.3: it may grant less than was asked for."""
    assert asked("openid user/Observation.rs made-up patient/Nothing.rs") == "openid"


def test_a_type_that_the_issuer_has_no_name_for_is_asked_as_all_types_and_cut_down_again() -> None:
    assert asked("patient/Basic.rs") == "patient/*.rs"
    assert cut("patient/Basic.rs", "patient/*.rs") == "patient/Basic.rs"


def test_what_was_granted_in_full_is_spelled_as_it_was_asked_for() -> None:
    wanted = (
        "launch/patient openid patient/Observation.read patient/Observation.rs?category=laboratory"
    )
    assert cut(wanted, "openid patient/Observation.rs") == wanted


def test_more_of_the_issuer_is_never_more_for_the_app() -> None:
    assert cut("patient/Observation.r", "patient/*.cruds user/*.cruds") == "patient/Observation.r"
    assert cut("patient/*.rs", "patient/Observation.cruds") == "patient/Observation.rs"
    assert cut("patient/*.rs", "patient/*.r patient/Observation.rs") == (
        "patient/*.r patient/Observation.rs"
    )


def test_another_level_or_type_grants_nothing() -> None:
    assert cut("patient/Observation.rs", "user/Observation.rs patient/Patient.rs") == ""


def test_a_refreshed_token_may_have_less_than_the_first_and_never_more() -> None:
    """https://www.rfc-editor.org/rfc/rfc6749#section-6"""
    first = "patient/Observation.rs?category=laboratory openid"
    assert cut("patient/Observation.rs", first) == ""
    assert cut("patient/Observation.r?category=laboratory", first) == (
        "patient/Observation.r?category=laboratory"
    )


WORDS = st.lists(
    st.sampled_from(sorted(KNOWN | {"patient/*.r?_id=1", "user/*.rs", "system/*.rs", "x"})),
    max_size=6,
)


@given(WORDS, WORDS)
def test_nothing_is_granted_that_either_side_does_not_say(
    wanted: list[str], by_issuer: list[str]
) -> None:
    said = resource_scopes(" ".join(by_issuer))
    asked_for = resource_scopes(" ".join(wanted))
    for scope in resource_scopes(" ".join(granted(wanted, by_issuer))):
        for letter in scope.interactions:
            for side in (said, asked_for):
                assert any(
                    one.level is scope.level
                    and one.type in {"*", scope.type}
                    and letter in one.interactions
                    and set(one.where) <= set(scope.where)
                    for one in side
                )


@given(WORDS)
def test_what_is_asked_of_the_issuer_is_enough(wanted: list[str]) -> None:
    asked_for = asked_of_issuer(wanted, KNOWN)
    known = [word for word in wanted if word in KNOWN]
    assert set(granted(known, asked_for)) == set(known)
