"""Whatever a client sends as an expression is refused, or gives a collection; it never breaks the server."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_api.fhirpath import FhirPathError, compile_expression, resource_node
from fhir_api.fhirpath.functions import CONDITIONS, FUNCTIONS
from fhir_api.fhirpath.operators import COLLECTIONS, COMPARISONS, LOGIC
from tests.fhir_api.fhirpath.test_expressions import OBSERVATION, PATIENT

ODD: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [["x"], None, 5, {"given": "a", "family": [{}], "period": "b"}],
    "birthDate": {"a": 1},
    "_birthDate": 7,
    "active": "yes",
    "contact": {},
    "multipleBirthInteger": 1e300,
    "contained": [{"resourceType": 5}, "a"],
}
ROOTS = [resource_node(tree) for tree in (PATIENT, OBSERVATION, ODD)]

leaves = st.sampled_from(
    [
        *[
            "name",
            "given",
            "value",
            "birthDate",
            "active",
            "contained",
            "multipleBirth",
            "meta",
            "$this",
            "$index",
            "$total",
        ],
        *[
            "%resource",
            "%context",
            "%ucum",
            "{}",
            "true",
            "1",
            "-2",
            "3.5",
            "0",
            "'a'",
            "''",
            "'[a'",
            "'1'",
            "@2012-02-29",
            "@T10:30",
        ],
        *["@2012-01-01T10:00:00+14:00", "Patient", "99999999999999999999"],
        "4 days",
        "5 'mg'",
        "1 'a'",
    ]
)
operators = st.sampled_from([*LOGIC, *COMPARISONS, *COLLECTIONS])
functions = st.sampled_from([*FUNCTIONS, *CONDITIONS])
types = st.sampled_from(["Patient", "string", "System.Integer", "Quantity", "BackboneElement"])


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(inner, max_size=2).map(", ".join)
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("{}.{}({})".format, inner, functions, arguments),
        st.builds("{}.{}".format, inner, leaves),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("({} is {})".format, inner, types),
        st.builds("{}.ofType({})".format, inner, types),
    )


@settings(max_examples=400, deadline=None)
@given(st.recursive(leaves, larger, max_leaves=8))
def test_any_expression_is_refused_or_gives_a_collection(text: str) -> None:
    with suppress(FhirPathError):
        expression = compile_expression(text)
        for root in ROOTS:
            with suppress(FhirPathError):
                found = expression.evaluate(root, steps=10_000)
                assert isinstance(found, list)
                assert all(node.location for node in found)


@given(st.text(alphabet="ab.()[]{}'`@$%|&=<>!~+-*/0129 T:Z,\\\n\u00e9", max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    with suppress(FhirPathError):
        compile_expression(text)
