"""Chained parameters (``subject:Patient.name``) and reverse chaining (``_has:Observation:patient:code``).

https://hl7.org/fhir/R4/search.html#chaining and #has
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.errors import Category, FhirError
from fhir_api.search.criterion import invalid
from fhir_api.search.grammar import ParameterName
from fhir_api.search.parameters import SearchParameter, SearchParameters, target_types
from store.query import AnyOf, Condition, ReferredBy, RefersTo

HAS = "_has:"
MAX_TARGET_TYPES = 16
"""A chain that could lead to more types has to name one."""

Inner = Callable[[str, str], Condition]
"""(type at the other end, what is left of the name) → the condition on it."""


def chained(
    parameters: SearchParameters,
    name: str,
    parameter: SearchParameter,
    written: ParameterName,
    rest: str,
    inner: Inner,
) -> Condition:
    """The condition that ``parameter`` leads to a resource which meets what the ``rest`` of the name asks.

    Without a type (``subject.name``) it may be of any type that the reference allows and the rest fits.

    Args:
        parameters: all that there are.
        name: as the client wrote it, for refusals.
        parameter: the chain's first step.
        written: that step with its modifier, which may only be a type.
        rest: what follows the dot.
        inner: compiles the rest on a type.
    """
    if parameter.type != "reference":
        raise invalid(name, "only a reference can be chained")
    types = target_types(parameter)
    if written.modifier is not None:
        if written.modifier not in RESOURCE_TYPES:
            raise invalid(name, "what stands before the dot is a parameter, or a parameter:Type")
        if types and written.modifier not in types:
            raise invalid(name, f"{parameter.code} does not point at a {written.modifier}")
        types = (written.modifier,)
    first = ParameterName.of(rest).code
    fitting = [t for t in types if first == "_has" or first in parameters.of(t)] or types[:1]
    if not fitting or len(fitting) > MAX_TARGET_TYPES:
        raise invalid(name, f"it has to name a type, as in {parameter.code}:Patient.{first}")
    steps: list[Condition] = []
    refusals: list[FhirError] = []
    for type in fitting:
        try:
            steps.append(RefersTo(parameter.code, type, (inner(type, rest),)))
        except FhirError as error:  # a value that one type cannot read may be good for another
            if error.category is not Category.INVALID:
                raise
            refusals.append(error)
    if not steps:
        raise refusals[0]
    return steps[0] if len(steps) == 1 else AnyOf(tuple(steps))


def reverse_chained(
    parameters: SearchParameters, type: str, name: str, written: str, inner: Inner
) -> Condition:
    """The condition that some resource refers to this one, of ``type``, and meets what the rest of the name asks.

    Args:
        parameters: all that there are.
        type: what is searched, at which the reference must be able to point.
        name: as the client wrote it, for refusals.
        written: ``_has:Observation:patient:code``, a part of the name.
        inner: compiles the last part on the referring type.
    """
    parts = written.removeprefix(HAS).split(":", 2)
    if not written.startswith(HAS) or len(parts) < 3 or not all(parts):
        raise invalid(name, "it is _has:Type:reference:parameter")
    source, code, rest = parts
    if source not in RESOURCE_TYPES:
        raise invalid(name, "it names no resource type")
    parameter = parameters.of(source).get(code)
    if parameter is None or parameter.type != "reference":
        raise invalid(name, f"{source} has no such reference parameter")
    types = target_types(parameter)
    if types and type not in types:
        raise invalid(name, f"{code} of a {source} does not point at a {type}")
    return ReferredBy(source, code, (inner(source, rest),))
