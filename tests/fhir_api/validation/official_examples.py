"""The official R4 resources of npm ``hl7.fhir.r4.examples@4.0.1``, and which of them break R4's own definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from fhir_api.definitions.generator.package import DefinitionsPackage, PackageUnavailable, find

_NO_BASE = "SearchParameter.base is required, and missing"
_EMPTY_NARRATIVE = "the narrative is an empty div (txt-2)"
_CODES = "codes of HL7 v2 table 0550 end in no-break spaces"
_NO_ANCESTOR = "a logical model that is not abstract and has no baseDefinition (sdf-4)"
_LONG_ID = "an id of 67 characters, where 64 are allowed; name and status of the guide are missing"

DEFECTIVE: Mapping[str, str] = {
    "ActivityDefinition-blood-tubes-supply.json": _EMPTY_NARRATIVE,
    "ActivityDefinition-heart-valve-replacement.json": _EMPTY_NARRATIVE,
    "Bundle-dataelements.json": "hundreds of entries share their fullUrl (bdl-7)",
    "Bundle-v2-valuesets.json": _CODES,
    "CodeSystem-v2-0550.json": _CODES,
    "DeviceMetric-example.json": "parent is a Device; it points at a DeviceDefinition",
    "DeviceUseStatement-example.json": "reasonReference may not point at a Procedure",
    "EventDefinition-example.json": _EMPTY_NARRATIVE,
    "ImplementationGuide-fhir.json": _LONG_ID,
    "MedicationRequest-medrx0301.json": "dispenseRequest.performer is an Organization; it points at a Practitioner",
    "Observation-clinical-gender.json": "performer may not point at an Encounter",
    "Questionnaire-qs1.json": "Questionnaire.item.linkId is required, and missing 32 times",
    "Questionnaire-zika-virus-exposure-assessment.json": _EMPTY_NARRATIVE,
    "SearchParameter-codesystem-extensions-CodeSystem-author.json": _NO_BASE,
    "SearchParameter-codesystem-extensions-CodeSystem-effective.json": _NO_BASE,
    "SearchParameter-codesystem-extensions-CodeSystem-end.json": _NO_BASE,
    "SearchParameter-codesystem-extensions-CodeSystem-keyword.json": _NO_BASE,
    "SearchParameter-codesystem-extensions-CodeSystem-workflow.json": _NO_BASE,
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json": _LONG_ID.partition(
        ";"
    )[0],
    "SearchParameter-valueset-extensions-ValueSet-author.json": _NO_BASE,
    "SearchParameter-valueset-extensions-ValueSet-effective.json": _NO_BASE,
    "SearchParameter-valueset-extensions-ValueSet-end.json": _NO_BASE,
    "SearchParameter-valueset-extensions-ValueSet-keyword.json": _NO_BASE,
    "SearchParameter-valueset-extensions-ValueSet-workflow.json": _NO_BASE,
    "StructureDefinition-Definition.json": _NO_ANCESTOR,
    "StructureDefinition-Event.json": _NO_ANCESTOR,
    "StructureDefinition-FiveWs.json": _NO_ANCESTOR,
    "StructureDefinition-Request.json": _NO_ANCESTOR,
    "ig-r4.json": _LONG_ID,
}
"""File → why it is not valid R4. Every other resource of the package must be accepted."""


def official_package() -> DefinitionsPackage:
    """The package; skips the test that asks where it cannot be had."""
    try:
        return find()
    except PackageUnavailable as exc:
        pytest.skip(f"the R4 package cannot be had: {exc}")


def valid_examples(package: DefinitionsPackage) -> Iterator[tuple[str, bytes]]:
    """File name and content of every official resource that keeps to R4's definitions."""
    for name, content in package:
        if name not in DEFECTIVE:
            yield name, content
