"""UCUM, the Unified Code for Units of Measure: which codes are valid, and what a unit is in base units, exactly.

https://ucum.org/ucum
"""

from terminology.ucum.canonical import CanonicalUnit, canonical_unit, is_valid_unit

UCUM = "http://unitsofmeasure.org"
"""The system's URI in FHIR."""

__all__ = ["UCUM", "CanonicalUnit", "canonical_unit", "is_valid_unit"]
