"""Progress is merged into reads: https://hl7.org/fhir/R4/task-definitions.html#Task.businessStatus"""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from fhir_api.tasks.progress import business_status, merge

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON))
def test_only_the_business_status_changes(members: dict[str, object]) -> None:
    merged = json.loads(merge(json.dumps(members).encode(), b'{"text":"Predicting"}'))
    assert merged == members | {"businessStatus": {"text": "Predicting"}}


def test_decimals_keep_their_text() -> None:
    content = b'{"input":[{"valueDecimal":1.10}],"businessStatus":{"text":"old"}}'
    assert b'"valueDecimal":1.10' in merge(content, b'{"text":"new"}')


def test_no_progress_leaves_the_bytes_alone() -> None:
    assert merge(b'{ "status" : "requested" }', b"") == b'{ "status" : "requested" }'


def test_stage_and_percent_are_coded() -> None:
    concept = json.loads(business_status("predict", 60, None))
    assert concept["coding"][0]["code"] == "predict"
    assert concept["extension"][0]["valueInteger"] == 60
