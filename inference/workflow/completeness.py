"""Is the whole study there? As many instances as ``ImagingStudy.numberOfInstances`` says; no quiet timer guesses it.

https://hl7.org/fhir/R4/imagingstudy-definitions.html#ImagingStudy.numberOfInstances
"""

from __future__ import annotations

from inference.errors import Incomplete
from inference.workflow.source import Listed, Study


def require_complete(study: Study, present: tuple[Listed, ...]) -> None:
    """Raises Incomplete where fewer instances are known than the study announces, or none at all."""
    expected = study.expected if study.expected is not None else 1
    if len(present) < max(expected, 1):
        raise Incomplete(len(present), max(expected, 1))
