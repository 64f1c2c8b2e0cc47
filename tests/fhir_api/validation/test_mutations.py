"""A valid resource that is broken at one place is refused, and the place is told.

The mutations follow the definitions' tables; they know nothing of the validator.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import orjson
import pytest

from fhir_api.validation import Validator
from tests.fhir_api.validation.mutations import Mutation, mutations
from tests.fhir_api.validation.official_examples import official_package, valid_examples

VALIDATOR = Validator()
KINDS = {
    "code outside its value set",
    "empty array",
    "empty object",
    "empty text",
    "no array",
    "null",
    "number for text",
    "object for a primitive",
    "required element missing",
    "text for a number or boolean",
    "text for an object",
    "too many",
    "unknown element",
    "wrong target",
}

IMAGING_TASK: dict[str, Any] = {
    "resourceType": "Task",
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Radiology", "active": True}],
    "text": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml">A task</div>',
    },
    "identifier": [{"use": "official", "system": "urn:t", "value": "1"}],
    "status": "requested",
    "intent": "order",
    "priority": "stat",
    "code": {"coding": [{"system": "urn:c", "code": "x", "userSelected": True}], "text": "Look"},
    "focus": {"reference": "ImagingStudy/1"},
    "for": {"reference": "Patient/1", "type": "Patient"},
    "requester": {"reference": "#o"},
    "authoredOn": "2026-03-02T10:04:00Z",
    "restriction": {"repetitions": 1, "period": {"end": "2026-03-03"}},
    "input": [{"type": {"text": "threshold"}, "valueDecimal": 0.5}],
    "extension": [{"url": "http://e.example/a", "valueCode": "x"}],
}


def problems(resource: dict[str, Any]) -> set[tuple[str, str]]:
    found = VALIDATOR.validate(resource, resource["resourceType"])
    return {(issue.code, issue.expression) for issue in found if issue.is_error}


def escapes(mutation: Mutation, content: bytes) -> bool:
    return (mutation.code, mutation.place) not in problems(mutation.applied_to(content))


def test_every_mutation_of_a_task_is_caught_at_its_place() -> None:
    content = orjson.dumps(IMAGING_TASK)
    assert problems(IMAGING_TASK) == set()
    every = list(mutations(IMAGING_TASK))
    assert {mutation.what for mutation in every} == KINDS
    assert [mutation for mutation in every if escapes(mutation, content)] == []


@pytest.mark.timeout(600)
def test_mutations_of_official_examples_are_caught_at_their_places() -> None:
    """Of each small official example, some mutations of each kind, drawn with a fixed seed."""
    draw = random.Random(4_0_1)
    tried: Counter[str] = Counter()
    escaped: list[tuple[str, Mutation]] = []
    for name, content in valid_examples(official_package()):
        if len(content) > 40_000 or draw.random() > 0.2:
            continue
        of_kind: dict[str, list[Mutation]] = {}
        for mutation in mutations(orjson.loads(content)):
            of_kind.setdefault(mutation.what, []).append(mutation)
        for what, some in of_kind.items():
            for mutation in draw.sample(some, min(2, len(some))):
                tried[what] += 1
                if escapes(mutation, content):
                    escaped.append((name, mutation))
    assert escaped == []
    assert tried.keys() == KINDS
    assert min(tried.values()) > 20
