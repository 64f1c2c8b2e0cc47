"""What validating a resource costs, by size and kind, and which share of it the invariants have."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import orjson

from benchmarks.filled_store import fhirload
from benchmarks.machine import table
from fhir_api.definitions.generator.package import PackageUnavailable, find
from fhir_api.validation import Validator, compiler

ROUNDS, SECONDS_A_ROUND = 7, 0.05
EXAMPLES = (
    "Patient-example.json",
    "Observation-vitals-panel.json",
    "Observation-blood-pressure.json",
    "Questionnaire-bb.json",
    "CapabilityStatement-example.json",
    "ValueSet-example-extensional.json",
    "StructureDefinition-Observation.json",
)


def run(options: argparse.Namespace) -> None:
    """Prints microseconds of processor time, medians of several rounds."""
    whole = Validator()
    with patch.object(compiler, "invariant_rules", lambda _type: ()):
        bare = Validator()
        for _, tree in _resources(options):
            bare.validate(tree, tree["resourceType"])  # compiles the shapes, without invariants
    rows = []
    for name, tree in _resources(options):
        type_ = tree["resourceType"]
        errors = sum(issue.is_error for issue in whole.validate(tree, type_))
        total = _microseconds(whole, tree, type_)
        without = _microseconds(bare, tree, type_)
        size = f"{len(orjson.dumps(tree)) / 1000:.1f}"
        share = f"{max(0.0, 1 - without / total):.0%}"
        rows.append((name, size, f"{total:,.0f}", share, errors))
    print(table(("resource", "kB", "µs", "invariants", "errors"), rows))


def _microseconds(validator: Validator, tree: dict[str, Any], type_: str) -> float:
    """Of one validation: the median round's mean."""
    validator.validate(tree, type_)
    rounds = []
    for _ in range(ROUNDS):
        count, start = 0, time.process_time()
        while time.process_time() - start < SECONDS_A_ROUND:
            validator.validate(tree, type_)
            count += 1
        rounds.append((time.process_time() - start) / count)
    return statistics.median(rounds) * 1e6


def _resources(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the load program creates, a study of ten times its size, and official examples."""
    maker = fhirload(options.fhirload).Maker("bench")
    for kind in ("Patient", "Observation", "Task", "ImagingStudy"):
        tree = orjson.loads(maker.make(kind, "Patient/1", "ImagingStudy/1")[1])
        yield kind, tree
    series = tree["series"]
    yield "ImagingStudy, large", {**tree, "series": series * 13}
    try:
        package = find()
    except PackageUnavailable:
        return
    wanted = {name: content for name, content in package if name in EXAMPLES}
    for name in EXAMPLES:
        yield name.removesuffix(".json"), orjson.loads(wanted[name])
