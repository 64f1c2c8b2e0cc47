"""Search parameters that are stored here (https://hl7.org/fhir/R4/searchparameter.html) and searched by once active.

An active SearchParameter is checked when it is written: it must have a code of its own on each of its bases, and an
expression of the kind that R4's own parameters have. It counts from then on for what is written; what was stored
before is found by it after ``$reindex``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.errors import Category, FhirError, Issue
from fhir_api.search.expressions import Member, Path, UnsupportedExpression, parse
from fhir_api.search.extractor import is_indexed
from fhir_api.search.parameters import (
    R4_PARAMETERS,
    SEARCH_PARAMETER_URL,
    SearchParameter,
    SearchParameters,
    is_defined,
)
from store.interface import Version

TYPE = "SearchParameter"
ABSTRACT = ("Resource", "DomainResource")
KINDS = ("token", "string", "reference", "date", "number", "quantity", "uri")
MOST_ON_A_TYPE = 64
"""Each one costs every write of the type."""
LONGEST_EXPRESSION = 2000
MOST_STEPS = 10
DEEPEST_PARENTHESES = 20
UNREADABLE = (
    "The expression is read as R4's own are: paths from a base type, |, as, ofType, [index], extension(url) and "
    "where() with an equality, 'resolve() is Type' or hasExtension(url)."
)

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{0,63}")


class StoredSearchParameters:
    """The search parameters of a deployment; a watcher tells it what is stored. Used on one event loop."""

    def __init__(self) -> None:
        self._stored: dict[str, tuple[SearchParameter, ...]] = {}
        self.active: SearchParameters = R4_PARAMETERS
        """R4's and those stored. Another object whenever that changes."""

    def changed(self, versions: Sequence[Version]) -> None:
        """Takes the newest versions of stored SearchParameters, deletions too."""
        before = dict(self._stored)
        for version in versions:
            self._stored.pop(version.id, None)
            if rows := () if version.deleted else _rows(orjson.loads(version.content)):
                self._stored[version.id] = rows
        if self._stored != before:
            # In the order of their ids, so that every process decides alike which of two with one code counts.
            self.active = SearchParameters(
                row for _, rows in sorted(self._stored.items()) for row in rows
            )

    def check(self, resource: Mapping[str, Any]) -> None:
        """Whether a SearchParameter, valid as a resource, can be searched by.

        Raises:
            FhirError: it is active and cannot be; every reason is told.
        """
        if resource.get("status") != "active" or _is_r4(resource):
            return
        issues = [
            Issue("error", "business-rule", text, f"{TYPE}.{element}")
            for element, text in self._reasons(resource)
        ]
        if issues:
            text = "The search parameter cannot be made active."
            raise FhirError(Category.BUSINESS_RULE, text, issues=issues)

    def _reasons(self, resource: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Element and sentence of each obstacle."""
        code, url = resource.get("code", ""), resource.get("url")
        if not _CODE.fullmatch(code):
            yield "code", "A code is a letter, then letters, digits, '-' or '_': at most 64 in all."
        if resource.get("type") not in KINDS:
            yield "type", f"A parameter that is added is a {', '.join(KINDS[:-1])} or {KINDS[-1]}."
        for at, base in enumerate(resource.get("base", ())):
            types = RESOURCE_TYPES if base in ABSTRACT else (base,)
            if not RESOURCE_TYPES.issuperset(types):
                yield f"base[{at}]", "That is no resource type of R4."
            elif any(is_defined(type, code) for type in types):
                yield "code", f"R4 has a parameter of this code on {base}."
            elif any(self._is_taken(type, code, url) for type in types):
                yield "code", f"Another stored SearchParameter has this code on {base}."
            elif any(self._is_full(type, url) for type in types):
                yield (
                    f"base[{at}]",
                    f"{base} has {MOST_ON_A_TYPE} added parameters, which is the limit.",
                )
        yield from _obstacles_of_expression(resource)

    def _is_full(self, type: str, url: str | None) -> bool:
        return sum(p.url != url for p in self.active.added(type)) >= MOST_ON_A_TYPE

    def _is_taken(self, type: str, code: str, url: str | None) -> bool:
        return any(p.code == code and p.url != url for p in self.active.added(type))


def _is_r4(resource: Mapping[str, Any]) -> bool:
    """Whether it is one of R4's own definitions, which are built in: it is kept and changes nothing."""
    url = resource.get("url", "")
    return url.startswith(SEARCH_PARAMETER_URL) and all(
        any(parameter.url == url for parameter in R4_PARAMETERS.of(type).values())
        for base in resource.get("base", ())
        for type in ((base,) if base in RESOURCE_TYPES else ("Basic",))
    )


def _rows(resource: Mapping[str, Any]) -> tuple[SearchParameter, ...]:
    """What an active SearchParameter adds: one row for each base. () where it cannot be searched by."""
    if resource.get("status") != "active" or _is_r4(resource):
        return ()
    try:
        if any(_obstacles_of_expression(resource)):
            return ()
    except (KeyError, TypeError):  # stored before there was a check
        return ()
    return tuple(
        SearchParameter(
            code=resource["code"],
            type=resource["type"],
            targets=tuple(resource.get("target", ())),
            expression=resource["expression"],
            url=resource["url"],
            base=base,
        )
        for base in resource["base"]
    )


def _obstacles_of_expression(resource: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    expression, bases = resource.get("expression", ""), resource.get("base", ())
    if not expression:
        yield "expression", "Without an expression it finds nothing."
        return
    try:
        paths = _parsed(expression)
    except UnsupportedExpression:
        yield "expression", UNREADABLE
        return
    starts = {path[0].name for path in paths if isinstance(path[0], Member)}
    if not starts <= set(bases):
        yield "expression", "Each of its paths begins with one of the base types."
        return
    for base in bases:
        parameter = SearchParameter(
            resource.get("code", ""),
            resource.get("type", ""),
            tuple(resource.get("target", ())),
            expression,
            resource.get("url", ""),
            base,
        )
        try:
            found = is_indexed("Basic" if base in ABSTRACT else base, parameter)
        except UnsupportedExpression:
            yield "expression", f"It names an element that a {base} does not have."
        else:
            if not found:
                kind = resource.get("type", "")
                yield (
                    "expression",
                    f"It leads to nothing in a {base} that a {kind} parameter searches.",
                )


def _parsed(expression: str) -> tuple[Path, ...]:
    """Raises UnsupportedExpression where it is longer, or leads deeper, than any that is meant well."""
    too_deep = expression.count("(") > DEEPEST_PARENTHESES
    if len(expression) > LONGEST_EXPRESSION or too_deep:
        raise UnsupportedExpression(expression)
    paths = parse(expression)
    if any(len(path) > MOST_STEPS for path in paths):
        raise UnsupportedExpression(expression)
    return paths
