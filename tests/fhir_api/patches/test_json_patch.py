"""https://www.rfc-editor.org/rfc/rfc6902, on documents whose text has to survive."""

from __future__ import annotations

from typing import Any

import jsonpatch
import jsonpointer
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.errors import Category, FhirError
from fhir_api.patches.json_patch import MOST_OPERATIONS, apply_json_patch, read_json_patch

DEPTH = 64
PLENTY = 1_000_000


def patched(document: Any, *operations: dict[str, Any], most_bytes: int = PLENTY) -> bytes:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return apply_json_patch(read_json_patch(orjson.dumps(operations), DEPTH), body, most_bytes)


def test_what_a_patch_does_not_touch_keeps_its_bytes() -> None:
    body = b'{"a": { "value": 1.10 ,"s":"\\u00e9"} ,"b":[1.0, 2E2 ,{"c":0.50}],"d":1}'
    out = patched(
        body,
        {"op": "replace", "path": "/d", "value": 2},
        {"op": "remove", "path": "/b/0"},
    )
    assert out == b'{"a":{ "value": 1.10 ,"s":"\\u00e9"},"b":[2E2,{"c":0.50}],"d":2}'


def test_moved_and_copied_values_keep_their_text() -> None:
    body = b'{"a":{"value":1.10},"b":{}}'
    out = patched(body, {"op": "copy", "from": "/a", "path": "/b/x"})
    assert out == b'{"a":{"value":1.10},"b":{"x":{"value":1.10}}}'
    out = patched(body, {"op": "move", "from": "/a/value", "path": "/b/y"})
    assert out == b'{"a":{},"b":{"y":1.10}}'


def test_a_value_of_the_patch_keeps_its_text() -> None:
    operations = read_json_patch(b'[{"op":"add","path":"/v","value":3.140}]', DEPTH)
    assert apply_json_patch(operations, b"{}", PLENTY) == b'{"v":3.140}'


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b'{"v":1.10}', 1.1),
        (b'{"v":1.0}', 1),
        (b'{"v":{"b":1,"a":[null]}}', {"a": [None], "b": 1}),
        (b'{"v":"\\u00e9"}', "é"),
    ],
)
def test_a_test_compares_values_not_spelling(document: bytes, value: Any) -> None:
    """RFC 6902 §4.6"""
    assert patched(document, {"op": "test", "path": "/v", "value": value}) == document


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b'{"v":1}', True),
        (b'{"v":"1"}', 1),
        (b'{"v":[1,2]}', [2, 1]),
        (b'{"v":0.1}', 0.2),
        (b'{"v":null}', False),
        (b'{"v":{"a":1}}', {"a": 1, "b": 2}),
    ],
)
def test_a_failed_test_is_a_conflict(document: bytes, value: Any) -> None:
    with pytest.raises(FhirError) as refused:
        patched(document, {"op": "test", "path": "/v", "value": value})
    assert refused.value.status == 409


def test_a_test_is_exact_where_a_double_is_not() -> None:
    operations = read_json_patch(
        b'[{"op":"test","path":"/v","value":0.10000000000000000001}]', DEPTH
    )
    with pytest.raises(FhirError):
        apply_json_patch(operations, b'{"v":0.1}', PLENTY)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/none"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "/none", "value": 1},
        {"op": "add", "path": "/none/x", "value": 1},
        {"op": "add", "path": "/list/9", "value": 1},
        {"op": "add", "path": "/list/01", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "add", "path": "/text/x", "value": 1},
        {"op": "remove", "path": "/list/-"},
        {"op": "move", "from": "/list", "path": "/list/0"},
        {"op": "move", "from": "/none", "path": "/x"},
        {"op": "copy", "from": "/none", "path": "/x"},
        {"op": "test", "path": "/none", "value": 1},
    ],
)
def test_an_operation_that_leads_nowhere_is_422(operation: dict[str, Any]) -> None:
    with pytest.raises(FhirError) as refused:
        patched({"list": [1], "text": "x"}, operation)
    assert refused.value.status == 422
    assert "Operation 0" in refused.value.text


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[1]",
        b'[{"op":"add"}]',
        b'[{"op":"add","path":"/a"}]',
        b'[{"op":"grow","path":"/a","value":1}]',
        b'[{"op":"move","path":"/a"}]',
        b'[{"op":"add","path":"a","value":1}]',
        b'[{"op":"add","path":"/~2","value":1}]',
        b'[{"op":"add","path":1,"value":1}]',
        b'[{"op":"add","path":"/a","value":{"b":1,"b":2}}]',
        b'[], "more": 1',
        b"[",
        b"",
    ],
)
def test_what_is_no_patch_is_400(body: bytes) -> None:
    with pytest.raises(FhirError) as refused:
        read_json_patch(body, DEPTH)
    assert refused.value.status == 400


def test_a_bomb_of_copies_runs_out_of_bytes() -> None:
    double = {"op": "copy", "from": "/a", "path": "/a/-"}
    with pytest.raises(FhirError) as refused:
        patched({"a": ["x" * 100]}, *([double] * 60), most_bytes=100_000)
    assert refused.value.status == 413


def test_a_storm_of_tests_runs_out_of_bytes() -> None:
    document = {"a": "x" * 10_000}
    test = {"op": "test", "path": "", "value": document}
    with pytest.raises(FhirError) as refused:
        patched(document, *([test] * 100), most_bytes=200_000)
    assert refused.value.status == 413


def test_too_many_operations_or_steps_are_refused() -> None:
    test = {"op": "test", "path": "", "value": 1}
    for operations in ([test] * (MOST_OPERATIONS + 1), [{**test, "path": "/a" * 200}]):
        with pytest.raises(FhirError) as refused:
            read_json_patch(orjson.dumps(operations), DEPTH)
        assert refused.value.category is Category.TOO_COSTLY


def test_values_nested_by_many_operations_are_refused_not_a_crash() -> None:
    with pytest.raises(FhirError) as refused:
        patched({"b": 1}, *[{"op": "copy", "from": "", "path": "/a"}] * 900)
    assert refused.value.status == 413
    chain = [{"op": "move", "from": "/a", "path": "/b"}, {"op": "add", "path": "/a", "value": {}}]
    chain += [{"op": "move", "from": "/b", "path": "/a/b"}]
    with pytest.raises(FhirError) as refused:
        patched({"a": {}}, *(chain * 333), {"op": "test", "path": "", "value": {"x": 1}})
    assert refused.value.status in {400, 409}


names = st.sampled_from(["a", "b", "~", "/", "", "-", "0"])
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, "x", ""])
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
pointers = st.lists(names | st.sampled_from(["1", "2", "x"]), max_size=3).map(
    lambda tokens: "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)
)
operations = st.one_of(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "replace", "test"]), "path": pointers, "value": documents}
    ),
    st.fixed_dictionaries({"op": st.just("remove"), "path": pointers}),
    st.fixed_dictionaries(
        {"op": st.sampled_from(["move", "copy"]), "path": pointers, "from": pointers}
    ),
)


@given(st.dictionaries(names, documents, max_size=4), st.lists(operations, max_size=4))
def test_it_does_what_the_python_library_does(
    document: dict[str, Any], patch: list[dict[str, Any]]
) -> None:
    """PyPI's jsonpatch, on any document and patch: the same value, or both refuse."""
    try:
        expected = jsonpatch.apply_patch(document, patch)
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
    ):
        expected = FhirError
    try:
        got: Any = orjson.loads(patched(document, *patch))
    except FhirError:
        got = FhirError
    assert got == expected
