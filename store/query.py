"""A search as data: conditions over index entries, joins, sort keys and a cursor. Each backend runs it.

Who may see what is expressed in the same conditions, added by ``restricted`` before a query runs, so totals, pages,
chains and includes can never show more than the page does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

import msgspec


class Compare(StrEnum):
    """The prefixes of https://hl7.org/fhir/R4/search.html#prefix, on ranges.

    ``ap``: the façade widens the range and the entry overlaps it.
    """

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"
    SA = "sa"
    EB = "eb"
    AP = "ap"


class StringMatch(StrEnum):
    STARTS = "starts"
    CONTAINS = "contains"
    EXACT = "exact"


class UriMatch(StrEnum):
    EXACT = "exact"
    BELOW = "below"
    ABOVE = "above"


@dataclass(frozen=True, slots=True)
class TokenIs:
    """``system`` None: any system; "": entries without one. ``code`` None: any code (of that system)."""

    param: str
    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class TokenIn:
    """The entry's code is one of ``codes`` of ``system`` ("": of none). For many codes, where an AnyOf is for few."""

    param: str
    system: str
    codes: frozenset[str]


@dataclass(frozen=True, slots=True)
class TokenText:
    """The entry's text starts with ``normalised`` (modifier ``:text``)."""

    param: str
    normalised: str


@dataclass(frozen=True, slots=True)
class StringIs:
    """``value`` is normalised for STARTS and CONTAINS, as sent for EXACT.

    ``normalised``: the normal form of an EXACT value. With it an index finds the few entries to compare;
    without it every entry of the parameter is looked at.
    """

    param: str
    match: StringMatch
    value: str
    normalised: str | None = None


@dataclass(frozen=True, slots=True)
class ReferenceIs:
    """By target, by ``url``, or by ``identifier`` (``system|value``): one of the three.

    ``target_type`` None: of any type. ``target_id`` None: whichever of that type.
    """

    param: str
    target_type: str | None = None
    target_id: str | None = None
    url: str | None = None
    identifier: str | None = None


@dataclass(frozen=True, slots=True)
class DateIs:
    """Compares an entry's interval with [low_us, high_us).

    eq: the entry lies within it. ne: it does not. gt/lt: some of the entry lies after/before it.
    ge/le: gt or eq, lt or eq. sa/eb: the entry begins at or after its end / ends at or before its begin.
    ap: the entry overlaps it.
    """

    param: str
    compare: Compare
    low_us: int
    high_us: int


@dataclass(frozen=True, slots=True)
class NumberIs:
    """Compares an entry, the closed range [entry.low, entry.high], mostly of one number, with a value.

    ``low``/``high``: for eq and ne the implied range of the value's precision, for ap the range that the entry
    overlaps, [low, high). eq: the entry lies within it. ne: it does not.
    ``value`` for the others. gt/ge: the entry's high is above it / or equal. lt/le: its low is below / or equal.
    sa/eb: all of the entry is above / below.
    """

    param: str
    compare: Compare
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class QuantityIs:
    """As NumberIs; ``code`` matches the entry's code, or its unit where ``system`` is None. None: any unit."""

    param: str
    compare: Compare
    value: float
    low: float
    high: float
    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class UriIs:
    """EXACT: the same text. BELOW: the entry is ``uri`` or begins with ``uri/``. ABOVE: ``uri`` is the entry or begins
    with the entry and a slash. A slash at the end of either makes no difference to BELOW and ABOVE.
    """

    param: str
    match: UriMatch
    uri: str


@dataclass(frozen=True, slots=True)
class CompositeIs:
    """One entry has, for each of ``parts`` in order, a value that meets it. Their own ``param`` says nothing."""

    param: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """The resource has at least one entry for ``param`` (``:missing=false``)."""

    param: str


@dataclass(frozen=True, slots=True)
class IdIn:
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UpdatedIs:
    """Compares ``last_updated_us`` (a point in time) with [low_us, high_us), as DateIs does."""

    compare: Compare
    low_us: int
    high_us: int


@dataclass(frozen=True, slots=True)
class WithinTree:
    """Under ``param`` the resource refers to ``type``/``id`` or to a resource below it; ``above``: or above it.

    Below a resource is what refers to it under ``via``, a parameter of ``type`` itself, and what is below of that.
    Steps lead over current, undeleted resources that meet all of ``where``; circles end.
    """

    param: str
    type: str
    id: str
    via: str
    above: bool
    where: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class RefersTo:
    """Chaining: under ``param`` the resource refers to a current, undeleted one of ``type`` that meets all of ``where``.

    By target type and id; entries that hold a ``url`` or an ``identifier`` alone lead nowhere.
    """

    param: str
    type: str
    where: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class ReferredBy:
    """Reverse chaining: a current, undeleted resource of ``type`` that meets all of ``where`` refers to this one under
    its parameter ``param``.
    """

    type: str
    param: str
    where: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one holds. Empty: nothing matches."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """All hold. Empty: everything matches."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition


Part: TypeAlias = TokenIs | StringIs | ReferenceIs | DateIs | NumberIs | QuantityIs

Condition: TypeAlias = (
    TokenIs
    | TokenIn
    | TokenText
    | StringIs
    | ReferenceIs
    | DateIs
    | NumberIs
    | QuantityIs
    | UriIs
    | CompositeIs
    | Present
    | IdIn
    | UpdatedIs
    | WithinTree
    | RefersTo
    | ReferredBy
    | AnyOf
    | AllOf
    | Not
)


NOTHING_MEETS: tuple[Condition, ...] = (AnyOf(()),)
"""What no resource meets."""


class SortField(StrEnum):
    """What a sort key reads.

    The kinds from TOKEN on read the resource's entries of a parameter: the least when ascending, the greatest when
    descending. A token by its code, a string in its normal form, a reference by its target's id or else its url, a
    date, number or quantity by its low end when ascending and its high end when descending. Text by code points.
    """

    CREATED = "created"
    ID = "id"
    LAST_UPDATED = "last_updated"
    TOKEN = "token"
    STRING = "string"
    REFERENCE = "reference"
    DATE = "date"
    NUMBER = "number"
    QUANTITY = "quantity"
    URI = "uri"


@dataclass(frozen=True, slots=True)
class SortKey:
    """One sort key. ``param`` is set for the entry kinds. Resources without a value come last either way."""

    field: SortField
    param: str | None = None
    descending: bool = False


SortValue: TypeAlias = str | int | float | None


class Cursor(msgspec.Struct, frozen=True):
    """The place after a row: its sort values and, to break ties, its ``position`` in the order of creation.

    That order is one over all types: a cursor of one query says of another type's, sorted alike, what comes later.
    """

    values: tuple[SortValue, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Query:
    """Current, undeleted resources of one type that meet all of ``where``.

    Sorted by ``sort``, ties by order of creation. No sort: order of creation. ``after`` continues a page.
    A row whose sort values nobody changes is neither lost nor doubled between pages, whatever others write.
    """

    type: str
    where: tuple[Condition, ...] = ()
    sort: tuple[SortKey, ...] = ()
    after: Cursor | None = None
    limit: int = 20


Visible: TypeAlias = Callable[[str], tuple[Condition, ...]]
"""A resource type → what its resources must meet to be seen by somebody. (): all are."""


def restricted(type: str, where: tuple[Condition, ...], visible: Visible) -> tuple[Condition, ...]:
    """``where`` for resources of ``type`` as somebody may ask it who sees only what is ``visible``.

    What is looked at through a reference, forwards or back and however deep, must be visible too: what is not might as
    well not exist.
    """
    return looked_through(where, visible) + visible(type)


def looked_through(where: tuple[Condition, ...], visible: Visible) -> tuple[Condition, ...]:
    """``where``, by which nobody sees what is not ``visible`` at the other end of a reference."""
    return tuple(_restricted(condition, visible) for condition in where)


def _restricted(condition: Condition, visible: Visible) -> Condition:
    match condition:
        case RefersTo() | ReferredBy() | WithinTree():
            return replace(condition, where=restricted(condition.type, condition.where, visible))
        case AnyOf() | AllOf():
            inner = tuple(_restricted(c, visible) for c in condition.conditions)
            return replace(condition, conditions=inner)
        case Not():
            return Not(_restricted(condition.condition, visible))
        case _:
            return condition
