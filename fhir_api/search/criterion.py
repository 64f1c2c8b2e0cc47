"""One criterion of a search, its parameter found and its modifier checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fhir_api.errors import Category, FhirError, Issue
from fhir_api.search.parameters import (
    R4_PARAMETERS,
    Component,
    SearchParameter,
    SearchParameters,
)
from terminology.terminology import Terminology

R4_TERMINOLOGY = Terminology()
"""The code systems and value sets that R4 publishes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the meaning of criteria depends on besides themselves."""

    base_url: str
    """Absolute references below it are local ones."""
    now_us: int
    """The time that ``ap`` measures from, microseconds since 1970."""
    chain_limit: int = 4
    """How many references one parameter may lead over, by chains and ``_has`` together."""
    parameters: SearchParameters = R4_PARAMETERS
    terminology: Terminology = R4_TERMINOLOGY
    """What ``:in``, ``:below`` and ``:above`` know of codes."""
    value_sets: Mapping[str, str] = field(default_factory=dict)
    """``ValueSet/id`` as a criterion names it → the canonical URL of that stored ValueSet."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """A search parameter as asked for. ``name`` is how the client wrote it, with chain and modifier."""

    name: str
    parameter: SearchParameter
    modifier: str | None
    reading: Reading

    @property
    def code(self) -> str:
        return self.parameter.code

    def asked(self) -> tuple[Criterion, ...]:
        """The same criterion of each parameter that has the entries: of this one, or of those that are united in it."""
        united = self.parameter.united
        return tuple(
            replace(self, parameter=replace(self.parameter, code=code, united=()))
            for code in united
        ) or (self,)

    def of(self, component: Component) -> Criterion:
        """The same criterion, of a component of the composite that is asked for. It has no code, as in the index."""
        parameter = SearchParameter("", component.type, (), component.expression, "", "")
        return replace(self, parameter=parameter)

    def refuse(self, why: str) -> FhirError:
        """The refusal of a value, which it never repeats: values are PHI."""
        return invalid(self.name, why)


def invalid(name: str, why: str) -> FhirError:
    """A parameter that cannot be understood (https://hl7.org/fhir/R4/operationoutcome-definitions.html#location)."""
    return _refusal("invalid", name, why)


def not_supported(name: str, why: str) -> FhirError:
    """A parameter that is understood but that this server cannot search by: never ignored."""
    return _refusal("not-supported", name, why)


def too_costly(name: str, why: str) -> FhirError:
    """A parameter that asks for too much."""
    named = shown(name)
    text = f"Search parameter '{named}': {why}."
    return FhirError(Category.TOO_COSTLY, text, f"http.{named}")


def shown(name: str) -> str:
    """A name as an OperationOutcome may repeat it: it is whatever the client sent, and need not be a FHIR string."""
    return "".join(c if c.isprintable() else "?" for c in name[:64])


def _refusal(code: str, name: str, why: str) -> FhirError:
    named = shown(name)
    text = f"Search parameter '{named}': {why}."
    return FhirError(Category.INVALID, text, issues=[Issue("error", code, text, f"http.{named}")])
