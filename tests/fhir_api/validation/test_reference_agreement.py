"""Our verdict and the reference validator's on official examples and on mutations of them.

``pytest -m services -s`` prints the figures and each difference. References are not looked up on either side.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from fhir_api.validation import Validator
from tests.fhir_api.validation.breakages import broken_invariants
from tests.fhir_api.validation.mutations import Mutation, mutations
from tests.fhir_api.validation.official_examples import official_package
from tests.services.reference_validator import ReferenceValidator, reference_validator

pytestmark = [pytest.mark.services, pytest.mark.timeout(1200)]

SEED = 4_0_1
MUTATIONS = 500
LARGEST_BYTES = 60_000
CONFORMANCE = (
    "CodeSystem-", "CompartmentDefinition-", "ConceptMap-", "ImplementationGuide-", "NamingSystem-",
    "OperationDefinition-", "SearchParameter-", "StructureDefinition-", "ValueSet-", "ig-",
)  # fmt: skip
"""Definitions rather than examples: the reference validator asks of them what R4's editors ask of themselves."""

VALIDATOR = Validator()

KNOWN: Mapping[str, str] = {
    "Sub-extension url": "a nested extension outside the definition of the outer one",
    "No CQL Libraries found": "criteria in CQL without a library: what Measures mean is not judged here",
    "is not valid base64: Illegal base64 character 20": "R4 allows white space in base64",
    "does not resolve": "a picture in the narrative that is not contained",
    "is not known at this point": "what a StructureMap's rules mean is not judged here",
    "which is unknown": "what a StructureMap's rules mean is not judged here",
}
"""Part of the reference validator's text → why it may stand alone."""

OURS_ALONE: Mapping[str, str] = {
    "An array must not be empty.": "https://hl7.org/fhir/R4/json.html: the reference validator lets it pass for primitives",
}


@dataclass(frozen=True)
class Verdicts:
    """What both say of one resource: texts of errors."""

    what: str
    ours: list[str]
    theirs: list[str]

    @property
    def agree(self) -> bool:
        return bool(self.ours) == bool(self.theirs)

    @property
    def reason(self) -> str | None:
        """Why they differ, where that is known."""
        table, text = (OURS_ALONE, self.ours) if self.ours else (KNOWN, self.theirs)
        return next((why for part, why in table.items() if part in " ".join(text)), None)

    def __str__(self) -> str:
        side, text = ("ours", self.ours) if self.ours else ("theirs", self.theirs)
        return f"{self.what}: only {side}: {text[0][:120]} [{self.reason or 'unexplained'}]"


@pytest.fixture(scope="module")
def reference() -> Iterator[ReferenceValidator]:
    with reference_validator("--no-resolve") as running:
        yield running


@pytest.fixture(scope="module")
def examples() -> dict[str, bytes]:
    """The official examples that are not definitions, each on one line."""
    return {
        name: orjson.dumps(orjson.loads(content))
        for name, content in official_package()
        if len(content) < LARGEST_BYTES and not name.startswith(CONFORMANCE)
    }


@pytest.fixture(scope="module")
def verdicts(reference: ReferenceValidator, examples: dict[str, bytes]) -> list[Verdicts]:
    return judged(reference, examples)


def judged(reference: ReferenceValidator, bodies: Mapping[str, bytes]) -> list[Verdicts]:
    theirs = reference.errors_of(list(bodies.values()))
    return [
        Verdicts(what, _ours(body), found)
        for (what, body), found in zip(bodies.items(), theirs, strict=True)
    ]


def _ours(body: bytes) -> list[str]:
    tree: dict[str, Any] = orjson.loads(body)
    return [i.text for i in VALIDATOR.validate(tree, tree["resourceType"]) if i.is_error]


def told(verdicts: list[Verdicts], title: str) -> list[Verdicts]:
    """Prints the figures and the differences, and returns those without a reason."""
    differences = [verdict for verdict in verdicts if not verdict.agree]
    wrong = sum(bool(verdict.theirs) for verdict in verdicts)
    agreement = 1 - len(differences) / len(verdicts)
    print(f"\n{title}: {len(verdicts)}, of which the reference validator refuses {wrong};")
    print(f"agreement {agreement:.1%}")
    for difference in differences:
        print(f"  {difference}")
    assert agreement >= 0.99
    return [difference for difference in differences if difference.reason is None]


def test_official_examples_are_judged_alike(verdicts: list[Verdicts]) -> None:
    assert told(verdicts, "official examples") == []


def test_mutations_are_judged_alike(
    reference: ReferenceValidator, examples: dict[str, bytes], verdicts: list[Verdicts]
) -> None:
    clean = {v.what: examples[v.what] for v in verdicts if not v.ours and not v.theirs}
    mutated = {
        f"{name}, {mutation.what} at {mutation.place}": orjson.dumps(
            mutation.applied_to(clean[name])
        )
        for name, mutation in drawn_mutations(clean)
    }
    assert len(mutated) >= MUTATIONS
    assert told(judged(reference, mutated), "mutations") == []


def drawn_mutations(examples: Mapping[str, bytes]) -> Iterator[tuple[str, Mutation]]:
    """The same mutations for the same seed: as many of each kind as there are, each invariant being a kind."""
    draw = random.Random(SEED)
    of_kind: dict[str, list[tuple[str, Mutation]]] = {}
    for name, body in examples.items():
        resource = orjson.loads(body)
        found: dict[str, list[Mutation]] = {}
        for mutation in (*mutations(resource), *broken_invariants(resource)):
            found.setdefault(mutation.what, []).append(mutation)
        for what, some in found.items():
            of_kind.setdefault(what, []).append((name, draw.choice(some)))
    each = MUTATIONS // len(of_kind) + 1
    shares = {what: draw.sample(some, min(each, len(some))) for what, some in of_kind.items()}
    missing = MUTATIONS + 50 - sum(len(share) for share in shares.values())
    rest = [one for what, some in of_kind.items() for one in some if one not in shares[what]]
    yield from (one for share in shares.values() for one in share)
    yield from draw.sample(rest, max(missing, 0))
