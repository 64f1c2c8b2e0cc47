"""HL7's own cases for patches (org.hl7.fhir.testcases:fhir-test-cases, in Maven Central)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
import zipfile

import orjson
import pytest

from fhir_api.errors import FhirError
from fhir_api.formats.xml_reader import json_of
from fhir_api.patches.fhirpath_patch import apply_fhirpath_patch, read_fhirpath_patch
from fhir_api.patches.json_patch import apply_json_patch, read_json_patch
from tests.services.needs import maven_artifact

pytestmark = pytest.mark.services

PLENTY = 1_000_000
DEPTH = 64


def _cases(name: str) -> bytes:
    with zipfile.ZipFile(maven_artifact("fhir-test-cases-1.7.4.jar")) as packed:
        return packed.read(f"org/hl7/fhir/testcases/r4/patch/{name}")


def test_every_fhirpath_patch_comes_out_as_it_should() -> None:
    cases = list(ET.fromstring(_cases("fhir-path-tests.xml")))
    assert len(cases) == 33
    ET.register_namespace("", "http://hl7.org/fhir")
    for case in cases:
        before, patch, after = (_json(case, name) for name in ("input", "diff", "output"))
        operations = read_fhirpath_patch(patch)
        if not after:  # a case that has to be refused
            with pytest.raises(FhirError):
                apply_fhirpath_patch(operations, before, PLENTY)
            continue
        result = apply_fhirpath_patch(operations, before, PLENTY)
        assert orjson.loads(result) == orjson.loads(after), case.get("name")


def _json(case: ET.Element, name: str) -> bytes:
    holder = case.find(name)
    return json_of(ET.tostring(holder[0]), DEPTH) if holder is not None else b""


def test_every_json_patch_comes_out_as_it_should() -> None:
    """The examples of RFC 6902, appendix A, and more."""
    cases = orjson.loads(_cases("json-patch-tests.json"))
    assert len(cases) > 15
    for case in cases:
        document, patch = orjson.dumps(case["doc"]), orjson.dumps(case["patch"])
        if "error" in case:
            with pytest.raises(FhirError):
                apply_json_patch(read_json_patch(patch, DEPTH), document, PLENTY)
            continue
        result = apply_json_patch(read_json_patch(patch, DEPTH), document, PLENTY)
        assert orjson.loads(result) == case["expected"], case["comment"]
