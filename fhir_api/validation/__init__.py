"""Structural validation against the R4 4.0.1 definitions (https://hl7.org/fhir/R4/validation.html)."""

from fhir_api.validation.validator import Validator

__all__ = ["Validator"]
