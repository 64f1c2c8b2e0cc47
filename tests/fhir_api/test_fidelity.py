"""JSON through the whole API: the same values, member order and decimal texts (https://hl7.org/fhir/R4/json.html)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_api.api import Api
from fhir_api.validation import Validator
from store.sqlite import SqliteStore
from tests.fhir_api.client import Client

VALIDATOR = Validator()
decimals = st.from_regex(
    r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)
words = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Zl", "Zp", "Zs", "Co"]),
    min_size=1,
    max_size=12,
)


def exact(body: bytes) -> Any:
    return json.loads(body, parse_float=str, parse_int=str, object_pairs_hook=list)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(decimals, words), min_size=1, max_size=4), st.booleans())
async def test_decimals_and_text_of_a_resource_come_back_as_they_were_sent(
    tmp_path: Path, parts: list[tuple[str, str]], ascii_only: bool
) -> None:
    components = ",".join(
        f'{{"code":{{"text":{json.dumps(text, ensure_ascii=ascii_only)}}},'
        f'"valueQuantity":{{"value":{number},"unit":"mm"}}}}'
        for number, text in parts
    )
    start = '{"resourceType":"Observation","status":"final","code":{"text":"x"},"component":['
    sent = f"{start}{components}]}}".encode()
    store = SqliteStore.open(tmp_path / "data")
    try:
        client = Client(Api(store, VALIDATOR))
        created = await client.post("Observation", sent)
        assert created.status == 201, created.body
        read = await client.get(f"Observation/{created.id}")
        again = await client.put(f"Observation/{created.id}", read.body)
        found = await client.get(f"Observation?_id={created.id}")
    finally:
        await store.close()
    members = [pair for pair in exact(read.body) if pair[0] not in {"id", "meta"}]
    assert members == exact(sent)
    assert again.body == read.body
    assert read.body in found.body
