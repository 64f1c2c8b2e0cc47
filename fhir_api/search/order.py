"""``_sort``: the order of matches (https://hl7.org/fhir/R4/search.html#sort)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from fhir_api.errors import Issue
from fhir_api.search.criterion import invalid, not_supported
from fhir_api.search.parameters import SearchParameters, not_searchable
from store.query import SortField, SortKey

MAX_KEYS = 8
_COLUMNS: Mapping[str, SortField] = MappingProxyType(
    {"_id": SortField.ID, "_lastUpdated": SortField.LAST_UPDATED}
)
"""Parameters that the store keeps beside the resource and not in its index."""


@dataclass(frozen=True, slots=True)
class Order:
    """Sort keys, the rules they were made from as one value of ``_sort``, and warnings about the other rules."""

    keys: tuple[SortKey, ...]
    text: str
    ignored: tuple[Issue, ...]


NO_ORDER = Order((), "", ())


def read_order(
    parameters: SearchParameters, types: Sequence[str], value: str, *, strict: bool
) -> Order:
    """Reads ``_sort=status,-date``, which every one of the types must be able to follow.

    Raises:
        FhirError: a rule cannot be followed; a parameter that the type does not have only when ``strict``.
    """
    rules = [rule for rule in value.split(",") if rule]
    if not 0 < len(rules) <= MAX_KEYS:
        raise invalid("_sort", f"it names one to {MAX_KEYS} parameters")
    keys: list[SortKey] = []
    used: list[str] = []
    ignored: list[Issue] = []
    for rule in rules:
        code = rule.removeprefix("-")
        keys_of = {_key(parameters, type, code): type for type in types}
        if None in keys_of:
            unknown = invalid("_sort", f"it names a parameter that {keys_of[None]} does not have")
            if strict:
                raise unknown
            ignored.append(replace(unknown.issues[0], severity="warning", code="not-supported"))
            continue
        if len(keys_of) > 1:
            raise not_supported("_sort", "the types that are searched mean different things by it")
        (key,) = keys_of
        assert key is not None
        keys.append(replace(key, descending=rule.startswith("-")))
        used.append(rule)
    return Order(tuple(keys), ",".join(used), tuple(ignored))


def _key(parameters: SearchParameters, type: str, code: str) -> SortKey | None:
    if code in _COLUMNS:
        return SortKey(_COLUMNS[code])
    parameter = parameters.of(type).get(code)
    if parameter is not None and parameter.type != "composite" and len(parameter.united) < 2:
        (holder,) = parameter.united or (code,)
        return SortKey(SortField(parameter.type), holder)
    if parameter is not None or code == "_score" or code in not_searchable(type):
        raise not_supported("_sort", f"{type} cannot be sorted by {code}")
    return None
