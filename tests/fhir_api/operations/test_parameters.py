"""https://hl7.org/fhir/R4/operations.html#executing: parameters from the URL, from Parameters, and a bare resource."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fhir_api.api import Api
from fhir_api.errors import FhirError
from fhir_api.http import Request
from fhir_api.operations.parameters import Parameters, parameters_of
from tests.fhir_api.client import BASE, OPERATOR
from tests.fhir_api.tasks.queueing import parameters

KNOWN = frozenset({"count", "deep", "profile", "subject", "mode", "resource"})


def read(api: Api, query: str = "", body: Any = None, resource: str | None = None) -> Parameters:
    sent = body if isinstance(body, bytes) else orjson.dumps(body) if body else b""
    request = Request("POST", ("$x",), query, {}, sent, OPERATOR, BASE)
    return parameters_of(api, request, KNOWN, resource=resource)


def test_the_url_and_the_body_say_the_same(api: Api) -> None:
    query = "count=7&deep=true&profile=http://a/b&subject=Patient/1&mode=create&_format=json"
    body = parameters(
        {"name": "count", "valueInteger": 7},
        {"name": "deep", "valueBoolean": True},
        {"name": "profile", "valueCanonical": "http://a/b"},
        {"name": "subject", "valueReference": {"reference": "Patient/1"}},
        {"name": "mode", "valueCode": "create"},
    )
    for given in (read(api, query), read(api, "", body)):
        assert given.integer("count", 1, 0, 9) == 7
        assert given.flag("deep", default=False) is True
        assert given.text("profile", "valueUri", "valueCanonical") == "http://a/b"
        assert given.references("subject", "Patient") == ("1",)
        assert given.choice("mode", {"create", "update"}) == "create"


def test_a_body_may_be_the_one_resource_with_the_rest_in_the_url(api: Api) -> None:
    body = b'{"resourceType":"Observation","valueQuantity":{"value":1.10}}'
    given = read(api, "mode=create", body, "resource")
    sent = given.resource("resource")
    assert sent is not None
    assert (sent.body, sent.tree["resourceType"], sent.place) == (body, "Observation", "")
    assert given.choice("mode", {"create"}) == "create"


def test_a_resource_in_parameters_comes_as_it_was_sent_and_unjudged(api: Api) -> None:
    body = (
        b'{"resourceType":"Parameters","parameter":[{"name":"count","valueInteger":1},'
        b'{"name":"resource","resource":{"resourceType":"Observation","valueX": 1.10 }}]}'
    )
    sent = read(api, "", body).resource("resource")
    assert sent is not None
    assert sent.body == b'{"resourceType":"Observation","valueX": 1.10 }'
    assert sent.place == "Parameters.parameter[1].resource"


@pytest.mark.parametrize(
    ("query", "body", "place"),
    [
        ("nothing=1", None, "http.url"),
        ("count=x", None, "http.count"),
        ("count=1&count=2", None, "http.count"),
        ("count=1", parameters({"name": "count", "valueInteger": 1}), "Parameters.parameter[0]"),
        ("deep=yes", None, "http.deep"),
        ("mode=destroy", None, "http.mode"),
        ("subject=Group/1", None, "http.subject"),
        ("", {"resourceType": "Patient"}, "resourceType"),
        ("", parameters({"name": "other", "valueInteger": 1}), "Parameters.parameter[0].name"),
        ("", parameters({"valueInteger": 1}), "Parameters.parameter[0].name"),
        ("", parameters({"name": "resource", "resource": 1}), "Parameters.parameter[0].resource"),
        ("resource=1", None, "http.resource"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(
    api: Api, query: str, body: Any, place: str
) -> None:
    with pytest.raises(FhirError) as refused:
        use(read(api, query, body))
    assert refused.value.status in {400, 422}
    assert refused.value.issues[0].expression == place


def use(given: Parameters) -> None:
    given.integer("count", 1, 0, 9)
    given.flag("deep", default=False)
    given.choice("mode", {"create"}, "create")
    given.references("subject", "Patient")
    given.resource("resource")
