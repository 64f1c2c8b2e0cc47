"""The pairs of a query → conditions. What is unknown is told apart from what is known and not supported.

https://hl7.org/fhir/R4/search.html#errors: a parameter that nobody defines may be ignored (with a warning), or is an
error under ``Prefer: handling=strict``; one that R4 defines and this server cannot search by is always an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import cast

from fhir_api.document import ID
from fhir_api.errors import Category, FhirError, Issue
from fhir_api.search.conditions import CONDITIONS, MODIFIERS, date_range
from fhir_api.search.criterion import Criterion, Reading, invalid, not_supported, shown, too_costly
from fhir_api.search.grammar import Pairs, ParameterName, split, unescape
from fhir_api.search.joins import chained, reverse_chained
from fhir_api.search.parameters import not_searchable
from store.query import AllOf, AnyOf, Condition, IdIn, Not, Present, ReferredBy, UpdatedIs

MAX_CRITERIA = 64
MAX_JOINED = 1_000
"""Joins of one search on one type, each counted once for every value at its end. Chains without types branch at each
step.
"""
MAX_VALUES = 300
"""The most values between commas that one search may hold, all its parameters together; ids are free."""

RESULT_PARAMETERS = frozenset(
    {
        "_sort",
        "_count",
        "_summary",
        "_elements",
        "_total",
        "_type",
        "_include",
        "_include:iterate",
        "_revinclude",
        "_revinclude:iterate",
        "_format",
        "_pretty",
    }
)
"""Parameters that shape the answer and set no condition (https://hl7.org/fhir/R4/search.html#return)."""
ANSWER_FORMAT = frozenset({"_format", "_pretty"})

NOT_SUPPORTED: Mapping[str, str] = MappingProxyType(
    {
        "_text": "full text is not indexed",
        "_content": "full text is not indexed",
        "_filter": "filter expressions are not supported",
        "_query": "named queries are not supported",
        "_contained": "contained resources are found through the resource that holds them",
        "_containedType": "contained resources are found through the resource that holds them",
    }
)
"""Parameters of every type that the specification defines and this server cannot search by → why."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a query asks for. ``used`` are the pairs that set a condition, ``ignored`` the warnings about others."""

    where: tuple[tuple[Condition, ...], ...]
    """Of each type that is searched, in their order."""
    used: Pairs
    ignored: tuple[Issue, ...]


def compile_conditions(type: str, pairs: Pairs, reading: Reading) -> tuple[Condition, ...]:
    """The conditions of a conditional interaction or reference: each pair must be understood.

    ``_format`` and ``_pretty`` are the request's own and left out; () where nothing else is there.

    Raises:
        FhirError: ``invalid`` for an unknown parameter, an illegible value, or a parameter about the answer's shape;
            ``too-costly`` beyond the limits.
    """
    for name, _ in pairs:
        if ParameterName.of(name).code in RESULT_PARAMETERS - ANSWER_FORMAT:
            raise invalid(name, "only criteria may stand here")
    return read_criteria((type,), pairs, reading, strict=True).where[0]


def read_criteria(
    types: Sequence[str], pairs: Pairs, reading: Reading, *, strict: bool
) -> Criteria:
    """The conditions of a search's criteria; result parameters are passed over.

    Args:
        types: the resource types that are searched; a parameter must be one of each.
        pairs: names and values, percent-decoded.
        reading: what their meaning depends on.
        strict: an unknown parameter is an error, not a warning.

    Raises:
        FhirError: ``invalid``, or ``too-costly`` beyond the limits.
    """
    where: list[list[Condition]] = [[] for _ in types]
    used: Pairs = []
    ignored: list[Issue] = []
    values_left = MAX_VALUES
    budgets = [_Budget(MAX_JOINED) for _ in types]
    for name, value in pairs:
        if name in RESULT_PARAMETERS:
            continue
        values = [part for part in split(value, ",") if part]
        conditions = [
            _condition(_Asked(name, values, reading, budget), type, name, 0)
            for type, budget in zip(types, budgets, strict=True)
        ]
        if None in conditions:
            unknown = invalid(name, f"{types[conditions.index(None)]} has no such parameter")
            if strict:
                raise unknown
            ignored.append(replace(unknown.issues[0], severity="warning", code="not-supported"))
            continue
        values_left -= len(values) if not isinstance(conditions[0], IdIn) else 0
        if len(used) == MAX_CRITERIA or values_left < 0:
            raise FhirError(
                Category.TOO_COSTLY,
                f"A search may have {MAX_CRITERIA} criteria with {MAX_VALUES} values in all.",
                f"http.{name}",
            )
        for of_type, condition in zip(where, conditions, strict=True):
            of_type.append(cast("Condition", condition))
        used.append((name, value))
    return Criteria(tuple(map(tuple, where)), used, tuple(ignored))


@dataclass(slots=True)
class _Budget:
    """What a search on one type has left of MAX_JOINED."""

    left: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """One pair of a query: its name as the client wrote it and its values."""

    name: str
    values: list[str]
    reading: Reading
    budget: _Budget


def _condition(asked: _Asked, type: str, written: str, steps: int) -> Condition | None:
    """The condition that ``written``, all of the name or what is left of it after ``steps`` joins, sets on a ``type``.

    None: nobody defines such a parameter.
    """
    if steps > asked.reading.chain_limit:
        raise FhirError(
            Category.TOO_COSTLY,
            f"A parameter may lead over {asked.reading.chain_limit} references.",
            f"http.{shown(asked.name)}",
        )

    def inner(other: str, rest: str) -> Condition:
        asked.budget.left -= max(1, len(asked.values))
        if asked.budget.left < 0:
            why = "it could lead to too many types; name them, as in subject:Patient.name"
            raise too_costly(asked.name, why)
        condition = _condition(asked, other, rest, steps + 1)
        if condition is None:
            raise invalid(asked.name, f"{other} has no such parameter at its end")
        return condition

    name = ParameterName.of(written)
    if name.code == "_has":
        return reverse_chained(asked.reading.parameters, type, asked.name, written, inner)
    if name.code == "_list":
        return _list_condition(asked, name)
    if name.code in NOT_SUPPORTED:
        raise not_supported(asked.name, NOT_SUPPORTED[name.code])
    if name.code in {"_include", "_revinclude"} and steps == 0:
        raise not_supported(asked.name, "its only modifier is ':iterate'")
    if name.code in RESULT_PARAMETERS:
        raise invalid(asked.name, "it takes no modifier" if steps == 0 else "it is no criterion")
    parameter = asked.reading.parameters.of(type).get(name.code)
    if parameter is None:
        obstacle = not_searchable(type).get(name.code)
        if obstacle is not None:
            raise not_supported(asked.name, obstacle)
        return None
    if name.chain is not None:
        known = asked.reading.parameters
        return chained(known, asked.name, parameter, name, name.chain, inner)
    if name.modifier is not None and name.modifier not in modifiers_of(name.code, parameter.type):
        raise not_supported(asked.name, f"no modifier ':{name.modifier}' for a {parameter.type}")
    return _met(Criterion(asked.name, parameter, name.modifier, asked.reading), asked.values)


def modifiers_of(code: str, type: str) -> frozenset[str]:
    """The modifiers that a parameter of a type takes."""
    return _SPECIAL_MODIFIERS.get(code) or MODIFIERS.get(type, frozenset())


def _met(criterion: Criterion, values: list[str]) -> Condition:
    if not values:
        raise criterion.refuse("it has no value")
    special = _SPECIAL.get(criterion.code)
    if criterion.modifier == "missing":
        if values not in (["true"], ["false"]):
            raise criterion.refuse("':missing' is true or false")
        # Every resource has an id and a time of its last change.
        present: Condition = (
            AllOf(()) if special else _any_of([Present(one.code) for one in criterion.asked()])
        )
        return Not(present) if values == ["true"] else present
    if special:
        condition = special(criterion, values)
    else:
        compile_value = CONDITIONS[criterion.parameter.type]
        condition = _any_of(
            [compile_value(one, value) for one in criterion.asked() for value in values]
        )
    return Not(condition) if criterion.modifier in {"not", "not-in"} else condition


def _list_condition(asked: _Asked, name: ParameterName) -> Condition:
    """Members of a List that is stored here (https://hl7.org/fhir/R4/search.html#list)."""
    ids = tuple(unescape(value) for value in asked.values)
    if name.modifier is not None or name.chain is not None:
        raise not_supported(asked.name, "it takes no modifier and no chain")
    if not ids or not all(ID.fullmatch(id) for id in ids):
        raise invalid(asked.name, "it is the id of a List; functional lists are not supported")
    return ReferredBy("List", "item", (IdIn(ids),))


def _any_of(conditions: list[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions))


def _id_condition(_: Criterion, values: list[str]) -> Condition:
    return IdIn(tuple(dict.fromkeys(unescape(value) for value in values)))


def _last_updated_condition(criterion: Criterion, values: list[str]) -> Condition:
    return _any_of([UpdatedIs(*date_range(criterion, value)) for value in values])


_SPECIAL: Mapping[str, Callable[[Criterion, list[str]], Condition]] = MappingProxyType(
    {"_id": _id_condition, "_lastUpdated": _last_updated_condition}
)
"""Parameters that the store keeps beside the resource and not in its index."""
_SPECIAL_MODIFIERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"_id": frozenset({"missing", "not"}), "_lastUpdated": frozenset({"missing"})}
)
