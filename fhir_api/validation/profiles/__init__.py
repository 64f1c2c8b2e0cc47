"""Profiles: StructureDefinitions compiled to checks, once, and run after those of R4's own types.

https://hl7.org/fhir/R4/profiling.html
"""

from fhir_api.validation.profiles.registry import Profile, Profiles

__all__ = ["Profile", "Profiles"]
