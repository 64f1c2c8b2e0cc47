"""FHIR search: grammar, conditions, order, pages, includes and the searchset Bundle.

https://hl7.org/fhir/R4/search.html
"""

from fhir_api.search.criteria import compile_conditions
from fhir_api.search.subset import subset

__all__ = ["compile_conditions", "subset"]
