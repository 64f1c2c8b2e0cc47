"""The functions of FHIRPath and of FHIR, by name (https://hl7.org/fhirpath/N1/#functions).

A function is one of two kinds: ``FUNCTIONS`` return a collection, ``CONDITIONS`` true, false or None (empty).
Arguments come unevaluated, because ``where`` needs its criterion once for each element.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fhir_api.fhirpath.functions import collections, conversion, fhir, moments, numbers, text
from fhir_api.fhirpath.functions.signature import Condition, Function

FUNCTIONS: Final[Mapping[str, Function]] = {
    **collections.FUNCTIONS,
    **conversion.FUNCTIONS,
    **fhir.FUNCTIONS,
    **moments.FUNCTIONS,
    **numbers.FUNCTIONS,
    **text.FUNCTIONS,
}
CONDITIONS: Final[Mapping[str, Condition]] = {
    **collections.CONDITIONS,
    **conversion.CONDITIONS,
    **fhir.CONDITIONS,
    **text.CONDITIONS,
}
