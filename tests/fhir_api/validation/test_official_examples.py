"""What HL7 publishes as R4 is accepted as R4 (https://hl7.org/fhir/R4/downloads.html)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.definitions.generator.package import DefinitionsPackage
from fhir_api.errors import Issue
from fhir_api.validation import Validator
from tests.fhir_api.validation.official_examples import DEFECTIVE, official_package, valid_examples

WITHOUT_EXAMPLE = {
    "DeviceMetric",  # all of these, of Substance… there are none, are defective
    "DeviceUseStatement",
    "EventDefinition",
    "Parameters",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "TerminologyCapabilities",
    "TestScript",
}


@pytest.fixture(scope="module")
def package() -> DefinitionsPackage:
    return official_package()


@pytest.fixture(scope="module")
def defective(package: DefinitionsPackage) -> dict[str, bytes]:
    return {name: content for name, content in package if name in DEFECTIVE}


def errors_of(validator: Validator, resource: dict[str, Any]) -> list[Issue]:
    return [
        issue for issue in validator.validate(resource, resource["resourceType"]) if issue.is_error
    ]


@pytest.mark.timeout(600)
def test_every_official_resource_is_valid_but_for_those_that_are_defective(
    package: DefinitionsPackage,
) -> None:
    validator = Validator()
    types = set()
    refused = {}
    for name, content in valid_examples(package):
        resource = orjson.loads(content)
        types.add(resource["resourceType"])
        errors = errors_of(validator, resource)
        if errors:
            refused[name] = errors[:3]
    assert refused == {}
    assert types == RESOURCE_TYPES - WITHOUT_EXAMPLE


@pytest.mark.parametrize("name", DEFECTIVE)
def test_a_defective_official_resource_is_refused_where_its_defect_is(
    defective: dict[str, bytes], name: str
) -> None:
    errors = errors_of(Validator(), orjson.loads(defective[name]))
    assert errors, f"now accepted: is it still true that {DEFECTIVE[name]}?"
