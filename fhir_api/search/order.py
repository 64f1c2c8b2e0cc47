"""``_sort``: the order of matches (https://hl7.org/fhir/R4/search.html#sort)."""

from __future__ import annotations

from dataclasses import replace

from fhir_api.errors import Issue
from fhir_api.search.criterion import invalid, not_supported
from fhir_api.search.parameters import not_searchable, parameters_of
from store.query import SortField, SortKey

MAX_KEYS = 8
_COLUMNS = {"_id": SortField.ID, "_lastUpdated": SortField.LAST_UPDATED}


def read_sort(
    type: str, value: str, *, strict: bool
) -> tuple[tuple[SortKey, ...], list[str], list[Issue]]:
    """The sort keys of a ``_sort`` value, the rules that were used as written, and warnings about the others.

    Raises:
        FhirError: a rule cannot be used; an unknown parameter only when ``strict``.
    """
    rules = [rule for rule in value.split(",") if rule]
    if not rules or len(rules) > MAX_KEYS:
        raise invalid("_sort", f"it names one to {MAX_KEYS} parameters")
    keys: list[SortKey] = []
    used: list[str] = []
    ignored: list[Issue] = []
    for rule in rules:
        code = rule.removeprefix("-")
        field = _COLUMNS.get(code)
        if field is None:
            parameter = parameters_of(type).get(code)
            if parameter is None:
                if code in not_searchable(type) or code == "_score":
                    raise not_supported("_sort", f"{type} cannot be sorted by {code}")
                unknown = invalid("_sort", "it names a parameter that the type does not have")
                if strict:
                    raise unknown
                ignored.append(replace(unknown.issues[0], severity="warning", code="not-supported"))
                continue
            field = SortField(parameter.type)
        keys.append(
            SortKey(field, None if code in _COLUMNS else code, descending=rule.startswith("-"))
        )
        used.append(rule)
    return tuple(keys), used, ignored
