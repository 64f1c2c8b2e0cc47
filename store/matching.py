"""Whether one resource meets conditions, told by its entries alone: for content that no index holds.

Old versions and content that is only about to be written are judged so, by the very conditions that a backend runs.
"""

from __future__ import annotations

from collections.abc import Iterable

from store.entries import (
    CompositeEntry,
    DateEntry,
    Entry,
    NumberEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
)
from store.query import (
    AllOf,
    AnyOf,
    Compare,
    CompositeIs,
    Condition,
    DateIs,
    IdIn,
    Not,
    NumberIs,
    Present,
    QuantityIs,
    ReferenceIs,
    ReferredBy,
    RefersTo,
    StringIs,
    StringMatch,
    TokenIn,
    TokenIs,
    TokenText,
    UpdatedIs,
    UriIs,
    UriMatch,
    WithinTree,
)

Joins = RefersTo | ReferredBy | WithinTree


class CannotTell(Exception):
    """The condition looks at other resources, which only a store can."""


def has_joins(condition: Condition) -> bool:
    """Whether the condition looks at other resources than the one that is to meet it."""
    match condition:
        case AnyOf(inner) | AllOf(inner):
            return any(map(has_joins, inner))
        case Not(inner):
            return has_joins(inner)
    return isinstance(condition, Joins)


def parameters_in(conditions: Iterable[Condition]) -> set[str]:
    """The parameters whose entries decide whether the conditions, which have no joins, are met."""
    found: set[str] = set()
    for condition in conditions:
        match condition:
            case AnyOf(inner) | AllOf(inner):
                found |= parameters_in(inner)
            case Not(inner):
                found |= parameters_in((inner,))
            case IdIn() | UpdatedIs() | RefersTo() | ReferredBy() | WithinTree():
                pass
            case _:
                found.add(condition.param)
    return found


def meets(
    conditions: Iterable[Condition], id: str, updated_us: int, entries: tuple[Entry, ...]
) -> bool:
    """Whether a resource meets all of the conditions, as a search for it would find.

    Args:
        conditions: what is asked.
        id: the resource's.
        updated_us: when this content became its version, microseconds since 1970.
        entries: all that it has under the parameters that the conditions name.

    Raises:
        CannotTell: one of them looks at other resources.
    """
    return all(_holds(condition, id, updated_us, entries) for condition in conditions)


def _holds(condition: Condition, id: str, updated_us: int, entries: tuple[Entry, ...]) -> bool:
    # A read of one resource waits for this: what compartments are made of comes first, in plain loops.
    if isinstance(condition, AnyOf):
        for one in condition.conditions:  # noqa: SIM110 - a generator takes as long as all of it
            if _holds(one, id, updated_us, entries):
                return True
        return False
    if isinstance(condition, ReferenceIs):
        param = condition.param
        for entry in entries:  # noqa: SIM110
            if entry.param == param and _refers(condition, entry):
                return True
        return False
    match condition:
        case AllOf(inner):
            return all(_holds(one, id, updated_us, entries) for one in inner)
        case Not(inner):
            return not _holds(inner, id, updated_us, entries)
        case IdIn(ids):
            return id in ids
        case UpdatedIs(compare, low, high):
            return _interval(compare, updated_us, updated_us + 1, low, high)
        case Present(param):
            return any(entry.param == param for entry in entries)
        case RefersTo() | ReferredBy() | WithinTree():
            raise CannotTell
    return any(entry.param == condition.param and _fits(condition, entry) for entry in entries)


def _fits(condition: Condition, entry: Entry) -> bool:
    """Whether the value of one entry is the one that is asked for; an entry of another kind never is."""
    match condition, entry:
        case ReferenceIs(), _:
            return _refers(condition, entry)
        case TokenIs(_, system, code), TokenEntry():
            return _of_system(system, entry) and code in (None, entry.code)
        case TokenIn(_, system, codes), TokenEntry():
            return _of_system(system, entry) and entry.code in codes
        case TokenText(_, text), TokenEntry():
            return bool(entry.text) and entry.text.startswith(text)
        case StringIs(_, StringMatch.STARTS, value), StringEntry():
            return entry.normalised.startswith(value)
        case StringIs(_, StringMatch.CONTAINS, value), StringEntry():
            return value in entry.normalised
        case StringIs(_, StringMatch.EXACT, value), StringEntry():
            return entry.exact == value
        case DateIs(_, compare, low, high), DateEntry():
            return _interval(compare, entry.low_us, entry.high_us, low, high)
        case NumberIs(), NumberEntry():
            return _range(condition, entry)
        case QuantityIs(), QuantityEntry():
            return _of_unit(condition, entry) and _range(condition, entry)
        case UriIs(_, match, uri), UriEntry():
            return _matches(match, uri, entry.uri)
        case CompositeIs(_, conditions), CompositeEntry(parts=values):
            return all(map(_fits, conditions, values))
    return False


def _refers(condition: ReferenceIs, entry: Entry) -> bool:
    if not isinstance(entry, ReferenceEntry):
        return False
    if condition.identifier is not None:
        return entry.identifier == condition.identifier
    if condition.url is not None:
        return entry.url == condition.url
    return (
        entry.target_id is not None
        and condition.target_id in (None, entry.target_id)
        and condition.target_type in (None, entry.target_type)
    )


def _of_system(system: str | None, entry: TokenEntry) -> bool:
    return system is None or system == (entry.system or "")


def _of_unit(condition: QuantityIs, entry: QuantityEntry) -> bool:
    if condition.system is None:
        return condition.code in (None, entry.code, entry.unit)
    return condition.system == (entry.system or "") and condition.code in (None, entry.code)


def _matches(match: UriMatch, asked: str, uri: str) -> bool:
    match match:
        case UriMatch.BELOW:
            return _is_below(uri, asked)
        case UriMatch.ABOVE:
            return _is_below(asked, uri)
    return uri == asked


def _is_below(uri: str, root: str) -> bool:
    return f"{uri.rstrip('/')}/".startswith(f"{root.rstrip('/')}/")


def _interval(compare: Compare, low: int, high: int, from_us: int, to_us: int) -> bool:
    """Whether [low, high) of an entry compares so with [from_us, to_us): see ``DateIs``."""
    within = from_us <= low and high <= to_us
    match compare:
        case Compare.EQ:
            return within
        case Compare.NE:
            return not within
        case Compare.GT:
            return high > to_us
        case Compare.LT:
            return low < from_us
        case Compare.GE:
            return high > to_us or within
        case Compare.LE:
            return low < from_us or within
        case Compare.SA:
            return low >= to_us
        case Compare.EB:
            return high <= from_us
    return low < to_us and high > from_us


def _range(condition: NumberIs | QuantityIs, entry: NumberEntry | QuantityEntry) -> bool:
    """Whether [low, high] of an entry compares so with the condition's value: see ``NumberIs``."""
    within = condition.low <= entry.low and entry.high < condition.high
    match condition.compare:
        case Compare.EQ:
            return within
        case Compare.NE:
            return not within
        case Compare.GT:
            return entry.high > condition.value
        case Compare.LT:
            return entry.low < condition.value
        case Compare.GE:
            return entry.high >= condition.value
        case Compare.LE:
            return entry.low <= condition.value
        case Compare.SA:
            return entry.low > condition.value
        case Compare.EB:
            return entry.high < condition.value
    return entry.low < condition.high and entry.high >= condition.low
