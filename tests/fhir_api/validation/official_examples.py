"""The official R4 resources of npm ``hl7.fhir.r4.examples@4.0.1``, and which of them break R4's own definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from fhir_api.definitions.generator.package import DefinitionsPackage, PackageUnavailable, find

_NO_BASE = "SearchParameter.base is required, and missing"
_EMPTY_NARRATIVE = "the narrative is an empty div (txt-2)"
_CODES = "codes of HL7 v2 table 0550 end in no-break spaces"
_NO_ANCESTOR = "a logical model that is not abstract and has no baseDefinition (sdf-4)"
_OTHER_ID = "a fullUrl that ends with another id than the resource's"
_BARE_OID = "an identifier of urn:ietf:rfc:3986 that is an OID without urn:oid:"
_UPPER_CASE = "a UUID in upper case"
_NO_UNIT = "a unit that UCUM does not have (ea, mEq, TAB, drop, mcg, month, tbl, ml/hr)"
_NO_FORM = "a code that v3-orderableDrugForm does not have (Tab, tab, Vial, patch)"
_MISPLACED = (
    "an extension where its definition does not allow it (valueset-concept-comments, translation)"
)
_LONG_ID = "an id of 67 characters, where 64 are allowed; name and status of the guide are missing"

_RELATIVE_CANONICALS: Mapping[str, str] = {
    "ActivityDefinition": """administer-zika-virus-exposure-assessment provide-mosquito-prevention-advice referralPrimaryCareMentalHealth-initial referralPrimaryCareMentalHealth serum-zika-dengue-virus-igm""",
    "CapabilityStatement": """knowledge-repository measure-processor messagedefinition terminology-server""",
    "Library": """composition-example example library-cms146-example library-exclusive-breastfeeding-cds-logic library-exclusive-breastfeeding-cqm-logic library-fhir-helpers-predecessor library-fhir-helpers omtk-logic opioidcds-common opioidcds-recommendation-04 opioidcds-recommendation-05 opioidcds-recommendation-07 opioidcds-recommendation-08 opioidcds-recommendation-10 opioidcds-recommendation-11 suiciderisk-orderset-logic zika-virus-intervention-logic""",
    "Measure": """composite-example measure-cms146-example measure-exclusive-breastfeeding measure-predecessor-example""",
    "MeasureReport": """measurereport-cms146-cat1-example measurereport-cms146-cat2-example measurereport-cms146-cat3-example""",
    "MessageDefinition": """patient-link-notification patient-link-response""",
    "OperationDefinition": """example""",
    "PlanDefinition": """chlamydia-screening-intervention exclusive-breastfeeding-intervention-01 exclusive-breastfeeding-intervention-02 exclusive-breastfeeding-intervention-03 exclusive-breastfeeding-intervention-04 low-suicide-risk-order-set opioidcds-04 opioidcds-05 opioidcds-07 opioidcds-08 opioidcds-10 opioidcds-11 zika-virus-intervention-initial zika-virus-intervention""",
    "Procedure": """f201""",
    "Questionnaire": """phq-9-questionnaire""",
    "QuestionnaireResponse": """gcs ussg-fht-answers""",
    "RequestGroup": """kdn5-example""",
    "TestScript": """testscript-example-history testscript-example-multisystem testscript-example-readtest testscript-example-search testscript-example-update testscript-example""",
}
"""Type → ids of the examples with a canonical such as Library/example, where an absolute URL is asked for."""

DEFECTIVE: Mapping[str, str] = {
    **{
        f"{type_}-{id_}.json": "a canonical URL that is relative"
        for type_, ids in _RELATIVE_CANONICALS.items()
        for id_ in ids.split()
    },
    "Bundle-10bb101f-a121-4264-a920-67be9cb82c74.json": _OTHER_ID,
    "Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe.json": _OTHER_ID,
    "Bundle-lri-example.json": _OTHER_ID,
    "Bundle-bundle-search-warning.json": "an entry without a fullUrl",
    "Bundle-resources.json": _BARE_OID,
    "Bundle-valueset-expansions.json": "urn:oid: before what is no OID",
    "CapabilityStatement-example.json": _UPPER_CASE,
    "DiagnosticReport-example-pgx.json": "an attachment with a hash that is not that of its data",
    "Organization-2.16.840.1.113883.19.5.json": _BARE_OID,
    "PlanDefinition-example-cardiology-os.json": "a canonical #id that nothing contained has",
    "StructureDefinition-Consent.json": _BARE_OID,
    "TerminologyCapabilities-example.json": _UPPER_CASE,
    **dict.fromkeys(
        [
            "Bundle-father.json",
            "Claim-760151.json",
            "Claim-760152.json",
            "VisionPrescription-33124.json",
            *(f"MedicationDispense-meddisp03{n}.json" for n in ("09", 13, 18, 24, 27, 28, 29)),
            *(f"MedicationRequest-medrx03{n}.json" for n in ("04", 14, 19, 22, 25, 26, 28, 29)),
            *(f"MedicationRequest-medrx03{n}.json" for n in (34, 35)),
        ],
        _NO_UNIT,
    ),
    **dict.fromkeys(
        [
            "Medication-med0304.json",
            "Medication-med0309.json",
            "MedicationAdministration-medadmin0312.json",
            "MedicationDispense-meddisp0301.json",
            "MedicationDispense-meddisp0325.json",
            "MedicationRequest-medrx0313.json",
            "MedicationRequest-medrx0327.json",
            *(f"MedicationStatement-example00{n}.json" for n in (1, 2, 3)),
        ],
        _NO_FORM,
    ),
    "Bundle-valuesets.json": _MISPLACED,
    "CodeSystem-dicom-dcim.json": _MISPLACED,
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
