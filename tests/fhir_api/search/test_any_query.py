"""Whatever is asked, the answer is a searchset or a refusal, never a failure (https://hl7.org/fhir/R4/search.html#errors)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.search.conditions import MODIFIERS
from fhir_api.search.criteria import NOT_SUPPORTED, RESULT_PARAMETERS
from fhir_api.search.parameters import not_searchable, parameters_of
from tests.fhir_api.search.random_resources import Maker
from tests.fhir_api.search.server import Server

anything = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
pieces = st.sampled_from(
    [
        "",
        "ge",
        "5",
        "-",
        "2020",
        "|",
        ",",
        "\\",
        "$",
        ":",
        "Patient/",
        "*",
        "\0",
        "true",
        "http://a",
        "x$5",
        "http://terminology.hl7.org/CodeSystem/condition-clinical|active",
        "http://hl7.org/fhir/ValueSet/administrative-gender",
        "ValueSet/r1",
        "Observation:subject",
        "Patient:*",
    ]
)
values = st.one_of(anything, st.lists(pieces, max_size=6).map("".join))
modifiers = st.one_of(
    st.sampled_from(sorted(set().union(*MODIFIERS.values()) - RESOURCE_TYPES)), anything
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, Server]]:
    async def opened() -> Server:
        server = Server(tmp_path_factory.mktemp("store"))
        maker = Maker(1)
        for type in ("Patient", "Observation"):
            await server.store_all(maker.resource(type, f"r{number}") for number in range(5))
        return server

    with asyncio.Runner() as runner:
        server = runner.run(opened())
        yield runner, server
        runner.run(server.store.close())


def known_names(type: str) -> list[str]:
    return sorted(
        {*parameters_of(type), *not_searchable(type), *RESULT_PARAMETERS, *NOT_SUPPORTED}
        | {"_page", "_list", "_type"}
    )


@st.composite
def names(draw: st.DrawFn, type: str, steps: int = 2) -> str:
    """A parameter of a type, at the end of a chain or of reverse chains, or nothing of the sort."""
    way = draw(st.integers(0, 7)) if steps else 7
    other = draw(st.sampled_from(["Patient", "Observation", "Organization", "Group", type]))
    references = [code for code, p in parameters_of(type).items() if p.type == "reference"]
    if way == 0 and references:
        typed = draw(st.sampled_from(["", f":{other}", ":nonsense"]))
        return f"{draw(st.sampled_from(references))}{typed}.{draw(names(other, steps - 1))}"
    if way == 1:
        code = draw(st.sampled_from(["subject", "patient", "organization", "focus", "x"]))
        return f"_has:{other}:{code}:{draw(names(other, steps - 1))}"
    name = draw(st.one_of(st.sampled_from(known_names(type)), anything))
    return f"{name}:{draw(modifiers)}" if draw(st.booleans()) else name


@st.composite
def queries(draw: st.DrawFn) -> str:
    type = draw(
        st.sampled_from(
            ["Patient", "Observation", "Task", "Bundle", "Location", *sorted(RESOURCE_TYPES)]
        )
    )
    place = draw(
        st.sampled_from([type, type, type, "", f"Patient/r1/{type}", "Patient/r1/*", "Device/x/*"])
    )
    pairs = [
        f"{quote(draw(names(type)), safe='')}={quote(draw(values), safe='')}"
        for _ in range(draw(st.integers(0, 4)))
    ]
    return f"{place}?" + "&".join(pairs)


@given(url=queries(), strict=st.booleans())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_query_is_answered_or_refused(running, url, strict):
    runner, server = running
    headers = {"prefer": "handling=strict"} if strict else {}
    response = runner.run(server.request("GET", url, **headers))
    body = json.loads(response.body)
    if response.status == 200:
        assert (body["resourceType"], body["type"]) == ("Bundle", "searchset")
    else:
        assert response.status in (400, 403, 404, 406)
        assert body["resourceType"] == "OperationOutcome"
        assert all(issue["code"] != "exception" for issue in body["issue"])
