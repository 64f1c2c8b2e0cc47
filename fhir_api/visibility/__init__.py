"""Which resources a caller reaches: conditions for searches, and a judgement of one version by its own content."""

from fhir_api.visibility.conditions import visible
from fhir_api.visibility.judging import seen, sees

__all__ = ["seen", "sees", "visible"]
