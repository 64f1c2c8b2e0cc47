"""The functions that check one member of an object, by what R4 says may stand there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_api.validation.primitives import PrimitiveCheck, wrong_json_type
from fhir_api.validation.shapes import NULL, ONLY_ID, Json, MemberCheck, Rule, Shape
from fhir_api.validation.visit import Path, Problem, Visit

AN_ARRAY = "an array, because this element may repeat"
EMPTY_ARRAY = Problem("structure", "An array must not be empty.")
ALL_NULL = Problem("structure", "An array must not hold nothing but null.")
UNMATCHED_NULL = Problem(
    "structure", "null here needs an id or extension at the same place of the array beside it."
)
UNEVEN_ARRAYS = Problem(
    "structure", "The array of ids and extensions is longer than the array of values."
)


NOT_CONTAINED = Problem("value", "No contained resource has this id.")


def single_primitive(name: str, problem_of: PrimitiveCheck) -> MemberCheck:
    def check(value: Any, _owner: Json, path: Path, visit: Visit) -> None:  # noqa: ANN401
        problem = problem_of(value)
        if problem is not None:
            visit.add((path, name, None), problem)

    return check


def repeated_primitive(name: str, problem_of: PrimitiveCheck) -> MemberCheck:
    """An array of values. A null in it stands for a value that has only an id or extensions, in the array ``_name``."""
    sibling = f"_{name}"

    def check(value: Any, owner: Json, path: Path, visit: Visit) -> None:  # noqa: ANN401
        if not is_filled_array(value, (path, name, None), visit):
            return
        for index, item in enumerate(value):
            if item is None:
                others = owner.get(sibling)
                if type(others) is not list or index >= len(others) or others[index] is None:
                    visit.add((path, name, index), UNMATCHED_NULL)
            else:
                problem = problem_of(item)
                if problem is not None:
                    visit.add((path, name, index), problem)

    return check


def local_uri(name: str, check: MemberCheck, *, is_canonical: bool) -> MemberCheck:
    """``check``, which also takes note of a '#id': it counts as a reference to a contained resource (dom-3).

    A canonical must find it there.
    """

    def noting(value: Any, owner: Json, path: Path, visit: Visit) -> None:  # noqa: ANN401
        if type(value) is not str:
            for index, item in enumerate(value if type(value) is list else ()):
                if type(item) is str and item.startswith("#"):
                    note(item, (path, name, index), visit)
        elif value.startswith("#"):
            note(value, (path, name, None), visit)
        check(value, owner, path, visit)

    def note(fragment: str, place: Path, visit: Visit) -> None:
        visit.scope.mention(fragment)
        if is_canonical and fragment[1:] and fragment[1:] not in visit.scope.contained:
            visit.add(place, NOT_CONTAINED)

    return noting


def single_extras(name: str, element: Shape) -> MemberCheck:
    """``_name`` beside a primitive: its id and extensions."""

    def check(value: Any, owner: Json, path: Path, visit: Visit) -> None:  # noqa: ANN401
        element.check(value, (path, name, None), visit)
        if name not in owner and _is_only_id(value):
            visit.add((path, name, None), ONLY_ID)

    return check


def repeated_extras(name: str, element: Shape) -> MemberCheck:
    """``_name`` beside an array of primitives: ids and extensions, null where a value has none."""

    def check(value: Any, owner: Json, path: Path, visit: Visit) -> None:  # noqa: ANN401
        if not is_filled_array(value, (path, name, None), visit):
            return
        values = owner.get(name)
        if type(values) is list and len(value) > len(values):
            visit.add((path, name, None), UNEVEN_ARRAYS)
        if all(item is None for item in value):
            visit.add((path, name, None), ALL_NULL)
        for index, item in enumerate(value):
            if item is not None:
                element.check(item, (path, name, index), visit)
                has_value = type(values) is list and values[index : index + 1] not in ([], [None])
                if not has_value and _is_only_id(item):
                    visit.add((path, name, index), ONLY_ID)

    return check


def single_object(name: str, shape: Shape, rules: Sequence[Rule]) -> MemberCheck:
    def check(value: Any, _owner: Json, path: Path, visit: Visit) -> None:  # noqa: ANN401
        place: Path = (path, name, None)
        shape.check(value, place, visit)
        if type(value) is dict:
            for rule in rules:
                rule(value, place, visit)

    return check


def repeated_object(name: str, shape: Shape, rules: Sequence[Rule]) -> MemberCheck:
    def check(value: Any, _owner: Json, path: Path, visit: Visit) -> None:  # noqa: ANN401
        if not is_filled_array(value, (path, name, None), visit):
            return
        for index, item in enumerate(value):
            place: Path = (path, name, index)
            if item is None:
                visit.add(place, NULL)
                continue
            shape.check(item, place, visit)
            if type(item) is dict:
                for rule in rules:
                    rule(item, place, visit)

    return check


def _is_only_id(value: object) -> bool:
    return type(value) is dict and value.keys() == {"id"}


def is_filled_array(value: object, path: Path, visit: Visit) -> bool:
    """Whether ``value`` is an array with something in it; if not, ``visit`` is told."""
    if type(value) is not list:
        visit.add(path, wrong_json_type(value, AN_ARRAY))
        return False
    if not value:
        visit.add(path, EMPTY_ARRAY)
        return False
    return True
