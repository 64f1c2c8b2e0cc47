"""What a client sends is read strictly and comes back as it was (https://hl7.org/fhir/R4/json.html)."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.document import depth, joined, members_of, parse, stamp
from fhir_api.errors import FhirError
from tests.fhir_api.conftest import VALIDATOR

MAX_DEPTH = 64

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
decimals = st.from_regex(
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)


class Number(str):
    """A JSON number by its text."""

    __slots__ = ()


def values() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | names | decimals.map(Number)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=20,
    )


def written(value: Any, ascii_only: bool, blank: str) -> str:
    """The value as JSON text, with every legal freedom a client has."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        inner = f",{blank}".join(
            f"{json.dumps(name, ensure_ascii=ascii_only)}{blank}:{blank}{written(item, ascii_only, blank)}"
            for name, item in value.items()
        )
        return "{" + blank + inner + blank + "}"
    if isinstance(value, list):
        return "[" + f"{blank},".join(written(item, ascii_only, blank) for item in value) + "]"
    return json.dumps(value, ensure_ascii=ascii_only)


def exact(body: Any) -> Any:
    """The JSON with members in order and numbers by their text."""
    return json.loads(
        bytes(body),
        parse_float=Number,
        parse_int=Number,
        object_pairs_hook=lambda pairs: ("{}", pairs),
    )


documents = st.dictionaries(names, values(), max_size=6)


@given(documents, st.booleans(), st.sampled_from(["", " ", "\n\t", "\r\n  "]))
def test_any_legal_object_comes_back_with_the_same_values_order_and_number_texts(
    document: dict[str, Any], ascii_only: bool, blank: str
) -> None:
    document.pop("meta", None)
    body = written(document, ascii_only, blank).encode()
    parse(body, MAX_DEPTH)
    stamped = exact(stamp(body, "the-id", 7, "2026-01-01T00:00:00Z"))[1]
    ours = {"id": "the-id"}
    expected = exact(body)[1]
    kept = [(name, value) for name, value in stamped if name not in {"id", "meta"}]
    assert kept == [(name, value) for name, value in expected if name not in {"id", "meta"}]
    assert [value for name, value in stamped if name == "id"] == [ours["id"]]
    meta = dict(dict(stamped)["meta"][1])
    assert meta == {"versionId": "7", "lastUpdated": "2026-01-01T00:00:00Z"}


@given(st.dictionaries(names, values(), max_size=4))
def test_the_rest_of_meta_is_kept_in_place(meta: dict[str, Any]) -> None:
    body = written({"resourceType": "Basic", "meta": meta, "a": 1}, False, " ").encode()
    stamped = members_of(stamp(body, "x", 2, "now"))
    assert list(stamped) == ["resourceType", "id", "meta", "a"]
    before = [
        p for p in exact(members_of(body)["meta"])[1] if p[0] not in {"versionId", "lastUpdated"}
    ]
    after = [p for p in exact(stamped["meta"])[1] if p[0] not in {"versionId", "lastUpdated"}]
    assert before == after


@given(documents, st.booleans())
def test_the_tree_says_what_the_text_says(document: dict[str, Any], ascii_only: bool) -> None:
    tree = parse(written(document, ascii_only, "").encode(), MAX_DEPTH)

    def same(read: Any, sent: Any) -> bool:
        if isinstance(sent, Number):
            value = float(Decimal(sent))
            return read == pytest.approx(value) or abs(value) > 1e308
        if isinstance(sent, dict):
            return list(read) == list(sent) and all(same(read[k], v) for k, v in sent.items())
        if isinstance(sent, list):
            return len(read) == len(sent) and all(map(same, read, sent))
        return read == sent

    assert same(tree, document)


@given(documents, names, st.booleans(), st.sampled_from(["", " "]))
def test_a_member_twice_in_any_object_is_refused(
    document: dict[str, Any], name: str, ascii_only: bool, blank: str
) -> None:
    inner = f"{json.dumps(name, ensure_ascii=ascii_only)}:{blank}1"
    twice = "{" + inner + "," + blank + inner + "}"
    body = '{"outer":' + twice + ',"rest":' + written(document, ascii_only, blank) + "}"
    with pytest.raises(FhirError, match="twice"):
        parse(body.encode(), MAX_DEPTH)


@pytest.mark.parametrize(
    "twice",
    [
        b'{"a":1,"a":1}',
        b'{"a":"x","\\u0061":"x"}',
        b'{"a":1e400,"b":{"c":1,"c":2}}',
        b'{"a":"\\\\","a":"\\""}',
        b'{"a":1e2,"a":"0"}',
    ],
)
def test_a_member_twice_is_seen_through_escapes_and_odd_numbers(twice: bytes) -> None:
    with pytest.raises(FhirError, match="twice"):
        parse(twice, MAX_DEPTH)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}x",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":01}',
        b'{"a":1.}',
        b'{"a":.5}',
        b'{"a":+1}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\x01"}',
        b'{"a":"\\x"}',
        b'{"a":/*c*/1}',
        '{"a":1}'.encode("utf-16"),
        b"[]",
        b"1",
        b"null",
        b'"x"',
    ],
)
def test_what_is_no_json_object_in_utf8_is_refused_as_structure(body: bytes) -> None:
    with pytest.raises(FhirError) as refused:
        parse(body, MAX_DEPTH)
    assert (refused.value.status, refused.value.issues[0].code) == (400, "structure")


@pytest.mark.parametrize("nested", [b'{"a":', b'{"a":['])
@pytest.mark.parametrize("levels", [65, 500, 1500, 100_000])
def test_what_is_nested_too_deep_is_refused(nested: bytes, levels: int) -> None:
    closing = {b'{"a":': b"}", b'{"a":[': b"]}"}[nested]
    body = nested * levels + b"1" + closing * levels
    with pytest.raises(FhirError) as refused:
        parse(body, MAX_DEPTH)
    assert refused.value.status == 400


def test_nesting_up_to_the_limit_is_accepted() -> None:
    tree = parse(b'{"a":' * 64 + b"1" + b"}" * 64, MAX_DEPTH)
    assert depth(tree) == 64


def test_numbers_beyond_a_double_are_legal_and_infinite_for_the_validator_to_refuse() -> None:
    tree = parse(b'{"a":1e400,"b":-1e400,"c":%b}' % (b"9" * 400), MAX_DEPTH)
    assert list(tree.values()) == [math.inf, -math.inf, math.inf]
    quantity = {"value": tree["a"]}
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "valueQuantity": quantity,
    }
    errors = [issue for issue in VALIDATOR.validate(observation, "Observation") if issue.is_error]
    assert [issue.expression for issue in errors] == ["Observation.valueQuantity.value"]


def test_numbers_within_a_double_keep_their_text() -> None:
    body = b'{"c":123456789012345678901234567890,"d":1e-500,"e":-0,"f":1.10}'
    assert parse(body, MAX_DEPTH)["e"] == 0
    assert stamp(body, "x", 1, "now").endswith(body[1:])


def test_id_and_meta_stand_after_the_type_where_none_were_sent() -> None:
    body = b'{ "text" : {} , "resourceType":"Patient","active":true }'
    assert stamp(body, "x", 1, "now") == (
        b'{"text":{},"resourceType":"Patient","id":"x",'
        b'"meta":{"versionId":"1","lastUpdated":"now"},"active":true}'
    )


@given(st.dictionaries(names, values(), max_size=5))
def test_taking_an_object_apart_and_joining_it_changes_nothing(document: dict[str, Any]) -> None:
    body = written(document, False, "").encode()
    assert exact(joined(members_of(body))) == exact(body)
