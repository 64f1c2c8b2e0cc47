"""What a caller may see of a type, as conditions that are added to a query before it runs.

A caller's grants are united. Each is the conditions of its patient (``patient_policy``, ADR 15) and those of its own
restriction, which is compiled as a search is; a restriction that cannot be compiled, or that would look at other
resources, grants nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Final

from fhir_api.access import Caller, Grant, grants_of
from fhir_api.api import Api
from fhir_api.definitions.compartments import COMPARTMENTS
from fhir_api.errors import FhirError
from fhir_api.patient_policy import PATIENT, Policy, policy_of
from fhir_api.roles import letters_of_roles
from fhir_api.search.criteria import RESULT_PARAMETERS, compile_conditions
from fhir_api.search.criterion import Reading
from fhir_api.search.grammar import ParameterName
from fhir_api.search.internal_parameters import HAS_PATIENT
from fhir_api.search.parameters import R4_PARAMETERS, parameters_of
from fhir_api.search.scope import members
from store.matching import has_joins
from store.query import (
    NOTHING_MEETS,
    AllOf,
    AnyOf,
    Condition,
    IdIn,
    ReferenceIs,
    TokenIs,
    looked_through,
)
from terminology.terminology import Terminology

SEEN: Final = frozenset("rs")
"""What is shown to whoever may read it or search for it: includes, chains, and what a criterion looks at."""
SEARCHED: Final = frozenset("s")
READ: Final = frozenset("r")
CREATED: Final = frozenset("c")
UPDATED: Final = frozenset("u")
DELETED: Final = frozenset("d")

MOST_WAYS: Final = 32
"""Grants of one type that differ; further ones grant nothing."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    conditions: tuple[Condition, ...]
    terminology: Terminology
    """What ``:in`` and ``:below`` were compiled with: another one knows other codes."""


def visible(
    api: Api, caller: Caller, type: str, letters: frozenset[str] = SEEN
) -> tuple[Condition, ...]:
    """What a resource of ``type`` must meet for the caller to do something with it of what ``letters`` name.

    (): nothing, all of them are the caller's. Every search goes through ``reached`` or ``store.query.restricted`` with it, so
    pages, totals, chains, ``_has``, includes and ``$everything`` show nothing that a read would refuse.
    """
    if caller.scopes is None:
        return () if letters_of_roles(caller.roles, type) & letters else NOTHING_MEETS
    terminology = api.validator.profiles.terminology
    compiled: _Compiled | None = caller.compiled.get((type, letters))
    if compiled is None or compiled.terminology is not terminology:
        compiled = _Compiled(_united(api, caller, type, letters), terminology)
        caller.compiled[type, letters] = compiled
    return compiled.conditions


def reached(
    api: Api, caller: Caller, type: str, where: tuple[Condition, ...]
) -> tuple[Condition, ...]:
    """``where`` as the caller may search a ``type`` by it: it finds what they may search for, and looks at what they see.

    What ``where`` asks already is not asked twice: an app mostly names the very patient that it is confined to.
    """
    asked = looked_through(where, partial(visible, api, caller))
    searched = visible(api, caller, type, SEARCHED)
    return asked + tuple(one for one in searched if not _is_asked(one, type, where))


def _is_asked(condition: Condition, type: str, where: tuple[Condition, ...]) -> bool:
    """Whether whatever meets ``where`` meets the condition."""
    ways = condition.conditions if isinstance(condition, AnyOf) else (condition,)
    subject = _where_patient_is_read(type)
    for one in where:
        if one in ways or one == condition:
            return True
        if (
            subject
            and isinstance(one, ReferenceIs)
            and one.param == "patient"
            and replace(one, param=subject) in ways
        ):
            return True
    return False


@cache
def _where_patient_is_read(type: str) -> str | None:
    """The parameter of the compartment that has all entries of ``patient``, which is those that point at a Patient."""
    parameter = parameters_of(type).get("patient")
    if parameter is None or policy_of(type) is not Policy.COMPARTMENT:
        return None
    expression = parameter.expression.removesuffix(".where(resolve() is Patient)")
    return next(
        (
            code
            for code in COMPARTMENTS[PATIENT][type]
            if code != "patient" and parameters_of(type)[code].expression == expression
        ),
        None,
    )


def of_patient(patient: str, type: str) -> tuple[Condition, ...]:
    """What a ``type`` must meet to be seen in the context of a patient. Of Binaries no search can tell."""
    match policy_of(type):
        case Policy.OWN:
            return (IdIn((patient,)),)
        case Policy.COMPARTMENT:
            return (members(PATIENT, patient, type),)
        case Policy.FOR:
            return (ReferenceIs("patient", PATIENT, patient),)
        case Policy.DEVICE:
            anybodys = TokenIs(HAS_PATIENT, None, "false")
            return (AnyOf((anybodys, ReferenceIs("patient", PATIENT, patient))),)
        case Policy.SHARED:
            return ()
    return NOTHING_MEETS


def restriction_of(api: Api, type: str, grant: Grant) -> tuple[Condition, ...]:
    """The conditions of a grant's own search parameters; NOTHING_MEETS where they cannot all be followed.

    By R4's parameters alone: what others find depends on how far the index is.
    """
    if any(ParameterName.of(name).code in RESULT_PARAMETERS for name, _ in grant.where):
        return NOTHING_MEETS
    reading = Reading(
        base_url=api.options.base_url,
        now_us=api.clock(),
        parameters=R4_PARAMETERS,
        terminology=api.validator.profiles.terminology,
    )
    try:
        conditions = compile_conditions(type, list(grant.where), reading)
    except FhirError:
        return NOTHING_MEETS
    return NOTHING_MEETS if any(map(has_joins, conditions)) else conditions


def _united(api: Api, caller: Caller, type: str, letters: frozenset[str]) -> tuple[Condition, ...]:
    ways: dict[tuple[Condition, ...], None] = {}
    for grant in grants_of(caller, type):
        if not grant.letters & letters:
            continue
        conditions = of_patient(grant.patient, type) if grant.patient else ()
        if grant.where:
            conditions += restriction_of(api, type, grant)
        if not conditions:
            return ()
        if NOTHING_MEETS[0] not in conditions:
            ways[conditions] = None
    several = tuple(map(_together, list(ways)[:MOST_WAYS]))
    if len(ways) == 1:
        return next(iter(ways))
    return (AnyOf(several),) if several else NOTHING_MEETS


def _together(conditions: tuple[Condition, ...]) -> Condition:
    return conditions[0] if len(conditions) == 1 else AllOf(conditions)
