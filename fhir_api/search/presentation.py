"""What a search's answer should look like (https://hl7.org/fhir/R4/search.html#return)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from fhir_api.errors import Issue
from fhir_api.search.criterion import invalid
from fhir_api.search.grammar import Pairs
from fhir_api.search.include import Include, read_include
from fhir_api.search.order import NO_ORDER, read_order
from fhir_api.search.parameters import SearchParameters
from fhir_api.search.subset import Subset, Summary, read_subset
from store.query import SortKey

ONCE = ("_sort", "_count", "_summary", "_elements", "_total")
"""Result parameters that may be given once, in the order in which a self link names them."""

INCLUDES = frozenset({"_include", "_include:iterate", "_revinclude", "_revinclude:iterate"})
_NAMES = INCLUDES | frozenset(ONCE)


class Total(StrEnum):
    """https://hl7.org/fhir/R4/search.html#total"""

    NONE = "none"
    ESTIMATE = "estimate"
    ACCURATE = "accurate"


@dataclass(frozen=True, slots=True)
class Presentation:
    """Order, size and shape of the answer. ``used`` are the pairs that say so as they were followed."""

    count: int
    sort: tuple[SortKey, ...]
    subset: Subset
    total: Total
    includes: tuple[Include, ...]
    used: Pairs
    ignored: tuple[Issue, ...]

    @property
    def only_total(self) -> bool:
        """``_summary=count`` and ``_count=0``: no entries, only how many there are."""
        return self.subset.summary is Summary.COUNT or self.count == 0


def read_presentation(
    parameters: SearchParameters,
    types: Sequence[str],
    pairs: Pairs,
    *,
    page_size: int,
    page_limit: int,
    strict: bool,
) -> Presentation:
    """Reads the result parameters among ``pairs``; criteria are passed over.

    Args:
        parameters: what may be sorted and included by.
        types: the resource types that are searched.
        pairs: names and values, percent-decoded.
        page_size: the count where none is asked for.
        page_limit: the most that a page holds: a greater ``_count`` becomes this.
        strict: a sort parameter that the type does not have is an error, not a warning.

    Raises:
        FhirError: ``invalid``: a value that cannot be understood, or two that exclude each other.
    """
    if not any(name in _NAMES for name, _ in pairs):
        return _plain(min(page_size, page_limit))
    said = _said_once(pairs)
    order = NO_ORDER
    if "_sort" in said:
        order = read_order(parameters, types, said["_sort"], strict=strict)
    count = (
        min(_count(said["_count"]), page_limit) if "_count" in said else min(page_size, page_limit)
    )
    subset = read_subset(said)
    includes = tuple(
        read_include(parameters, types, name, value) for name, value in pairs if name in INCLUDES
    )
    if includes and subset.summary is Summary.TEXT:
        raise invalid("_summary", "'text' excludes '_include' and '_revinclude'")
    followed = {**said, "_count": str(count), "_sort": order.text}
    return Presentation(
        count=count,
        sort=order.keys,
        subset=subset,
        total=_total(said.get("_total", Total.NONE)),
        includes=includes,
        used=[(name, followed[name]) for name in ONCE if name in said and followed[name]]
        + [pair for pair in pairs if pair[0] in INCLUDES],
        ignored=order.ignored,
    )


@lru_cache(maxsize=8)
def _plain(count: int) -> Presentation:
    """What most searches ask for: nothing."""
    return Presentation(count, (), Subset(), Total.NONE, (), [], ())


def _said_once(pairs: Pairs) -> dict[str, str]:
    said: dict[str, str] = {}
    for name, value in pairs:
        if name in ONCE:
            if said.get(name, value) != value:
                raise invalid(name, "it is given twice")
            said[name] = value
    return said


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise invalid("_count", "it is a number of resources, 0 or more")
    return int(text[:18])


def _total(text: str) -> Total:
    try:
        return Total(text)
    except ValueError as error:
        raise invalid("_total", f"it is one of {', '.join(Total)}") from error
