"""Resources inside resources: in ``contained``, in the entries of a Bundle, in Parameters.

A resource in a Bundle stands for itself: '#id' in it means its own contained resources. A contained resource shares
the references of the one around it (https://hl7.org/fhir/R4/references.html#contained).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.fhirpath import Node
from fhir_api.validation.members import is_filled_array
from fhir_api.validation.primitives import CHECKS, wrong_json_type
from fhir_api.validation.shapes import NULL, Json, MemberCheck, Shape
from fhir_api.validation.visit import Path, Problem, Scope, Surroundings, Visit

NO_TYPE = Problem("required", "A resource must have the element resourceType.")
NOT_A_TYPE = Problem("value", "The resourceType is none of R4's.")
NESTED = Problem("invariant", "A contained resource must not contain others (dom-2).")
NO_ID = Problem("required", "A contained resource must have an id, or nothing can refer to it.")
ONE_ID_TWICE = Problem("invariant", "Two contained resources must not have the same id.")
NOT_REFERRED_TO = Problem(
    "invariant",
    "Nothing refers to this contained resource, nor does it refer to the one around it (dom-3).",
)
VERSIONED = Problem(
    "invariant", "A contained resource must not have a version or date of update (dom-4)."
)
SECURED = Problem("invariant", "A contained resource must not have a security label (dom-5).")

ShapeOf = Callable[[str], Shape]


def check_resource(
    value: Any,  # noqa: ANN401
    shape_of: ShapeOf,
    path: Path,
    visit: Visit,
    owner: Node | None = None,
) -> None:
    """A resource with a scope of its own: the one to validate, or one in a Bundle or in Parameters.

    ``owner`` is the element that holds it.
    """
    type_ = resource_type(value, path, visit)
    if type_ is None:
        return
    outer, resource, surroundings = visit.scope, visit.resource, visit.surroundings
    visit.resource = Node(value, type_, owner, path[1], path[2])
    visit.scope = Scope(visit.resource)
    contained = value.get("contained")
    if type(contained) is list:
        for item in contained:
            if type(item) is dict and type(item.get("id")) is str:
                visit.scope.contained.setdefault(item["id"], str(item.get("resourceType")))
    if type_ == "Bundle":
        visit.surroundings = Surroundings(visit.resource)
    shape_of(type_).check(value, path, visit)
    if type(contained) is list:
        _check_all_referred_to(contained, path, visit)
    visit.scope, visit.resource, visit.surroundings = outer, resource, surroundings


def resource_type(value: object, path: Path, visit: Visit) -> str | None:
    """The type that a resource says it is; None after adding what is wrong with it."""
    if type(value) is not dict:
        visit.add(path, wrong_json_type(value, "a resource"))
        return None
    type_ = value.get("resourceType")
    if type_ is None:
        visit.add(path, NO_TYPE)
    elif type(type_) is not str or type_ not in RESOURCE_TYPES:
        visit.add((path, "resourceType", None), NOT_A_TYPE)
    else:
        return type_
    return None


def single_resource(name: str, shape_of: ShapeOf) -> MemberCheck:
    def check(value: Any, owner: Json, path: Path, visit: Visit) -> None:  # noqa: ANN401
        holder = Node(owner, "", visit.resource, path[1], path[2])
        check_resource(value, shape_of, (path, name, None), visit, holder)

    return check


def contained_resources(name: str, shape_of: ShapeOf) -> MemberCheck:
    """The check of ``DomainResource.contained``, with dom-2, dom-4 and dom-5."""

    def check(value: Any, _owner: Json, path: Path, visit: Visit) -> None:  # noqa: ANN401
        if not is_filled_array(value, (path, name, None), visit):
            return
        if visit.scope.inside is not None:
            visit.add((path, name, None), NESTED)
            return
        ids: set[str] = set()
        for index, item in enumerate(value):
            place: Path = (path, name, index)
            if item is None:
                visit.add(place, NULL)
                continue
            type_ = resource_type(item, place, visit)
            if type_ is None:
                continue
            root = visit.resource
            visit.scope.inside = index
            visit.resource = Node(item, type_, root, name, index)
            shape_of(type_).check(item, place, visit)
            visit.scope.inside, visit.resource = None, root
            for at, problem in _contained_problems(item, ids):
                visit.add((place, at, None) if at else place, problem)

    return check


def resource_type_member(value: Any, _owner: Json, path: Path, visit: Visit) -> None:  # noqa: ANN401
    """``resourceType`` was judged before the shape was chosen; here only its JSON type can be wrong."""
    problem = CHECKS["code"](value)
    if problem is not None:
        visit.add((path, "resourceType", None), problem)


def _contained_problems(item: Json, ids: set[str]) -> Iterator[tuple[str, Problem]]:
    id_ = item.get("id")
    if type(id_) is not str:
        yield "", NO_ID
    elif id_ in ids:
        yield "id", ONE_ID_TWICE
    else:
        ids.add(id_)
    meta = item.get("meta")
    if type(meta) is dict:
        if "versionId" in meta or "lastUpdated" in meta:
            yield "meta", VERSIONED
        if "security" in meta:
            yield "meta.security", SECURED


def _check_all_referred_to(contained: list[Any], path: Path, visit: Visit) -> None:
    for index, item in enumerate(contained):
        if type(item) is not dict or index in visit.scope.refers_back:
            continue
        id_ = item.get("id")
        if type(id_) is str and f"#{id_}" not in visit.scope.mentioned:
            visit.add((path, "contained", index), NOT_REFERRED_TO)
