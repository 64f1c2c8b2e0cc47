"""One criterion of a search, its parameter found and its modifier checked."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_api.errors import Category, FhirError, Issue
from fhir_api.search.parameters import SearchParameter


@dataclass(frozen=True, slots=True)
class Criterion:
    """A search parameter as asked for. ``name`` is how the client wrote it, with its modifier."""

    name: str
    parameter: SearchParameter
    modifier: str | None
    base_url: str
    now_us: int

    @property
    def code(self) -> str:
        return self.parameter.code

    def refuse(self, why: str) -> FhirError:
        """The refusal of a value, which it never repeats: values are PHI."""
        return invalid(self.name, why)


def invalid(name: str, why: str) -> FhirError:
    """A parameter that cannot be understood (https://hl7.org/fhir/R4/operationoutcome-definitions.html#location)."""
    return _refusal("invalid", name, why)


def not_supported(name: str, why: str) -> FhirError:
    """A parameter that is understood but that this server cannot search by: never ignored."""
    return _refusal("not-supported", name, why)


def _refusal(code: str, name: str, why: str) -> FhirError:
    # A name is whatever the client sent: what is no FHIR string must not get into an OperationOutcome.
    shown = "".join(c if c.isprintable() else "?" for c in name[:64])
    text = f"Search parameter '{shown}': {why}."
    return FhirError(Category.INVALID, text, issues=[Issue("error", code, text, f"http.{shown}")])
