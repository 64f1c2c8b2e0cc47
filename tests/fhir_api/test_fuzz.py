"""Whatever is sent, the answer is never a 500, and a refusal is an OperationOutcome (``Client.ask`` asserts both)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_api.api import Api
from fhir_api.validation import Validator
from store.sqlite import SqliteStore
from tests.fhir_api.client import Client, bundle, entry, observation, patient

VALIDATOR = Validator()

segments = st.sampled_from(
    [
        "Patient",
        "Observation",
        "Task",
        "Binary",
        "Bundle",
        "a",
        "b",
        "_history",
        "_search",
        "1",
        "2",
        "metadata",
        "$claim",
        "$heartbeat",
        "$x",
        "",
        "é",
        "..",
        "Nonsense",
        "dicom:instance",
    ]
) | st.text(max_size=6)
names = st.sampled_from(
    [
        "identifier",
        "name",
        "_id",
        "_sort",
        "_count",
        "_since",
        "_at",
        "_before",
        "_format",
        "_pretty",
        "_summary",
        "_elements",
        "_total",
        "_include",
        "_revinclude",
        "_lastUpdated",
        "birthdate",
        "status",
        "subject",
        "value-quantity",
        "date",
        "patient",
        "_has:Observation:patient:code",
        "name:exact",
        "subject:Patient",
        "_page",
        "code:text",
        "identifier:of-type",
    ]
) | st.text(max_size=6)
texts = st.sampled_from(
    [
        "a",
        "urn:test|1",
        "|",
        "2020",
        "gt2020-01-01",
        "true",
        "json",
        "xml",
        "-1",
        "0",
        "99999999999999999999",
        "1.10",
        "Patient/a",
        "%",
        "%FF",
        "a,b",
        "a\\,b",
        "*",
        "Observation:subject",
        "count",
        "text",
        "\x00",
        "é",
    ]
) | st.text(max_size=8)
queries = st.lists(st.tuples(names, texts), max_size=3).map(
    lambda pairs: "&".join(f"{name}={text}" for name, text in pairs)
)
headers = st.dictionaries(
    st.sampled_from(
        [
            "if_match",
            "if_none_match",
            "if_none_exist",
            "if_modified_since",
            "prefer",
            "accept",
            "content_type",
            "x_security_context",
        ]
    ),
    st.sampled_from(
        [
            'W/"1"',
            '"x"',
            "*",
            "",
            "identifier=urn:test|1",
            "return=minimal",
            "handling=strict",
            "application/json",
            "text/html",
            "image/png",
            "application/x-www-form-urlencoded",
            "Mon, 01 Jan 2024 00:00:00 GMT",
            "application/fhir+json",
            "é",
        ]
    ),
    max_size=3,
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
urls = st.tuples(st.lists(segments, max_size=4), queries).map(
    lambda pair: "/".join(pair[0]) + "?" + pair[1]
)


def resources() -> st.SearchStrategy[Any]:
    good = st.sampled_from(
        [
            patient(id="a"),
            patient("2", id="b"),
            observation("Patient/a"),
            observation("urn:uuid:x"),
            {"resourceType": "Task", "id": "a", "status": "requested", "intent": "order"},
            {"resourceType": "Binary", "contentType": "text/plain", "data": "aGVsbG8="},
        ]
    )
    spoiled = st.tuples(
        good, st.sampled_from(["id", "status", "identifier", "meta", "x", "subject"]), trees
    ).map(lambda parts: {**parts[0], parts[1]: parts[2]})
    return good | spoiled | trees


methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
entries = st.builds(
    lambda method, url, resource, full_url, conditions: entry(
        method, url, resource, full_url, **conditions
    ),
    methods,
    urls
    | st.sampled_from(["Patient", "Patient/a", "Patient?identifier=urn:test|1", "Observation"]),
    resources(),
    st.sampled_from([None, "urn:uuid:x", "urn:uuid:y", "http://x.test/Patient/a"]) | texts,
    st.dictionaries(
        st.sampled_from(["ifMatch", "ifNoneExist", "ifNoneMatch", "ifModifiedSince"]),
        texts,
        max_size=2,
    ),
)
bodies = (
    resources()
    | st.lists(entries | trees, max_size=4).map(lambda made: bundle("transaction", *made))
    | st.lists(entries, max_size=4).map(lambda made: bundle("batch", *made))
    | st.binary(max_size=30)
)
requests = st.tuples(methods, urls | st.just(""), st.none() | bodies, headers)


def encoded(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    try:
        return orjson.dumps(body)
    except (TypeError, orjson.JSONEncodeError):
        return b"{}"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(requests, min_size=5, max_size=25))
async def test_no_request_makes_the_server_fail(
    tmp_path: Path, asked: list[tuple[str, str, Any, dict[str, str]]]
) -> None:
    store = SqliteStore.open(tmp_path / "data")
    try:
        client = Client(Api(store, VALIDATOR))
        for method, url, body, sent in asked:
            reply = await client.ask(method, url, encoded(body), **sent)
            assert 200 <= reply.status < 500
    finally:
        await store.close()
